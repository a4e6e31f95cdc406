"""What is available, active and garbage, and what a deployment would do about each component."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.styles import Look
from dysnomia_tui.app.present.text import cut_middle, plain
from dysnomia_tui.engine import Deployment

WOULD = {
    "activate": Look("+", "would be activated", styles.GOOD),
    "deactivate": Look("-", "would be DEACTIVATED", styles.WARN),
    "": Look("=", "stays", styles.DIM),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One component."""

    key: ComponentKey
    available: bool
    active: bool
    garbage: bool
    would: str
    """``activate``, ``deactivate`` or ``""``."""


def line_key(line: Line) -> Hashable:
    return line.key


def lines(deployment: Deployment) -> list[Line]:
    """What would change first, then the rest; each by name."""
    steps = {key: activity for activity, key in deployment.steps}
    available, active, garbage = map(frozenset, (deployment.available, deployment.active, deployment.garbage))
    result = [
        Line(key, key in available, key in active, key in garbage, steps.get(key, ""))
        for key in sorted(available | active | garbage)
    ]
    order = {"deactivate": 0, "activate": 1, "": 2}
    return sorted(result, key=lambda line: (order[line.would], line.key))


def columns(cells: int) -> tuple[Column[Line], ...]:
    """Name, what it is, and what a deployment would do."""
    name = min(max(cells - 52, 16), 40)
    return (
        Column(
            "name", "component", name, lambda line: plain(cut_middle(str(line.key), name)), lambda x: str(x.key), gap=0
        ),
        Column("available", "available", 9, lambda line: _yes(line.available), lambda x: x.available),
        Column("active", "active", 6, lambda line: _yes(line.active), lambda x: x.active),
        Column("garbage", "garbage", 7, lambda line: _yes(line.garbage), lambda x: x.garbage),
        Column("would", "a deployment", 22, _would, lambda x: x.would, flex=1),
    )


def _yes(so: bool) -> Text:
    return plain("● yes", styles.GOOD) if so else plain("○ no", styles.DIM)


def _would(line: Line) -> Text:
    look = WOULD[line.would]
    return plain(f"{look.glyph} {look.word}", look.style)


def head(deployment: Deployment, container: str) -> Text:
    """What a deployment comes to, in a line."""
    where = f"Of {container}" if container else "Of all containers"
    out, new = len(deployment.obsolete), len(deployment.new)
    if not out and not new:
        return plain(f"{where} nothing would be done: all that is available is active, nothing else is.", styles.GOOD)
    text = plain(f"{where} ", styles.DIM)
    if out:
        text.append_text(plain(f"{plural(out, 'component')} would be deactivated", styles.WARN))
    if out and new:
        text.append_text(plain(", then "))
    if new:
        text.append_text(plain(f"{plural(new, 'component')} would be activated", styles.GOOD))
    return text
