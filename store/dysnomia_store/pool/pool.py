"""The pool of frames: ``frames/<2 hex>/<62 hex>.zst``, each named by the sha256 of its content.

As the Nix store optimises: a frame in the pool and in snapshots is one file with several names, and one that only the
pool still names is garbage. Nothing else counts references. Correctness never rests on the pool: a snapshot's folder
holds every frame it needs, and what cannot be linked is written again.

A frame is believed, and linked instead of being written, only where its end says that it is this one and complete, its
mode and group are ours, and no check of it failed: then it was moved to ``frames/bad``.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dysnomia_store.content import frame_file
from dysnomia_store.content.files import READ, write_all
from dysnomia_store.content.frame_folder import opened, read_frame
from dysnomia_store.content.proofs import Proofs
from dysnomia_store.content.zstandard import ZstdError
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.links import entries
from dysnomia_store.disk.syscalls import Disk
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import NotFound

NO_LINKS = (errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EOPNOTSUPP)
"""What a file system says that cannot link, or not this file again."""
BAD = "bad"
HEALED = ".healed"


@dataclass(slots=True)
class Pool:
    """The frames of one store. Its methods may be called from several threads and processes at once."""

    layout: Layout
    disk: Disk
    replaced: set[bytes] = field(default_factory=set)
    """Digests of frames that were kept here, written or shared, of which a damaged file is known: snapshots that hold
    that one can be healed."""

    def path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self.layout.frames / name[:2] / (name[2:] + frame_file.SUFFIX)

    def folder(self, path: Path) -> None:
        self.disk.mkdir(path)

    def keep(
        self, content: memoryview, target: Path, compress: Callable[[bytes | memoryview], bytes]
    ) -> tuple[bytes, int]:
        """See ``FrameKeeper``: links the pool's file where it has one, else writes one and offers it to the pool."""
        digest = hashlib.sha256(content).digest()
        size = self.share(digest, len(content), target)
        if size is not None:
            return digest, size
        body = compress(content)
        trailer = frame_file.seal(content, digest, body)
        self._write(target, body, trailer)
        if not self.offer(target, digest, len(content)):
            # Another thread has written the same content meanwhile: its file is shared, and ours is not needed.
            spare = target.with_name(f"{target.name}.link")
            size = self.share(digest, len(content), spare)
            if size is not None:
                self.disk.replace(spare, target)
                return digest, size
        return digest, len(body) + len(trailer)

    def take_in(
        self, target: Path, digest: bytes, content: int, proofs: Proofs | None = None, spare: Path | None = None
    ) -> bool:
        """Share a proven frame that came from elsewhere: make ``target`` a link of the pool's, or the pool's one of
        it. It stays as it is where neither can be. What ``proofs`` knows is not read again; ``spare`` is a name for
        the link until it takes the target's place.

        Returns whether it was replaced. The folder is for the caller to sync. Raises OSError."""
        entry = self.path(digest)
        if not self.proven(digest, content, proofs or Proofs()):
            self.disk.chmod(target, self._mode, self.disk.access.gid)
            self.offer(target, digest, content)
            return False
        spare = spare or target.with_name(target.name + ".link")
        try:
            self.disk.link(entry, spare)
        except OSError as error:
            if error.errno not in (*NO_LINKS, errno.ENOENT):
                raise
            return False
        self.disk.replace(spare, target)
        self._can_heal(digest)
        return True

    def _can_heal(self, digest: bytes) -> None:
        """Note a good frame where a damaged file of it is known. Raises OSError."""
        if self.known_bad(digest):
            self.replaced.add(digest)

    def proven(self, digest: bytes, content: int, proofs: Proofs) -> bool:
        """Whether the pool has a frame, read and found right: a good file must never make room for one that is not.

        Raises OSError."""
        entry = self.path(digest)
        if self.size(entry, digest, content) is None:
            return False
        try:
            at = entry.stat(follow_symlinks=False)
            if proofs.right.get((at.st_dev, at.st_ino)) != digest:
                with opened(entry.parent) as folder:
                    frame_file.prove(read_frame(folder, entry.name), digest, content)
                proofs.right[at.st_dev, at.st_ino] = digest
        except (FileNotFoundError, NotFound):
            return False
        except (OSError, ZstdError):
            self.condemn(entry, digest)
            return False
        return True

    def inode(self, digest: bytes) -> int:
        """Of the pool's file of a frame; 0 where it has none."""
        try:
            return self.path(digest).stat(follow_symlinks=False).st_ino
        except FileNotFoundError:
            return 0

    def offer(self, target: Path, digest: bytes, content: int) -> bool:
        """Link a durable frame into the pool. Where another was quicker, that one stays. Returns whether it was linked.

        Raises OSError."""
        linked = self._link_into(self.path(digest), target, digest, content)
        self._can_heal(digest)
        return linked

    def _link_into(self, entry: Path, target: Path, digest: bytes, content: int) -> bool:
        for _ in range(3):
            try:
                self.disk.link(target, entry)
                return True
            except FileNotFoundError:
                self._make_folder(entry.parent)
            except FileExistsError:
                if self.size(entry, digest, content) is not None:
                    return False
                if self.size(entry, digest, content, ours=False) is not None:
                    self.disk.unlink(entry, missing_ok=True)  # of another mode or group: its snapshots hold it
                else:
                    self.condemn(entry, digest)
            except OSError as error:
                if error.errno in NO_LINKS:
                    return False
                raise
        return False

    def size(self, path: Path, digest: bytes, content: int, *, ours: bool = True) -> int | None:
        """The size of a frame's file that may be linked; None where it is not there or not believed.

        ``ours`` asks that mode and group are those of this store now."""
        try:
            descriptor = os.open(path, READ)
        except OSError:
            return None
        try:
            at = os.fstat(descriptor)
            if ours and (at.st_mode & 0o7777 != self._mode or self.disk.access.gid not in (None, at.st_gid)):
                return None
            return frame_file.size_if_whole(descriptor, digest, content)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def condemn(self, path: Path, digest: bytes) -> None:
        """Never believe this file again: keep a name of it in ``bad``, and take it out of the pool. Raises OSError."""
        try:
            at = path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        bad = self.layout.frames / BAD
        if not bad.is_dir():
            self._make_folder(bad)
        if at.st_ino not in self.known_bad(digest):
            try:
                self.disk.link(path, bad / f"{digest.hex()}.{os.urandom(4).hex()}")
            except OSError as error:
                if error.errno not in (*NO_LINKS, errno.ENOENT):
                    raise
        entry = self.path(digest)
        with suppress(FileNotFoundError):
            if entry.stat(follow_symlinks=False).st_ino == at.st_ino:
                self.disk.unlink(entry, missing_ok=True)

    def known_bad(self, digest: bytes) -> tuple[int, ...]:
        """Inodes of damaged files of a frame that snapshots may still hold."""
        name = f"{digest.hex()}."
        entries = [entry for entry in self.bad() if entry.name.startswith(name) and not entry.name.endswith(HEALED)]
        return tuple(entry.stat(follow_symlinks=False).st_ino for entry in entries)

    def healed(self, digest: bytes) -> None:
        """Remember that no snapshot holds the damaged files of a frame any longer. Raises OSError."""
        for entry in list(self.bad()):
            if entry.name.startswith(f"{digest.hex()}.") and not entry.name.endswith(HEALED):
                with suppress(FileNotFoundError):
                    self.disk.rename(Path(entry.path), Path(entry.path + HEALED))

    def release(self, digest: bytes) -> int:
        """Delete the pool's name of a frame that nothing else holds. Returns the bytes freed. Raises OSError."""
        entry = self.path(digest)
        try:
            at = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return 0
        if at.st_nlink != 1:
            return 0
        # A writer may link it at this very moment: then its snapshot holds it, and only the pool has lost it.
        self.disk.unlink(entry, missing_ok=True)
        return at.st_size

    @property
    def _mode(self) -> int:
        return 0o400 if self.disk.access.gid is None else 0o440

    def share(self, digest: bytes, content: int, target: Path) -> int | None:
        """See ``FrameKeeper``."""
        entry = self.path(digest)
        size = self.size(entry, digest, content)
        if size is None:
            return None
        try:
            self.disk.link(entry, target)
        except FileNotFoundError:
            return None  # released meanwhile
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if error.errno == errno.EMLINK:
                # As many snapshots as can be hold this file: the next ones share another.
                self.disk.unlink(entry, missing_ok=True)
            return None
        self._can_heal(digest)
        return size

    def _write(self, target: Path, *parts: bytes) -> None:
        with self.disk.create(target, self._mode) as file:
            for part in parts:
                write_all(file, part)
            self.disk.fdatasync(file)

    def _make_folder(self, path: Path) -> None:
        """Not synced: an entry of the pool that a crash loses costs no more than writing the frame again."""
        for folder in (path.parent, path):
            with suppress(FileExistsError):
                self.disk.mkdir(folder)

    def bad(self) -> Iterator[os.DirEntry[str]]:
        """The names of damaged files: digest, something that tells them apart, and whether they were healed."""
        return entries(self.layout.frames / BAD)


def pool_for(workspace: Workspace, reader: int | None) -> Pool | None:
    """The store's pool, for a snapshot that a group besides the store's own may read: then None, since a file that
    snapshots share has one group."""
    return Pool(workspace.layout, workspace.disk) if reader is None else None
