"""A stored repository into a place that is not live, whole or in part, and the check that it came out as stored."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_plugins.base import Context, Place, Stored, WarningLine
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.toolkit.guarded.acting import acting_as
from dysnomia_plugins.toolkit.guarded.folder import Folder, hand_over, require_ours
from dysnomia_plugins.toolkit.guarded.groups import give
from dysnomia_plugins.toolkit.guarded.libc import sync_file_system
from dysnomia_plugins.toolkit.guarded.system import folder_at, write_all
from dysnomia_plugins.toolkit.guarded.walking import walk
from dysnomia_plugins.toolkit.guarded.way import NOBODY
from dysnomia_plugins.toolkit.repositories.files import FilesLoader, tamed
from dysnomia_plugins.toolkit.repositories.making import begin, give_name, hand_over_top, maker_for, open_top, reclaim
from dysnomia_plugins.toolkit.repositories.places import COPY, is_strange_proof, purpose_at, wrapper_of
from dysnomia_plugins.toolkit.trees.extract import Trust
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.types.git import server_info
from dysnomia_plugins.types.git.contents import BUNDLE, HISTORY, REFERENCES, read_refs
from dysnomia_plugins.types.git.places import Layout
from dysnomia_plugins.types.git.refs import HEAD, BadBundle, Ref, objects, read_header
from dysnomia_plugins.types.git.repository import KEPT, OWN, Access, Repository, git_failed
from dysnomia_store.model import Section

_CHUNK = 1 << 20
_PACK_HEADER = 12
_ENTRY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CONFIG = "config"
_OBEYED = frozenset({CONFIG, "config.worktree", "worktrees", "modules", "commondir", "gitdir", "reftable"})
"""What names programs that git runs, or another folder that it reads: never taken of a snapshot from elsewhere."""
_MAX_CONFIG = 1 << 20
ELSEWHERE = frozenset({"commondir", "gitdir", "reftable"})
NAMED = "git-copy-named"
"""A step in the journal: which folder gets a copy's name."""
EMPTY = [Ref(HEAD, "", "", "refs/heads/main")]


def tamed_file(member: Member) -> Member | None:
    """A file that nobody here vouches for: no configuration, no hook that may be run, no link out of the repository."""
    if member.name.split("/")[0] in _OBEYED:
        return None
    return None if member.kind is Kind.SYMLINK else tamed(member)


