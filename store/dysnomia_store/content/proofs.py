"""Frames that were read and found right, so that none is read twice in one check, however many snapshots share it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dysnomia_store.content import frame_file
from dysnomia_store.content.files import is_readers_own
from dysnomia_store.content.frame_folder import Frames, frame_name, opened, read_frame
from dysnomia_store.content.zstandard import ZstdError

OnBytes = Callable[[int], None]
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that is not the frame it should be."""

    path: Path
    digest: bytes


@dataclass(slots=True)
class Proofs:
    """What a check has found so far, by file (device and inode), whichever of its names was looked at."""

    right: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """Digest of each file that is the frame with that digest."""
    wrong: dict[tuple[int, int], str] = field(default_factory=dict)
    """What is wrong with each file that is not the frame it should be."""
    damaged: list[Damaged] = field(default_factory=list)
    """Every place at which such a file was found; for the caller to take out."""

    def take_damaged(self) -> tuple[Damaged, ...]:
        """The damaged files that were found since this was last asked."""
        damaged = tuple(self.damaged)
        self.damaged.clear()
        return damaged

    def differences(self, folder: Path, frames: Frames, on_bytes: OnBytes | None) -> Iterator[tuple[str, str]]:
        """(name, what is wrong) of each frame that is not right; ``""`` where it is missing.

        Raises OSError where it says nothing of the frame (``is_readers_own``)."""
        with opened(folder) as at:
            for number in range(len(frames)):
                name = frame_name(number)
                digest = frames.digest(number)
                where = 0, 0
                try:
                    status = os.stat(name, dir_fd=at, follow_symlinks=False)
                    where = status.st_dev, status.st_ino
                    if where in self.wrong:
                        raise ZstdError(self.wrong[where])
                    if self.right.get(where) != digest or not stat.S_ISREG(status.st_mode):
                        frame_file.prove(read_frame(at, name), digest, frames.size(number))
                        self.right[where] = digest
                except FileNotFoundError:
                    yield name, ""
                    continue
                except (OSError, ZstdError) as error:
                    if is_readers_own(error):
                        raise
                    self.wrong[where] = getattr(error, "strerror", None) or str(error)
                    self.damaged.append(Damaged(folder / name, digest))
                    yield name, f"is damaged: {self.wrong[where]}"
                    continue
                if on_bytes is not None:
                    on_bytes(status.st_size)

    @staticmethod
    def sizes(folder: Path, frames: Frames) -> Iterator[tuple[str, int]]:
        """(name, size) of each frame, -1 where its last bytes do not say that it is whole. Raises OSError."""
        with opened(folder) as at:
            for number in range(len(frames)):
                name = frame_name(number)
                descriptor = os.open(name, _OPEN, dir_fd=at)
                try:
                    size = frame_file.size_if_whole(descriptor, frames.digest(number), frames.size(number))
                finally:
                    os.close(descriptor)
                yield name, -1 if size is None else size
