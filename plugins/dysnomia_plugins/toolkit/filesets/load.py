# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""A stored fileset into a place that is not live, whole or in part, and the check that it came out as it was stored."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_plugins.base import Context, Place, Stored
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.places import NAMED, Layout
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.syncing import syncing
from dysnomia_plugins.toolkit.guarded.way import Identity
from dysnomia_plugins.toolkit.trees.compare import Found, compare, differs
from dysnomia_plugins.toolkit.trees.contents import ARTEFACT, index_of
from dysnomia_plugins.toolkit.trees.extract import Extractor, Trust
from dysnomia_plugins.toolkit.trees.member import Kind, Member, kind_of
from dysnomia_plugins.toolkit.trees.names import RootAt, below, purpose_of, root_of
from dysnomia_plugins.toolkit.trees.plain_members import Ahead, PlainMembers
from dysnomia_plugins.toolkit.trees.selected_members import Chosen
from dysnomia_plugins.toolkit.trees.tarheader import BadArchive
from dysnomia_plugins.toolkit.trees.tarread import Entry, TarReader
from dysnomia_plugins.toolkit.trees.walk import Walk
from dysnomia_store.errors import NotFound
from dysnomia_store.model import Section

TOLD, TOLD_FILES = 256 << 10, 200
"""Bytes and number of small files after which progress is told, and a cancellation is noticed."""


@dataclass
class Loader:
    """Loads one snapshot into one place."""

    ctx: Context
    layout: Layout
    stored: Stored
    place: Place
    trust: Trust
    _extractors: dict[str, Extractor] = field(default_factory=dict)
    _bases: dict[str, Folder] = field(default_factory=dict)
    """The folders that are loaded into, each held by its descriptor until it is handed over."""
    _base_by_root: dict[str, str] = field(default_factory=dict)
    """For each root that may be loaded, into which base; the mounts these are found by are those of when it began."""
    _done: int = 0

    def run(self, sections: Sequence[Section] | None) -> None:
        """Raises PluginError, or OSError's meaning as one; what was made then stays for ``drop``."""
        copy = not purpose_of(self.place)
        making = self.layout.copy_in_the_making(self.place, self.ctx.tag) if copy else ""
        try:
            try:
                wanted = None if sections is None else self._chosen(sections)
                self._extract(making, wanted)
                self._close()
                self._say_what_was_left_out()
                self.ctx.progress.phase("check")
                with syncing([folder.descriptor for folder in self._bases.values()]):
                    self._check(making, wanted)
                self._hand_over()
                if copy:
                    self._name(making)
            finally:
                self._let_go()
        except OSError as error:
            raise _explained(error, self.place) from error

    def _hand_over(self) -> None:
        """Whole, checked and on the disk: folders that were closed to all others get the owner and mode they should
        have."""
        for base, extractor in self._extractors.items():
            extractor.hand_over_base(self._bases[base].descriptor)

    def _name(self, making: str) -> None:
        """A copy gets its name, where nothing has it. Raises NotSafe where it was replaced meanwhile."""
        made, name = self._bases[making], posixpath.basename(making)
        with Folder.at(posixpath.dirname(making)) as parent:
            if parent.identity(name) != Identity.of(made.stat()):
                raise NotSafe(f"{making} was replaced while it was loaded", "check who else can write in that folder")
            if self._extractors[making].top is None:
                os.fchmod(made.descriptor, 0o755)
            self.ctx.journal.step(NAMED, place=self.place.name, identity=str(parent.identity(name)))
            parent.move(name, parent, posixpath.basename(self.place.name))
            parent.sync()

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
                ahead = Ahead(stream)
                archive = TarReader(ahead.stream())
                plain = PlainMembers(ahead, self.trust.wanted)
                while True:
                    self._take_plain(plain, making)
                    if (entry := archive.next()) is None:
                        break
                    self._take(entry, entry.member, making)
                    entry.skip()
                    plain.learn(entry)
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

    def _take_plain(self, plain: PlainMembers, making: str) -> None:
        """The small files that come next."""
        folder: str | None = None
        size = count = 0
        while (file := plain.next()) is not None:
            name = f"{file.folder}/{file.name}" if file.folder else file.name
            if file.folder != folder or name in self._base_by_root:
                extractor = self._extractor(name, making)
                folder = file.folder if name not in self._base_by_root else None
            extractor.extract_plain(file)
            size += len(file.data)
            count += 1
            if size >= TOLD or count >= TOLD_FILES:
                self._advance(size)
                size = count = 0
        if count:
            self._advance(size)

    def _advance(self, size: int) -> None:
        self._done += size
        metadata = self.stored.metadata
        self.ctx.progress.advance(self._done, metadata.content_size if metadata is not None else None)
        self.ctx.cancel.check()

    def _extractor(self, name: str, making: str) -> Extractor:
        base = making or self._base_of(name)
        extractor = self._extractors.get(base)
        if extractor is None:
            folder = self._bases[base] = new_folder(base)
            extractor = self._extractors[base] = Extractor(folder.descriptor, self.trust, self.ctx.progress.log)
        return extractor

    def _base_of(self, name: str) -> str:
        if not self._base_by_root:
            self._base_by_root = {root.root: root.base for root in self.layout.roots_at(self.place)}
        root = root_of(name, self._base_by_root)
        if root is not None:
            return self._base_by_root[root]
        raise BadArchive(
            f"the snapshot holds {name!r}, which .dysnomia-fileset does not name", "restore it as a copy, or name it"
        )

    def _close(self) -> None:
        """All is written: what is in the folders is as it should be."""
        for extractor in self._extractors.values():
            extractor.close(hand_over=False)

    def _let_go(self) -> None:
        for extractor in self._extractors.values():
            extractor.abandon()
        for folder in self._bases.values():
            folder.close()

    def _say_what_was_left_out(self) -> None:
        for extractor in self._extractors.values():
            for text in extractor.left_out[:20]:
                self.ctx.progress.log(f"left out, since {self.trust.why_not}: {text}")
            if extractor.left_out_count > 20:
                self.ctx.progress.log(f"…and {extractor.left_out_count - 20:,} more")

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
        if making and any(not any(below(one, root.root) for root in roots) for one in self._bases[making].names()):
            return
        compare(
            self.stored.sections,
            lambda: self._as_it_will_be(Walk(roots, open_files=False)),
            strict=self.trust.made_here and not lost,
            owners=self.trust.root,
            check=self.ctx.cancel.check,
        )

    def _as_it_will_be(self, walk: Walk) -> Iterator[Found]:
        """A base is still closed: what it will be like is set when all is found right."""
        top = next((extractor.top for extractor in self._extractors.values() if extractor.top is not None), None)
        if top is None:
            yield from walk
            return
        for seen in walk:
            yield top if seen.name == top.name and seen.kind is top.kind else seen


