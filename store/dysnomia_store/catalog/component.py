"""What the store holds of one component, read from the disk: the truth that the cache is made from.

A reading takes what an earlier one came to and reads again only what changed, since most files are written once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from dysnomia_base.records import dataclass, field
from dysnomia_store.disk.layout import Layout, stem
from dysnomia_store.disk.links import entries, links, number_of
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Seen
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed

MARKS_UNREAD = "its marks cannot be read"
"""In a generation's problem: then nobody knows whether it is pinned, and no collection takes it."""


@dataclass(slots=True)
class SnapshotRow:
    """A snapshot, or what is known of one that is gone."""

    id: str
    exists: bool = False
    content_size: int | None = None
    stored_size: int = 0
    complete: bool | None = None
    sections: int | None = None
    metadata: str | None = None
    """The JSON of its metadata; ``""`` where the index holds it."""
    metadata_error: str = ""
    metadata_sig: str = ""
    size_sig: str = ""
    check: str | None = None
    """The JSON of its last check."""
    check_sig: str = ""
    lacks: tuple[str, ...] = ()
    """Parts of the component that were not there when it was made."""
    file: bool = False
    """It is a file, as a module run by bash Dysnomia may make one. Then it does not exist for us: nothing here reads
    it, and nothing removes it or the links to it."""


@dataclass(slots=True)
class GenerationRow:
    """A generation's link and what is written of it. Times are microseconds since 1970 UTC."""

    number: int
    id: str
    as_of: int = 0
    estimated: bool = True
    until: int = 0
    seen: int = 1
    history: str | None = None
    """The JSON of its history; ``""`` where the index holds it."""
    mark_name: str = ""
    marks: str | None = None
    suspicious: str = ""
    problem: str = ""
    """What is wrong with the link itself; what is wrong with its snapshot is added by ``rate_generations``."""
    good: bool = False
    trouble: str = ""
    """``problem`` and what is wrong with its snapshot, together."""


@dataclass(slots=True)
class ComponentReading:
    """Everything of a component."""

    gens: dict[int, GenerationRow] = field(default_factory=dict)
    snaps: dict[str, SnapshotRow] = field(default_factory=dict)
    seen_at: tuple[int, int] = (0, 0)
    """Inode and bytes already read of ``seen.jsonl``."""


def read(layout: Layout, key: ComponentKey, before: ComponentReading) -> ComponentReading:
    """Read a component. Raises NotPermitted where its generations may not be read."""
    now = ComponentReading(seen_at=before.seen_at)
    histories = _histories(layout, key)
    _read_links(layout, key, before, now, histories)
    _read_snapshots(layout, key, before, now)
    _read_marks(layout, key, before, now)
    _read_seen(layout, key, before, now)
    return now


def sig(entry: os.DirEntry[str]) -> str:
    """What tells that a file is still the one that was read."""
    at = entry.stat(follow_symlinks=False)
    return f"{at.st_ino}.{at.st_mtime_ns}.{at.st_size}"


def _histories(layout: Layout, key: ComponentKey) -> dict[int, list[str]]:
    """Names of history files by number (a number given out again by another tool has several)."""
    names: dict[int, list[str]] = {}
    for entry in entries(layout.of("history", key)):
        number = number_of(entry.name.partition(".")[0])
        if number is not None and entry.name.endswith(".json"):
            names.setdefault(number, []).append(entry.name)
    return names


def _read_links(
    layout: Layout,
    key: ComponentKey,
    before: ComponentReading,
    now: ComponentReading,
    histories: Mapping[int, list[str]],
) -> None:
    folder = str(layout.of("history", key))  # of a million records, a Path for each costs as much as parsing it
    for number, snapshot_id, problem in links(layout, key):
        gen = GenerationRow(number, snapshot_id, problem=problem)
        now.gens[number] = gen
        old = before.gens.get(number)
        same = old is not None and old.id == snapshot_id
        if same and old is not None:
            gen.seen, gen.mark_name, gen.marks = old.seen, old.mark_name, old.marks
        name = f"{number}.{stem(snapshot_id)}.json" if snapshot_id else ""
        if name and name in histories.get(number, ()):
            if same and old is not None and old.history is not None:
                gen.history, gen.as_of, gen.until, gen.estimated = old.history, old.as_of, old.until, False
            else:
                _take_history(gen, folder, name)
        if gen.estimated:
            _take_link_time(gen, layout.link(key, number))
            if same and old is not None:
                gen.until = max(gen.as_of, old.until)


