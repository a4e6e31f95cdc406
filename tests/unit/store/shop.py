"""A store to work with: its own clock, and snapshots from a few words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dysnomia_store.content.cutting import Cutting, Size
from dysnomia_store.disk.syscalls import Disk
from dysnomia_store.model import CheckResult, CommitInfo, Form, Generation, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcPlan, Policy, TrashEntry
from dysnomia_store.store import Committed, Store

KEY = ComponentKey("databases", "orders")
START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Shop:
    """A store, a component, and a clock that moves on an hour a snapshot."""

    def __init__(
        self, root: Path, *, disk: Disk | None = None, now: datetime = START, cutting: Cutting | None = None
    ) -> None:
        self.root = root
        self.now = now
        self.cutting = cutting
        self.store = Store(root, clock=lambda: self.now, disk=disk, cutting=cutting)

    def again(self, disk: Disk | None = None) -> Shop:
        """The same state directory, opened anew."""
        return Shop(self.root, disk=disk, now=self.now, cutting=self.cutting)

    def commit(
        self,
        sections: Mapping[str, bytes] | bytes,
        *,
        key: ComponentKey = KEY,
        complete: bool | None = True,
        reason: Reason = Reason.MANUAL,
        number: int | None = None,
        job: str = "7",
        lacks: Sequence[str] = (),
        **draft: Any,
    ) -> Committed:
        """Snapshot a database of these tables."""
        tables = {"t": sections} if isinstance(sections, bytes) else sections
        self.now += HOUR
        store = self.store
        with (
            store.lock(key, who="alice", job=job, doing="snapshot") as lock,
            store.draft(key, job=job, **draft) as made,
        ):
            with made.artefact("dump") as sink:
                for name, data in tables.items():
                    sink.begin_section("table", name, Form.ROWS)
                    sink.write(data)
                    sink.end_section(rows=data.count(b"\n"))
            info = CommitInfo(
                self.now, self.now, reason, who="alice", job=job, type="test", digest_version=1, complete=complete,
                lacks=tuple(lacks),
            )  # fmt: skip
            return store.commit(lock, made, info, number=number)

    def link_info(self, restored: int) -> CommitInfo:
        """What is recorded with a generation that a restore of ``restored`` makes."""
        return CommitInfo(self.now, self.now, Reason.RESTORE, restored=restored)

    def commit_files(self, name: str, files: Mapping[str, bytes], *, key: ComponentKey = KEY) -> Committed:
        """Snapshot as a module does that writes its own files and names the snapshot itself."""
        self.now += HOUR
        store = self.store
        with store.lock(key, who="alice", job="7", doing="snapshot") as lock, store.draft(key, job="7") as made:
            for path, data in files.items():
                (made.folder / path).parent.mkdir(parents=True, exist_ok=True)
                (made.folder / path).write_bytes(data)
            made.claim(name)
            return store.commit(
                lock, made, CommitInfo(self.now, self.now, Reason.MANUAL, type="module", digest_version=1)
            )

    def numbers(self, key: ComponentKey = KEY) -> list[int]:
        return [number for _, number, _ in self.store.all_generations(key.container, key.component)]

    def ids(self, key: ComponentKey = KEY) -> dict[int, str]:
        return {number: found for _, number, found in self.store.all_generations(key.container, key.component)}

    def newest(self, key: ComponentKey = KEY) -> Generation:
        return self.store.generations(key)[-1]

    def content(self, generation: Generation) -> bytes:
        with self.store.stored(generation.key, generation.id).open() as stream:
            return stream.read()

    def plan(
        self,
        policy: Policy | None = None,
        *,
        keep: Collection[int] = (),
        drop: Collection[int] = (),
        in_use: Mapping[tuple[ComponentKey, str], str] | None = None,
    ) -> GcPlan:
        return self.store.plan_gc(
            [KEY],
            lambda _: policy or Policy(),
            keep=[(KEY, number) for number in keep],
            drop=[(KEY, number) for number in drop],
            in_use=in_use,
        )

    def collect(self, policy: Policy, *, grace: float = 86400.0) -> tuple[TrashEntry, ...]:
        return tuple(self.store.apply_gc(self.plan(policy), grace=grace, who="alice", job="9"))

    def all_ok(self, key: ComponentKey = KEY) -> bool:
        """Whether every byte of every generation is what was written."""
        return all(
            self.store.check(key, generation.id).result is CheckResult.OK for generation in self.store.generations(key)
        )


SMALL = Cutting(zones=((1 << 62, Size(1024, 2048, 8192)),), whole=4096)
"""Frames of 2 KiB, for artefacts of 4 KiB or more: what a store of large dumps does, in little."""


def rows(count: int, word: str = "row") -> bytes:
    return b"".join(f"{word} {number}\n".encode() for number in range(count))
