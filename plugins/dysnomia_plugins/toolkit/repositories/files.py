"""What else stands in a repository's folder: hooks, configuration, and whatever its operator keeps there.

Stored as a tar, as a fileset is; what was not made here brings no hook that may be run.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from dysnomia_plugins.base import Context, Place, Stored
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.guarded.folder import require_ours
from dysnomia_plugins.toolkit.guarded.removal import remove_folder
from dysnomia_plugins.toolkit.guarded.system import folder_at
from dysnomia_plugins.toolkit.trees.compare import compare
from dysnomia_plugins.toolkit.trees.dump import TreeDump
from dysnomia_plugins.toolkit.trees.extract import Extractor, Trust
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.names import RootAt
from dysnomia_plugins.toolkit.trees.selected_members import Chosen
from dysnomia_plugins.toolkit.trees.tarheader import BadArchive
from dysnomia_plugins.toolkit.trees.tarread import Entry, TarReader
from dysnomia_plugins.toolkit.trees.tarwrite import END
from dysnomia_plugins.toolkit.trees.walk import Walk
from dysnomia_store import DigestSink
from dysnomia_store.model import Section
from dysnomia_store.sink import Buffer, ContentSink

_MAY_RUN = 0o111

FILES = "files.tar"
"""The artefact."""


def files_of(repository: str, own: frozenset[str]) -> tuple[Sequence[RootAt], frozenset[str]]:
    """What a tar is made of, and the names in it that are left out; nothing where a repository's folder holds only what
    its programs keep there (``own``: names, also in a folder that is named with a ``/`` at its end)."""
    names = set(os.listdir(repository))
    if names <= own:
        return (), own
    shared = [name[:-1] for name in own if name.endswith("/") and name[:-1] in names]
    inner = [RootAt(name, posixpath.join(repository, name), "") for name in shared if _is_folder(repository, name)]
    return [RootAt(".", repository, ""), *inner], own | {root.root for root in inner}


def _is_folder(repository: str, name: str) -> bool:
    return os.path.isdir(posixpath.join(repository, name)) and not os.path.islink(posixpath.join(repository, name))  # noqa: PTH112, PTH114


def write_files(ctx: Context, place: Place, sink: ContentSink, own: frozenset[str]) -> Sequence[str]:
    """Hooks, configuration and whatever else the operator keeps there, as a tar. Returns warnings."""
    roots, skip = files_of(place.name, own)
    if not roots:
        sink.store_only(END)
        return ()
    tree = TreeDump(ctx, lambda: sink, roots, skip=skip)
    tree.run()
    return [*tree.warnings, *tree.changed]


Tame = Callable[[Member], Member | None]


@dataclass
class FilesLoader:
    """Puts a snapshot's files into a repository that stands nowhere else."""

    ctx: Context
    stored: Stored
    path: str
    trust: Trust
    own: frozenset[str]
    """What the type's own programs keep in a repository's folder: no files of the operator's."""
    tame: Tame
    """What becomes of a file that nobody here vouches for."""
    refused: frozenset[str] = frozenset()
    """What lets the type's own programs read elsewhere: not even loaded to be proved where nobody vouches for it."""
    taken: set[str] = field(default_factory=set)
    """The names of those that were chosen and made; of all of them nothing is kept."""
    _left_out: list[str] = field(default_factory=list)
    _extractor: Extractor | None = None
    _whole: bool = True

    def run(self, sections: Sequence[Section] | None) -> None:
        """All of them, in place of those that are there; or some. ``finish`` follows. Raises PluginError, OSError."""
        chosen = None if sections is None else Chosen.of(self._sections(), sections)
        if chosen is None:
            clear(self.path, self.own)
        with _ours_at(self.path) as base:
            extractor = Extractor(base, self.trust, self.ctx.progress.log, self._left_out)
            try:
                self._extract(extractor, chosen)
            except BaseException:
                extractor.abandon()
                raise
            extractor.close(hand_over=False)
        for text in self._left_out[:20]:
            self.ctx.progress.log(f"left out, since {self.trust.why_not}: {text}")
        self._extractor, self._whole = extractor, chosen is None

    def finish(self) -> bool:
        """The repository's own folder becomes what it should be like, and all is compared with what is stored. Returns
        whether the files say whose the folder is.

        When nothing is made in it any more: from then on its owner may change it. Raises PluginError, OSError."""
        if self._extractor is None:
            return False
        with _ours_at(self.path) as base:
            self._extractor.hand_over_base(base)
        if self._whole:
            lost = bool(self._left_out or self._extractor.lost_xattrs)
            self._check(strict=self.trust.made_here and not lost)
        return self._extractor.top is not None

    def _sections(self) -> Iterator[Section]:
        return (section for section in self.stored.sections() if section.artefact == FILES)

    def _extract(self, extractor: Extractor, chosen: Chosen | None) -> None:
        with self.stored.open(FILES) as stream:
            archive = TarReader(stream)
            for entry in archive:
                self.ctx.cancel.check()
                members = (entry.member,) if chosen is None else tuple(chosen.members(entry.member))
                for member in members:
                    if self.trust.made_here and not self.ctx.made_here:
                        refuse_rights(member, self.refused)
                    self._take(extractor, entry, member)
                    if chosen is not None:
                        self.taken.add(member.name)
            if not archive.ended:
                raise BadArchive("the archive of the repository's files has no end marker", "it is not complete")

    def _take(self, extractor: Extractor, entry: Entry, member: Member) -> None:
        if member.name.split("/")[0] in self.own:
            raise BadArchive(
                f"the archive holds {member.name!r}, which the type's own programs keep",
                "nothing was extracted",
            )
        safe = member if self.trust.made_here else self.tame(member)
        if safe is None:
            self._left_out.append(f"{member.name}: not restored of such a snapshot")
            return
        if safe.mode != member.mode:
            self._left_out.append(f"{member.name}: that it may be run")
        extractor.extract(entry, safe)

    def _check(self, *, strict: bool) -> None:
        if self.stored.metadata is None or not self.stored.metadata.sections:
            return
        roots, skip = files_of(self.path, self.own)

        def members() -> Iterator[Member]:
            walk = Walk(roots, open_files=False, skip=skip)
            return (seen.member for seen in walk)

        if not strict:
            left_out = {text.partition(": ")[0] for text in self._left_out}
            kept = (section for section in self._sections() if section.name not in left_out)
            names = {member.name for member in members()}
            missing = next((section.name for section in kept if section.name not in names), None)
            if missing is not None:
                raise BadArchive(f"{missing!r} was not loaded as it was stored", "nothing was replaced")
            return
        compare(self._sections, members, strict=True, owners=self.trust.root, check=self.ctx.cancel.check)


