"""Which files and folders are put back, of those that were asked for by name, and what comes with them.

A name is as the snapshot has it afterwards. With it come: the folders it is in, where live lacks them; of a folder that
live lacks, all that is in it; of one that the snapshot lacks, all that live has in it; of a file with several names
those that are names of it in live as well. Of a folder that both have, nothing but what it is itself.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import PutRow, Stored, WholeAsked
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.filesets.putting.item import Item
from dysnomia_plugins.toolkit.filesets.putting.live import LiveTree
from dysnomia_plugins.toolkit.filesets.putting.stored import StoredTree
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.trees.extract import Trust
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_store.errors import NotFound
from dysnomia_store.model import Form, Section

MOST = 10_000


def split(text: str) -> tuple[str, str]:
    """Kind and name of ``KIND:NAME``; no kind where it is a name alone."""
    kind, colon, name = text.partition(":")
    return (kind, name) if colon and kind in set(Kind) else ("", text)


def chosen(live: LiveTree, stored: Stored, trust: Trust, asked: Sequence[WholeAsked]) -> list[PutRow]:
    """What is put back, a row a name; in the order that was asked for where it is asked for exactly.

    Raises NotFound for a name that neither side has, NotSafe, Corrupt, PluginError, OSError."""
    meant: dict[str, tuple[str, WholeAsked]] = {}
    for one in asked:
        if one.key:
            raise NotSafe(f"{one.section} is a file, which is put back whole", "name the file without a row")
        kind, name = split(one.section)
        if name not in meant or kind == Kind.FOLDER:
            meant[name] = kind, one
    tree = StoredTree(stored, meant, trust)
    choice = _Choice(live, tree)
    for name, (kind, one) in meant.items():
        choice.add(name, kind, one)
    names = list(choice.names)
    if len(names) > MOST:
        raise NotSafe(
            f"{len(names):,} files would be put back; one job takes {MOST:,} at most", "restore the generation"
        )
    tree.read(name for name in names if tree.section(name) is not None)
    return [_row(tree, live, name) for name in names]


class _Choice:
    """The names, in order."""

    def __init__(self, live: LiveTree, tree: StoredTree) -> None:
        self._live = live
        self._tree = tree
        self.names: dict[str, None] = {}

    def add(self, name: str, kind: str, asked: WholeAsked) -> None:
        if asked.exact:
            self.names[name] = None
            return
        if asked.lacking:
            below = list(self._tree.below(name))
            if not below and self._tree.section(name) is None:
                raise NotFound(f"the generation holds no section {asked.section}", "see the list of its sections")
            self._add_all([one for one in [name, *below] if _kind_in(self._live, one) is None])
            return
        wanted, now = self._tree.section(name), _kind_in(self._live, name)
        if wanted is None and now is None:
            # Lists show a line break as \\n: what was copied from one is another name.
            typed = f" (if a list shows it so, bash takes it as $'{name}')" if "\\" in name else ""
            raise NotFound(f"neither the generation nor live has {name}{typed}", "see the list of its sections")
        self._add_all([name])
        if wanted is not None and wanted.kind == Kind.FOLDER and now is not Kind.FOLDER:
            self._add_all(self._tree.below(name))
        if now is Kind.FOLDER and (wanted is None or (wanted.kind != Kind.FOLDER and kind == Kind.FOLDER)):
            self._add_all(self._live.below(name))

    def _add_all(self, names: Iterator[str] | Sequence[str]) -> None:
        for name in names:
            if self._tree.section(name) is not None:
                for parent in filter(self._live.root_of, reversed(list(_above(name)))):
                    if parent not in self.names and _kind_in(self._live, parent) is None and self._tree.section(parent):
                        self.names[parent] = None
            self.names[name] = None
            for other in self._tree.links.get(name, ()):
                if other not in self.names and self._live.other_names.get(other) == name:
                    self.names[other] = None
            if len(self.names) > MOST:
                break


def _above(name: str) -> Iterator[str]:
    while "/" in name:
        name = posixpath.dirname(name)
        yield name


def _kind_in(live: LiveTree, name: str) -> Kind | None:
    """What has a name in live; None where nothing has, or a folder on its way is none."""
    try:
        item = live.plain(name)
    except (LinkInTheWay, NotSafe):
        return None
    return None if item is None else item.member.kind


def _row(tree: StoredTree, live: LiveTree, name: str) -> PutRow:
    section = tree.section(name)
    if section is None:
        kind = _kind_in(live, name) or Kind.FILE
        return PutRow(Section(kind, name, Form.BYTES, 0, ""), (), None)
    item = tree.item(name)
    if item is None:
        problem = f"{name} is a {section.kind}, which is left out of a snapshot that was not made here"
        return PutRow(section, (), Item(Member(Kind(section.kind), name)).to_raw(problem=problem))
    return PutRow(section, (), item.to_raw())
