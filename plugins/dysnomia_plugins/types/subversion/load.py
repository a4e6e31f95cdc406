"""A stored repository into a place that is not live, whole or in part, and the check that it came out as stored."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_plugins.base import Context, Place, Stored, WarningLine
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.acting import Actor, acting_as
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.libc import sync_file_system
from dysnomia_plugins.toolkit.guarded.system import folder_at
from dysnomia_plugins.toolkit.guarded.way import NOBODY
from dysnomia_plugins.toolkit.repositories.files import FILES, FilesLoader, Last, clear, copy_files, tamed
from dysnomia_plugins.toolkit.repositories.making import (
    begin,
    give_back,
    give_name,
    hand_over_top,
    maker_for,
    open_top,
    reclaim,
)
from dysnomia_plugins.toolkit.repositories.places import COPY, is_strange_proof, purpose_at, wrapper_of
from dysnomia_plugins.toolkit.trees.extract import Trust
from dysnomia_plugins.types.subversion.activation import group_id, share
from dysnomia_plugins.types.subversion.contents import DUMP, HISTORY, LOCKED, begin_revisions, read_locks_list
from dysnomia_plugins.types.subversion.dumpfile import DumpReader
from dysnomia_plugins.types.subversion.locks import read_locks, write_locks
from dysnomia_plugins.types.subversion.places import Layout
from dysnomia_plugins.types.subversion.repository import NOT_FILES, OWN, Access, Repository, hand_over_format
from dysnomia_store import DigestSink
from dysnomia_store.model import Section
from dysnomia_store.sink import Buffer

_CONFIG = "fsfs.conf"
NAMED = "subversion-copy-named"
"""A step in the journal: which folder gets a copy's name."""


@dataclass
class Loader:
    """Loads one snapshot into one place."""

    ctx: Context
    layout: Layout
    stored: Stored
    place: Place
    _done: int = 0

    def run(self, sections: Sequence[Section] | None) -> None:
        """Raises PluginError; what was made then stays for ``drop``."""
        making = self.place if wrapper_of(self.place) else self.layout.made(self.ctx.tag, COPY)
        wanted = None if sections is None else Wanted.of(sections)
        try:
            self._make(making, wanted)
            if making != self.place:
                give_name(self.ctx, making, self.place, NAMED)
        except OSError as error:
            raise _explained(error, self.place) from error

    def _make(self, making: Place, wanted: Wanted | None) -> None:
        live = Repository(self.layout.live, self.ctx.runner)
        around = self._around(live)
        strange = is_strange_proof(self.ctx, self.place)
        access = self._closed(making) if strange else _access(around, self.layout)
        maker = maker_for(making, access.uid if access else os.geteuid(), access.gid if access else -1)
        repository = Repository(making.name, self.ctx.runner, True, maker)
        begin(making, maker)
        repository.create(str(around.get("compatible", "")))
        _write_config(repository.path, around, maker)
        locks = read_locks_list(self.stored) if wanted is None or wanted.locks else []
        if wanted is None or wanted.history:
            self._history(repository)
        reclaim(making, maker, OWN)
        write_locks(Path(repository.path), locks)
        finish = self._files(repository.path, live, wanted, maker)
        for name in ("db", "locks"):
            if access is not None:
                access.apply(f"{repository.path}/{name}")
            elif self.layout.group:
                share(f"{repository.path}/{name}", group_id(self.layout.group), inherit="." if name == "db" else "")
        if access is not None or self.layout.group:
            hand_over_format(repository.path, access or Access(-1, group_id(self.layout.group), 0, 0o664))
        problem = finish()
        if access is not None and not problem:
            hand_over_top(repository.path, access.uid, access.gid)
        with folder_at(repository.path) as descriptor:
            sync_file_system(descriptor)
        self.ctx.progress.phase("check")
        if len(read_locks(Path(repository.path))) != len(locks):
            raise PluginError(f"the locks of {self.place.name} were not loaded as stored", "nothing was replaced")

    def _closed(self, making: Place) -> Access:
        """Nobody's: it must give no rights. Ours where it holds history alone, and nobody else can be in the way."""
        ours = FILES not in self.stored.artefacts() and maker_for(making, 0, -1) is None
        uid, gid = (os.geteuid(), os.getegid()) if ours else (NOBODY, NOBODY)
        return Access(uid, gid, 0o700, 0o600)

    def _around(self, live: Repository) -> Mapping[str, Any]:
        """What is not in the snapshot's dump: as live has it, or as the snapshot's maker said; but a stranger does not
        choose whom this machine gives it to."""
        if Access.at(live.path) is not None:
            try:
                return live.surroundings(live.info())
            except PluginError as error:
                self.ctx.progress.log(
                    WarningLine.of(f"the settings of the live repository cannot be read: {error.message}")
                )
        around = self.stored.metadata.surroundings if self.stored.metadata is not None else {}
        return around if self.ctx.made_here else {name: value for name, value in around.items() if name != "access"}

    # History.

    def _history(self, repository: Repository) -> None:
        expected = self._expected()
        target = Last()
        listed = DigestSink(target, "")
        begin_revisions(listed)
        last = 0
        with self.stored.open(DUMP) as stream, repository.loading() as stdin:
            reader = DumpReader(stream, pad=True)

            def write(data: Buffer) -> None:
                stdin.write(data)
                self._advance(len(data))

            for revision in reader.revisions(write):
                last = revision.number
                if not revision.padding:
                    listed.write(revision.row())
            listed.end_section()
            if expected is not None and target.section is not None and target.section.digest != expected:
                raise PluginError(
                    "the revisions of the snapshot do not match its contents index", "nothing was replaced"
                )
        made = repository.info()
        if made.youngest != last or (reader.uuid and made.uuid != reader.uuid):
            raise PluginError(f"{repository.path} was not loaded to r{last}", "nothing was replaced")

    def _expected(self) -> str | None:
        """The digest of the list of revisions; None where none was written."""
        if self.stored.metadata is None:
            return None
        sections = (section for section in self.stored.sections() if (section.kind, section.name) == HISTORY)
        section = next(sections, None)
        return None if section is None else section.digest

    def _advance(self, size: int) -> None:
        self._done += size
        self.ctx.cancel.check()
        metadata = self.stored.metadata
        self.ctx.progress.advance(self._done, metadata.content_size if metadata is not None else None)

    # Files.

    def _files(self, path: str, live: Repository, wanted: Wanted | None, maker: Actor | None) -> Callable[[], bool]:
        """Hooks and configuration in place of what ``svnadmin create`` makes.

        Where the snapshot holds history alone (another tool's), they stay those of live; a scratch place, which proves
        what the snapshot holds, gets none. Returns what is to be done when nothing is made in the folder any more."""
        scratch = purpose_at(self.place) == "scratch"
        if FILES not in self.stored.artefacts():
            if scratch:
                clear(path, NOT_FILES)
            elif live.there and wanted is None:
                clear(path, NOT_FILES)
                return copy_files(self.ctx, live.path, path, NOT_FILES)
            else:
                give_back(path, maker, NOT_FILES, ())
                return lambda: _opened(path)
            return lambda: False
        owner: tuple[int, int] | None = None
        if live.there:
            with folder_at(live.path) as descriptor:
                seen = os.fstat(descriptor)
            owner = seen.st_uid, seen.st_gid
        trust = Trust(self.ctx.made_here or scratch, owner, exact=scratch)
        loader = FilesLoader(self.ctx, self.stored, path, trust, NOT_FILES, tamed)
        loader.run(None if wanted is None else wanted.files)
        if wanted is not None:
            give_back(path, maker, NOT_FILES, loader.taken)
        return loader.finish


