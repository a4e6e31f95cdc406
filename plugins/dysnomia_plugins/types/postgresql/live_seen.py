"""What live holds where rows are to be put back, what stands against them, and what an operator should know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dysnomia_plugins.base import PutRow
from dysnomia_plugins.toolkit.sqldump.conflicts import Change, conflicts, referred
from dysnomia_plugins.types.postgresql.conflicts import Asking
from dysnomia_plugins.types.postgresql.live_rows import NULL, LiveRows, Wanted
from dysnomia_plugins.types.postgresql.live_tables import Numbers, Table
from dysnomia_store.model import Section


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows that are asked for, and what live holds in their places."""

    live: LiveRows
    rows: Sequence[PutRow]
    wanted: Sequence[Wanted]
    now: Sequence[bytes | None]
    made: Sequence[bytes | None]
    """What the types of live's columns make of the wanted rows."""

    def moved(self) -> list[int]:
        """The places of those that are not in live as they are wanted."""
        return [at for at, row in enumerate(self.rows) if self.now[at] != row.wanted]

    def table(self, at: int) -> Table:
        return self.live.tables[self.rows[at].section.name]

    def of(self, section: Section, places: Sequence[int]) -> list[int]:
        return [at for at in places if self.rows[at].section.name == section.name]

    def against(self, places: Sequence[int]) -> dict[int, str]:
        """What stands against putting these back together."""
        other = {at: text for at in places if (text := self._other(at))}
        changes = {at: self.change(at) for at in places if at not in other}
        return other | conflicts(Asking(self.live, sections_of(self.rows)), changes)

    def referred(self, places: Sequence[int]) -> set[int]:
        """Those to whose rows in live others refer."""
        return referred(Asking(self.live, sections_of(self.rows)), [self.change(at) for at in places])

    def _other(self, at: int) -> str:
        """Whether a value would be another one: of a column whose type has changed, say."""
        row, made = self.rows[at], self.made[at]
        if row.wanted is None or made is None or made == row.wanted:
            return ""
        pairs = zip(row.section.columns, row.wanted.split(b"\t"), made.split(b"\t"), strict=True)
        name = next(name for name, then, now in pairs if then != now)
        return (
            f"{name} of {','.join(row.key)} of table {row.section.name} would not be what it was: its type is another"
            " one now, or the snapshot was made under other settings"
        )

    def change(self, at: int) -> Change:
        columns, row, now = self.rows[at].section.columns, self.rows[at], self.now[at]
        return Change(
            at,
            row,
            self.table(at),
            None if now is None else dict(zip(columns, now.split(b"\t"), strict=True)),
            None if row.wanted is None else dict(zip(columns, self.wanted[at].fields, strict=True)),
        )


def see(live: LiveRows, rows: Sequence[PutRow]) -> Seen:
    """Ask for all of them, a table at a time."""
    wanted = [live.wanted(at, row) for at, row in enumerate(rows)]
    now: list[bytes | None] = [None] * len(rows)
    made: list[bytes | None] = [None] * len(rows)
    for section in sections_of(rows):
        here = [wanted[at] for at, row in enumerate(rows) if row.section.name == section.name]
        for at, raw in live.now(section, here).items():
            now[at] = raw
        for at, raw in live.made(section, [one for one in here if rows[one.at].wanted is not None]).items():
            made[at] = raw
    return Seen(live, rows, wanted, now, made)


def sections_of(rows: Sequence[PutRow]) -> list[Section]:
    return list({row.section.name: row.section for row in rows}.values())


def warnings(live: LiveRows, rows: Sequence[PutRow], seen: Seen) -> Iterator[str]:
    """What an operator should know of the tables: triggers that do not fire, sequences that go on."""
    ddl = False
    for section in sections_of(rows):
        table = live.tables[section.name]
        names = [name for name, _ in table.triggers]
        if names:
            what = f"trigger {names[0]}" if len(names) == 1 else f"triggers {', '.join(names)}"
            yield (
                f"{what} of table {section.name} would not fire: what they keep up elsewhere (an index, a sum) stays as"
                " it is"
            )
        for numbers, number in behind(live, seen, section, seen.of(section, seen.moved())):
            if numbers.own:
                yield f"sequence {numbers.name} is behind: it would go on from {number}, and stay there after an undo"
                ddl = True
            else:
                yield (
                    f"sequence {numbers.name} is behind, and only its owner moves it: let it go on from {number}, or"
                    " new rows meet these"
                )
        ddl = ddl or bool(names) or bool(table.writer)
    events = live.talk.value(_EVENTS) if ddl else None
    if events:
        yield (
            f"event trigger {events[0]} would fire: the transaction switches triggers, moves sequences or makes a"
            " function for itself"
        )


_EVENTS = """SELECT json_agg(evtname ORDER BY evtname) FROM pg_event_trigger WHERE evtenabled IN ('O', 'A')
  AND evtevent IN ('ddl_command_start', 'ddl_command_end') AND (evttags IS NULL
  OR evttags && ARRAY['ALTER TABLE', 'ALTER SEQUENCE', 'CREATE FUNCTION'])"""


def behind(live: LiveRows, seen: Seen, section: Section, places: Sequence[int]) -> Iterator[tuple[Numbers, int]]:
    """Sequences that would give out a number which one of these rows has; and the last number that is taken."""
    for numbers in live.tables[section.name].sequences:
        at_column = section.columns.index(numbers.column)
        taken = [
            int(field)
            for at in places
            if seen.rows[at].wanted is not None and (field := seen.wanted[at].fields[at_column]) != NULL
        ]
        if not taken:
            continue
        number = max(taken) if numbers.step > 0 else min(taken)
        last = live.talk.value(f"SELECT to_json({numbers.last}) FROM {numbers.name}")
        if number > last if numbers.step > 0 else number < last:
            yield numbers, number