@dataclass
class Loader:
    """Loads one snapshot into one place."""

    ctx: Context
    layout: Layout
    stored: Stored
    place: Place

    def run(self, sections: Sequence[Section] | None) -> None:
        """Raises PluginError; what was made then stays for ``drop``."""
        making = self.place if wrapper_of(self.place) else self.layout.made(self.ctx.tag, COPY)
        try:
            self._make(making, sections)
            if making != self.place:
                give_name(self.ctx, making, self.place, NAMED)
        except ProcessFailed as error:
            raise git_failed(error, self.place.name) from error
        except OSError as error:
            raise explained(error, self.place) from error

    def _make(self, making: Place, sections: Sequence[Section] | None) -> None:
        names = {(one.kind, one.name) for one in sections or ()}
        history = sections is None or REFERENCES in names or HISTORY in names
        files = None if sections is None else [one for one in sections if (one.kind, one.name) not in _LISTS]
        access = self._access()
        maker = maker_for(making, access.uid if access else os.geteuid(), access.gid if access else -1)
        repository = Repository(making.name, self.ctx.runner, True, maker)
        begin(making, maker)
        refs: Sequence[Ref] = EMPTY
        listing: bytes | None = None
        with self.stored.open(BUNDLE) as stream:
            object_format, _ = read_header(stream)
            create(repository, object_format)
            if history:
                refs = read_refs(self.stored)
                fill(self.ctx, repository, stream, self._size())
                check_objects(repository, refs)
                if server_info.was_kept(self.stored) or server_info.is_kept(self.layout.live):
                    listing = server_info.list_refs(repository, refs)
        reclaim(making, maker, OWN)
        finish = self._files(repository.path, object_format, files)
        write_refs(repository.path, refs)
        if listing is not None:
            server_info.write(repository.path, listing, access)
        if access is not None:
            hand_over_own(repository.path, access)
        problem = finish()
        if files is not None:
            open_top(repository.path)
        if access is not None and not problem:
            hand_over_top(repository.path, access.uid, access.gid)
        with folder_at(repository.path) as descriptor:
            sync_file_system(descriptor)
        self.ctx.progress.phase("check")
        repository.require()
        made, _ = repository.refs()
        if [(ref.name, ref.target, ref.symbolic) for ref in made] != [
            (ref.name, ref.target, ref.symbolic) for ref in refs
        ]:
            raise PluginError(f"the references of {self.place.name} were not loaded as stored", "nothing was replaced")
        if history:
            check_connected(repository)

    def _size(self) -> int | None:
        return self.stored.metadata.content_size if self.stored.metadata is not None else None

    def _access(self) -> Access | None:
        """Whose it becomes: as live has it, or as a snapshot made here says; nobody's where it must give no rights.
        A stranger's does not choose whom this machine gives it to."""
        if is_strange_proof(self.ctx, self.place):
            return Access(NOBODY, NOBODY, 0o700, 0o600)
        access = Access.at(self.layout.live)
        if access is None and self.ctx.made_here and self.stored.metadata is not None:
            access = Access.read(self.stored.metadata.surroundings.get("access"))
        return access

    def _files(self, path: str, object_format: str, files: Sequence[Section] | None) -> Callable[[], bool]:
        """What else stood in its folder. A configuration that may not be taken stays that of live.

        Returns what is to be done when nothing is made in the folder any more."""
        scratch = purpose_at(self.place) == "scratch"
        owner: tuple[int, int] | None = None
        if os.path.isdir(self.layout.live):  # noqa: PTH112
            with folder_at(self.layout.live) as descriptor:
                seen = os.fstat(descriptor)
            owner = seen.st_uid, seen.st_gid
        trust = Trust(self.ctx.made_here or scratch, owner, exact=scratch)
        loader = FilesLoader(self.ctx, self.stored, path, trust, KEPT, tamed_file, refused=ELSEWHERE)
        loader.run(files)
        with Folder.at(path) as top:
            if top.seen(CONFIG) is not None and files is None:
                return loader.finish
            kept = self._config_of_live() if not self.ctx.made_here else None
            text, mode = kept or (_config(object_format), 0o644)
            top.unlink(CONFIG)
            with top.new_file(CONFIG) as file:
                write_all(file, text)
                hand_over(file, *(owner or (-1, -1)), mode)
        return loader.finish

    def _config_of_live(self) -> tuple[bytes, int] | None:
        """And its mode. Read as whoever git runs as there: a hard link of theirs to a file of root's gives nothing."""
        live = Repository(self.layout.live, self.ctx.runner)
        try:
            with acting_as(live.actor), Folder.at(live.path) as top, top.file(CONFIG) as file:
                mode = stat.S_IMODE(os.fstat(file).st_mode) & 0o777
                with os.fdopen(os.dup(file), "rb") as stream:
                    text = stream.read(_MAX_CONFIG + 1)
        except FileNotFoundError:
            return None
        except (OSError, PluginError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.message
            self.ctx.progress.log(
                WarningLine.of(f"the configuration of {live.path} cannot be read ({reason}): an empty one is made")
            )
            return None
        if len(text) > _MAX_CONFIG:
            raise NotSafe(f"{live.path}/{CONFIG} is longer than {_MAX_CONFIG:,} bytes", "nothing was replaced")
        return text, mode


_LISTS = (REFERENCES, HISTORY)


def create(repository: Repository, object_format: str) -> None:
    """An empty one. Raises PluginError."""
    repository.run(
        "init", "--quiet", "--bare", "--template=", "--initial-branch=main", f"--object-format={object_format}"
    )


def fill(ctx: Context, repository: Repository, stream: BinaryIO, size: int | None) -> None:
    """Put the objects of a bundle, which stands at its pack, into a repository. Raises PluginError."""
    head = stream.read(_PACK_HEADER)
    if len(head) < _PACK_HEADER or not head.startswith(b"PACK"):
        raise BadBundle("the bundle holds no pack", "nothing was replaced")
    if not int.from_bytes(head[8:12]):
        return
    done = 0
    with repository.writing("index-pack", "--stdin") as stdin:
        stdin.write(head)
        while chunk := stream.read(_CHUNK):
            stdin.write(chunk)
            done += len(chunk)
            ctx.cancel.check()
            ctx.progress.advance(done, size)


def check_objects(repository: Repository, refs: Sequence[Ref]) -> None:
    """Whether all that references lead to is there. Raises PluginError."""
    wanted = objects(refs)
    if not wanted:
        return
    with os.fdopen(os.memfd_create("objects"), "w+b") as asked:
        asked.writelines(f"{one}\n".encode("ascii") for one in wanted)
        asked.seek(0)
        with repository.reading("cat-file", "--batch-check", source=asked) as answers:
            missing = next((line[:12].decode("ascii") for line in answers if line.endswith(b" missing\n")), "")
    if missing:
        raise BadBundle(f"the snapshot lacks the object {missing}…", "nothing was replaced")


def check_connected(repository: Repository) -> None:
    """Whether all is there that references lead to, at any depth, as ``git clone`` looks. Raises PluginError.

    An object that a disk has changed went into the pack as it was, and has another name in what is made of it."""
    try:
        repository.run("rev-list", "--objects", "--quiet", "--all")
    except ProcessFailed as error:
        if error.status < 0:
            raise
        last = error.stderr.strip().splitlines()[-1:]
        raise BadBundle(
            f"the snapshot lacks objects of its history ({', '.join(last)})",
            "nothing was replaced; restore another generation, and run git fsck --full where it was made",
        ) from error


def write_refs(path: str, refs: Sequence[Ref]) -> None:
    """References as git packs them; those that lead to others, as files. Raises OSError.

    In a repository that nobody else can reach."""
    plain = sorted(
        (ref for ref in refs if ref.name != HEAD and not ref.symbolic), key=lambda ref: os.fsencode(ref.name)
    )
    lines = [b"# pack-refs with: sorted \n", *(os.fsencode(f"{ref.target} {ref.name}\n") for ref in plain)]
    with Folder.at(path) as top:
        for name in (HEAD, "packed-refs"):
            top.unlink(name)
        head = next(ref for ref in refs if ref.name == HEAD)
        top.write_new(HEAD, _pointer(head))
        if plain:
            top.write_new("packed-refs", b"".join(lines))
    for ref in refs:
        if ref.symbolic and ref.name != HEAD:
            folder, _, name = ref.name.rpartition("/")
            with Folder.at(f"{path}/{folder}", make=0o777) as holder:
                holder.write_new(name, _pointer(ref))


def _pointer(ref: Ref) -> bytes:
    return os.fsencode(f"ref: {ref.symbolic}\n" if ref.symbolic else f"{ref.target}\n")


def _config(object_format: str) -> bytes:
    if object_format == "sha1":
        return b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
    return (
        "[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = true\n"
        f"[extensions]\n\tobjectformat = {object_format}\n"
    ).encode("ascii")


def hand_over_own(path: str, access: Access) -> None:
    """Objects and references to the repository's owner, who may write them as before. Raises NotSafe, OSError.

    Only in a repository that nobody else can reach: there are no links in it and no other names of its files."""
    for own in OWN:
        with folder_at(f"{path}/{own}") as top:
            for at, _, names, folder in walk(top, topdown=False):
                require_ours(folder, f"{path}/{own}/{at}")
                for name in names:
                    descriptor = os.open(name, _ENTRY, dir_fd=folder)
                    try:
                        seen = os.fstat(descriptor)
                        if seen.st_nlink != 1 or not stat.S_ISREG(seen.st_mode):
                            raise NotSafe(f"{path}/{own}/…/{name} is not a file of git", "nothing was replaced")
                        may = 0o777 if seen.st_mode & stat.S_IWUSR else 0o444
                        hand_over(descriptor, access.uid, access.gid, access.file_mode & may)
                    finally:
                        os.close(descriptor)
                give(folder, access.uid, access.gid)
                os.fchmod(folder, access.folder_mode & 0o3777)
    with Folder.at(path) as kept:
        require_ours(kept.descriptor, path)
        for name in (HEAD, "packed-refs"):
            if kept.seen(name) is not None:
                with kept.file(name) as file:
                    hand_over(file, access.uid, access.gid, access.file_mode)


def explained(error: OSError, place: Place) -> PluginError:
    if error.errno in NO_SPACE:
        return PluginError(f"no space left where {place.name} should be loaded", "nothing was replaced; free space")
    if error.errno == errno.EEXIST:
        return NotSafe(f"{place.name} is in the way", "nothing was replaced; choose another name")
    if isinstance(error, PermissionError):
        return PluginError(f"permission denied: {error.filename or place.name}", "nothing was replaced; run it as root")
    return PluginError(f"{place.name} could not be loaded: {error.strerror}", "nothing was replaced")
