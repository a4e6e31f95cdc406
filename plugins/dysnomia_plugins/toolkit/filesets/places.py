"""Where a fileset stands: its target folder, copies of it, and the folders that a job makes beside what is live.

A place is a folder of the same shape as the target folder: below it are the fileset's roots. What a job makes is
``.dysnomia-<tag>-<purpose>``: in the target folder itself, so that it is on the same file system and an exchange is
one rename; where a root lies on a file system of its own, in that one's mount point; where the root is the whole
target folder, beside that.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from dysnomia_plugins.base import Place, Purpose
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.spec import FilesetSpec
from dysnomia_plugins.toolkit.guarded.removal import remove_folder, remove_made
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.toolkit.mounts import Mount, all_mounts, points_below
from dysnomia_plugins.toolkit.trees.names import RootAt, below, purpose_of

ONE_STEP = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "f2fs", "zfs", "bcachefs"})
"""File systems on which two folders are known to be exchanged in one step."""

PUT = re.compile(r"(?:new|old)-[0-9]+")
"""What a put-back calls the files and folders that it exchanges."""
NAMED = "fileset-copy-named"
"""A step in the journal: which folder gets a copy's name. Written in journals: not to be renamed."""
MOUNT_POINTS = "mount points"
"""Among the surroundings of a snapshot: where what the roots were on was mounted."""


class Layout:
    """The places of one fileset, on this machine as its mounts are now.

    Raises NotSafe where the way to the target folder leads through a link that somebody else could have made,
    PluginError where that folder cannot be opened.
    """

    def __init__(self, spec: FilesetSpec) -> None:
        self.spec = spec
        try:
            self.target = real_path(spec.target, setting=spec.setting)
        except OSError as error:
            raise PluginError(
                f"{spec.target} cannot be opened ({error.strerror})", "check its permissions, or run as root"
            ) from error

    @cached_property
    def mounts(self) -> tuple[Mount, ...]:
        """Every mount, as this process sees them."""
        return all_mounts()

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """``FilesetSpec.roots``, computed once."""
        return self.spec.roots

    @property
    def live(self) -> Place:
        return Place(self.spec.target)

    def made(self, tag: str, purpose: Purpose) -> Place:
        """The place a job uses for a purpose."""
        name = f".dysnomia-{tag}-{purpose}"
        first = self.roots[0] if self.roots else ""
        return Place(posixpath.join(self.staged_in(first), name))

    def copy_in_the_making(self, place: Place, tag: str) -> str:
        """Where a copy is loaded before it gets its name."""
        return posixpath.join(posixpath.dirname(place.name), f".dysnomia-{tag}-copy")

    def roots_at(self, place: Place) -> tuple[RootAt, ...]:
        """Every root at a place, whether it is there or not."""
        if place == self.live:
            return tuple(RootAt(root, _joined(self.target, root), "") for root in self.roots)
        if not purpose_of(place):
            return tuple(RootAt(root, _joined(place.name, root), "") for root in self.roots)
        name = posixpath.basename(place.name)
        roots: list[RootAt] = []
        for root in self.roots:
            base = posixpath.join(self.staged_in(root), name)
            roots.append(RootAt(root, _joined(base, root), base))
        return tuple(roots)

    def bases(self, place: Place) -> tuple[str, ...]:
        """The folders that make up a place a job made (one, unless roots lie on several file systems)."""
        return tuple(dict.fromkeys([place.name, *(one.base for one in self.roots_at(place) if one.base)]))

    def is_mount(self, path: str) -> bool:
        return any(mount.point == path for mount in self.mounts)

    def mounts_below(self, path: str) -> Iterator[str]:
        """Mount points inside a folder, not the folder itself."""
        return iter(points_below(path, self.mounts))

    def mount_of(self, path: str) -> Mount:
        """The mount a path lies on (it need not exist)."""
        mounts = [mount for mount in self.mounts if mount.point == "/" or below(path, mount.point)]
        return max(mounts, key=lambda mount: len(mount.point), default=Mount("/", ""))

    def kinds_below(self, roots: Iterable[RootAt]) -> frozenset[str]:
        """The kinds of all file systems that the roots are on; ``""`` for one that is not known."""
        points = [point for root in roots for point in (root.path, *self.mounts_below(root.path))]
        return frozenset(self.mount_of(point).kind for point in points)

    def swapped_inside(self, root: str) -> bool:
        """Whether a root is itself a mount point, which cannot be exchanged: what is in it is moved instead."""
        return self.is_mount(_joined(self.target, root))

    def staged_in(self, root: str) -> str:
        """The folder in which a job's own folder for a root is made: on the file system the root's name is on."""
        path = _joined(self.target, root)
        if self.is_mount(path):
            return path
        if root == ".":
            return posixpath.dirname(self.target)
        mount = self.mount_of(posixpath.dirname(path))
        return self.target if below(self.target, mount.point) or mount.point == "/" else mount.point

    def remove_made(self, path: str) -> None:
        """Delete a folder that a job made for a place, unless another has its name. Idempotent. Raises NotSafe,
        PluginError."""
        self._refuse_mounted(path)
        if "." in self.roots:  # it is the target folder itself then, or was: whose it is and what it holds tell nothing
            remove_folder(path)
        else:
            remove_made(path, self._is_made, ours=False)

    def _is_made(self, name: str) -> bool:
        """Whether a job makes something of that name in a folder of its own: a root, or what is put back."""
        return PUT.fullmatch(name) is not None or any(name == root.split("/")[0] for root in self.roots)

    def remove(self, path: str) -> None:
        """Delete a root, or a folder of a job's, and all in it. Idempotent. Raises PluginError."""
        self._refuse_mounted(path)
        remove_folder(path)

    def _refuse_mounted(self, path: str) -> None:
        mounted = next(self.mounts_below(path), None)
        if mounted is not None:
            raise NotSafe(f"{mounted} is mounted in what should be removed", "unmount it first; nothing was removed")


def _joined(folder: str, root: str) -> str:
    return folder if root == "." else posixpath.join(folder, root)