def tamed(member: Member) -> Member | None:
    """A file that nobody here vouches for: below ``hooks`` it may not be run, and no link leads to what may be.

    None where it may not be there at all."""
    if member.name == "hooks" and member.kind is not Kind.FOLDER:
        return None
    if not member.name.startswith("hooks/") or member.kind is Kind.FOLDER:
        return member
    if member.kind is not Kind.FILE:
        return None
    return replace(member, mode=member.mode & ~_MAY_RUN)


def refuse_rights(member: Member, refused: frozenset[str]) -> None:
    """Raises NotSafe for what gives rights to whoever reaches it: of a snapshot that nobody here vouches for it is not
    made, and a proof of the snapshot cannot leave it out."""
    what = ""
    if member.kind in (Kind.CHAR, Kind.DISK):
        what = f"a {member.kind}"
    elif member.kind is not Kind.SYMLINK and member.mode & stat.S_ISUID:
        what = "setuid"
    elif member.kind not in (Kind.FOLDER, Kind.SYMLINK) and member.mode & stat.S_ISGID:
        what = "setgid"
    elif any(name.startswith(("security.", "trusted.")) for name, _ in member.xattrs):
        what = "a file with privileged attributes"
    elif member.name.split("/")[0] in refused:
        what = "a file that names another repository to be read"
    if what:
        raise NotSafe(
            f"{member.name} is {what}, and the snapshot was imported and is not trusted: to verify it, that would have"
            " to be made here",
            "inspect it, then trust it: dysnomia-tui trust",
        )


def copy_files(ctx: Context, source: str, target: str, own: frozenset[str]) -> Callable[[], bool]:
    """What is not ``own`` in one repository to another that holds none of it. Returns what makes the other's own folder
    what it should be like: to be called when nothing is made in it any more; it returns whether there was such."""
    copied = ctx.staging / "files.tar"
    with copied.open("w+b") as file:
        sink = _TarSink(Last(), "", file)
        write_files(ctx, Place(source), sink, own)
        file.seek(0)
        with _ours_at(target) as base:
            extractor = Extractor(base, Trust(made_here=True), ctx.progress.log)
            try:
                for entry in TarReader(file):
                    extractor.extract(entry)
            except BaseException:
                extractor.abandon()
                raise
            extractor.close(hand_over=False)
    copied.unlink()

    def finish() -> bool:
        with _ours_at(target) as base:
            extractor.hand_over_base(base)
        return extractor.top is not None

    return finish


@contextmanager
def _ours_at(path: str) -> Iterator[int]:
    """A repository's folder that nobody else can change a name in: whoever owns the folder around the job's own can put
    another of that name there, with files in it that would be given away. Raises NotSafe, OSError."""
    with folder_at(path) as base:
        require_ours(base, path)
        yield base


class Last:
    """Where sections go of which only the last is wanted, if any."""

    def __init__(self) -> None:
        self.section: Section | None = None

    def add(self, section: Section) -> None:
        self.section = section

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        return None


class _TarSink(DigestSink):
    """Writes what it is given to a file, and nothing else."""

    def __init__(self, target: Last, artefact: str, file: BinaryIO) -> None:
        super().__init__(target, artefact)
        self._file = file

    def _keep(self, data: Buffer) -> None:
        self._file.write(data)


def clear(path: str, own: frozenset[str]) -> None:
    """Delete all but what the type's own programs keep there."""
    for name in os.listdir(path):
        if name not in own:
            remove_folder(posixpath.join(path, name))
