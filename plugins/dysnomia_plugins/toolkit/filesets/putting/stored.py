"""What a snapshot holds under some names: the sections that are needed, and the members of its archive."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from dysnomia_plugins.base import Stored
from dysnomia_plugins.toolkit.filesets.putting.item import Item, stored_item
from dysnomia_plugins.toolkit.trees.contents import ARTEFACT
from dysnomia_plugins.toolkit.trees.extract import Trust
from dysnomia_plugins.toolkit.trees.member import Kind
from dysnomia_plugins.toolkit.trees.names import below
from dysnomia_plugins.toolkit.trees.selected_members import Chosen
from dysnomia_plugins.toolkit.trees.tarread import Entry, TarReader
from dysnomia_store.model import Section


class StoredTree:
    """Of a snapshot what concerns some names: these, the folders above them, what is below, and all hard links."""

    def __init__(self, stored: Stored, names: Iterable[str], trust: Trust) -> None:
        self._stored = stored
        self._trust = trust
        self._sections = dict(_concerned(stored, frozenset(names)))
        self.links: dict[str, list[str]] = {}
        """The other names of each file."""
        for name, section in self._sections.items():
            if section.kind == Kind.HARDLINK:
                self.links.setdefault(section.attributes.get("same file as", ""), []).append(name)
        self._items: dict[str, Item | None] = {}

    def section(self, name: str) -> Section | None:
        return self._sections.get(name)

    def below(self, name: str) -> Iterator[str]:
        """Names of all that the snapshot has in a folder."""
        return (one for one in self._sections if one != name and below(one, name))

    def read(self, names: Iterable[str]) -> None:
        """Read these members, each content once. Raises Corrupt, BadArchive, PluginError."""
        sections = [one for name in dict.fromkeys(names) if name not in self._items and (one := self.section(name))]
        for entry in entries(self._stored, [one for one in sections if one.kind != Kind.HARDLINK]):
            member = self._trust.apply(entry.member)
            self._items[entry.member.name] = None if member is None else stored_item(entry, member)
        for entry in entries(self._stored, [one for one in sections if one.kind == Kind.HARDLINK]):
            self.read([entry.member.link])
            file = self._items.get(entry.member.link)
            if file is not None:
                item = Item(entry.member)
                self._items[entry.member.name] = replace(item, content=bytes.fromhex(file.digest))

    def item(self, name: str) -> Item | None:
        """What a name would be made; None where the snapshot is not trusted with it (``read`` was called before)."""
        return self._items.get(name)


def _concerned(stored: Stored, names: frozenset[str]) -> Iterator[tuple[str, Section]]:
    above = frozenset(parent for name in names for parent in _parents(name))
    linked = set()
    for section in stored.sections():
        name = section.name
        if section.kind == Kind.HARDLINK:
            linked.add(section.attributes.get("same file as", ""))
        if (
            section.kind == Kind.HARDLINK
            or name in names
            or name in above
            or any(parent in names for parent in _parents(name))
        ):
            yield name, section
    missing = linked - names
    if missing:
        yield from ((one.name, one) for one in stored.sections() if one.name in missing and one.kind != Kind.HARDLINK)


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = posixpath.dirname(name)
        yield name
    yield "."


def entries(stored: Stored, sections: Sequence[Section]) -> Iterator[Entry]:
    """The members of these sections, each once, in the order of the archive. Raises Corrupt, BadArchive."""
    wanted = {section.name: section.kind for section in sections}
    if not wanted:
        return
    chosen = Chosen(list(sections), frozenset(wanted), _NONE, [])
    for offset, length in chosen.ranges():
        opened = stored.open(ARTEFACT) if offset < 0 else stored.open_range(ARTEFACT, offset, length)
        with opened as stream:
            for entry in TarReader(stream):
                if wanted.get(entry.member.name) == entry.member.kind:
                    del wanted[entry.member.name]
                    yield entry


_NONE: Mapping[str, tuple[str, ...]] = {}
