"""``slapcat`` and ``slapadd`` on the database of a place.

They run as the owner of live's folder and get the folders they work in by descriptor: their configuration is a copy
that names the database's folder as ``/proc/self/fd/N``, so that nobody can lead them elsewhere by a name. slapcat reads
as of one moment, whether a server runs on the database or not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from dysnomia_plugins.base import Component, Context, Place, Runner
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, ServerDown
from dysnomia_plugins.toolkit.guarded.acting import Actor, as_command
from dysnomia_plugins.toolkit.guarded.folder import PRIVATE_FOLDER, Folder, hand_over, hand_over_tree
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, pinned_path
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.toolkit.repositories.plain import refuse_pipes
from dysnomia_plugins.toolkit.stalled import PATIENCE
from dysnomia_plugins.types.openldap.config import FILE, Configuration, Database
from dysnomia_plugins.types.openldap.places import DATA, LOCK, Layout

_COPY = "slapd-configuration"
_VERSION = re.compile(r"OpenLDAP: slapd (\d+(?:\.\d+)*)")
_EMPTY = re.compile(r"^(Closing DB|.*monitoring disabled|_#+|.*\*\*\* cancelled)", re.IGNORECASE)
ENVIRONMENT = {"LDAPNOINIT": "1"}


@dataclass(frozen=True, slots=True)
class Directory:
    """One database of a server."""

    configuration: Configuration
    database: Database
    layout: Layout
    actor: Actor | None

    @classmethod
    def of(cls, component: Component) -> Directory:
        """Raises PluginError, NotSafe."""
        configuration = Configuration.of(component)
        database = configuration.database(component)
        layout = Layout.of(database.folder)
        return cls(configuration, database, layout, layout.actor())

    @property
    def suffix(self) -> str:
        return self.database.suffixes[0]

    @contextmanager
    def reading(self, ctx: Context, place: Place) -> Iterator[BinaryIO]:
        """All entries at a place, as LDIF. Raises PluginError, also when it ends too early."""
        with self._folder(place) as folder:
            if folder.seen(DATA) is None:
                raise PluginError(f"there is no database in {place.name}", "activate it first, or start its server")
            refuse_pipes(folder.descriptor, place.name, (DATA, LOCK), "OpenLDAP")
            with self._configured(ctx, folder) as (words, descriptors):
                argv = [*as_command(self.actor), "slapcat", "-g", "-o", "ldif-wrap=no", *words]
                with (
                    _explained(place),
                    ctx.runner.reading(argv, env=ENVIRONMENT, pass_fds=descriptors, patience=PATIENCE) as stream,
                ):
                    yield stream

    @contextmanager
    def loading(self, ctx: Context, folder: Folder, *, as_it_was: bool) -> Iterator[BinaryIO]:
        """What is to be loaded into an open, empty folder. Raises PluginError.

        Args:
            as_it_was: entries were in a database already, perhaps before today's schema: it is not held against them.
                Only a check by it adds what entries of other origin lack (``structuralObjectClass``)."""
        checks = ["-s"] if as_it_was else []
        with self._configured(ctx, folder) as (words, descriptors):
            argv = [*as_command(self.actor), "slapadd", "-q", *checks, *words]
            with (
                _explained(Place(folder.path)),
                ctx.runner.writing(
                    argv, env=ENVIRONMENT, pass_fds=descriptors, umask=0o077, patience=PATIENCE
                ) as stream,
            ):
                yield stream

    @contextmanager
    def _folder(self, place: Place) -> Iterator[Folder]:
        try:
            with Folder.at(place.name) as folder:
                yield folder
        except (FileNotFoundError, LinkInTheWay) as error:
            raise PluginError(f"there is no database in {place.name}", "activate it first") from error
        except PermissionError as error:
            raise ServerDown(f"permission denied: {place.name}", "run it as root, or as the server's user") from error

    @contextmanager
    def _configured(self, ctx: Context, folder: Folder) -> Iterator[tuple[list[str], tuple[int, ...]]]:
        """What tells the programs where to work, and the descriptors they need for it."""
        self.configuration.refuse_for(self.actor)
        with Folder.at(real_path(str(ctx.staging))) as staging:
            staging.remove(_COPY)
            copy = staging.make_folder(_COPY)
            try:
                with copy:
                    self.configuration.write_copy(copy, self.database, pinned_path(folder.descriptor))
                    if self.actor is not None:
                        hand_over_tree(copy, self.actor.uid, self.actor.gid)
                        hand_over(copy.descriptor, self.actor.uid, self.actor.gid, PRIVATE_FOLDER)
                    where = pinned_path(copy.descriptor)
                    words = ["-F", where] if self.configuration.tree else ["-f", f"{where}/{FILE}"]
                    yield [*words, "-n", str(self.database.number)], (copy.descriptor, folder.descriptor)
            finally:
                staging.remove(_COPY)


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    """The line of what the program said that tells why it failed."""
    try:
        yield
    except ProcessFailed as error:
        if type(error) is not ProcessFailed:
            raise
        lines = [line.strip() for line in error.stderr.splitlines() if line.strip() and not _EMPTY.match(line.strip())]
        reason = next((line for line in reversed(lines) if line.startswith(f"{error.program}:")), (lines or [""])[-1])
        raise PluginError(
            f"{error.program} failed at {place.name} (status {error.status}): {reason[:300] or 'it did not say why'}",
            "its configuration is checked by slaptest",
        ) from error


def version(runner: Runner, timeout: float | None = None) -> str:
    """Of the server's program; ``""`` where it does not say."""
    try:
        done = runner.run(["slapd", "-VV"], timeout=timeout)
        output = done.stderr + done.stdout.decode("utf-8", "replace")
    except ProcessFailed as error:
        output = error.stderr
    match = _VERSION.search(output)
    return match[1] if match else ""


def sync_data(folder: Folder, mode: int, actor: Actor | None) -> None:
    """The database file of a folder is durable, and as open to others as live's was.

    Raises OSError, NotSafe where its maker has put another file there: no mode of such a one is changed."""
    with folder.file(DATA) as descriptor:
        seen = os.fstat(descriptor)
        if seen.st_nlink != 1 or seen.st_uid != (actor.uid if actor is not None else os.geteuid()):
            raise NotSafe(f"{folder.shown(DATA)} is not what slapadd made", "nothing was replaced")
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    folder.sync()
