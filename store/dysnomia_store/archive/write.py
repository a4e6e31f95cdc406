"""Writing an archive: every byte is compared with what was stored as it is copied."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from dysnomia_base.ownership import may_hold_ours
from dysnomia_base.whole_file import sync_folder
from dysnomia_store.archive import format as form
from dysnomia_store.archive import schema
from dysnomia_store.archive.format import Archive, ArchivedComponent, ArchivedFile, ArchivedGeneration, ArchivedSnapshot
from dysnomia_store.commit.install import metadata_at
from dysnomia_store.content.manifest import digest_entry, pieces
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt, Locked, NotFound, Refused
from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey
from dysnomia_store.pool.pool import NO_LINKS

PARTIAL = ".partial"


def describe(workspace: Workspace, chosen: Mapping[ComponentKey, Sequence[Generation]], host: str) -> Archive:
    """What an archive of these generations would hold. Snapshots without a manifest are read for it.

    Raises NotFound, Corrupt, Refused, StoreError.
    """
    components = []
    for key, generations in sorted(chosen.items()):
        snapshots = []
        for snapshot_id in dict.fromkeys(one.id for one in generations):
            with in_words(f"reading snapshot {snapshot_id} of {key}"):
                snapshots.append(_snapshot(workspace, key, snapshot_id))
        linked = tuple(_generation(one) for one in sorted(generations, key=lambda one: one.number))
        components.append(ArchivedComponent(key, tuple(snapshots), linked))
    return Archive(workspace.store_id, host, workspace.clock(), tuple(components))


def write(workspace: Workspace, archive: Archive, path: Path, on_bytes: Callable[[int], None] | None = None) -> int:
    """Write it to a file that is not there yet. Returns its size. Until it is whole it is called ``….partial``.

    Raises Refused where the file is there, Locked where another process writes it, Corrupt, StoreError.
    """
    record = form.dump(archive)
    with in_words(f"writing {path}"), _target(path) as file:
        _member(file, form.RECORD, record)
        _member(file, form.DIGEST, hashlib.sha256(record).hexdigest().encode() + b"\n")
        for key, snapshot, entry in form.members(archive):
            file.write(form.head(form.member_name(key, snapshot.id, entry.path), entry.size))
            _copy(workspace.layout.snapshot(key, snapshot.id) / entry.path, entry, file, on_bytes)
            file.write(bytes(form.padded(entry.size) - entry.size))
        file.write(form.END)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


@contextmanager
def _target(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name once it is whole. What a dead process began is begun anew."""
    if os.path.lexists(path):
        raise Refused(f"{path} already exists", "name another file, or delete it")
    if path.parent.is_dir() and not may_hold_ours(path.parent):
        # Who can put a file in its place would read, or write, what every component holds.
        raise Refused(f"{path.parent} can be changed by others", "name a file below a folder of yours, or in /var/tmp")
    partial = path.with_name(path.name + PARTIAL)
    with os.fdopen(_open(partial), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(f"{path} is being written", "", "wait for the other export to end") from None
        try:
            file.truncate(0)
            yield cast(BinaryIO, file)
            _name(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def _open(partial: Path) -> int:
    """A new file, or what an export of ours left. Raises Refused for one that another user may read or write."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    hint = "delete it, or name another file"
    try:
        # A new one is ours whatever its mode: a disk without modes (vfat) gives all files the same.
        return os.open(partial, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    try:
        descriptor = os.open(partial, flags)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise Refused(f"{partial} is not a regular file", hint) from None
    seen = os.fstat(descriptor)
    if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_nlink != 1 or seen.st_mode & 0o077:
        os.close(descriptor)
        raise Refused(f"{partial} is already there, and other users may read or write it", hint)
    return descriptor


def _name(partial: Path, path: Path) -> None:
    """Give a whole archive its name, which replaces nothing. Raises FileExistsError."""
    try:
        os.link(partial, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (*NO_LINKS, errno.ENOSYS):
            raise
        # A disk that has no hard links (vfat, exFAT): an empty file of ours takes the name, and the archive its place.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        partial.replace(path)


def _member(file: BinaryIO, name: str, data: bytes) -> None:
    file.write(form.head(name, len(data)) + data + bytes(form.padded(len(data)) - len(data)))


def _copy(source: Path, entry: ArchivedFile, file: BinaryIO, on_bytes: Callable[[int], None] | None) -> None:
    digest = hashlib.sha256()
    size = 0
    try:
        for piece in pieces(source):
            size += len(piece)
            if size > entry.size:
                break
            digest.update(piece)
            file.write(piece)
            if on_bytes is not None:
                on_bytes(len(piece))
    except FileNotFoundError:
        raise NotFound(f"{source} is missing", "another job collected it: export again") from None
    if (size, digest.hexdigest()) != (entry.size, entry.sha256):
        raise Corrupt(f"{source} is damaged", "check the store, and choose another generation")


def _generation(one: Generation) -> ArchivedGeneration:
    return ArchivedGeneration(
        one.number, one.id, one.as_of, one.reason, one.text[: schema.MOST_TEXT], one.who[: schema.MOST_TEXT]
    )


def _snapshot(workspace: Workspace, key: ComponentKey, snapshot_id: str) -> ArchivedSnapshot:
    folder = workspace.layout.snapshot(key, snapshot_id)
    if not snapshot_id or not folder.is_dir():
        raise NotFound(f"{key} has no snapshot {snapshot_id}", "it was collected, or its link is broken")
    metadata = metadata_at(workspace, key, snapshot_id)
    known = {} if metadata is None else {entry.path: entry for entry in metadata.files}
    files, links, folders = [], [], []
    for path, kind, target in _tree(folder):
        if kind is None:
            folders.append(path)
        elif stat.S_ISLNK(kind):
            links.append((path, target))
        else:
            entry = known.get(path) or digest_entry(folder, path)
            files.append(ArchivedFile(path, entry.size, entry.sha256, bool(kind & 0o100)))
    if metadata is not None and form.without_frames(form.manifest(files, links)) != form.without_frames(metadata.files):
        raise Corrupt(f"snapshot {snapshot_id} of {key} is damaged: its files are not those of its manifest")
    return ArchivedSnapshot(
        snapshot_id, tuple(files), tuple(links), tuple(folders), _checksum(workspace, key, snapshot_id), metadata
    )


def _checksum(workspace: Workspace, key: ComponentKey, snapshot_id: str) -> str:
    try:
        checksum = workspace.layout.checksum(key, snapshot_id).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
    return checksum if form.is_checksum(checksum) else ""


def _tree(folder: Path, below: str = "") -> Iterator[tuple[str, int | None, str]]:
    """Path, mode (None for a folder) and target of everything below, sorted, parents first."""
    with os.scandir(folder / below if below else folder) as scanned:
        entries = sorted(scanned, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            yield path, None, ""
            yield from _tree(folder, path)
        else:
            yield path, mode, os.readlink(entry.path) if stat.S_ISLNK(mode) else ""
