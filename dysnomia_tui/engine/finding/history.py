"""The history of one row, line or section: what each generation makes of it, newest first.

Of every generation the contents index is read; a section is read only where its digest was not met before. So what
stays the same costs nothing, and one generation is open at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from dysnomia_plugins.errors import PluginError
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Form, Generation, Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.contents.contents import is_meant
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.diff.pairing import changed_cells
from dysnomia_tui.engine.errors import Unknown
from dysnomia_tui.engine.finding.asked import Cells, HistoryAsked
from dysnomia_tui.engine.finding.opening import Known, content_of, opened, rows_of_key
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.records import Change, HistoryLine, RowChange

PROBLEMS = (StoreError, PluginError, OSError)
MOST_CELL = 16 << 10
"""Characters of a cell that are kept; of a longer one also its digest, so that any change of it is seen."""


@dataclass(frozen=True, slots=True)
class State:
    """What was there in one generation."""

    columns: tuple[str, ...]
    cells: Cells


Name = tuple[str, str]
"""Kind and name of a section."""
States = Mapping[Name, State]
Read = dict[tuple[Name, Known], State | None]
"""What was found in sections, by what they hold: None where the row is not in it."""
Say = Callable[[str], None]
Tick = Callable[[int, int], None]


@dataclass
class Follower:
    """Follows what was asked for through the generations of a component."""

    machine: Machine
    key: ComponentKey
    asked: HistoryAsked
    scratch: Path
    tick: Tick
    """Told how many generations of how many were looked into; may raise to stop."""
    say: Say
    """Told what could not be read, in words."""
    _said: set[str] = field(default_factory=set)

    def lines(self) -> Iterator[HistoryLine]:
        """A line for each change, newest first. Raises Unknown where no generation can be read."""
        generations = [one for one in reversed(self.machine.store.generations(self.key)) if one.id]
        whole = self.asked.row is None and not self.asked.section and self._names_a_section(generations)
        known: Read = {}
        newer: tuple[Generation, States] | None = None
        for done, generation in enumerate(generations):
            self.tick(done, len(generations))
            try:
                states, known = self._states(generation, known, whole=whole)
            except PROBLEMS as error:
                self.say(f"generation {generation.number} cannot be read, and is left out: {error}")
                continue
            if newer is not None:
                yield from _changes(newer[0], newer[1], generation, states, whole=whole)
            newer = generation, states
        if newer is None:
            raise Unknown(f"{self.key} has no generation that can be read", "make one with: dysnomia -o snapshot …")
        yield from _changes(newer[0], newer[1], None, {}, whole=whole)
        self.tick(len(generations), len(generations))

    def _names_a_section(self, generations: list[Generation]) -> bool:
        """Whether the text is the name of a section in any generation: then that is what is followed."""
        for generation in generations:
            try:
                with opened(self.machine, generation, self.scratch) as side:
                    if any(is_meant(section, self.asked.text) for section in side.stored.sections()):
                        return True
            except PROBLEMS:
                continue  # it is said when it is read
        return False

    def _states(self, generation: Generation, known: Read, *, whole: bool) -> tuple[dict[Name, State], Read]:
        """What was there, and what was read of it. ``known``: of the generation before; what it has too is not read."""
        states: dict[Name, State] = {}
        read: Read = {}
        with opened(self.machine, generation, self.scratch) as side:
            for section in side.stored.sections():
                if not is_meant(section, self.asked.text if whole else self.asked.section):
                    continue
                name = section.kind, section.name
                if whole:
                    states[name] = _of_section(section)
                    continue
                if not self._may_hold(section):
                    continue
                content = name, content_of(generation, section)
                state = read[content] = known[content] if content in known else self._row(side, section)
                if state is not None:
                    states[name] = State(section.columns, state.cells)
        return states, read

    def _may_hold(self, section: Section) -> bool:
        """Whether a row is looked for in it at all: of a hundred thousand files nothing is kept in mind."""
        if section.form is Form.ROWS and section.key:
            return True
        return bool(self.asked.section) and section.form is not Form.BYTES

    def _say_once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            self.say(words)

    def _row(self, side: Opened, section: Section) -> State | None:
        """The row that is followed, as it stands in a section."""
        if section.form is Form.ROWS and section.key:
            key = self.asked.key_in(section)
            if key is None:
                if self.asked.section:
                    self._say_once(
                        f"the key of {section.kind} {section.name} is {', '.join(section.key)}:"
                        " give these values with commas between them"
                    )
                return None
            for raw in rows_of_key(side, section, key):
                row = side.reader.parse_row(section, raw)
                if row.key == key:
                    return State(section.columns, tuple(map(_cut, row.cells)))
            return None
        for batch in side.reader.raw_rows(side.stored, section):
            for raw in batch:
                cells = side.reader.parse_row(section, raw).cells
                if self.asked.is_line(cells):
                    return State(section.columns, tuple(map(_cut, cells)))
        return None


def _of_section(section: Section) -> State:
    about = {"bytes": f"{section.size:,} bytes", "digest": section.digest[:12]}
    if section.form is Form.ROWS:
        about = {"rows": f"{section.rows or 0:,} rows", **about}
    else:
        about.update(section.attributes)
    return State(tuple(about), tuple(about.values()))


def _changes(
    newer: Generation, now: States, older: Generation | None, before: States, *, whole: bool
) -> Iterator[HistoryLine]:
    """What became of everything that is followed, from ``older`` to ``newer``."""
    for name in sorted({*now, *before}):
        was, is_ = before.get(name), now.get(name)
        row, columns = _change(was, is_)
        if row is not None:
            yield HistoryLine(
                kind=name[0],
                name=name[1],
                generation=newer.number,
                as_of=newer.as_of,
                before=older.number if older is not None else None,
                before_as_of=older.as_of if older is not None else None,
                columns=columns,
                row=row,
                whole=whole,
            )


def _change(was: State | None, is_: State | None) -> tuple[RowChange | None, tuple[str, ...]]:
    """The change from one state to the next, with the columns of its cells; None where nothing changed.

    Cells belong together by the names of their columns. A column that came with no value in it is no change."""
    if was is None or is_ is None:
        change = Change.ADDED if was is None else Change.REMOVED
        shown = is_ or was
        assert shown is not None
        old = was.cells if was is not None else None
        return RowChange(change, old, is_.cells if is_ is not None else None), shown.columns
    columns = is_.columns + tuple(name for name in was.columns if name not in is_.columns)
    old, new = _laid_out(was, columns), _laid_out(is_, columns)
    cells = changed_cells(old, new)
    return (RowChange(Change.CHANGED, old, new, cells) if cells else None), columns


def _laid_out(state: State, columns: tuple[str, ...]) -> Cells:
    if not columns:
        return state.cells
    held = dict(zip(state.columns, state.cells, strict=False))
    return tuple(held.get(name) for name in columns)


def _cut(cell: str | None) -> str | None:
    if cell is None or len(cell) <= MOST_CELL:
        return cell
    digest = sha256(cell.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{cell[:MOST_CELL]}… ({len(cell):,} characters, {digest})"
