"""A folder that stays, and is made what it was: by its descriptor, and so that it can be taken back."""

from __future__ import annotations

import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dysnomia_plugins.toolkit.guarded.groups import give
from dysnomia_plugins.toolkit.guarded.system import read_xattrs, write_xattrs
from dysnomia_plugins.toolkit.trees.member import Member


@dataclass(frozen=True, slots=True)
class Before:
    """What it is like before it is changed, as the journal has it."""

    name: str
    inode: tuple[int, int]
    uid: int
    gid: int
    mode: int
    times: tuple[int, int]
    xattrs: tuple[tuple[str, str], ...]
    """Values in base64."""

    @classmethod
    def of(cls, name: str, descriptor: int) -> Before:
        seen = os.fstat(descriptor)
        xattrs = tuple((key, b64encode(value).decode()) for key, value in read_xattrs(descriptor))
        return cls(
            name, (seen.st_dev, seen.st_ino), seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode),
            (seen.st_atime_ns, seen.st_mtime_ns), xattrs,
        )  # fmt: skip

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Before:
        pairs = {key: tuple(data[key]) for key in ("inode", "times")}
        return cls(**{**data, **pairs, "xattrs": tuple(map(tuple, data["xattrs"]))})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def same_as(self, other: Before) -> bool:
        """Whether nobody changed what is put back: owner, mode, attributes."""
        return (self.inode, self.uid, self.gid, self.mode, self.xattrs) == (
            other.inode, other.uid, other.gid, other.mode, other.xattrs,
        )  # fmt: skip

    def set(self, descriptor: int) -> None:
        """Make the folder so again. Raises OSError."""
        give(descriptor, self.uid, self.gid)
        write_xattrs(descriptor, [(key, b64decode(value)) for key, value in self.xattrs])
        os.fchmod(descriptor, self.mode)
        os.utime(descriptor, ns=self.times)


def make_like(descriptor: int, member: Member) -> None:
    """Make an open folder what a member says. Raises OSError."""
    give(descriptor, member.uid, member.gid)
    write_xattrs(descriptor, member.xattrs)
    os.fchmod(descriptor, member.mode)
    os.utime(descriptor, ns=(member.mtime, member.mtime))
