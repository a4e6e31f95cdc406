"""The report as metrics, for Prometheus and what reads its format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from dysnomia_tui.cli.shared.output import visible
from dysnomia_tui.engine.records import ComponentReport, Health, Report


def metrics(report: Report) -> Iterator[str]:
    """The report as OpenMetrics text (version 1.0.0, https://prometheus.io/docs/specs/om/open_metrics_spec/), in what
    the older text format of Prometheus reads too."""
    components = [(_labels(one), one) for one in report.components]
    yield from _gauge(
        "component_health", "1 for the health that a component has, 0 for the others",
        (
            (f'{{{labels},health="{health.value}"}}', int(one.health is health))
            for labels, one in components
            for health in Health
        ),
    )  # fmt: skip
    yield from _gauge(
        "component_level", "0 ok, 1 warning, 2 critical",
        ((f"{{{labels}}}", int(one.level)) for labels, one in components),
    )  # fmt: skip
    yield from _gauge(
        "newest_good_timestamp_seconds", "when the newest good generation was last seen to be what is live",
        ((f"{{{labels}}}", _seconds(one.held_until)) for labels, one in components if one.held_until),
    )  # fmt: skip
    yield from _gauge(
        "newest_good_verified_timestamp_seconds", "when the newest good generation last passed a check",
        ((f"{{{labels}}}", _seconds(one.verified)) for labels, one in components if one.verified),
    )  # fmt: skip
    yield from _gauge(
        "generations", "generations of a component", ((f"{{{labels}}}", one.generations) for labels, one in components)
    )
    yield from _gauge(
        "stored_bytes", "bytes that a component's snapshots take",
        ((f"{{{labels}}}", one.stored_size) for labels, one in components),
    )  # fmt: skip
    yield from _gauge(
        "server_asked_timestamp_seconds", "when the server of a container with components=* last told what it holds",
        ((f'{{container="{_escaped(one.container)}"}}', _seconds(one.at)) for one in report.looks if one.at),
    )  # fmt: skip
    yield from _gauge("alarms", "alarms that belong to no component", [("", len(report.alarms))])
    yield from _gauge("jobs", "jobs that run or wait", [("", len(report.jobs))])
    if report.disk_free is not None:
        yield from _gauge("disk_free_bytes", "bytes free on the disk of the store", [("", report.disk_free)])
    yield from _made(report.at, known=True)


def unknown(at: datetime) -> Iterator[str]:
    """The metrics where no report could be made, so that those of the last one do not pass for fresh ones."""
    yield from _made(at, known=False)


def _made(at: datetime, *, known: bool) -> Iterator[str]:
    yield from _gauge("known", "1 where a report could be made, 0 where nothing is known", [("", int(known))])
    yield from _gauge("report_timestamp_seconds", "when this was written", [("", _seconds(at))])
    yield "# EOF"


def _gauge(name: str, text: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    """One metric; where it has no samples, nothing."""
    lines = [f"dysnomia_{name}{labels} {value}" for labels, value in samples]
    if lines:
        yield f"# HELP dysnomia_{name} {text}"
        yield f"# TYPE dysnomia_{name} gauge"
        yield from lines


def _labels(one: ComponentReport) -> str:
    return ",".join(
        f'{name}="{_escaped(value)}"'
        for name, value in (("container", one.key.container), ("component", one.key.component), ("type", one.type))
    )


def _escaped(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace('"', '\\"')


def _seconds(at: datetime | None) -> int:
    return 0 if at is None else int(at.timestamp())
