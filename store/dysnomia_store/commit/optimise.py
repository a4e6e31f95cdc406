"""Make stored snapshots share what they can: large artefacts of the old form become folders of frames, and frames that
stand alone (a store that was copied without its hard links, a pool that was lost) are linked again.

A snapshot that is not whole is left alone. What is converted is read back before it takes the place of what was there,
by one exchange of the two folders. From before that until its record is written a note lies in ``optimising``: a crash
in between is put right by the next sweep.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from dysnomia_store.catalog import marks
from dysnomia_store.commit.damage import renew_checksum
from dysnomia_store.commit.install import metadata_at
from dysnomia_store.content.artefact_reader import ArtefactReader, split_suffix
from dysnomia_store.content.cutting import Cutting, available
from dysnomia_store.content.frame_folder import FOOTER, SUFFIX, FolderReader, folder_of, frame_name, read_footer
from dysnomia_store.content.index import Index
from dysnomia_store.content.manifest import differences, sizes_match, walk
from dysnomia_store.content.proofs import OnBytes, Proofs
from dysnomia_store.content.storage import FrameFolder, Stored
from dysnomia_store.disk.layout import Layout, stem
from dysnomia_store.disk.links import entries
from dysnomia_store.disk.syscalls import NO_EXCHANGE, in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt, NameRejected, StoreError
from dysnomia_store.model import FileEntry, Metadata
from dysnomia_store.names import ComponentKey
from dysnomia_store.pool.pool import Pool
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed
from dysnomia_store.records.summary import Optimised

PIECE = 1 << 20


@dataclass(slots=True)
class Run:
    """What several snapshots of one run have in common."""

    cutting: Cutting
    proofs: Proofs = field(default_factory=Proofs)
    on_bytes: OnBytes | None = None
    """Told of bytes that were read; what it raises ends the run, and the snapshot is as it was."""


def optimise(workspace: Workspace, key: ComponentKey, snapshot_id: str, run: Run, job: str) -> Optimised:
    """Make one snapshot share what it can. The caller holds the component's lock. Raises StoreError."""
    with in_words(f"optimising snapshot {snapshot_id} of {key}"):
        finish(workspace, key, snapshot_id)
        folder = workspace.layout.snapshot(key, snapshot_id)
        written = metadata_at(workspace, key, snapshot_id)
        hindered = _hindered(workspace, key, folder, written)
        if written is None or hindered:
            return Optimised(left=hindered)
        wrong, _ = differences(folder, written.files, run.on_bytes, run.proofs)
        run.proofs.damaged.clear()
        if wrong:
            return Optimised(left=f"{wrong[0]}; run a check")
        linked = _link_again(workspace, key, snapshot_id, written, run, job)
        return _convert(workspace, key, snapshot_id, written, run, job, linked)


def finish(workspace: Workspace, key: ComponentKey, snapshot_id: str) -> None:
    """Write the record of a conversion that a dead job left half-way, or forget it where it had not begun.

    Raises OSError, Corrupt."""
    note = _note(workspace.layout, key, snapshot_id)
    try:
        after = typed.metadata(records.read_file(note), note.name)
    except FileNotFoundError:
        return
    except Corrupt:
        workspace.disk.unlink(note, missing_ok=True)  # never whole, so nothing was exchanged
        return
    if sizes_match(workspace.layout.snapshot(key, after.id), after.files):
        _record(workspace, key, after)
    workspace.disk.unlink(note, missing_ok=True)


def unfinished(layout: Layout) -> Iterator[tuple[ComponentKey, str]]:
    """(component, id) of conversions that a dead job left half-way."""
    for container in entries(layout.top("optimising")):
        for component in entries(Path(container.path)):
            for entry in list(entries(Path(component.path))):
                with suppress(OSError, Corrupt, NameRejected):
                    metadata = typed.metadata(records.read_file(Path(entry.path)), entry.name)
                    yield ComponentKey.of(container.name, component.name), metadata.id


def _note(layout: Layout, key: ComponentKey, snapshot_id: str) -> Path:
    return layout.of("optimising", key) / f"{stem(snapshot_id)}.json"


