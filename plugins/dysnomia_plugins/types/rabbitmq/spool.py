"""Files of a job: what is to be swapped in, what was set aside, what is loaded to be verified.

A virtual host cannot be renamed, and one beside would be seen by clients and start what moves messages by itself. So
these stand in files of ours in ``rabbitmqCopiesDir``, private and durable, as a snapshot has them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.copies import MAKING, Copy
from dysnomia_plugins.types.rabbitmq.definitions import Document, parse, pieces
from dysnomia_plugins.types.rabbitmq.node import COPIES


@dataclass(frozen=True, slots=True)
class Spool(Copy):
    """The file of one place."""

    setting = COPIES

    def exists(self) -> bool:
        """Raises PluginError."""
        try:
            with self.folder() as folder:
                return folder.seen(self.name) is not None
        except FileNotFoundError:
            return False

    def write(self, document: Document) -> None:
        """Make the file, durable. Raises NotSafe where it is there, PluginError."""
        if self.exists():
            raise NotSafe(f"{self.path} already exists", "nothing was written over it")
        self.replace(document)

    def replace(self, document: Document) -> None:
        """The same, in one step where it is there. Raises PluginError."""
        with self.folder(make=True) as folder:
            folder.unlink(self.name + MAKING)
            with folder.new_file(self.name + MAKING) as descriptor:
                with os.fdopen(os.dup(descriptor), "wb", buffering=1 << 20) as file:
                    for piece in pieces(document):
                        file.write(piece)
                os.fsync(descriptor)
            folder.move_over(self.name + MAKING, folder, self.name)
            folder.sync()

    def read(self) -> Document:
        """Raises PluginError, also where it is not there."""
        try:
            with self.folder() as folder, folder.file(self.name) as descriptor:
                copy = os.dup(descriptor)
        except FileNotFoundError:
            raise PluginError(f"there is no {self.path}", "restore the generation again") from None
        with os.fdopen(copy, "rb", buffering=1 << 20) as file:
            return parse(file)

    def drop(self) -> None:
        """Idempotent. Raises PluginError."""
        self.unlink(MAKING, "")
