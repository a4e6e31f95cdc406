"""The folder of a place, worked in by descriptor: what is in it stays the job's own until it is whole.

A server of ours runs as another user, whom whoever broke into the live server may be as well. It is lent a folder
inside of the place, ``run``, with another name of the place's file in it; it starts in that folder and so needs no
right to pass those above. The place itself belongs to the job until a copy is handed over, which is the last thing
that is done to it. What a server has written is looked at before it is taken back: a link is never followed.
"""

from __future__ import annotations

import os
import pwd
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dysnomia_base.limits import reason
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import PRIVATE_FILE, PRIVATE_FOLDER, Folder, hand_over
from dysnomia_plugins.toolkit.guarded.removal import remove_folder
from dysnomia_plugins.toolkit.guarded.way import is_ours, real_path, user_in_words
from dysnomia_plugins.types.redis.server import ROOT_COPIES

DUMP = "dump.rdb"
RUN = "run"
"""The folder in a place that a server of ours works in."""
PASSED = 0o711
"""Of the folder of all places: passed by whoever has been given a copy in it, and listed by nobody."""


def real_copies(copies: Path) -> Path:
    """The folder of all places without links. Raises NotSafe for a link that somebody else could have made."""
    try:
        return Path(real_path(str(copies), setting="redisCopiesDir"))
    except OSError as error:
        raise _unwritable(copies, error) from error


def make(folder: Path) -> None:
    """Make an empty place, which only we may enter. Raises PluginError, FileExistsError."""
    try:
        with _copies(str(folder.parent)) as parent:
            parent.make_folder(folder.name).close()
    except FileExistsError:
        raise
    except OSError as error:
        raise _unwritable(folder, error) from error


def _copies(path: str) -> Folder:
    """Open the folder of all places; each that is made on the way may be passed, whatever the umask is."""
    try:
        return Folder.at(path)
    except FileNotFoundError:
        with _copies(os.path.dirname(path)) as above:  # noqa: PTH120
            return above.make_folder(os.path.basename(path), PASSED)  # noqa: PTH119


def let_pass(copies: Path) -> bool:
    """Whether the folder of all places was closed to those who have copies in it, and is open now. Raises OSError.

    Former versions made it so, by the umask of the job."""
    with Folder.at(str(copies)) as folder:
        seen = folder.stat()
        if seen.st_uid != os.geteuid() or stat.S_IMODE(seen.st_mode) != PRIVATE_FOLDER:
            return False
        os.fchmod(folder.descriptor, PASSED)
        return True


def remove(folder: Path) -> None:
    """Delete a place and all in it, links as links. Idempotent. Raises PluginError."""
    remove_folder(str(folder))


@contextmanager
def writing(folder: Path, name: str, *, durable: bool = True) -> Iterator[Callable[[bytes], object]]:
    """Write a new private file in a place. Raises PluginError where it cannot be written."""
    try:
        with Folder.at(str(folder)) as place, place.new_file(name) as descriptor:
            with os.fdopen(os.dup(descriptor), "wb", buffering=1 << 20) as file:
                yield file.write
            if durable:
                os.fsync(descriptor)
                place.sync()
    except OSError as error:
        raise _unwritable(folder / name, error) from error


@contextmanager
def reading(folder: Path, name: str = DUMP) -> Iterator[BinaryIO]:
    """A file in a place, whoever the place was given to. Raises FileNotFoundError, NotSafe, PluginError."""
    try:
        place = Folder.at(str(folder))
    except PermissionError as error:
        raise PluginError(f"permission denied: {folder} ({error.strerror})", "run it as root") from error
    with place, place.file(name) as descriptor:
        _only_name(descriptor, place.shown(name))
        with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
            yield file


def is_there(folder: Path, name: str = DUMP) -> bool:
    """Whether a place has that file. Raises PluginError."""
    try:
        with Folder.at(str(folder)) as place:
            return place.seen(name) is not None
    except FileNotFoundError:
        return False
    except OSError as error:
        raise PluginError(f"{folder} cannot be examined ({error.strerror})", "run it as root") from error


