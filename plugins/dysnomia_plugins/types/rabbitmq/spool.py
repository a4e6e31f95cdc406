"""Files of a job: what is to be swapped in, what was set aside, what is loaded to be verified.

A virtual host cannot be renamed, and one beside would be seen by clients and start what moves messages by itself. So
these stand in files of ours in ``rabbitmqCopiesDir``, private and durable, as a snapshot has them.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dysnomia_base.limits import reason
from dysnomia_plugins.base import Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import PRIVATE_FOLDER, Folder
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.types.rabbitmq.definitions import Document, parse, pieces
from dysnomia_plugins.types.rabbitmq.node import COPIES

OURS = "dysnomia_"
_MAKING = ".making"
_NAME = re.compile(rf"{OURS}[0-9a-f]{{8}}_.+_(?:beside|aside|scratch)")


def place_of(copies: str, tag: str, purpose: str) -> Place:
    """Raises PluginError, NotSafe."""
    return Place(f"{_real(copies)}/{OURS}{tag}_{purpose}")


def _real(copies: str) -> str:
    try:
        return real_path(copies, setting=COPIES)
    except OSError as error:
        raise PluginError(f"{copies} cannot be used ({reason(error)})", f"check {COPIES}") from error


def is_file(copies: str, place: Place) -> bool:
    """Whether a place is one of these, and no virtual host. Raises PluginError, NotSafe."""
    folder, name = posixpath.split(place.name)
    return _NAME.fullmatch(name) is not None and folder == _real(copies)


@dataclass(frozen=True, slots=True)
class Spool:
    """The file of one place."""

    path: str

    @property
    def _name(self) -> str:
        return posixpath.basename(self.path)

    @contextmanager
    def _folder(self, *, make: bool = False) -> Iterator[Folder]:
        """Raises FileNotFoundError, PluginError."""
        try:
            with Folder.at(posixpath.dirname(self.path), make=PRIVATE_FOLDER if make else None) as folder:
                yield folder
        except FileNotFoundError:
            raise
        except OSError as error:
            raise PluginError(
                f"{self.path} cannot be used ({reason(error)})", f"free some room there, or set {COPIES}"
            ) from error

    def exists(self) -> bool:
        """Raises PluginError."""
        try:
            with self._folder() as folder:
                return folder.seen(self._name) is not None
        except FileNotFoundError:
            return False

    def write(self, document: Document) -> None:
        """Make the file, durable. Raises NotSafe where it is there, PluginError."""
        if self.exists():
            raise NotSafe(f"{self.path} already exists", "nothing was written over it")
        self.replace(document)

    def replace(self, document: Document) -> None:
        """The same, in one step where it is there. Raises PluginError."""
        with self._folder(make=True) as folder:
            folder.unlink(self._name + _MAKING)
            with folder.new_file(self._name + _MAKING) as descriptor:
                with os.fdopen(os.dup(descriptor), "wb", buffering=1 << 20) as file:
                    for piece in pieces(document):
                        file.write(piece)
                os.fsync(descriptor)
            folder.move_over(self._name + _MAKING, folder, self._name)
            folder.sync()

    def read(self) -> Document:
        """Raises PluginError, also where it is not there."""
        try:
            with self._folder() as folder, folder.file(self._name) as descriptor:
                copy = os.dup(descriptor)
        except FileNotFoundError:
            raise PluginError(f"there is no {self.path}", "restore the generation again") from None
        with os.fdopen(copy, "rb", buffering=1 << 20) as file:
            return parse(file)

    def drop(self) -> None:
        """Idempotent. Raises PluginError."""
        try:
            with self._folder() as folder:
                for name in (self._name + _MAKING, self._name):
                    folder.unlink(name)
                folder.sync()
        except FileNotFoundError:
            return