def _opened(path: str) -> bool:
    open_top(path)
    return False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Some sections of a snapshot."""

    history: bool
    locks: bool
    files: tuple[Section, ...]

    @classmethod
    def of(cls, sections: Sequence[Section]) -> Wanted:
        """Raises NotSafe for locks without what they lock."""
        names = {(section.kind, section.name) for section in sections}
        if LOCKED in names and HISTORY not in names:
            raise NotSafe("locks alone would lock paths that are not there", "mark the revisions as well")
        files = tuple(one for one in sections if (one.kind, one.name) not in (HISTORY, LOCKED))
        return cls(HISTORY in names, LOCKED in names, files)


def _access(around: Mapping[str, Any], layout: Layout) -> Access | None:
    """Whose the data becomes; None where neither live nor the snapshot's maker says so."""
    access = Access.read(around.get("access"))
    return replace(access, gid=group_id(layout.group)) if access and layout.group else access


def _write_config(path: str, around: Mapping[str, Any], maker: Actor | None) -> None:
    """How the file system is to be kept (compression, caches): as it was, where that is known.

    The text is the owner's own, and so is the folder while its programs work in it: it is written as that one."""
    text = around.get("fsfs.conf")
    if isinstance(text, str) and text:
        with acting_as(maker), Folder.at(f"{path}/db") as folder:
            folder.unlink(_CONFIG)
            folder.write_new(_CONFIG, text.encode("utf-8", "surrogateescape"))


def _explained(error: OSError, place: Place) -> PluginError:
    if error.errno in NO_SPACE:
        return PluginError(f"no space left where {place.name} should be loaded", "nothing was replaced; free space")
    if error.errno == errno.EEXIST:
        return NotSafe(f"{place.name} already exists", "nothing was replaced; choose another name")
    if isinstance(error, PermissionError):
        return PluginError(f"permission denied: {error.filename or place.name}", "nothing was replaced; run it as root")
    return PluginError(f"{place.name} could not be loaded: {error.strerror}", "nothing was replaced")
