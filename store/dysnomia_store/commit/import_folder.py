"""Import of a snapshot made elsewhere. It is untrusted: every byte is verified first."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dysnomia_base.clock import from_seconds
from dysnomia_store.commit.commit import commit, generation, newest
from dysnomia_store.commit.damage import mend_later
from dysnomia_store.content.artefact_reader import open_artefact, split_suffix
from dysnomia_store.content.dysnomia_checksum import checksum
from dysnomia_store.content.frame_folder import collapsed, folder_of
from dysnomia_store.content.manifest import walk
from dysnomia_store.content.snapshots import Sealed, SnapshotDraft, identity
from dysnomia_store.disk.held import FOLDER, closing, open_way
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt, NotFound, Refused
from dysnomia_store.model import FOOTERS, CommitInfo, Metadata, Reason
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_store.pool.pool import pool_for
from dysnomia_store.records import codec as records
from dysnomia_store.records.schema import ArtefactFooter, FolderFooter


@dataclass(frozen=True, slots=True)
class Explained:
    """What the footers of a snapshot say of it, after every byte was compared."""

    type: str
    digest: str
    digest_version: int
    content_size: int
    sections: int | None
    rows: int | None


def import_folder(
    workspace: Workspace, key: ComponentKey, folder: Path, *, who: str, job: str, move: bool, reader: int | None = None
) -> tuple[int, bool]:
    """Make a snapshot folder, named by its id, the newest generation. The caller holds the lock.

    A folder of this store itself is only linked, as Dysnomia does. Else it is copied, never through a link; with
    ``move`` the original is deleted once the generation stands. ``reader`` is a group that may read it.

    Returns:
        The generation's number, and whether it is new.

    Raises:
        NotFound: where there is no such folder.
        NameRejected, Refused: for a name or a file that no snapshot has, or links that lead out of it.
        Corrupt: where it explains itself and is not what it says, or its name is not its content's.
        StoreError.
    """
    snapshot_id = validate_name(folder.name, "snapshot id")
    with (
        in_words(f"importing {folder}"),
        closing(open_way(folder.parent)) as parent,
        closing(_open(folder, parent)) as held,
    ):
        own = workspace.layout.snapshot(key, snapshot_id)
        if own.is_dir() and os.path.samestat(own.stat(), os.fstat(held)):
            return _link_own(workspace, key, own, _about(workspace, own, _written(own), who, job))
        made = _take_in(workspace, key, folder, held, who, job, reader)
        if move:
            workspace.disk.remove_held(folder, held, parent)
        return made


def _open(folder: Path, parent: int) -> int:
    try:
        return os.open(folder.name, FOLDER, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{folder} is not a snapshot folder") from None


def _take_in(
    workspace: Workspace, key: ComponentKey, folder: Path, held: int, who: str, job: str, reader: int | None
) -> tuple[int, bool]:
    """Copy what is in an open folder, look at the copy, and commit that. ``folder`` only says what it is called."""
    snapshot_id = folder.name
    with workspace.staging(job) as base:
        draft = SnapshotDraft(base, disk=workspace.disk, reader=reader, frames=pool_for(workspace, reader))
        times = list(_copy(workspace, folder, held, draft.folder))
        draft.claim(snapshot_id)
        sealed = draft.seal()
        explained = explain(draft.folder)
        if explained is not None:
            draft.share()
            sealed = draft.seal()
        if explained is not None and len(snapshot_id) == 64 and explained.digest != snapshot_id:
            raise Corrupt(f"{folder.name} holds another snapshot: {explained.digest}", "nothing was imported")
        metadata = _metadata(snapshot_id, sealed, explained)
        made = commit(workspace, key, draft, metadata, _about(workspace, folder, times, who, job), None)
        mend_later(workspace, draft.replaced)
    return made


def _metadata(snapshot_id: str, sealed: Sealed, explained: Explained | None) -> Metadata:
    """What is recorded of a snapshot: what it explains of itself, else its files alone."""
    if explained is None:
        return Metadata(
            id=snapshot_id,
            type="",
            content_size=sealed.content_size,
            stored_size=sealed.stored_size,
            files=sealed.files,
            digest="",
            digest_version=0,
            complete=None,
            sections=None,
            rows=None,
            tool_versions={},
        )
    return Metadata(
        id=snapshot_id,
        type=explained.type,
        content_size=explained.content_size,
        stored_size=sealed.stored_size,
        files=sealed.files,
        digest=explained.digest,
        digest_version=explained.digest_version,
        complete=True,
        sections=explained.sections,
        rows=explained.rows,
        tool_versions={FOOTERS: str(explained.digest_version)},
    )


def _link_own(workspace: Workspace, key: ComponentKey, own: Path, about: CommitInfo) -> tuple[int, bool]:
    """A generation of a snapshot that is in the store already: no new one where it is the newest."""
    before = newest(workspace, key)
    if before is not None and before[1] == own.name:
        return before[0], False
    path = workspace.layout.checksum(key, own.name)
    with in_words(f"linking {own}"):
        if any(folder_of(name) for name, _ in walk(own)):  # Disnix and others copy such a folder to its place
            workspace.raise_format(records.FRAMES)
        if not path.exists():
            workspace.publish(path, checksum(own).encode())
    return generation(workspace, key, own.name, about), True


def _about(workspace: Workspace, folder: Path, times: Sequence[float], who: str, job: str) -> CommitInfo:
    """An import's as-of is when its files were written, as far as they tell; never later than now."""
    now = workspace.clock()
    as_of = from_seconds(max(times)) if times else now
    return CommitInfo(min(as_of, now), now, Reason.IMPORT, f"from {folder.name}", who=who, job=job)


