"""A store of 100,000 generations: listing, planning a collection, checking large files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dysnomia_store.disk.layout import Layout
from dysnomia_store.model import CheckResult, CommitInfo, FileEntry, Form, History, Metadata, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.codec import dump, history_json, metadata_json
from dysnomia_store.records.retention import Policy
from dysnomia_store.store import Store
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, timed

COMPONENTS = 10
GENERATIONS = 10_000
"""Of each component."""
START = datetime(2020, 1, 1, tzinfo=UTC)
LARGE = 256 << 20
COMMAND = Path(sys.executable).parent / "dysnomia-snapshots"
BARE_LINKS = """
import os, sys
top = sys.argv[1] + "/generations"
write = sys.stdout.write
for container in os.scandir(top):
    for component in os.scandir(container.path):
        name = container.name + "/" + component.name + "/"
        for link in os.scandir(component.path):
            write(name + os.readlink(link.path).rpartition("/")[2] + "\\n")
"""


def keys(components: int = COMPONENTS) -> list[ComponentKey]:
    return [ComponentKey.of("postgresql", f"shop{number}") for number in range(components)]


@contextmanager
def large_store(components: int = COMPONENTS, generations: int = GENERATIONS) -> Iterator[Path]:
    """A state directory with so many generations of each component, each on a snapshot of its own, with all that is
    kept of it."""
    root = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        store = Store(root / "state")
        layout = Layout(root / "state")
        for key in keys(components):
            _fill(layout, key, store, generations)
        yield root / "state"
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _fill(layout: Layout, key: ComponentKey, store: Store, generations: int) -> None:
    for name in ("snapshots", "generations", "history", "metadata", "checksums", "activated"):
        (layout.of(name, key) if name != "activated" else layout.of(name, key).parent).mkdir(
            parents=True, exist_ok=True
        )
    layout.of("activated", key).touch()
    for number in range(1, generations + 1):
        snapshot_id = hashlib.sha256(f"{key} {number}".encode()).hexdigest()
        folder = layout.snapshot(key, snapshot_id)
        folder.mkdir()
        data = b"%d" % number * 20
        (folder / "dump.pgsql.zst").write_bytes(data)
        entry = FileEntry("dump.pgsql.zst", len(data), hashlib.sha256(data).hexdigest())
        metadata = Metadata(snapshot_id, "postgresql-database", 1000, len(data), (entry,), snapshot_id, 1, True, 3, 100)
        layout.metadata(key, snapshot_id).write_bytes(dump(metadata_json(metadata)))
        at = START + timedelta(minutes=number * 30)
        history = History(number, snapshot_id, at, at, Reason.SCHEDULED, who="cron")
        layout.history(key, number, snapshot_id).write_bytes(dump(history_json(history)))
        layout.link(key, number).symlink_to(Layout.target(key, snapshot_id))


def quiet(argv: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> float:
    """Seconds a program takes that writes to nothing; it must end well."""
    nowhere = subprocess.DEVNULL
    return timed(lambda: subprocess.run(argv, check=True, env=environment, stdout=nowhere, stderr=nowhere))


def listing(state: Path) -> Sequence[Figure]:
    """``dysnomia-snapshots --query-all``, each a process that writes its lines into a pipe's worth of nothing."""

    environment = os.environ | {"DYSNOMIA_STATEDIR": str(state)}
    bare = [sys.executable, "-I", "-c", BARE_LINKS, str(state)]
    ours, theirs = in_turns(lambda: quiet([COMMAND, "--query-all"], environment), lambda: quiet(bare))
    return [ratio(f"--query-all, {_count()} generations", ours, "bare scandir + readlink in Python", theirs, 2)]


def planning(state: Path) -> Sequence[Figure]:
    """A plan with the cache fresh against a walk of links and snapshots; with no cache, against reading the records."""
    policy = Policy(last=10, daily=30, monthly=12)

    def plan() -> float:
        store = Store(state)
        return timed(lambda: store.plan_gc(keys(), lambda _: policy))

    def cold() -> float:
        shutil.rmtree(state / "cache", ignore_errors=True)
        return plan()

    cold_time, read_time = in_turns(cold, lambda: timed(lambda: read_tree(state, records=True)), rounds=1)
    plan()
    ours, walk = in_turns(plan, lambda: timed(lambda: read_tree(state, records=False)))
    return [
        ratio(f"GC plan, {_count()} generations", ours, "links and snapshots walked once", walk, 2),
        ratio("the same with no cache", cold_time, "that and every record read once", read_time, 2),
    ]


def checking() -> Sequence[Figure]:
    """A check of a snapshot of a large file against sha256sum of the same."""
    root = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        store = Store(root / "state")
        key = ComponentKey.of("fileset", "films")
        now = datetime.now(UTC)
        with (
            store.lock(key, who="bench", job="1", doing="snapshot") as lock,
            store.draft(key, job="1", compression="plain") as draft,
        ):
            with draft.artefact("film") as sink:
                sink.begin_section("file", "film", Form.BYTES)
                for _ in range(LARGE >> 20):
                    sink.write(os.urandom(1 << 20))
                sink.end_section()
            info = CommitInfo(now, now, Reason.MANUAL, type="fileset", digest_version=1, complete=True)
            made = store.commit(lock, draft, info).generation
        path = next((root / "state" / "snapshots").glob("*/*/*/film"))

        def check() -> None:
            assert store.check(key, made.id).result is CheckResult.OK

        def sha256sum() -> None:
            subprocess.run(["sha256sum", path], check=True, stdout=subprocess.DEVNULL)

        ours, theirs = in_turns(lambda: timed(check), lambda: timed(sha256sum))
        return [ratio(f"--check, a file of {LARGE >> 20} MiB", ours, "sha256sum", theirs, 1.2)]
    finally:
        shutil.rmtree(root, ignore_errors=True)


def read_tree(state: Path, *, records: bool) -> int:
    """Read each link and the size of each file of a store and, with ``records``, each record; as bare as Python can."""
    total = 0
    for folder, _, names in os.walk(state / "generations"):
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if os.path.islink(path):  # noqa: PTH114
                total += len(os.readlink(path))
        del names
    for folder, _, names in os.walk(state / "snapshots"):
        total += sum(os.lstat(f"{folder}/{name}").st_size for name in names)
    if records:
        for top in ("history", "metadata"):
            for folder, _, names in os.walk(state / top):
                for name in names:
                    with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123
                        total += len(json.loads(file.read()))
    return total


def _count() -> str:
    return f"{COMPONENTS * GENERATIONS:,}"


PARTS = (Part("check", checking, order=50),)
