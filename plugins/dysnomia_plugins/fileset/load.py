# ruff: noqa: PTH102, PTH103
# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""A stored fileset into a place that is not live, whole or in part, and the check that it came out as it was stored."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dysnomia_plugins.base import Context, Place, Stored
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.fileset.confined import folder_at, rename_new, sync_file_system, write_xattrs
from dysnomia_plugins.fileset.contents import ARTEFACT, index_of
from dysnomia_plugins.fileset.extract import Extractor, Trust
from dysnomia_plugins.fileset.member import Kind, Member, kind_of
from dysnomia_plugins.fileset.places import Layout, RootAt, purpose_of
from dysnomia_plugins.fileset.spec import below, sort_key
from dysnomia_plugins.fileset.tarread import BadArchive, Entry, TarReader
from dysnomia_plugins.fileset.walk import Walk
from dysnomia_store.errors import NotFound
from dysnomia_store.model import Section

_GAP = 1 << 20
"""Bytes between two wanted sections up to which they are read in one go."""


@dataclass
class Loader:
    """Loads one snapshot into one place."""

    ctx: Context
    layout: Layout
    stored: Stored
    place: Place
    trust: Trust
    _extractors: dict[str, Extractor] = field(default_factory=dict)
    _descriptors: list[int] = field(default_factory=list)
    _done: int = 0

    def run(self, sections: Sequence[Section] | None) -> None:
        """Raises PluginError, or OSError's meaning as one; what was made then stays for ``drop``."""
        copy = not purpose_of(self.place)
        making = self.layout.copy_in_the_making(self.place, self.ctx.tag) if copy else ""
        try:
            try:
                wanted = None if sections is None else self._chosen(sections)
                self._extract(making, wanted)
            except BaseException:
                self._close(abandon=True)
                raise
            self._close(abandon=False)
            self._say_what_was_left_out()
            self.ctx.progress.phase("check")
            self._check(making, wanted)
            if copy:
                with folder_at(making) as made, folder_at(posixpath.dirname(making)) as parent:
                    os.fchmod(made, 0o755)
                    rename_new(posixpath.basename(making), parent, posixpath.basename(self.place.name), parent)
                    os.fsync(parent)
        except OSError as error:
            raise _explained(error, self.place) from error

    def _chosen(self, sections: Sequence[Section]) -> Chosen:
        try:
            return Chosen.of(self.stored.sections(), sections)
        except NotFound:
            with self.stored.open(ARTEFACT) as stream:
                return Chosen.of(index_of(stream), sections)

    # Extraction.

    def _extract(self, making: str, wanted: Chosen | None) -> None:
        if wanted is None:
            with self.stored.open(ARTEFACT) as stream:
                archive = TarReader(stream)
                for entry in archive:
                    self._take(entry, entry.member, making)
                if not archive.ended:
                    raise BadArchive("the archive has no end marker", "it is not complete; nothing was replaced")
            return
        for offset, length in wanted.ranges():
            opened = self.stored.open(ARTEFACT) if offset < 0 else self.stored.open_range(ARTEFACT, offset, length)
            with opened as stream:
                for entry in TarReader(stream):
                    for member in wanted.members(entry.member):
                        self._take(entry, member, making)

    def _take(self, entry: Entry, member: Member, making: str) -> None:
        self.ctx.cancel.check()
        self._extractor(member.name, making).extract(entry, member, self._advance)

    def _advance(self, size: int) -> None:
        self._done += size
        metadata = self.stored.metadata
        self.ctx.progress.advance(self._done, metadata.content_size if metadata is not None else None)
        self.ctx.cancel.check()

    def _extractor(self, name: str, making: str) -> Extractor:
        base = making or self._base_of(name)
        found = self._extractors.get(base)
        if found is None:
            descriptor = new_folder(base)
            self._descriptors.append(descriptor)
            found = self._extractors[base] = Extractor(descriptor, self.trust, self.ctx.progress.log)
        return found

    def _base_of(self, name: str) -> str:
        for root in self.layout.roots_at(self.place):
            if below(name, root.root):
                return root.base
        raise BadArchive(
            f"the snapshot holds {name!r}, which .dysnomia-fileset does not name", "restore it as a copy, or name it"
        )

    def _close(self, *, abandon: bool) -> None:
        try:
            for extractor in self._extractors.values():
                if abandon:
                    extractor.abandon()
                else:
                    extractor.close()
            if not abandon:
                for descriptor in self._descriptors:
                    sync_file_system(descriptor)
        finally:
            while self._descriptors:
                os.close(self._descriptors.pop())

    def _say_what_was_left_out(self) -> None:
        for extractor in self._extractors.values():
            for text in extractor.left_out[:20]:
                self.ctx.progress.log(f"left out, since the snapshot was not made here: {text}")
            if len(extractor.left_out) > 20:
                self.ctx.progress.log(f"…and {len(extractor.left_out) - 20:,} more")

    # Check.

    def _check(self, making: str, wanted: Chosen | None) -> None:
        if wanted is not None:
            for section in wanted.sections:
                _check_one(section, posixpath.join(making or self._base_of(section.name), section.name))
            return
        metadata = self.stored.metadata
        if metadata is None or not metadata.sections:
            return
        roots = [
            RootAt(one.root, posixpath.normpath(posixpath.join(making or one.base, one.root)), making or one.base)
            for one in self.layout.roots_at(self.place)
        ]
        lost = any(extractor.lost_xattrs or extractor.left_out for extractor in self._extractors.values())
        if making and any(not any(below(one, root.root) for root in roots) for one in _tops(making)):
            return
        compare(
            self.stored.sections,
            (seen.member for seen in Walk(roots, open_files=False)),
            strict=self.trust.made_here and not lost,
            owners=self.trust.root,
            check=self.ctx.cancel.check,
        )


