"""Whose a repository's data is, and who may write it: not in a dump, but carried over by a restore."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_NO_ID = 0xFFFFFFFF
"""What asks the system to leave an owner as it is."""
_MOST_MODE = 0o3777
"""Everything but set-user-ID."""


@dataclass(frozen=True, slots=True)
class Access:
    """Owner, group, and the modes of its folders and files."""

    uid: int
    gid: int
    folder_mode: int
    file_mode: int

    @classmethod
    def seen(cls, folder: os.stat_result, file: os.stat_result | None) -> Self | None:
        """Of a folder of the data and a file in it; None where that is no file."""
        if file is None or not stat.S_ISREG(file.st_mode):
            return None
        return cls(folder.st_uid, folder.st_gid, stat.S_IMODE(folder.st_mode), stat.S_IMODE(file.st_mode))

    @classmethod
    def read(cls, data: Any) -> Self | None:
        """From a snapshot's surroundings; None where it is none that a system can have."""
        try:
            access = cls(*(int(data[name]) for name in ("uid", "gid", "folder_mode", "file_mode")))
        except (TypeError, KeyError, ValueError, OverflowError):
            return None
        ids, modes = (access.uid, access.gid), (access.folder_mode, access.file_mode)
        fits = all(0 <= one < _NO_ID for one in ids) and all(0 <= mode <= _MOST_MODE for mode in modes)
        return access if fits else None

    def noted(self) -> Mapping[str, int]:
        """As JSON."""
        return {"uid": self.uid, "gid": self.gid, "folder_mode": self.folder_mode, "file_mode": self.file_mode}
