"""Large states in little, and what a store of frames comes to on its disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.unit.store.shop import KEY, Shop

TRAILING = 8
"""Of the last hex digits of a line: rows differ, and compress little."""


def lines(count: int, changed: int = -1) -> bytes:
    """Rows of text that does not repeat; one of them is another."""
    return b"".join(
        b"%d\t%s\n" % (number, hashlib.sha256(b"%d.%d" % (number, number == changed)).hexdigest().encode())
        for number in range(count)
    )


def frames_of(shop: Shop, snapshot_id: str) -> list[Path]:
    """The frames of a snapshot's artefact, in order."""
    return sorted((folder_of(shop, snapshot_id) / "dump.zst.d").glob("0*.zst"))


def folder_of(shop: Shop, snapshot_id: str) -> Path:
    return shop.root / "snapshots" / KEY.container / KEY.component / snapshot_id


def pool_of(shop: Shop) -> list[Path]:
    """Every frame in the pool."""
    return sorted((shop.root / "frames").glob("??/*.zst"))


def alone(shop: Shop) -> list[Path]:
    """Frames that only the pool names."""
    return [path for path in pool_of(shop) if path.stat().st_nlink == 1]


def on_disk(root: Path) -> int:
    """Bytes of the files of snapshots and pool, each once; less damaged ones that are kept for a while."""
    found = {}
    for pattern in ("snapshots/**/*", "frames/??/*", "trash/*/snapshots/**/*"):
        for path in root.glob(pattern):
            if path.is_file() and not path.is_symlink():
                found[path.stat().st_ino] = path.stat().st_size
    return sum(found.values())


def flip(path: Path) -> None:
    """Change a byte of a stored file in place, as a bad disk does."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 3)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes((byte[0] ^ 1,)))
    path.chmod(0o400)