def forget(folder: Path, name: str) -> None:
    """Delete a file in a place. Idempotent, also without the place. Raises OSError."""
    try:
        with Folder.at(str(folder)) as place:
            place.unlink(name)
    except FileNotFoundError:
        pass


@contextmanager
def syncing(folder: Path) -> Iterator[None]:
    """Make a place's file durable while the body runs, which need not wait for the disk. Raises PluginError."""
    failure: list[OSError] = []

    def work() -> None:
        try:
            with Folder.at(str(folder)) as place, place.file(DUMP) as descriptor:
                os.fsync(descriptor)
                place.sync()
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="sync")
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failure:
        raise _unwritable(folder / DUMP, failure[0]) from failure[0]


# --- lent to a server of ours, taken back, handed over --------------------------------------------------------------


@contextmanager
def lent(folder: Path, run_as: str | None) -> Iterator[Folder]:
    """A folder in the place for a server that runs as that user, with the place's file in it. Gone afterwards.

    Raises PluginError, NotSafe."""
    uid, gid = _ids(run_as)
    try:
        with Folder.at(str(folder)) as place:
            place.remove(RUN)
            with place.make_folder(RUN) as run:
                try:
                    if place.seen(DUMP) is not None:
                        _lend_file(place, run, uid, gid)
                    hand_over(run.descriptor, uid, gid, PRIVATE_FOLDER)
                    yield run
                finally:
                    place.remove(RUN)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _lend_file(place: Folder, run: Folder, uid: int, gid: int) -> None:
    with place.file(DUMP) as descriptor:
        _only_name(descriptor, place.shown(DUMP))
        place.link(DUMP, run, DUMP)
        if run.identity(DUMP) != place.identity(DUMP):
            raise NotSafe(f"{place.shown(DUMP)} was replaced by another process during the job", "it was not touched")
        hand_over(descriptor, uid, gid, PRIVATE_FILE)


def reclaim(folder: Path, run: Folder) -> None:
    """Put the file that a server has written into the folder lent to it in the place of the place's.

    Raises NotSafe where it is not a file, or has another name; OSError."""
    with Folder.at(str(folder)) as place, run.file(DUMP) as descriptor:
        _only_name(descriptor, run.shown(DUMP))
        hand_over(descriptor, os.geteuid(), os.getegid(), PRIVATE_FILE)
        run.move_over(DUMP, place, DUMP)


def give(folder: Path, run_as: str | None) -> None:
    """Hand a whole place over to the user whom servers run as. Raises PluginError, NotSafe."""
    uid, gid = _ids(run_as)
    try:
        with Folder.at(str(folder)) as place:
            with place.file(DUMP) as descriptor:
                _only_name(descriptor, place.shown(DUMP))
                hand_over(descriptor, uid, gid, PRIVATE_FILE)
            place.sync()
            hand_over(place.descriptor, uid, gid, PRIVATE_FOLDER)
        if str(folder.parent) == ROOT_COPIES:
            let_pass(folder.parent)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _ids(run_as: str | None) -> tuple[int, int]:
    if run_as is None:
        return -1, -1
    about = pwd.getpwnam(run_as)
    return about.pw_uid, about.pw_gid


def _only_name(descriptor: int, shown: str) -> None:
    """Raise NotSafe for a file that has another name: whoever made it there may not be who may read it."""
    seen = os.fstat(descriptor)
    if seen.st_nlink > 1:
        owner = "us" if is_ours(seen) else user_in_words(seen.st_uid)
        raise NotSafe(f"{shown} is a hard link to a file of {owner}", "remove the link; it was not changed")


def _unwritable(path: Path, error: OSError) -> PluginError:
    return PluginError(f"{path} cannot be written ({reason(error)})", "set redisCopiesDir")
