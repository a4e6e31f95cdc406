"""Where everything of a store is. Nothing here touches the disk.

Dysnomia's own folders (``snapshots``, ``generations``, ``checksums``, ``activated``, ``garbage``) are laid out as its
0.10.2 has them; ours stand beside, in folders that it ignores.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dysnomia_base.records import dataclass
from dysnomia_store.names import ComponentKey

THEIRS = ("snapshots", "generations", "checksums", "activated", "garbage")
OURS = (
    "metadata", "history", "checks", "marks", "audit", "jobs", "reserved",
    "staging", "trash", "locks", "cache", "reserve", "store.json", "deployed",
    "frames", "optimising", "noted", "notify", "planned", "listed",
)  # fmt: skip
"""Top-level names that are ours."""
_LONG = 180


def stem(snapshot_id: str) -> str:
    """A file name's beginning for an id: itself, or a digest of one too long to take a suffix.

    The digest's leading dot keeps it apart from ids, none of which starts with one.
    """
    raw = os.fsencode(snapshot_id)
    if len(raw) <= _LONG:
        return snapshot_id
    import hashlib  # takes longer than all else here, and is hardly ever needed

    return "." + hashlib.sha256(raw).hexdigest()


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one state directory."""

    root: Path

    def top(self, name: str) -> Path:
        return self.root / name

    def of(self, name: str, key: ComponentKey) -> Path:
        """The component's own folder (or file) below a top-level folder."""
        return self.root.joinpath(name, key.container, key.component)

    def all_of(self, names: Iterable[str], key: ComponentKey) -> Iterator[str]:
        """The same below each of these folders, as text: a ``Path`` takes longer to make than to look at."""
        for name in names:
            yield f"{self.root}/{name}/{key.container}/{key.component}"

    def snapshot(self, key: ComponentKey, snapshot_id: str) -> Path:
        return self.of("snapshots", key) / snapshot_id

    def link(self, key: ComponentKey, number: int) -> Path:
        return self.of("generations", key) / str(number)

    def checksum(self, key: ComponentKey, snapshot_id: str) -> Path:
        return self.of("checksums", key) / snapshot_id

    def metadata(self, key: ComponentKey, snapshot_id: str) -> Path:
        return self.of("metadata", key) / f"{stem(snapshot_id)}.json"

    def index(self, key: ComponentKey, snapshot_id: str) -> Path:
        return self.of("metadata", key) / f"{stem(snapshot_id)}.index.zst"

    def history(self, key: ComponentKey, number: int, snapshot_id: str) -> Path:
        return self.of("history", key) / f"{number}.{stem(snapshot_id)}.json"

    def seen(self, key: ComponentKey) -> Path:
        return Path(self.seen_text(key))

    def seen_text(self, key: ComponentKey) -> str:
        """The same as text: see ``all_of``."""
        return f"{self.root}/history/{key.container}/{key.component}/seen.jsonl"

    def note(self, key: ComponentKey) -> Path:
        """What the newest dump noted for the next one."""
        return self.of("noted", key)

    def checks(self, key: ComponentKey, snapshot_id: str) -> Path:
        return self.of("checks", key) / f"{stem(snapshot_id)}.jsonl"

    def mark(self, key: ComponentKey, number: int, snapshot_id: str, turn: int) -> Path:
        return self.of("marks", key) / f"{number}.{turn}.{stem(snapshot_id)}.json"

    @property
    def frames(self) -> Path:
        """The pool of frames that snapshots share."""
        return self.root / "frames"

    def copies(self, key: ComponentKey) -> Path:
        """The folder of hard-linked copies of pinned snapshots."""
        return self.of("marks", key) / "copies"

    @staticmethod
    def target(key: ComponentKey, snapshot_id: str) -> str:
        """The target of a generation's link, byte for byte as Dysnomia writes it."""
        return f"../../../snapshots/{key.container}/{key.component}/{snapshot_id}"


def pointed_at(key: ComponentKey, target: str) -> str | None:
    """The id a generation's link names, or None where it leads elsewhere.

    An absolute target is taken where it ends in the same three names, as a moved store may hold.
    """
    container, _, rest = target.rpartition("/")[0].rpartition("/")
    snapshot_id = target.rpartition("/")[2]
    if rest != key.component or snapshot_id in ("", ".", ".."):
        return None
    head, _, name = container.rpartition("/")
    if name != key.container or not (head == "../../../snapshots" or head.endswith("/snapshots")):
        return None
    return snapshot_id
