"""What a restore of globals would do: each change in words and as statements, what is left out, what live has more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dysnomia_base.secrets import HIDDEN
from dysnomia_plugins.toolkit.globals.document import Cell, Cells, Document, Kind
from dysnomia_plugins.toolkit.globals.document import Made as Made


@dataclass(frozen=True, slots=True)
class Change:
    """One change."""

    text: str
    """For the plan. No secrets."""
    statements: tuple[str, ...] = field(repr=False)
    """What does it. They may hold secrets."""
    made: tuple[Made, ...] = ()
    """Facts that live did not have before."""


@dataclass
class Changes:
    """All of them, in the order in which they are made."""

    ordered: list[Change] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What of the snapshot is not restored, each with the reason."""
    more: list[str] = field(default_factory=list)
    """What live has and the snapshot has not. It stays."""
    skipped: set[Made] = field(default_factory=set)
    """The facts that are left out."""

    def change(self, text: str, *statements: str, made: Sequence[Made] = ()) -> None:
        self.ordered.append(Change(text, statements, tuple(made)))

    def leave(self, kind: Kind, key: Cells, why: str) -> None:
        self.left_out.append(why)
        self.skipped.add(as_made(kind.name, key))

    @property
    def made(self) -> list[Made]:
        return [made for change in self.ordered for made in change.made]


def as_made(kind: str, key: Cells) -> Made:
    return (kind, *(cell if cell is not None else "" for cell in key))


def differing(kind: Kind, wanted: Cells, live: Cells | None) -> dict[str, tuple[Cell, Cell]]:
    """Columns beyond the key in which they differ: live's value and the wanted one."""
    ours, theirs = kind.values(wanted), kind.values(live) if live is not None else {}
    names = list(kind.columns)[kind.keys :]
    return {name: (theirs.get(name), ours[name]) for name in names if live is None or theirs.get(name) != ours[name]}


def in_words(kind: Kind, differences: dict[str, tuple[Cell, Cell]]) -> str:
    """``superuser no -> yes, password differs``."""
    parts = []
    for name, (old, new) in differences.items():
        if name in kind.secret:
            parts.append(f"{name} removed" if new is None else f"{name} differs" if old else f"{name} set ({HIDDEN})")
        else:
            parts.append(f"{name} {_word(old)} -> {_word(new)}")
    return ", ".join(parts)


def _word(cell: Cell) -> str:
    return "none" if cell is None else cell if cell and " " not in cell else repr(cell)


def surplus(kind: Kind, wanted: Document, live: Document) -> Iterator[Cells]:
    """The keys of live that the snapshot has not, sorted."""
    theirs = wanted.of(kind.name)
    yield from sorted((key for key in live.of(kind.name) if key not in theirs), key=str)


def missing_after(kinds: Iterable[Kind], wanted: Document, live: Document, skipped: set[Made]) -> list[str]:
    """What a restore should have given live and live has not: no words of secrets."""
    wrong = []
    for kind in kinds:
        for key, cells in wanted.of(kind.name).items():
            if as_made(kind.name, key) in skipped:
                continue
            differences = differing(kind, cells, live.of(kind.name).get(key))
            if differences or key not in live.of(kind.name):
                wrong.append(f"{kind.name} {' '.join(cell or '' for cell in key)}: {in_words(kind, differences)}")
    return wrong
