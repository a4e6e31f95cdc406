"""Links to a component's files in a folder of the system's own, where a server looks for what it is to run.

Only links are ever made, replaced or removed, and of those that stand under a file's name only the component's own
and those that lead nowhere: what an operator has put there stays. And only where root alone may write: a server obeys
what is there, and nobody else can lead us elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dysnomia_base.ownership import nearest_existing, why_not_obeyed
from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import NotSafe, PluginError


@dataclass(frozen=True, slots=True)
class Link:
    """One link: where it stands, and where it leads."""

    path: Path
    to: Path

    @property
    def made(self) -> bool:
        """Whether it is as it should be."""
        return self.path.is_symlink() and os.path.realpath(self.path) == os.path.realpath(self.to)

    @property
    def ours(self) -> bool:
        """Whether what stands there may be taken away: our link, or one that leads nowhere."""
        return self.path.is_symlink() and (self.made or not self.path.exists())

    def was(self) -> str:
        """Where the link leads that stands there; ``""`` where nothing does.

        Raises NotSafe for anything but a link: that is somebody's own."""
        if self.path.is_symlink():
            return str(self.path.readlink())
        if self.path.exists():
            raise NotSafe(
                f"{self.path} already exists, and is not a link", "move it away, or rename the one in the component"
            )
        return ""

    def make(self) -> None:
        """Make it, in the place of another link too. Raises PluginError."""
        try:
            point(self.path, str(self.to))
        except OSError as error:
            raise PluginError(
                f"{self.path} could not be created ({error.strerror})", "check the permissions of its folder"
            ) from error


def make_links(ctx: Context, step: str, links: Sequence[Link]) -> None:
    """Make them; what stands there goes into the journal first, by that name. Raises NotSafe, PluginError."""
    _require_root_s([link.path for link in links])
    ctx.journal.step(step, was={str(link.path): link.was() for link in links if not link.made})
    for link in links:
        if not link.made:
            link.make()
            ctx.progress.log(f"{link.path} -> {link.to}")


def put_back(path: Path, was: str) -> None:
    """What stood there before: another link, or nothing. Raises NotSafe, PluginError."""
    if not was:
        remove([path])
        return
    _require_root_s([path])
    if path.is_symlink() and os.readlink(path) != was:
        point(path, was)


def warn_of_strangers(ctx: Context, links: Sequence[Link]) -> None:
    """Say what has a link's name and is somebody's own."""
    for link in links:
        if link.path.exists() and not link.ours:
            ctx.progress.log(f"{link.path} does not belong to this component and was left in place")


def point(path: Path, to: str) -> None:
    """Make a link in one step, instead of whatever link stands there. Raises OSError."""
    folder_for(path)
    beside = path.with_name(f".dysnomia.{path.name}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(to)
    os.replace(beside, path)


def folder_for(path: Path) -> None:
    """The folder of a link, readable by all as systemd's own are, whatever our umask. Raises OSError."""
    for folder in reversed([parent for parent in path.parents if not parent.exists()]):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def remove(paths: Sequence[Path]) -> None:
    """Remove links, and what a killed ``point`` left beside them. Idempotent. Raises NotSafe, PluginError."""
    _require_root_s(paths)
    for path in paths:
        try:
            path.with_name(f".dysnomia.{path.name}").unlink(missing_ok=True)
            if path.is_symlink():
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise PluginError(
                f"{path} could not be removed ({error.strerror})", "check the permissions of its folder"
            ) from error


def _require_root_s(paths: Sequence[Path]) -> None:
    for folder in dict.fromkeys(path.parent for path in paths):
        try:
            reason = why_not_obeyed(nearest_existing(folder))
        except OSError as error:
            reason = f"{error.filename} cannot be looked at ({error.strerror})"
        if reason:
            raise NotSafe(
                f"no link was changed in {folder}, where a server would obey it: {reason}",
                "choose a folder in which, and on the way to which, only root may write",
            )


def settle_folders(folders: Sequence[Path]) -> None:
    """See to it that the links are on disk; a folder that is not there has none."""
    for folder in folders:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
