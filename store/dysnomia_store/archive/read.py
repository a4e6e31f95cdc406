"""Taking an archive in. Not a byte of it is believed before it was read, and nothing is linked before all was.

First the record, which says how long the file has to be; then every file, against its digest; then the snapshots are
put into the store, where no generation names them yet; then the generations are linked, in their order. Cut short at
any point, the same import run again goes on: what is in the store already is not copied again, and a generation that
was linked already is known by where it came from.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tarfile import HeaderError, TarInfo
from types import MappingProxyType

from dysnomia_store.archive import format as form
from dysnomia_store.archive.format import Archive, ArchivedComponent, ArchivedFile, ArchivedGeneration, ArchivedSnapshot
from dysnomia_store.commit.commit import generation
from dysnomia_store.commit.damage import mend_later
from dysnomia_store.commit.heal import history_at
from dysnomia_store.commit.import_folder import Explained, explain
from dysnomia_store.commit.install import install, metadata_at
from dysnomia_store.content.dysnomia_checksum import Match, compare
from dysnomia_store.content.manifest import differences, sizes_match
from dysnomia_store.content.snapshots import Sealed, SnapshotDraft
from dysnomia_store.disk.layout import pointed_at
from dysnomia_store.disk.links import links
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace, free_bytes
from dysnomia_store.errors import Corrupt, NotFound, NotPermitted, Refused, StoreFull
from dysnomia_store.model import CommitInfo, Metadata, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_store.pool.pool import pool_for
from dysnomia_store.pool.snapshots import remove_snapshot

OnBytes = Callable[[int], None]
PIECE = 1 << 20
_NOT_OURS = "it was not made by: dysnomia-snapshots --export"


class ArchiveReader:
    """An opened archive: its record, and the position of each file.

    Raises NotFound, NotPermitted, Refused, NameRejected, Corrupt from the constructor, which reads only the record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _opened(path)
        try:
            self._read_record()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def verify(self, on_bytes: OnBytes | None = None) -> None:
        """Read every byte and compare it with the record. Raises Corrupt, Refused, OSError."""
        for key, snapshot, entry in form.members(self.archive):
            self._expect(
                form.member_name(key, snapshot.id, entry.path), entry.size, self._heads[key, snapshot.id, entry.path]
            )
            for _ in self.read(key, snapshot, entry, on_bytes):
                pass
        if self._at(self._end, len(form.END)) != form.END:
            raise Corrupt(f"{self.path}: the end marker of the archive is missing", "copy the archive again")

    def read(
        self, key: ComponentKey, snapshot: ArchivedSnapshot, entry: ArchivedFile, on_bytes: OnBytes | None = None
    ) -> Iterator[bytes]:
        """A file's bytes; the last come only where all are what the record says. Raises Corrupt, OSError."""
        name = form.member_name(key, snapshot.id, entry.path)
        start = self._heads[key, snapshot.id, entry.path] + len(form.head(name, entry.size))
        digest = hashlib.sha256()
        for at in range(0, entry.size, PIECE):
            piece = self._at(start + at, min(PIECE, entry.size - at))
            digest.update(piece)
            if on_bytes is not None:
                on_bytes(len(piece))
            if at + PIECE < entry.size:
                yield piece
        if digest.hexdigest() != entry.sha256:
            raise Corrupt(
                f"{self.path}: the checksum of {name} differs from the archive's record", "copy the archive again"
            )
        self._padding(name, start + entry.size, entry.size)
        if entry.size:
            yield piece

    def _read_record(self) -> None:
        data = self._record_bytes()
        self.digest = hashlib.sha256(data).hexdigest()
        """Hex sha256 of the record: the same archive has the same."""
        at = len(form.head(form.RECORD, len(data))) + form.padded(len(data))
        self._padding(form.RECORD, at - form.padded(len(data)) + len(data), len(data))
        line = self.digest.encode() + b"\n"
        self._expect(form.DIGEST, len(line), at)
        at += len(form.head(form.DIGEST, len(line)))
        if self._at(at, len(line)) != line:
            raise Corrupt(f"{self.path}: the checksum of the archive's record differs", "copy the archive again")
        self._padding(form.DIGEST, at + len(line), len(line))
        at += form.padded(len(line))
        self.archive: Archive = form.load(data, self.path.name)
        self._heads: dict[tuple[ComponentKey, str, str], int] = {}
        for key, snapshot, entry in form.members(self.archive):
            self._heads[key, snapshot.id, entry.path] = at
            at += len(form.head(form.member_name(key, snapshot.id, entry.path), entry.size)) + form.padded(entry.size)
        self._end = at
        size, needed = os.fstat(self._file.fileno()).st_size, at + len(form.END)
        if size < needed:
            raise Corrupt(f"{self.path} is cut short: it has {size:,} of {needed:,} bytes", "copy the archive again")
        if size > needed:
            raise Refused(f"{self.path} has {size - needed:,} bytes after the end of the archive", _NOT_OURS)

    def _record_bytes(self) -> bytes:
        block = os.pread(self._file.fileno(), form.BLOCK, 0)
        try:
            size = TarInfo.frombuf(block, "utf-8", "surrogateescape").size
        except HeaderError:
            raise Refused(f"{self.path} is not an archive of snapshots", _NOT_OURS) from None
        if not 0 < size <= form.MOST_RECORD or block != form.head(form.RECORD, size):
            raise Refused(f"{self.path} is not an archive of snapshots", _NOT_OURS)
        return self._at(form.BLOCK, size)

    def _expect(self, name: str, size: int, at: int) -> None:
        expected = form.head(name, size)
        if self._at(at, len(expected)) != expected:
            raise Refused(f"{self.path}: {name} is not at the position that the archive's record gives", _NOT_OURS)

    def _padding(self, name: str, at: int, size: int) -> None:
        """Behind a member of ``size`` bytes there is nothing up to the next block."""
        if any(self._at(at, form.padded(size) - size)):
            raise Corrupt(f"{self.path}: the padding after {name} is not zero", "copy the archive again")

    def _at(self, start: int, size: int) -> bytes:
        data = os.pread(self._file.fileno(), size, start)
        while len(data) < size:
            more = os.pread(self._file.fileno(), size - len(data), start + len(data))
            if not more:
                raise Corrupt(f"{self.path} is cut short", "copy the archive again")
            data += more
        return data