def _hindered(workspace: Workspace, key: ComponentKey, folder: Path, written: Metadata | None) -> str:
    """Why a snapshot is left as it is, or ``""``."""
    if folder.is_symlink() or not folder.is_dir():
        return "its folder is gone"
    if written is None or not written.digest:
        return "it is not a snapshot of a type of this program"
    if folder.stat().st_mode & 0o070 and workspace.disk.access.gid is None:
        return "another group may read it, and a file that snapshots share has one group"
    if written.id in marks.copies(workspace.layout, key):
        return "it is pinned, and a pin keeps the files as they are"
    if not available():
        return "the package pyfastcdc is missing, or was not compiled"
    return ""


def _link_again(
    workspace: Workspace, key: ComponentKey, snapshot_id: str, written: Metadata, run: Run, job: str
) -> Optimised:
    """Put the pool's files in the place of other files of the same frames, each of which was read and found right."""
    pool = Pool(workspace.layout, workspace.disk)
    folder = workspace.layout.snapshot(key, snapshot_id)
    linked = freed = 0
    with workspace.staging(job) as base:
        for artefact in filter(None, (folder_of(entry.path) for entry in written.files)):
            _, frames = read_footer(folder / artefact)
            for number in range(len(frames)):
                path = folder / artefact / frame_name(number)
                at = path.stat(follow_symlinks=False)
                if pool.inode(frames.digest(number)) == at.st_ino:
                    continue
                if pool.take_in(path, frames.digest(number), frames.size(number), run.proofs, base / "frame"):
                    linked += 1
                    freed += at.st_size if at.st_nlink == 1 else 0
            workspace.disk.fsync_path(folder / artefact)
    if linked:
        renew_checksum(workspace, key, snapshot_id)
    return Optimised(linked=linked, freed=freed)


def _convert(
    workspace: Workspace, key: ComponentKey, snapshot_id: str, written: Metadata, run: Run, job: str, linked: Optimised
) -> Optimised:
    folder = workspace.layout.snapshot(key, snapshot_id)
    large = {entry.path: entry for entry in written.files if _is_large(folder, entry, run.cutting)}
    if not large:
        return linked
    before = sum(path.lstat().st_size for path in map(folder.joinpath, large) if path.lstat().st_nlink == 1)
    with workspace.staging(job) as base:
        new = base / "snapshot"
        try:
            stored = _frame(workspace, key, snapshot_id, large, new, run)
        except Corrupt as error:
            return replace(linked, left=f"{error.message}; run a check")
        kept = [entry for entry in written.files if entry.path not in large]
        for entry in kept:
            name = folder_of(entry.path) or entry.path
            if folder_of(entry.path):
                marks.link_tree(workspace, folder / name, new / name)
            else:
                marks.link_file(workspace, folder / name, new / name)
        workspace.disk.fsync_path(new)
        files = tuple(sorted([*kept, *(one.entry for one in stored)], key=lambda entry: entry.path))
        size = sum(entry.stat(follow_symlinks=False).st_size for _, entry in walk(new))
        after = replace(written, files=files, stored_size=size)
        takes = sum(_alone(workspace, new / one.file_name) for one in stored)
        if not _exchange_snapshot(workspace, key, after, new, base):
            return replace(linked, left="this file system cannot exchange two folders in one step")
    return replace(linked, converted=len(large), freed=linked.freed + before - takes)


def _is_large(folder: Path, entry: FileEntry, cutting: Cutting) -> bool:
    """Whether it is an artefact of ours as one file, of more content than stays in one."""
    if not entry.path.endswith(".zst") or "/" in entry.path:
        return False
    reader = ArtefactReader(folder / entry.path)
    return reader.about is not None and (reader.content_size or 0) > cutting.whole


def _frame(
    workspace: Workspace, key: ComponentKey, snapshot_id: str, large: dict[str, FileEntry], new: Path, run: Run
) -> list[Stored]:
    """Write artefacts as folders of frames, and read them back. Raises Corrupt where what is read is not the same."""
    folder = workspace.layout.snapshot(key, snapshot_id)
    workspace.disk.mkdir(new, folder.stat().st_mode & 0o777)
    pool = Pool(workspace.layout, workspace.disk)
    stored = []
    for entry in large.values():
        reader = ArtefactReader(folder / entry.path, sha256=entry.sha256)
        assert reader.about is not None
        about = {name: value for name, value in reader.about.items() if name not in _OF_FILES}
        target = new / (reader.name + SUFFIX)
        storage = FrameFolder(target, None, workspace.disk, pool, run.cutting)
        try:
            digest = _feed(reader, storage, _borders(workspace, key, snapshot_id, entry), run.on_bytes)
            stored.append(storage.close(about))
        finally:
            storage.abort()
        workspace.disk.fsync_path(target)
        if _digest_of(FolderReader(target), run.on_bytes) != digest:
            raise Corrupt(f"{entry.path}: what was written holds other content")
    return stored


