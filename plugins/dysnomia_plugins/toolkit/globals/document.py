"""What is global to a server, as facts: one line of JSON each, in sections by kind, and read back strictly.

A fact is a kind and its cells; the first of them are its key. What a snapshot holds is never run: statements are made
from its facts, and what is no fact of a known kind, with cells that this kind takes, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from dysnomia_base.secrets import HIDDEN, shown
from dysnomia_plugins.base import Row
from dysnomia_plugins.errors import NotSafe
from dysnomia_store.model import Form
from dysnomia_store.sink import ContentSink

ARTEFACT = "globals.jsonl"
SECTION = "globals"
"""The kind of each section; its name is the kind of its facts."""
MOST_BYTES = 256 << 20
"""A server has accounts by the thousand, not by the million: a document is kept in memory."""
_BATCH = 500

MADE = "made"
"""The kind of the lines behind a guard's document: what the restore made, which an undo takes back."""
_MADE_LINE = b'["made",'

Made = tuple[str, ...]
"""A fact that a restore made, by its kind and key (``""`` for NULL): an undo takes back nothing else."""
Cell = str | None
Cells = tuple[Cell, ...]
Check = Callable[[Cell], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    """What facts of one kind look like."""

    name: str
    columns: Mapping[str, Check]
    """By name, what each cell may be."""
    keys: int
    """How many columns are the key."""
    secret: frozenset[str] = frozenset()
    """Columns whose values are never shown."""
    named: str = ""
    """The column that names what the last one holds: that is hidden where the name is one of secrets."""

    def key(self, cells: Cells) -> Cells:
        return cells[: self.keys]

    def values(self, cells: Cells) -> dict[str, Cell]:
        """The cells by the names of their columns."""
        return dict(zip(self.columns, cells, strict=True))

    def shown(self, cells: Cells) -> Cells:
        """The cells without secrets."""
        cells = tuple(
            HIDDEN if name in self.secret and cell is not None else cell
            for name, cell in zip(self.columns, cells, strict=True)
        )
        if not self.named:
            return cells
        return (*cells[:-1], shown(str(self.values(cells)[self.named]), str(cells[-1])))


@dataclass
class Document:
    """All facts, by kind and key."""

    kinds: tuple[Kind, ...]
    facts: dict[str, dict[Cells, Cells]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for kind in self.kinds:
            self.facts.setdefault(kind.name, {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self.facts == other.facts

    __hash__ = None  # type: ignore[assignment]

    def of(self, kind: str) -> Mapping[Cells, Cells]:
        return self.facts[kind]

    def lines(self) -> Iterator[tuple[Kind, list[bytes]]]:
        """Each kind that has facts, and these as lines, in the order of their keys."""
        for kind in self.kinds:
            facts = self.facts[kind.name]
            if facts:
                yield kind, [_line(kind, facts[key]) for key in sorted(facts, key=_order)]

    def encoded(self) -> bytes:
        return b"".join(line + b"\n" for _, lines in self.lines() for line in lines)


def _order(key: Cells) -> tuple[tuple[bool, str], ...]:
    return tuple((cell is not None, cell or "") for cell in key)


def _line(kind: Kind, cells: Cells) -> bytes:
    return json.dumps([kind.name, *cells], separators=(",", ":")).encode()


def from_rows(kinds: tuple[Kind, ...], rows: Mapping[str, Iterable[Sequence[Cell]]]) -> Document:
    """A document of what a server told. Raises NotSafe for what no snapshot could give back."""
    document = Document(kinds)
    for kind in kinds:
        for row in rows.get(kind.name) or ():
            _add(document, kind, tuple(row))
    return document


def parse(kinds: tuple[Kind, ...], content: bytes) -> Document:
    """A document of its lines. Raises NotSafe for anything that this type does not write."""
    document = Document(kinds)
    known = {kind.name: kind for kind in kinds}
    for number, line in enumerate(content.splitlines(), 1):
        try:
            name, *cells = json.loads(line)
            kind = known[name]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise NotSafe(f"cannot read line {number} of {ARTEFACT}: its kind is unknown", _REFUSED) from None
        _add(document, kind, tuple(cells), f"line {number} of {ARTEFACT}: ")
    if document.encoded() != content:
        raise NotSafe(f"{ARTEFACT} is not written as this type writes it", _REFUSED)
    return document


_REFUSED = "nothing was changed; was the snapshot made by another tool, or a newer version?"


def _add(document: Document, kind: Kind, cells: Cells, where: str = "") -> None:
    if len(cells) != len(kind.columns):
        raise NotSafe(f"{where}a fact of the kind {kind.name} has {len(kind.columns)} values", _REFUSED)
    for (name, fits), cell in zip(kind.columns.items(), cells, strict=True):
        if not (cell is None or isinstance(cell, str)) or (cell is not None and "\0" in cell) or not fits(cell):
            what = "" if name in kind.secret else f": {cell!r}"
            raise NotSafe(f"{where}{kind.name} {cells[0]!r}: no valid {name}{what}", _REFUSED)
    key = kind.key(cells)
    if key in document.facts[kind.name]:
        raise NotSafe(f"{where}{kind.name} {key!r} is there twice", _REFUSED)
    document.facts[kind.name][key] = cells


def read(kinds: tuple[Kind, ...], stream: BinaryIO) -> tuple[Document, list[Made]]:
    """A document, and of a guard what the restore made that it guards. Raises NotSafe, Corrupt."""
    content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise NotSafe(f"{ARTEFACT} has more than {MOST_BYTES:,} bytes", _REFUSED)
    start = content.find(_MADE_LINE) if content.startswith(_MADE_LINE) else content.find(b"\n" + _MADE_LINE) + 1
    if not content[start:].startswith(_MADE_LINE):
        return parse(kinds, content), []
    return parse(kinds, content[:start]), _parse_made(content[start:])


def _parse_made(content: bytes) -> list[Made]:
    made = []
    for line in content.splitlines():
        try:
            name, *one = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            name, one = "", []
        if name != MADE or not one or not all(isinstance(cell, str) for cell in one):
            raise NotSafe(f"cannot read what a restore made, at the end of {ARTEFACT}", _REFUSED)
        made.append(tuple(one))
    return made


def write(document: Document, sink: ContentSink, advance: Callable[[int], None], made: Sequence[Made] = ()) -> None:
    """``made``: what stands behind the document in a guard. So no guard is taken for a snapshot of the same state."""
    done = 0
    for kind, lines in document.lines():
        columns = tuple(kind.columns)
        sink.begin_section(SECTION, kind.name, Form.ROWS, columns=columns, key=columns[: kind.keys])
        for start in range(0, len(lines), _BATCH):
            piece = b"".join(line + b"\n" for line in lines[start : start + _BATCH])
            sink.write(piece)
            done += len(piece)
            advance(done)
        sink.end_section(rows=len(lines))
    if made:
        sink.begin_section(SECTION, MADE, Form.ROWS, columns=("what", "name"), key=("what", "name"))
        for one in made:
            sink.write(json.dumps([MADE, *one], separators=(",", ":")).encode() + b"\n")
        sink.end_section(rows=len(made))


def parse_row(kinds: tuple[Kind, ...], raw: bytes) -> Row:
    """A line, with secrets hidden."""
    name, *cells = json.loads(raw)
    if name == MADE:
        shown_made = (str(cells[0]), " ".join(cells[1:]))
        return Row(key=shown_made, cells=shown_made)
    kind = next(kind for kind in kinds if kind.name == name)
    visible = kind.shown(tuple(cells))
    return Row(key=visible[: kind.keys], cells=visible)


# --- what a cell may be ----------------------------------------------------------------------------------------------


def anything(cell: Cell) -> bool:
    return True


def text(cell: Cell) -> bool:
    return cell is not None


def yes_or_no(cell: Cell) -> bool:
    return cell in ("yes", "no")


def number(cell: Cell) -> bool:
    return cell is not None and cell.removeprefix("-").isascii() and cell.removeprefix("-").isdigit() and len(cell) < 20
