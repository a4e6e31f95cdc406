"""What types note for as long as this boot lasts, in a folder of the caller's own below ``/run``.

Nobody else writes there, so what is noted is no other user's word. A user without a folder below ``/run`` notes
nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dysnomia_plugins.toolkit.guarded.folder import Folder

ROOTS = Path("/run")
USERS = Path("/run/user")
OURS = "dysnomia-tui"
MOST = 4096


class RunRecords:
    """Notes of one kind, by a text that says what each is about."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def ours(cls, kind: str) -> RunRecords:
        """The caller's."""
        if os.geteuid() == 0:
            return cls(ROOTS / OURS / kind)
        own = USERS / str(os.geteuid())
        return cls(own / OURS / kind if own.is_dir() else None)

    def read(self, about: str) -> Mapping[str, Any]:
        """What was noted; nothing where nothing was, or it cannot be read."""
        if self._folder is None:
            return {}
        try:
            with Folder.at(str(self._folder)) as folder:
                values = json.loads(folder.read_bytes(_name(about), MOST))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    def write(self, about: str, values: Mapping[str, Any], tag: str) -> None:
        """Raises OSError."""
        if self._folder is None:
            return
        with Folder.at(str(self._folder), make=0o700) as folder:
            folder.replace_file(_name(about), json.dumps(values).encode(), tag)

    def forget(self, about: str) -> None:
        """Idempotent. Raises OSError."""
        if self._folder is None or not self._folder.is_dir():
            return
        with Folder.at(str(self._folder)) as folder:
            folder.unlink(_name(about))


def _name(about: str) -> str:
    return hashlib.sha256(os.fsencode(about)).hexdigest()[:32]
