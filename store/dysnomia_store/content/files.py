"""How an artefact's bytes reach the disk: the two calls the store's own disk object has as well.

The store hands its disk object in, so that one place makes, syncs (and in tests, fails) every file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_base.limits import reason
from dysnomia_store.errors import Corrupt, NotFound, NotPermitted, StoreError, StoreFull

READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Never through a link, never held up by a pipe: an imported snapshot may hold either."""


_READERS = frozenset({
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN, errno.ESTALE, errno.ENOTCONN,
    errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH,
})  # fmt: skip
"""No descriptors or memory left here; a file server that is away."""


def is_readers_own(error: Exception) -> bool:
    """Whether a failure to read says nothing of what was to be read: it is as good, or as bad, as it was."""
    return isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno in _READERS)


def unreadable(error: OSError, what: str) -> StoreError:
    """The error for what ``is_readers_own``: nothing is known of ``what``."""
    if isinstance(error, PermissionError):
        return NotPermitted(f"permission denied: {what}", "run it as the store's owner")
    return StoreError(
        f"{what} cannot be read now: {reason(error)}", "it may be undamaged: check the disk, then try again"
    )


def open_stored(path: Path, what: str = "a stored file", flags: int = 0, *, below: int | None = None) -> int:
    """A descriptor of a part of a snapshot; with ``below``, by its last name in that open folder.

    Raises NotFound, NotPermitted, Corrupt, StoreError."""
    try:
        return os.open(path if below is None else path.name, READ | flags, dir_fd=below)
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing") from error
    except OSError as error:
        if is_readers_own(error):
            raise unreadable(error, str(path)) from error
        raise Corrupt(f"{path} cannot be opened as {what} ({error.strerror})") from error


class Files(Protocol):
    """Creates and syncs files."""

    def create(self, path: Path) -> BinaryIO:
        """Open a new file for writing, unbuffered, mode 0600. Raises FileExistsError where there is one."""

    def fsync(self, file: BinaryIO) -> None:
        """Return when the file's bytes are on the disk."""


class FrameKeeper(Protocol):
    """Puts frames where an artefact needs them, from a pool where that has them already."""

    replaced: set[bytes]
    """Digests of frames that were kept of which a damaged file is known."""

    def keep(
        self, content: memoryview, target: Path, compress: Callable[[bytes | memoryview], bytes]
    ) -> tuple[bytes, int]:
        """Make ``target`` the durable file of a frame of this content. Safe in several threads at once.

        Returns its digest and the file's size. Raises OSError, FileExistsError where there is one."""

    def take_in(self, target: Path, digest: bytes, content: int) -> bool:
        """Share a proven frame that came from elsewhere, where it can be. Returns whether ``target`` is another file
        now. Raises OSError."""

    def share(self, digest: bytes, content: int, target: Path) -> int | None:
        """Make ``target`` another name of a frame that is there. Returns its size; None where that cannot be, and it
        has to be written. Raises OSError."""

    def folder(self, path: Path) -> None:
        """Make the folder of an artefact. Raises FileExistsError, OSError."""


class PlainFiles:
    """``Files`` straight on the operating system."""

    def create(self, path: Path) -> BinaryIO:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        return open(descriptor, "wb", buffering=0)  # noqa: PTH123 (a descriptor, owned by the caller)

    def fsync(self, file: BinaryIO) -> None:
        os.fsync(file.fileno())


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write every byte: an unbuffered file may take fewer (a signal, a disk that is nearly full)."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a full disk or a lack of permission into the store's own errors.

    Raises NotPermitted, StoreFull, StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise StoreFull(f"no space left while writing {path}", "free some, or collect garbage first") from error
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise NotPermitted(f"{path} cannot be written ({error.strerror})") from error
        if isinstance(error, FileExistsError):
            raise
        raise StoreError(f"{path} cannot be written ({reason(error)})", "check the disk that it is on") from error
