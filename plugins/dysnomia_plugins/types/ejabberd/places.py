"""Where ejabberd's rows stand: live is the server's node, any other place is a dump in the server's folder.

The server itself writes what it sets aside, so its files are where it may write; whoever owns that folder may change
its names at any moment: all is done by descriptor, as the server's user.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.acting import acting_as
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.types.ejabberd.node import Server
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import validate_name

NAMED = "ejabberd-named"
COPY = "copy"
LATE = ".late"
"""What the server notes of writes that no lock kept waiting."""
MERGED = ".merged"
_OURS = ".dysnomia-"
_SUFFIX = ".dump"


def live(server: Server) -> Place:
    return Place(server.node)


def made(server: Server, tag: str, purpose: str) -> Place:
    """The place a job uses for a purpose."""
    return Place(f"{server.spool}/{_OURS}{tag}-{purpose}{_SUFFIX}")


def named(server: Server, name: str) -> Place:
    """A copy: a dump in the server's folder, for ``ejabberdctl load``. None of Mnesia's own files is called so.

    Raises PluginError."""
    try:
        validate_name(name, "copy")
    except NameRejected as error:
        raise PluginError(error.message, error.hint) from error
    return Place(f"{server.spool}/dysnomia-copy.{name}")


def holds_file(server: Server, place: Place) -> bool:
    """Whether there is a dump at a place. Raises PluginError where that cannot be seen."""
    try:
        with _folder(server) as folder:
            return folder.seen(_base(place)) is not None
    except FileNotFoundError:
        return False


@contextmanager
def reading(server: Server, place: Place) -> Iterator[BinaryIO]:
    """A dump at a place. Raises PluginError."""
    try:
        with _folder(server) as folder, folder.file(_base(place)) as descriptor:
            copy = os.dup(descriptor)
    except FileNotFoundError:
        raise PluginError(f"there is no {place.name}") from None
    with os.fdopen(copy, "rb", buffering=1 << 20) as stream:
        yield stream


def write(ctx: Context, server: Server, place: Place, lines: Iterable[bytes]) -> None:
    """Make a dump, durable, its owner's alone; a copy gets its name when it is whole.

    Raises NotSafe where there is something already, PluginError."""
    ours = _base(place).startswith(f"{_OURS}{ctx.tag}-")
    making = place if ours else made(server, ctx.tag, COPY)
    if holds_file(server, place):
        raise NotSafe(f"{place.name} already exists", "nothing was loaded over it")
    with _folder(server) as folder, folder.new_file(_base(making)) as descriptor:
        copy = os.dup(descriptor)
    with os.fdopen(copy, "wb", buffering=1 << 20) as stream:
        for line in lines:
            stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())
        seen = os.fstat(stream.fileno())
    with _folder(server) as folder:
        folder.sync()
    if not ours:
        ctx.journal.step(NAMED, place=place.name, device=seen.st_dev, inode=seen.st_ino)
        with _folder(server) as folder:
            try:
                folder.link(_base(making), folder, _base(place))
            except FileExistsError:
                raise NotSafe(f"{place.name} already exists", "nothing was loaded over it") from None
            folder.unlink(_base(making))
            folder.sync()


def replace(server: Server, making: Place, place: Place) -> None:
    """Give a dump of the job's the place of another one of its. Raises PluginError."""
    with _folder(server) as folder:
        folder.move_over(_base(making), folder, _base(place))
        folder.sync()


def beside(place: Place, suffix: str) -> Place:
    """A file that belongs to a place."""
    return Place(place.name + suffix)


def drop(ctx: Context, server: Server, place: Place) -> None:
    """Delete a dump: of the job's own, or a copy that it has named. Idempotent. Raises PluginError, NotSafe."""
    if place == live(server):
        raise NotSafe(f"{place.name} is live", "deactivate the component and collect garbage")
    try:
        with _folder(server) as folder:
            name = _base(place)
            if not name.startswith(f"{_OURS}{ctx.tag}-"):
                seen = folder.seen(name)
                known = [data for step, data in ctx.journal.steps() if step == NAMED and data["place"] == place.name]
                if seen is None or not any((seen.st_dev, seen.st_ino) == (k["device"], k["inode"]) for k in known):
                    return
            _unlink_all(folder, name)
    except FileNotFoundError:
        return


def drop_made(server: Server, place: Place) -> None:
    """Delete a dump that a job has made for itself, be it another one. Idempotent. Raises PluginError, NotSafe."""
    name = _base(place)
    if not (name.startswith(_OURS) and name.endswith(_SUFFIX)):
        raise NotSafe(f"{place.name} was not made for a job", "it was left where it is")
    try:
        with _folder(server) as folder:
            _unlink_all(folder, name)
    except FileNotFoundError:
        return


def _unlink_all(folder: Folder, name: str) -> None:
    for one in (name, name + LATE, name + MERGED):
        folder.unlink(one)
    folder.sync()


@contextmanager
def _folder(server: Server) -> Iterator[Folder]:
    """The server's folder, as its user. Raises PluginError, FileNotFoundError."""
    with acting_as(server.actor):
        try:
            with Folder.at(server.spool) as folder:
                yield folder
        except (FileNotFoundError, FileExistsError):
            raise
        except OSError as error:
            raise PluginError(
                f"{server.spool} could not be used ({error.strerror})", "run it as root, or as the server's user"
            ) from error


def _base(place: Place) -> str:
    return posixpath.basename(place.name)