def _take_history(gen: GenerationRow, folder: str, name: str) -> None:
    from dysnomia_store.records import brief  # a look at what the cache knows reads no record

    try:
        text = records.read_file(f"{folder}/{name}")
        number, snapshot_id, as_of = brief.history_in_brief(text, name)
        if (number, snapshot_id) != (gen.number, gen.id):
            raise Corrupt(f"{name} is another generation's")
    except (OSError, Corrupt) as error:
        gen.problem = f"its history cannot be read: {error}"
        return
    gen.history = text.decode()
    gen.as_of = gen.until = micros(as_of.timestamp())
    gen.estimated = False


def _take_link_time(gen: GenerationRow, path: Path) -> None:
    try:
        gen.as_of = path.lstat().st_mtime_ns // 1000
    except OSError:
        gen.as_of = 0
    gen.until = gen.as_of


def micros(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _read_snapshots(layout: Layout, key: ComponentKey, before: ComponentReading, now: ComponentReading) -> None:
    folder = layout.of("snapshots", key)
    readable = _may_list(folder)
    wanted = {gen.id for gen in now.gens.values() if gen.id}
    metas = {e.name: e for e in entries(layout.of("metadata", key)) if e.name.endswith(".json")}
    checked = {e.name: e for e in entries(layout.of("checks", key)) if e.name.endswith(".jsonl")}
    folders, files = {}, set()
    for entry in entries(folder):
        if entry.is_dir(follow_symlinks=False):
            folders[entry.name] = entry
        elif entry.is_file(follow_symlinks=False):
            files.add(entry.name)
    for snapshot_id in wanted | folders.keys():
        snap = SnapshotRow(snapshot_id, exists=snapshot_id in folders or not readable)
        snap.file = snapshot_id in files
        now.snaps[snapshot_id] = snap
        old = before.snaps.get(snapshot_id) or SnapshotRow(snapshot_id)
        name = stem(snapshot_id)
        meta = metas.get(name + ".json")
        if meta is not None:
            _take_metadata(snap, old, meta)
        if snap.metadata is None and snapshot_id in folders:
            _take_sizes(snap, old, folders[snapshot_id])
        check = checked.get(name + ".jsonl")
        if check is not None:
            _take_check(snap, old, check)


def _may_list(folder: Path) -> bool:
    """Whether what is not in a folder's listing is not there."""
    try:
        folder.stat()
    except PermissionError:
        return False
    except OSError:
        return True
    return os.access(folder, os.R_OK | os.X_OK)


def _take_metadata(snap: SnapshotRow, old: SnapshotRow, entry: os.DirEntry[str]) -> None:
    snap.metadata_sig = sig(entry)
    if snap.metadata_sig == old.metadata_sig:
        snap.metadata, snap.metadata_error = old.metadata, old.metadata_error
        snap.content_size, snap.stored_size = old.content_size, old.stored_size
        snap.complete, snap.sections, snap.lacks = old.complete, old.sections, old.lacks
        return
    from dysnomia_store.records import brief  # as above

    try:
        text = records.read_file(entry.path)
        record = brief.metadata_in_brief(text, entry.name)
        if record.id != snap.id:
            raise Corrupt(f"{entry.name} belongs to another snapshot")
    except (OSError, Corrupt) as error:
        snap.metadata_error = f"its metadata cannot be read: {error}"
        return
    snap.metadata = text.decode()
    snap.content_size, snap.stored_size = record.content_size, record.stored_size
    snap.complete, snap.sections, snap.lacks = record.complete, record.sections, tuple(record.lacks or ())


def _take_sizes(snap: SnapshotRow, old: SnapshotRow, entry: os.DirEntry[str]) -> None:
    """The stored size of a snapshot that nothing describes."""
    snap.size_sig = sig(entry)
    snap.stored_size = old.stored_size if snap.size_sig == old.size_sig else tree_size(Path(entry.path))


def tree_size(folder: Path) -> int:
    """Bytes of all files below a folder; links are not followed."""
    total = 0
    for entry in entries(folder):
        if entry.is_dir(follow_symlinks=False):
            total += tree_size(Path(entry.path))
        else:
            total += entry.stat(follow_symlinks=False).st_size
    return total


def _take_check(snap: SnapshotRow, old: SnapshotRow, entry: os.DirEntry[str]) -> None:
    snap.check_sig = sig(entry)
    if snap.check_sig == old.check_sig:
        snap.check = old.check
        return
    try:
        lines = records.read_file(entry.path).splitlines()
    except (OSError, Corrupt):
        return
    for line in reversed(lines):
        try:
            typed.check(line, entry.name)
        except Corrupt:
            continue  # a line that a crash cut short
        snap.check = line.decode()
        return


def _read_marks(layout: Layout, key: ComponentKey, before: ComponentReading, now: ComponentReading) -> None:
    folder = layout.of("marks", key)
    newest: dict[int, tuple[int, str]] = {}
    for entry in entries(folder):
        parts = entry.name.split(".", 2)
        if len(parts) != 3 or not entry.name.endswith(".json"):
            continue
        number, turn = number_of(parts[0]), number_of(parts[1])
        gen = None if number is None else now.gens.get(number)
        if gen is None or turn is None or parts[2] != f"{stem(gen.id)}.json":
            continue
        newest[gen.number] = max(newest.get(gen.number, (0, "")), (turn, entry.name))
    for gen in now.gens.values():
        _, name = newest.get(gen.number, (0, ""))
        if name == gen.mark_name:
            continue
        gen.mark_name, gen.marks = name, None
        if name:
            try:
                text = records.read_file(folder / name)
                if typed.marks(text, name)[0] != gen.id:
                    raise Corrupt(f"{name} is of another snapshot")
            except (OSError, Corrupt) as error:
                gen.mark_name = ""
                gen.problem = "; ".join(filter(None, (gen.problem, f"{MARKS_UNREAD}: {error}")))
                continue
            gen.marks = text.decode()


def _read_seen(layout: Layout, key: ComponentKey, before: ComponentReading, now: ComponentReading) -> None:
    """Add what was seen again since the last reading."""
    try:
        descriptor = os.open(layout.seen(key), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor)
            at = os.fstat(descriptor)
            if not stat.S_ISREG(at.st_mode):
                raise FileNotFoundError
            inode, offset = before.seen_at
            if inode != at.st_ino or offset > at.st_size or _brought_back(before, now):
                offset = 0
                for gen in now.gens.values():
                    gen.seen, gen.until = 1, gen.as_of
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # being written, or cut short by a crash
                offset += len(line)
                _count_seen(now, line)
            now.seen_at = (at.st_ino, offset)
    except OSError:
        now.seen_at = (0, 0)


def _brought_back(before: ComponentReading, now: ComponentReading) -> bool:
    """Whether a generation came that is older than one known before: what was seen of it was passed over then."""
    last = max(before.gens, default=0)
    return any(number < last for number in now.gens.keys() - before.gens.keys())


def _count_seen(now: ComponentReading, line: bytes) -> None:
    try:
        number, snapshot_id, seen = typed.seen(line, "seen.jsonl")
    except Corrupt:
        return  # a line that a crash cut short
    gen = now.gens.get(number)
    if gen is not None and gen.id == snapshot_id:
        gen.seen += 1
        gen.until = max(gen.until, micros(seen.as_of.timestamp()))


def seen_of(layout: Layout, key: ComponentKey, number: int, snapshot_id: str) -> tuple[Seen, ...]:
    """The later snapshots that found a generation's state again, oldest first."""
    sightings = []
    try:
        lines = records.read_file(layout.seen(key)).splitlines()
    except (OSError, Corrupt):
        return ()
    for line in lines:
        try:
            at, points_at, seen = typed.seen(line, "seen.jsonl")
        except Corrupt:
            continue
        if (at, points_at) == (number, snapshot_id):
            sightings.append(seen)
    return tuple(sightings)