def _check_one(section: Section, path: str) -> None:
    with Folder.at(posixpath.dirname(path)) as folder:
        seen = folder.seen(posixpath.basename(path))
    if section.kind == Kind.HARDLINK:
        return
    if seen is None:
        raise differs(section.name, "it is not there")
    if kind_of(seen.st_mode) != section.kind or (section.kind == Kind.FILE and seen.st_size != section.size):
        raise differs(section.name, f"there are {seen.st_size} bytes of mode {stat.filemode(seen.st_mode)}")


def new_folder(path: str) -> Folder:
    """Make a folder that nobody else may enter, and open it. Nothing is inherited from the folder it is in.

    Raises NotSafe where something is there."""
    parent, name = posixpath.split(path)
    with Folder.at(parent, make=0o777) as above:
        try:
            return above.make_folder(name)
        except FileExistsError as error:
            raise NotSafe(
                f"{path} is in the way", f"check it, and if it is not needed remove it: rm -r {name!r}"
            ) from error


def _explained(error: OSError, place: Place) -> PluginError:
    if error.errno in NO_SPACE:
        return PluginError(
            f"no space left where {place.name} should be loaded", "nothing was replaced; free some space"
        )
    if isinstance(error, PermissionError):
        return PluginError(f"permission denied: {error.filename or place.name}", "nothing was replaced; run it as root")
    return PluginError(
        f"{place.name} could not be loaded: {error.strerror} ({error.filename or ''})", "nothing was replaced"
    )
