"""What a job puts beside live, for types whose server has no room for it: files of ours, private and durable."""

from __future__ import annotations

import os
import posixpath
import pwd
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dysnomia_base.limits import reason
from dysnomia_plugins.base import Place
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import PRIVATE_FOLDER, Folder
from dysnomia_plugins.toolkit.guarded.way import real_path

OURS = "dysnomia_"
MAKING = ".making"
"""The end of the name of a file that is not whole yet."""
_NAME = re.compile(rf"{OURS}[0-9a-f]{{8}}_.+_(?:beside|aside|scratch)")


def folder_of_copies(for_root: str, below_home: str) -> str:
    """The one that counts where none is configured: for root, or below the caller's home; for root too where the
    caller is nobody that is known."""
    if os.geteuid() == 0:
        return for_root
    try:
        return str(Path(pwd.getpwuid(os.geteuid()).pw_dir) / below_home)
    except KeyError:
        return for_root


@dataclass(frozen=True, slots=True)
class Copy:
    """The file of one place of a job: what is to be swapped in, what was set aside, what is loaded to be verified."""

    path: str
    setting: ClassVar[str]
    """The property that names the folder of copies, for messages."""

    @classmethod
    def place(cls, copies: str, tag: str, purpose: str) -> Place:
        """Raises PluginError, NotSafe."""
        return Place(f"{cls._real(copies)}/{OURS}{tag}_{purpose}")

    @classmethod
    def at(cls, copies: str, place: Place) -> bool:
        """Whether a place is one of these, and nothing of the server's. Raises PluginError, NotSafe."""
        folder, name = posixpath.split(place.name)
        return _NAME.fullmatch(name) is not None and folder == cls._real(copies)

    @classmethod
    def _real(cls, copies: str) -> str:
        try:
            return real_path(copies, setting=cls.setting)
        except OSError as error:
            raise PluginError(f"{copies} cannot be used ({reason(error)})", f"check {cls.setting}") from error

    @property
    def name(self) -> str:
        """Without its folder."""
        return posixpath.basename(self.path)

    @contextmanager
    def folder(self, *, make: bool = False) -> Iterator[Folder]:
        """Raises FileNotFoundError, PluginError."""
        try:
            with Folder.at(posixpath.dirname(self.path), make=PRIVATE_FOLDER if make else None) as folder:
                yield folder
        except FileNotFoundError:
            raise
        except OSError as error:
            raise PluginError(
                f"{self.path} cannot be used ({reason(error)})", f"free some room there, or set {self.setting}"
            ) from error

    def unlink(self, *suffixes: str) -> None:
        """Delete the files with these ends of their names. Idempotent. Raises PluginError."""
        try:
            with self.folder() as folder:
                for suffix in suffixes:
                    folder.unlink(self.name + suffix)
                folder.sync()
        except FileNotFoundError:
            return