def _written(folder: Path) -> list[float]:
    """When the files of a folder of the store were written."""
    return [entry.stat(follow_symlinks=False).st_mtime for _, entry in walk(folder)]


def explain(folder: Path) -> Explained | None:
    """The metadata in a snapshot's footers; None unless each of its files has a footer of ours. Raises Corrupt."""
    footers: dict[str, ArtefactFooter | FolderFooter] = {}
    for footer_or_file in collapsed(path for path, _ in walk(folder)):
        path = folder_of(footer_or_file) or footer_or_file
        if "/" in path:
            return None  # a snapshot that holds snapshots: their footers explain them, and not what holds them
        reader = open_artefact(folder / path)
        if reader.about is None:
            return None
        reader.verify()
        footers[split_suffix(path)[0]] = reader.about
    if not footers:
        return None
    about = next(iter(footers.values()))["about"]
    rows = [footer["rows"] for footer in footers.values() if footer["rows"] is not None]
    sections = [footer["sections"] for footer in footers.values() if footer["sections"] is not None]
    return Explained(
        type=about.get("type", ""),
        digest=identity({name: footer["digest"] for name, footer in footers.items()}),
        digest_version=about.get("digest_version", 0),
        content_size=sum(footer["content_size"] for footer in footers.values()),
        sections=sum(sections) if sections else None,
        rows=sum(rows) if rows else None,
    )


def _copy(workspace: Workspace, shown: Path, source: int, target: Path) -> Iterator[float]:
    """Copy the files of an open folder into one that is there; when each was written. Raises OSError, Refused.

    By descriptor alone: its owner may exchange it, and any folder in it, for a link while it is read."""
    for name in sorted(os.listdir(source), key=os.fsencode):
        seen = os.lstat(name, dir_fd=source)
        goal = target / name
        if stat.S_ISDIR(seen.st_mode):
            workspace.disk.mkdir(goal)
            with closing(os.open(name, FOLDER, dir_fd=source)) as deeper:
                yield from _copy(workspace, shown / name, deeper, goal)
            continue
        yield seen.st_mtime
        if stat.S_ISREG(seen.st_mode):
            # Of its mode only "may be run" is taken over: no setuid, nothing for others.
            mode = workspace.disk.access.file | (seen.st_mode & 0o100)
            workspace.disk.copy_file(shown / name, goal, mode, parent=source)
        elif stat.S_ISLNK(seen.st_mode):
            points_at = os.readlink(name, dir_fd=source)
            if points_at.startswith("/") or ".." in points_at.split("/"):
                raise Refused(f"{name} is a link that leads out of the snapshot", "it was not imported")
            workspace.disk.symlink(points_at, goal)
        else:
            raise Refused(f"{name} is neither a file, a folder nor a link", "it was not imported")
