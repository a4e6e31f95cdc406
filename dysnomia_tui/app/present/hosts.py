"""Other machines, a line each: how each stands, since when that is known, or why nothing is known. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.text import Text

from dysnomia_base.durations import age_of
from dysnomia_base.plurals import plural
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.sizes import age, size
from dysnomia_tui.app.present.text import join, plain, width
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.config import HostSettings
from dysnomia_tui.engine import HostReport, HostTask
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.records import Level

PROD = "PROD"
WIDEST_NAME = 24
NONE = "no hosts are configured: write [hosts.db1] in config.toml, or ansible_inventory, or ssh_hosts"
_LOOKS = {
    Level.OK: styles.Look("●", "ok", styles.GOOD),
    Level.WARNING: styles.Look("!", "WARNING", styles.WARN),
    Level.CRITICAL: styles.Look("✗", "CRITICAL", styles.BAD),
}
_SILENT = styles.Look("?", "NO ANSWER", styles.BAD)
_ASKED = styles.Look("…", "asking", styles.DIM)


@dataclass(frozen=True, slots=True)
class HostRow:
    """One line."""

    host: HostSettings
    report: HostReport | None = None
    """The last that came; None where none has come yet."""
    at: datetime | None = None
    """When it came."""
    busy: str = ""
    """What is under way on it, from here."""
    ended: str = ""
    """How the last work from here failed, or why it was not begun."""

    @property
    def look(self) -> styles.Look:
        if self.report is None:
            return _ASKED
        return _SILENT if self.report.problem else _LOOKS[self.report.level]

    @property
    def rank(self) -> int:
        """The worst first; what is not known yet after what needs a person."""
        return {"ok": 3, "asking": 2, "WARNING": 1}.get(self.look.word, 0)


def worst_first(row: HostRow) -> tuple[int, str]:
    return row.rank, row.host.name


def row_key(row: HostRow) -> str:
    return row.host.name


def longest(hosts: Sequence[HostSettings]) -> int:
    """Cells of the longest name."""
    return max((width(host.name) for host in hosts), default=0)


def columns(cells: int, times: Times, longest: int) -> Sequence[Column[HostRow]]:
    """State, host, newest good, components, bytes, jobs, when it was asked, what asks for a person.

    ``longest``: cells of the longest name."""
    named = max(4, min(longest, WIDEST_NAME, cells - 55))
    shown: list[Column[HostRow]] = [
        Column("state", "state", 11, _state, worst_first, gap=0, is_mark=False),
        Column("mark", "", 1, lambda _row: Text(""), gap=0, is_mark=True),
        Column("host", "host", named, lambda row: plain(row.host.name, styles.STRONG), lambda row: row.host.name),
        Column("good", "newest", 6, _good, lambda row: _known(row).oldest or 0.0, "right", descending=True),
        Column("components", "comp", 4, lambda row: _number(row, _known(row).components),
               lambda row: _known(row).components, "right", descending=True),
        Column("stored", "bytes", 5, lambda row: _text(row, size(_known(row).stored_size)),
               lambda row: _known(row).stored_size, "right", descending=True),
        Column("jobs", "jobs", 4, lambda row: _number(row, _known(row).jobs), lambda row: _known(row).jobs, "right",
               descending=True),
        Column("asked", "asked", 5, lambda row: _asked(row, times), lambda row: row.at.timestamp() if row.at else 0.0,
               "right"),
        Column("note", "", 14, note, flex=1, gap=2),
    ]  # fmt: skip
    left_out = {"asked", "stored"} if cells < 76 else {"stored"} if cells < 90 else set()
    return [column for column in shown if column.id not in left_out]


def _known(row: HostRow) -> HostReport:
    return row.report or HostReport(row.host, Level.OK)


def _state(row: HostRow) -> Text:
    look = row.look
    return plain(f"{look.glyph} {look.word}", look.style)


def _text(row: HostRow, text: str) -> Text:
    if row.report is None or row.report.problem:
        return plain("-", styles.DIM)
    return plain(text)


def _number(row: HostRow, count: int) -> Text:
    return _text(row, str(count) if count else "-")


def _good(row: HostRow) -> Text:
    one = _known(row)
    if not one.components:
        return _text(row, "-")
    return _text(row, "never" if one.oldest is None else age_of(one.oldest))


def _asked(row: HostRow, times: Times) -> Text:
    if row.at is None:
        return plain("")
    span = times.now - row.at
    return plain("now" if span < timedelta(minutes=1) else age(span), styles.DIM)


def note(row: HostRow) -> Text:
    """What is under way, how it failed, why nothing is known, or what asks for a person first."""
    if row.busy:
        return plain(f"» {row.busy}", styles.BUSY)
    parts = [plain(f"✗ {row.ended};", styles.BAD)] if row.ended else []
    if row.report is not None and row.report.problem:
        parts.append(plain(row.report.problem, styles.WARN))
    elif row.report is not None:
        parts.append(plain(row.report.said))
    return join(parts)


def words(row: HostRow) -> str:
    """What a filter looks in."""
    return f"{row.host.name} {row.host.address} {' '.join(row.host.labels)} {row.look.word} {note(row).plain}"


def title(rows: Sequence[HostRow]) -> str:
    """Of the table."""
    asked = sum(1 for row in rows if row.report is None)
    bad = sum(1 for row in rows if row.rank < _LOOKS_OK)
    waits = f", {asked} not yet answered" if asked else ""
    return f"{plural(len(rows), 'host')}, {bad} need{'s' if bad == 1 else ''} a person{waits}"


_LOOKS_OK = 2


def under_cursor(row: HostRow | None) -> Text:
    """One host, in words: where it is, what it is labelled, all that it said."""
    if row is None:
        return plain("")
    parts = [plain(row.host.address, styles.DIM)]
    parts += [plain(label, styles.MARK if label == PROD else styles.INFO) for label in row.host.labels]
    return join([*parts, note(row)], "  ")


def plan(task: HostTask, hosts: Sequence[HostSettings], commands: Sequence[str], made: datetime) -> Plan:
    """What is asked before work begins on hosts. PROD asks a grade more."""
    prod = any(PROD in host.labels for host in hosts)
    what = "snapshot everything" if task is HostTask.SNAPSHOT else "verify what is due"
    steps = [f"{host.name}: would run {command}" for host, command in zip(hosts, commands, strict=True)]
    return Plan(
        Kind.SNAPSHOT if task is HostTask.SNAPSHOT else Kind.VERIFY,
        f"{what} on {hosts[0].name if len(hosts) == 1 else plural(len(hosts), 'host')}",
        (),
        Grade.UNDOABLE if prod else Grade.ADDS,
        (Step("one host after the other; the first failure stops it"), *map(Step, steps)),
        command=("dysnomia-tui", "hosts", "--run", task.value, *(host.name for host in hosts)),
        confirm=(hosts[0].name if len(hosts) == 1 else str(len(hosts))) if prod else "",
        made=made,
    )
