"""Frames of a dump that is compared with a stored snapshot and then thrown away: what both have is not written.

Where the dump is cut as the snapshot was, most of its frames are in the store already. They are hashed, and that is
all: nothing is compressed or written for them, and the comparison does not read them. The store is not changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dysnomia_store.content import frame_file
from dysnomia_store.content.files import PlainFiles, write_all
from dysnomia_store.content.frame_folder import FolderReader, Lent


class BorrowedFrames:
    """Writes the frames that other artefacts do not have (a ``FrameKeeper``)."""

    def __init__(self, artefacts: Sequence[FolderReader]) -> None:
        self.replaced: set[bytes] = set()
        self.lent: Mapping[bytes, Lent] = {
            artefact.frames.digest(number): Lent(artefact, number)
            for artefact in artefacts
            for number in range(len(artefact.frames))
        }

    def keep(
        self, content: memoryview, target: Path, compress: Callable[[bytes | memoryview], bytes]
    ) -> tuple[bytes, int]:
        digest = hashlib.sha256(content).digest()
        if digest in self.lent:
            return digest, 0
        body = compress(content)
        with PlainFiles().create(target) as file:
            write_all(file, body)
            write_all(file, trailer := frame_file.seal(content, digest, body))
        return digest, len(body) + len(trailer)

    def share(self, digest: bytes, content: int, target: Path) -> int | None:
        return 0 if digest in self.lent else None

    def take_in(self, target: Path, digest: bytes, content: int) -> bool:
        return False

    def folder(self, path: Path) -> None:
        path.mkdir(mode=0o700)
