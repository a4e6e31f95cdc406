"""The history of one row, line or section: what each generation makes of it, newest first.

Of every generation the contents index is read; a section is read only where its digest was not met before, and then
only the frames that it does not share with the same section of the generation after it, or, of a type whose rows are
no lines, whole from a copy that is changed where it differs. Two or three generations are open at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from dysnomia_plugins.base import StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_store import Excerpt, StoredSnapshot, difference
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Form, Generation, Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.contents.contents import is_meant
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.diff.pairing import Shape, Side, changed_cells, sides_of
from dysnomia_tui.engine.errors import Exit, Unknown
from dysnomia_tui.engine.finding.asked import Cells, HistoryAsked
from dysnomia_tui.engine.finding.opening import Known, content_of, opened, rows_of_key
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.records import Change, HistoryLine, RowChange
from dysnomia_tui.engine.translate import exit_of

PROBLEMS = (StoreError, PluginError, OSError)
WORTH = 8
"""What is not shared is read to its end, and a section only up to the row, half of it on the average: so it is looked
for in what is not shared where that is this part of both sections, or less."""
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
Rows = dict[Name, tuple[Section, State | None]]
"""The sections that a row was looked for in, and what was found."""
Say = Callable[[str], None]
Tick = Callable[[int, int], None]


@dataclass(eq=False)
class Look:
    """A generation that is open, and what was found in it."""

    generation: Generation
    side: Opened
    opening: ExitStack
    """Closes it."""
    states: dict[Name, State] = field(default_factory=dict)
    read: Read = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    was_read: bool = False
    """Whether a section was read whole, for which a type may have made a copy."""


class Kept(AbstractContextManager["Kept"]):
    """The generations that are open: the one before, for what it shares with the next; and the last that was read."""

    def __init__(self) -> None:
        self.read: Look | None = None
        self._open: list[Look] = []

    def open(self, machine: Machine, generation: Generation, scratch: Path) -> Look:
        """Raises StoreError, PluginError, OSError."""
        opening = ExitStack()
        look = Look(generation, opening.enter_context(opened(machine, generation, scratch)), opening)
        self._open.append(look)
        return look

    def keep(self, look: Look) -> None:
        """Close all but this one, and the last that was read."""
        self.read = look if look.was_read else self.read
        self._close_all_but(look, self.read)

    def __exit__(self, *_: object) -> None:
        self._close_all_but()

    def _close_all_but(self, *kept: Look | None) -> None:
        for one in self._open:
            if one not in kept:
                one.opening.close()
        self._open = [one for one in self._open if one in kept]


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
        """A line for each change, newest first.

        Raises Unknown where no generation can be read, and of StoreError, PluginError and OSError what says that there
        is no room for temporary files."""
        generations = [one for one in reversed(self.machine.store.generations(self.key)) if one.id]
        whole = self.asked.row is None and not self.asked.section and self._names_a_section(generations)
        newer: Look | None = None
        with Kept() as kept:
            for done, generation in enumerate(generations):
                self.tick(done, len(generations))
                try:
                    look = kept.open(self.machine, generation, self.scratch)
                    self._look(look, newer, kept.read, whole=whole)
                except PROBLEMS as error:
                    if exit_of(error) is Exit.NO_SPACE:
                        raise  # it is not the generation that cannot be read
                    self.say(f"generation {generation.number} cannot be read, and is left out: {error}")
                    continue
                if newer is not None:
                    yield from _changes(newer.generation, newer.states, generation, look.states, whole=whole)
                newer = look
                kept.keep(look)
            if newer is None:
                raise Unknown(f"{self.key} has no generation that can be read", "make one with: dysnomia -o snapshot …")
            yield from _changes(newer.generation, newer.states, None, {}, whole=whole)
        self.tick(len(generations), len(generations))

    def _names_a_section(self, generations: list[Generation]) -> bool:
        """Whether the text is the name of a section in any generation: then that is what is followed."""
        for generation in generations:
            try:
                with opened(self.machine, generation, self.scratch) as side:
                    if any(is_meant(section, self.asked.text) for section in side.stored.sections()):
                        return True
            except PROBLEMS as error:
                if exit_of(error) is Exit.NO_SPACE:
                    raise
                continue  # it is said when it is read
        return False

    def _look(self, look: Look, newer: Look | None, last: Look | None, *, whole: bool) -> None:
        """Fill in what was there. What the newer generation has too is not read. ``last``: of which something was."""
        for section in look.side.stored.sections():
            if not is_meant(section, self.asked.text if whole else self.asked.section):
                continue
            name = section.kind, section.name
            if whole:
                look.states[name] = _of_section(section)
                continue
            if not self._may_hold(section):
                continue
            content = name, content_of(look.generation, section)
            if newer is not None and content in newer.read:
                state = newer.read[content]
            else:
                state = self._row(look, section, newer, last)
            look.read[content] = state
            look.rows[name] = section, state
            if state is not None:
                look.states[name] = State(section.columns, state.cells)

    def _may_hold(self, section: Section) -> bool:
        """Whether a row is looked for in it at all: of a hundred thousand files nothing is kept in mind."""
        if section.form is Form.ROWS and section.key:
            return True
        return bool(self.asked.section) and section.form is not Form.BYTES

    def _say_once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            self.say(words)

    def _row(self, look: Look, section: Section, newer: Look | None, last: Look | None) -> State | None:
        """The row that is followed, as it stands in a section."""
        side = look.side
        if section.form is Form.ROWS and section.key:
            key = self.asked.key_in(section)
            if key is None:
                if self.asked.section:
                    self._say_once(
                        f"the key of {section.kind} {section.name} is {', '.join(section.key)}:"
                        " give these values with commas between them"
                    )
                return None
            sides = None if newer is None else _beside(look, section, newer)
            if newer is not None and sides is not None:
                with suppress(PluginError, StoreError):  # its rows are not lines after all: it is read whole
                    return _row_of_difference(*sides, newer.rows[section.kind, section.name][1], key)
            if last is not None and not look.was_read:
                _hand_on(look, last)
            look.was_read = True
            return _row_of_key(side, section, key)
        for batch in side.reader.raw_rows(side.stored, section):
            for raw in batch:
                cells = side.reader.parse_row(section, raw).cells
                if self.asked.is_line(cells):
                    return State(section.columns, tuple(map(_cut, cells)))
        return None


def _row_of_key(side: Opened, section: Section, key: tuple[str, ...]) -> State | None:
    for raw in rows_of_key(side, section, key):
        row = side.reader.parse_row(section, raw)
        if row.key == key:
            return State(section.columns, tuple(map(_cut, row.cells)))
    return None


def _beside(look: Look, section: Section, newer: Look) -> tuple[Side, Side] | None:
    """The section and that of the newer generation, each without what the other shares with it; None where there is no
    leaving anything out. Raises StoreError, OSError."""
    if (section.kind, section.name) not in newer.rows:
        return None
    other, _ = newer.rows[section.kind, section.name]
    if other.key != section.key or other.attributes.get("encoding") != section.attributes.get("encoding"):
        return None
    side, beside = look.side, newer.side
    sides = sides_of(
        (side.reader, side.stored, section), (beside.reader, beside.stored, other), Shape.of(section, other)
    )
    if not isinstance(sides[0].stored, Excerpt) or sum(one.size for one in sides) * WORTH > section.size + other.size:
        return None
    return sides


def _row_of_difference(older: Side, newer: Side, state: State | None, key: tuple[str, ...]) -> State | None:
    """The row in the older section, which is in this ``state`` in the newer. Where neither holds it in what the other
    lacks, it stands in what they share, or nowhere: then it is what it is in the newer one."""
    row = _row_of_key(Opened(older.reader, older.stored), older.section, key)
    if row is not None or state is None:
        return row
    return None if _row_of_key(Opened(newer.reader, newer.stored), newer.section, key) is not None else state


def _hand_on(look: Look, last: Look) -> None:
    """What a type made of the last generation to read it becomes what it needs for this one, where it makes anything.

    Raises StoreError, PluginError, OSError."""
    old, new, reader = last.side.stored, look.side.stored, look.side.reader
    if last.side.reader is not reader or not isinstance(reader, StatePlugin):
        return
    if isinstance(old, StoredSnapshot) and isinstance(new, StoredSnapshot):
        differs = difference(old, new)
        if differs is not None:
            reader.read_next(new, old, differs.parts, differs.size)


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
