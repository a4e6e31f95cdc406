"""Some members of an archive: what must be read for them, and what else comes with them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.names import below
from dysnomia_store.model import Section

_GAP = 1 << 20
"""Bytes between two wanted sections up to which they are read in one go."""


@dataclass
class Chosen:
    """Some sections of a snapshot, with the folders they are in and all that is in chosen folders."""

    sections: list[Section]
    names: frozenset[str]
    renamed: Mapping[str, tuple[str, ...]]
    """A file that was not chosen, but other names of it were: it is taken under those."""
    extra: list[Section]
    """Those files."""

    @classmethod
    def of(cls, index: Iterable[Section], chosen: Sequence[Section]) -> Chosen:
        """Find what is needed in a contents index."""
        folders = [section.name for section in chosen if section.kind == Kind.FOLDER]
        others = frozenset(section.name for section in chosen if section.kind != Kind.FOLDER)
        above = frozenset(parent for section in chosen for parent in _parents(section.name))
        sections: list[Section] = []
        files: dict[str, Section] = {}
        for section in index:
            inside = any(below(section.name, folder) for folder in folders)
            if inside or section.name in others or (section.kind == Kind.FOLDER and section.name in above):
                sections.append(section)
            elif section.kind != Kind.HARDLINK:
                files[section.name] = section
        names = frozenset(section.name for section in sections)
        renamed: dict[str, tuple[str, ...]] = {}
        for section in sections:
            target = section.attributes.get("same file as", "")
            if section.kind == Kind.HARDLINK and target not in names:
                renamed[target] = (*renamed.get(target, ()), section.name)
        extra = [files[name] for name in renamed if name in files]
        return cls(sections, names, renamed, extra)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """(offset, length) of what must be read of the archive; (-1, 0) where it must be read whole."""
        needed = sorted((*self.sections, *self.extra), key=lambda section: section.offset or 0)
        if any(section.offset is None or not section.length for section in needed):
            yield -1, 0
            return
        start = end = -1
        for section in needed:
            assert section.offset is not None
            assert section.length is not None
            if start >= 0 and section.offset - end > _GAP:
                yield start, end - start
                start = -1
            start = section.offset if start < 0 else start
            end = section.offset + section.length
        if start >= 0:
            yield start, end - start

    def members(self, member: Member) -> Iterator[Member]:
        """What becomes of a member of the archive: itself, nothing, or the names it is taken under."""
        if member.name in self.names:
            first = self._first_name(member)
            if first is None:
                yield member
            return
        names = self.renamed.get(member.name, ())
        if names:
            yield replace(member, name=names[0])
            for name in names[1:]:
                yield replace(member, kind=Kind.HARDLINK, name=name, link=names[0], size=0, xattrs=())

    def _first_name(self, member: Member) -> str | None:
        """A hard link that was made when its file was taken under its name needs nothing more."""
        if member.kind is Kind.HARDLINK and member.link in self.renamed:
            return self.renamed[member.link][0]
        return None


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = posixpath.dirname(name)
        yield name
    yield "."