_OF_FILES = ("dysnomia-artefact", "stored", "frames")
"""What a footer says of the file that it ends."""


def _borders(workspace: Workspace, key: ComponentKey, snapshot_id: str, entry: FileEntry) -> list[tuple[int, int]]:
    """Where sections begin (1) and end (0), in order, so that the artefact is cut as a dump of the same would be."""
    path = workspace.layout.index(key, snapshot_id)
    borders: list[tuple[int, int]] = []
    with suppress(StoreError, OSError), Index(path) as index:
        for section in index.sections():
            if section.artefact == split_suffix(entry.path)[0] and section.offset is not None and section.length:
                borders += [(section.offset, 1), (section.offset + section.length, 0)]
    return sorted(borders)


def _feed(
    reader: ArtefactReader, storage: FrameFolder, borders: list[tuple[int, int]], on_bytes: OnBytes | None
) -> bytes:
    """Pass an artefact's content on, with its sections. Returns its digest. Raises Corrupt."""
    whole = hashlib.sha256()
    at = 0
    waiting = iter(borders)
    border = next(waiting, None)
    with reader.open() as stream:
        while True:
            while border is not None and border[0] <= at:
                (storage.begin if border[1] else storage.end)()
                border = next(waiting, None)
            piece = stream.read(PIECE if border is None else min(PIECE, border[0] - at))
            if not piece:
                return whole.digest()
            whole.update(piece)
            storage.write(piece)
            at += len(piece)
            if on_bytes is not None:
                on_bytes(len(piece))


def _digest_of(reader: FolderReader, on_bytes: OnBytes | None) -> bytes:
    whole = hashlib.sha256()
    with reader.open() as stream:
        while piece := stream.read(PIECE):
            whole.update(piece)
            if on_bytes is not None:
                on_bytes(len(piece))
    return whole.digest()


def _alone(workspace: Workspace, folder: Path) -> int:
    """Bytes that a folder of frames takes which no other snapshot holds."""
    pool = Pool(workspace.layout, workspace.disk)
    _, frames = read_footer(folder)
    names: dict[int, int] = {}
    total = 0
    for number in range(len(frames)):
        at = (folder / frame_name(number)).stat(follow_symlinks=False)
        names[at.st_ino] = names.get(at.st_ino, 0) + 1
        if names[at.st_ino] + (pool.inode(frames.digest(number)) == at.st_ino) == at.st_nlink:
            total += at.st_size
    return total + (folder / FOOTER).stat().st_size


def _exchange_snapshot(workspace: Workspace, key: ComponentKey, after: Metadata, new: Path, base: Path) -> bool:
    """Put the new folder in the place of the old one, then its record. False where that cannot be in one step."""
    target = workspace.layout.snapshot(key, after.id)
    note = _note(workspace.layout, key, after.id)
    workspace.raise_format(records.FRAMES)
    workspace.publish(note, records.dump(records.metadata_json(after)))
    try:
        workspace.disk.exchange(new, target)
    except OSError as error:
        workspace.disk.unlink(note, missing_ok=True)
        if error.errno in NO_EXCHANGE:
            return False
        raise
    workspace.disk.fsync_path(target.parent)
    workspace.disk.fsync_path(base)
    _record(workspace, key, after)
    workspace.disk.unlink(note, missing_ok=True)
    return True


def _record(workspace: Workspace, key: ComponentKey, after: Metadata) -> None:
    """Write what describes a snapshot of which the files are others now. Raises OSError."""
    renew_checksum(workspace, key, after.id)
    path = workspace.layout.metadata(key, after.id)
    with workspace.staging("") as base:
        workspace.disk.write_new(base / "metadata", records.dump(records.metadata_json(after)))
        workspace.disk.replace(base / "metadata", path)
    workspace.disk.fsync_path(path.parent)