def compare(
    sections: Callable[[], Iterable[Section]],
    members: Iterable[Member],
    *,
    strict: bool,
    owners: bool,
    check: Callable[[], None],
) -> None:
    """Compare a contents index with what stands on disk, which comes in the order we store in.

    The index of another tool's archive may be in any order; then which of a file's names came first is not compared.

    Args:
        sections: gives the index, from its beginning each time.
        strict: every attribute must be the same, not only names, kinds and sizes.
        owners: owners too.
        check: called now and then; may raise.

    Raises PluginError at the first difference.
    """
    ours = in_order(sections())
    index = sections() if ours else sorted(sections(), key=lambda section: sort_key(section.name))
    there = iter(members)
    for section in index:
        check()
        if not strict and section.kind in (Kind.CHAR, Kind.DISK):
            return
        member = next(there, None)
        if member is None or member.name != section.name:
            found = "nothing" if member is None else repr(member.name)
            raise _differs(section.name, f"{found} stands in its place")
        if not ours and Kind.HARDLINK in (member.kind, section.kind):
            continue
        if member.kind != section.kind or member.size != section.size:
            was, now = f"{section.kind} of {section.size} bytes", f"{member.kind} of {member.size}"
            raise _differs(section.name, f"{was} became {now}")
        if strict and _shown(member.attributes(), owners) != _shown(section.attributes, owners):
            raise _differs(section.name, f"{dict(section.attributes)} became {dict(member.attributes())}")
    extra = next(there, None)
    if extra is not None:
        raise _differs(extra.name, "the snapshot does not hold it")


def in_order(sections: Iterable[Section]) -> bool:
    """Whether sections come in the order we store in."""
    last: tuple[bytes, ...] | None = None
    for section in sections:
        key = sort_key(section.name)
        if last is not None and key <= last:
            return False
        last = key
    return True


def _shown(attributes: Mapping[str, str], owners: bool) -> Mapping[str, str]:
    return attributes if owners else {name: value for name, value in attributes.items() if name != "owner"}


def _differs(name: str, how: str) -> PluginError:
    return PluginError(f"{name!r} was not loaded as it was stored", f"{how}; nothing was replaced")


def _check_one(section: Section, path: str) -> None:
    seen = os.lstat(path)
    if section.kind == Kind.HARDLINK:
        return
    if kind_of(seen.st_mode) != section.kind or (section.kind == Kind.FILE and seen.st_size != section.size):
        raise _differs(section.name, f"there are {seen.st_size} bytes of mode {stat.filemode(seen.st_mode)}")


def _tops(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from [entry.name for entry in entries]


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


def new_folder(path: str) -> int:
    """Make a folder that nobody else may enter, and open it. Nothing is inherited from the folder it is in.

    Raises NotSafe where something is there."""
    parent, name = posixpath.split(path)
    os.makedirs(parent, exist_ok=True)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError as error:
        raise NotSafe(
            f"{path} is in the way", f"look at it, and remove it if it is not needed: rm -r {name!r}"
        ) from error
    with folder_at(path) as descriptor:
        write_xattrs(descriptor, ())
        os.fchmod(descriptor, 0o700)
        return os.dup(descriptor)


def _explained(error: OSError, place: Place) -> PluginError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PluginError(
            f"no space left where {place.name} should be loaded", "nothing was replaced; free some space"
        )
    if isinstance(error, PermissionError):
        return PluginError(f"{error.filename or place.name} may not be written", "nothing was replaced; run it as root")
    return PluginError(
        f"{place.name} could not be loaded: {error.strerror} ({error.filename or ''})", "nothing was replaced"
    )