def _opened(path: Path) -> io.FileIO:
    """A regular file, never a pipe that would hold us up."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist") from None
    except PermissionError:
        raise NotPermitted(f"permission denied: {path}") from None
    except OSError as error:
        raise Refused(f"{path} cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused(f"{path} is not a file", "name an archive, or folders of snapshots")
    return io.FileIO(descriptor, "rb")


@dataclass(frozen=True, slots=True)
class Unpacked:
    """How an import came out."""

    made: tuple[tuple[ComponentKey, int], ...]
    """The generations that are new."""
    already: int
    """Generations of the archive that were here."""


def missing(workspace: Workspace, archive: Archive) -> int:
    """Bytes of the archive that are not in the store yet, by a quick look."""
    return sum(
        snapshot.size
        for component in archive.components
        for snapshot in component.snapshots
        if not sizes_match(
            workspace.layout.snapshot(component.key, snapshot.id),
            form.without_frames(form.manifest(snapshot.files, snapshot.links)),
        )
    )


def unpack(
    workspace: Workspace,
    reader: ArchiveReader,
    *,
    who: str,
    job: str,
    on_bytes: OnBytes | None = None,
    readers: Mapping[ComponentKey, int] = MappingProxyType({}),
) -> Unpacked:
    """Take a verified archive in. The caller holds the locks of all its components, and has called ``verify``.

    ``readers`` are groups that may read a component's snapshots.
    Where a snapshot is not what it says, those that this call put into the store are taken out again.

    Raises Corrupt, StoreFull, StoreError: then no generation was linked, or those that were are whole.
    """
    archive = reader.archive
    needed = missing(workspace, archive)
    free = free_bytes(workspace.layout.root)
    if free is not None and needed > free:
        raise StoreFull(
            f"importing {reader.path} needs {needed:,} bytes, and {free:,} are free",
            "free some space, then import it again",
        )
    added: list[tuple[ComponentKey, str]] = []
    stored: dict[tuple[ComponentKey, str], str] = {}
    try:
        for component in archive.components:
            for snapshot in component.snapshots:
                with in_words(f"importing {snapshot.id} of {component.key}"):
                    draft_reader = readers.get(component.key)
                    stored_id, new = _take(workspace, reader, component.key, snapshot, job, on_bytes, draft_reader)
                stored[component.key, snapshot.id] = stored_id
                if new:
                    added.append((component.key, stored_id))
    except (Corrupt, Refused):
        _take_out(workspace, added)
        raise
    made: list[tuple[ComponentKey, int]] = []
    for component in archive.components:
        made.extend(_link(workspace, archive, component, stored, who, job))
    return Unpacked(tuple(made), archive.generations - len(made))


def _take(
    workspace: Workspace, reader: ArchiveReader, key: ComponentKey, snapshot: ArchivedSnapshot, job: str,
    on_bytes: OnBytes | None,
    group: int | None,
) -> tuple[str, bool]:  # fmt: skip
    """Store one snapshot, unless it is there. Returns the id under which it is stored, and whether it is new."""
    if _here(workspace, key, snapshot):
        return snapshot.id, False
    expected = form.manifest(snapshot.files, snapshot.links)
    with workspace.staging(job) as base:
        draft = SnapshotDraft(base, disk=workspace.disk, reader=group, frames=pool_for(workspace, group))
        for path in snapshot.folders:
            workspace.disk.mkdir(draft.folder / path)
        for entry in snapshot.files:
            mode = workspace.disk.access.file | (0o100 if entry.runs else 0)
            with workspace.disk.create(draft.folder / entry.path, mode) as file:
                for piece in reader.read(key, snapshot, entry, on_bytes):
                    file.write(piece)
                workspace.disk.fsync(file)
        for path, target in snapshot.links:
            workspace.disk.symlink(target, draft.folder / path)
        draft.claim(snapshot.id)
        sealed = draft.seal()
        if sealed.files != expected:
            raise Corrupt(
                f"{snapshot.id} of {key}: its files differ from the record of {reader.path}", "nothing was imported"
            )
        if snapshot.checksum and compare(draft.folder, snapshot.checksum) is Match.DIFFERENT:
            raise Corrupt(
                f"{snapshot.id} of {key}: its files differ from the checksum that Dysnomia wrote",
                "nothing was imported",
            )
        explained = explain(draft.folder)
        if explained is not None:
            draft.share()
            sealed = draft.seal()
        metadata = _metadata(snapshot, explained, sealed)
        installed = install(workspace, key, draft, sealed, metadata)
        mend_later(workspace, draft.replaced)
        return installed, True


def _here(workspace: Workspace, key: ComponentKey, snapshot: ArchivedSnapshot) -> bool:
    """Whether the store holds these very bytes under this id, and says so."""
    expected = form.manifest(snapshot.files, snapshot.links)
    written = metadata_at(workspace, key, snapshot.id)
    folder = workspace.layout.snapshot(key, snapshot.id)
    return (
        written is not None
        and form.without_frames(written.files) == form.without_frames(expected)
        and folder.is_dir()
        and not differences(folder, written.files)[0]
    )


def _metadata(snapshot: ArchivedSnapshot, explained: Explained | None, sealed: Sealed) -> Metadata:
    """Metadata of an imported snapshot: what its footers prove, then what the archive says. Its origin is no store."""
    stored_size = sealed.stored_size
    if explained is not None and len(snapshot.id) == 64 and explained.digest != snapshot.id:
        raise Corrupt(f"{snapshot.id} holds another snapshot: {explained.digest}", "nothing was imported")
    metadata = snapshot.metadata or Metadata(snapshot.id, "", stored_size, stored_size, (), "", 0, None)
    metadata = replace(metadata, stored_size=stored_size, files=sealed.files, origin="")
    if explained is None:
        return replace(metadata, digest="", digest_version=0, complete=None if metadata.complete else metadata.complete)
    return replace(
        metadata, type=explained.type, digest=explained.digest, digest_version=explained.digest_version, complete=True,
        content_size=explained.content_size, sections=explained.sections, rows=explained.rows,
    )  # fmt: skip


def _take_out(workspace: Workspace, added: Sequence[tuple[ComponentKey, str]]) -> None:
    """Delete snapshots that no generation names. What cannot be deleted is an orphan, and seen as one."""
    for key, snapshot_id in added:
        with suppress(OSError):
            remove_snapshot(workspace, workspace.layout.snapshot(key, snapshot_id))
            for path in (workspace.layout.checksum(key, snapshot_id), workspace.layout.metadata(key, snapshot_id)):
                workspace.disk.unlink(path, missing_ok=True)


def _link(
    workspace: Workspace,
    archive: Archive,
    component: ArchivedComponent,
    stored: dict[tuple[ComponentKey, str], str],
    who: str,
    job: str,
) -> Iterator[tuple[ComponentKey, int]]:
    """Link the generations that are not here yet, in their order."""
    key = component.key
    here = _sources(workspace, key)
    for one in component.generations:
        source = f"{archive.store}/{one.number}"
        snapshot_id = stored[key, one.id]
        if (source, snapshot_id) in here or (
            archive.store == workspace.store_id and _points_at(workspace, key, one.number) == one.id
        ):
            continue
        now = workspace.clock()
        about = CommitInfo(
            min(one.as_of, now), now, Reason.IMPORT, _text(archive, one), who=who, job=job, source=source
        )
        yield key, generation(workspace, key, snapshot_id, about)


def _sources(workspace: Workspace, key: ComponentKey) -> set[tuple[str, str]]:
    """Where the generations that are here came from, each with its id."""
    sources = set()
    for number, snapshot_id, _ in links(workspace.layout, key):
        history = history_at(workspace, key, number, snapshot_id) if snapshot_id else None
        if history is not None and history.source:
            sources.add((history.source, snapshot_id))
    return sources


def _points_at(workspace: Workspace, key: ComponentKey, number: int) -> str | None:
    try:
        return pointed_at(key, os.readlink(workspace.layout.link(key, number)))
    except OSError:
        return None


def _text(archive: Archive, one: ArchivedGeneration) -> str:
    where = archive.host or f"store {archive.store[:8]}"
    by = f" by {one.who}" if one.who else ""
    reason = f": {one.text}" if one.text else ""
    return f"generation {one.number} of {where} ({one.reason}{by}){reason}"


@contextmanager
def opened(path: Path, digest: str = "") -> Iterator[ArchiveReader]:
    """An archive; with ``digest``, that of the record it had when it was looked at. Raises Refused where it changed."""
    with ArchiveReader(path) as reader:
        if digest and reader.digest != digest:
            raise Refused(f"{path} was replaced since it was read", "check the archive, then import it again")
        yield reader
