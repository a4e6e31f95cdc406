"""``dysnomia-tui status``: whether someone has to act, for people, for programs and for monitoring systems."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.clock import utc_now
from dysnomia_base.durations import age
from dysnomia_base.gc_pause import gc_paused
from dysnomia_base.limits import in_words
from dysnomia_base.plurals import plural
from dysnomia_tui.cli.shared.heard import heard
from dysnomia_tui.cli.shared.output import jsonable, put_out, say, size, visible, write_json, write_lines
from dysnomia_tui.cli.shared.parser import load, open_engine, require_folder
from dysnomia_tui.cli.tui.metrics import metrics, unknown
from dysnomia_tui.engine.errors import EngineError, Exit
from dysnomia_tui.engine.records import ComponentReport, Level, Report, ServerLook

if TYPE_CHECKING:
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.engine import Engine


RECENT = timedelta(minutes=10)
"""A look at a server that is younger is not made again by a timer."""


class NotKnown(EngineError):
    """The report could not be made, or not be written."""

    exit = Exit.PARTLY  # 3: unknown, as monitoring plugins have it; 1 and 2 would be a warning and critical


def status(args: argparse.Namespace) -> int:
    """Write the report. Returns its level, as a monitoring plugin does: 0 ok, 1 warning, 2 critical.

    Raises NotKnown (3) whatever stands against it."""
    from dysnomia_store.errors import StoreError
    from dysnomia_tui.config.errors import SettingsError

    report, file = None, args.metrics
    try:
        settings = load(args.statedir)
        if file is None and args.scheduled:
            file = settings.schedule_metrics
        with heard(settings, "status", scheduled=args.scheduled) as hearing:
            report = _report(args, settings)
            _write(args, report)
            hearing.critical = report.level is Level.CRITICAL
            hearing.summary = visible(next(lines(report)))
            if file is not None:
                _put(file, metrics(report))
            return hearing.ended(report.level)
    except BrokenPipeError:
        raise
    except OSError as error:
        failure = NotKnown(in_words(error))
    except (EngineError, StoreError, SettingsError) as error:
        failure = NotKnown(error.message, error.hint)
    if report is None:
        _write_unknown(args, file)
    raise failure


def _write_unknown(args: argparse.Namespace, file: Path | None) -> None:
    """Metrics that say so. What stands against the report is told to the caller, and not what stands against these."""
    if args.openmetrics:
        with suppress(OSError):
            write_lines(unknown(utc_now()))
    if file is not None:
        with suppress(OSError, EngineError):
            _put(file, unknown(utc_now()))


def _put(file: Path, text: Iterable[str]) -> None:
    """Raises MetricsNotWritten."""
    from dysnomia_tui.engine.metrics_file import write_metrics

    write_metrics(file, text)


def _report(args: argparse.Namespace, settings: Settings) -> Report:
    from dysnomia_tui.engine import check_readable

    require_folder(settings.statedir)
    check_readable(settings.statedir)
    if args.scheduled:
        engine = open_engine(settings)
        engine.look_at_servers(older_than=RECENT)
        _recover(engine)
    with gc_paused():  # what a report is made of, modules too, goes with the process
        report = open_engine(settings, read_only=True).report()
    if not report.containers:
        # A probe with another environment than the operator's, or before a disk is mounted, would be well for ever.
        places = (*settings.containers_path, *settings.components_path, settings.statedir)
        hint = f"looked in {', '.join(map(str, places))}"
        raise NotKnown("no container is configured, and none is in the store", hint)
    return report


def _write(args: argparse.Namespace, report: Report) -> None:
    if args.json:
        write_json(_document(report))
    elif args.openmetrics:
        write_lines(metrics(report))
    else:
        write_lines(map(visible, lines(report)))
    put_out(b"", flush=True)


def _recover(engine: Engine) -> None:
    """Recover what killed jobs left, as the app does when it is opened: where nobody opens it, their alarm would
    never end. The report does not wait for it."""
    try:
        engine.recover()
    except (EngineError, OSError) as error:  # a disk that is full has to be reported all the same
        say(f"warning: interrupted jobs were not recovered: {error}")


def _document(report: Report) -> dict[str, object]:
    """The report for programs: levels by their names, ages in seconds."""
    document = jsonable(report)
    del document["topics"]
    document["level"] = report.level.name.lower()
    for entry, one in zip(document["components"], report.components, strict=True):
        span = report.age(one)
        entry["key"] = str(one.key)
        entry["level"] = one.level.name.lower()
        entry["age"] = None if span is None else span.total_seconds()
    return dict(document)


def lines(report: Report) -> Iterator[str]:
    """The report for people: what a monitoring system shows first, then a line for each component and alarm."""
    yield f"{report.level.name}: {_summary(report)}"
    width = max((len(str(one.key)) for one in report.components), default=0)
    for one in report.components:
        yield f"{one.word:<8}  {one.key!s:<{width}}  {_facts(report, one)}".rstrip()
    for alarm in report.alarms:
        yield f"alarm     {alarm}"
    for look in report.looks:
        yield _look_line(look, report.at)
    for job in report.jobs:
        yield f"job       {job}"


def _look_line(look: ServerLook, now: datetime) -> str:
    asked = "never asked" if look.at is None else f"asked {_ago(now - look.at)}"
    parts = [
        f"{look.container}: {plural(look.components, 'component')}; its server was {asked} what it holds",
        look.remark,
    ]
    return f"look      {'; '.join(filter(None, parts))}"


def _summary(report: Report) -> str:
    bad = [one for one in report.components if one.level is not Level.OK]
    parts = [plural(len(report.components), "component")]
    parts += [f"{one.key} {one.word}" for one in sorted(bad, key=lambda one: -one.level)]
    if report.alarms:
        parts.append(plural(len(report.alarms), "other alarm"))
    return "; ".join(parts)


def _facts(report: Report, one: ComponentReport) -> str:
    parts = []
    span = report.age(one)
    if span is not None:
        parts.append(f"newest good: {one.newest_good}, {_ago(span)}")
        parts.append("never verified" if one.verified is None else f"verified {_ago(report.at - one.verified)}")
    if one.generations:
        parts.append(f"{plural(one.generations, 'generation')}, {size(one.stored_size)}")
    if one.problem:
        parts.append(one.problem)
    return "; ".join(parts)


def _ago(span: timedelta) -> str:
    text = age(span)
    return "now" if text == "now" else f"{text} ago"
