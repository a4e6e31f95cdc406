"""How a snapshot becomes a generation.

The order, each step durable before the next: the snapshot in staging; checksum, contents index and metadata; its rename
to ``snapshots/``; the history; the generation's link, which is the commit. So a link never names what is not complete,
and a crash leaves at most a snapshot that no link names. The caller holds the component's lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from dysnomia_store.commit.install import install, metadata_at, sound_metadata
from dysnomia_store.content.index_diff import changed_between, delta
from dysnomia_store.content.snapshots import Sealed, SnapshotDraft
from dysnomia_store.disk.layout import pointed_at
from dysnomia_store.disk.numbers import largest, newest_link
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt, NotFound, Refused, StoreError
from dysnomia_store.model import CommitInfo, Delta, History, Metadata, Seen
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records

SameRows = Callable[[str], bool]
"""Told the id of a snapshot: whether the draft's tables hold the same rows, in whatever order."""

_TRIES = 20
"""Numbers to try when another tool, which takes no lock, links at the same time."""


def newest(workspace: Workspace, key: ComponentKey, below: int | None = None) -> tuple[int, str] | None:
    """Number and id (``""`` for a broken link) of the newest generation, or of the newest below a number."""
    number = newest_link(workspace.layout, key, below)
    if number == 0:
        return None
    try:
        target = os.readlink(workspace.layout.link(key, number))
    except OSError:
        return number, ""
    return number, pointed_at(key, target) or ""


def commit(
    workspace: Workspace,
    key: ComponentKey,
    draft: SnapshotDraft,
    metadata: Metadata,
    about: CommitInfo,
    number: int | None,
    same_rows: SameRows | None = None,
) -> tuple[int, bool]:
    """Make a sealed draft a generation, or record that the newest one's state was seen again.

    Args:
        metadata: of the draft.
        number: one that was reserved; then a generation is always made.
        same_rows: asked where the draft and the newest snapshot can differ in the rows of tables alone.

    Returns:
        The generation's number, and whether it is new.

    Raises:
        StoreError: with the generations that were there untouched.
    """
    with in_words(f"keeping the snapshot of {key}"):
        before = newest(workspace, key)
        sealed = draft.seal()
        if (
            number is None
            and before is not None
            and same_rows is not None
            and _same_outline(workspace, key, before[1], sealed, metadata)
            and same_rows(before[1])
        ):
            see(workspace, key, before[0], before[1], about)
            return before[0], False
        snapshot_id = install(workspace, key, draft, sealed, metadata)
        if number is None and before is not None and before[1] == snapshot_id:
            see(workspace, key, before[0], snapshot_id, about)
            return before[0], False
    return generation(workspace, key, snapshot_id, about, number), True


def metadata_of(sealed: Sealed, info: CommitInfo, store_id: str) -> Metadata:
    """What is recorded of a snapshot: its content as it was sealed, and who made it of what."""
    return Metadata(
        id=sealed.id,
        type=info.type,
        content_size=sealed.content_size,
        stored_size=sealed.stored_size,
        files=sealed.files,
        digest=sealed.digest,
        digest_version=info.digest_version,
        complete=info.complete,
        sections=sealed.sections,
        rows=sealed.rows,
        tool_versions=info.tool_versions,
        host=info.host,
        surroundings=info.surroundings,
        origin=store_id,
        outline=sealed.outline,
        lacks=info.lacks,
        warnings=info.warnings,
    )


def _same_outline(
    workspace: Workspace, key: ComponentKey, snapshot_id: str, sealed: Sealed, metadata: Metadata
) -> bool:
    """Whether a stored snapshot, a sound one, and a new one of another id can differ in the rows of tables alone."""
    if not snapshot_id or not sealed.outline or snapshot_id == sealed.id:
        return False
    stored = sound_metadata(workspace, key, snapshot_id)
    return stored is not None and (stored.type, stored.digest_version, stored.outline) == (
        metadata.type, metadata.digest_version, sealed.outline,
    )  # fmt: skip


def see(workspace: Workspace, key: ComponentKey, number: int, snapshot_id: str, about: CommitInfo) -> None:
    """Record that a generation's state was found again. Raises OSError."""
    seen = Seen(about.as_of, about.job, about.who, about.surroundings)
    workspace.append(workspace.layout.seen(key), records.dump(records.seen_json(number, snapshot_id, seen)))


def see_newest(workspace: Workspace, key: ComponentKey, snapshot_id: str, about: CommitInfo) -> int:
    """Record that the state of the newest generation, which is of this snapshot, was found again. Returns its number.

    Raises:
        Refused: the newest generation is of another snapshot by now.
        StoreError: it could not be written.
    """
    with in_words(f"recording that {key} did not change"):
        before = newest(workspace, key)
        if before is None or before[1] != snapshot_id:
            raise Refused(f"the newest generation of {key} is another one now", "try again")
        see(workspace, key, before[0], snapshot_id, about)
        return before[0]


def generation(
    workspace: Workspace, key: ComponentKey, snapshot_id: str, about: CommitInfo, number: int | None = None
) -> int:
    """Write the history of a new generation and link it. Returns its number. Raises StoreError."""
    with in_words(f"linking a generation of {key}"):
        if not workspace.layout.snapshot(key, snapshot_id).is_dir():
            raise NotFound(f"snapshot {snapshot_id} of {key} is not in the store")
        if number is not None and os.path.lexists(workspace.layout.link(key, number)):
            raise Refused(
                f"generation {number} of {key} already exists", "see the generations of the component, then try again"
            )
        change = _delta(workspace, key, snapshot_id, number)
        for _ in range(_TRIES):
            chosen = largest(workspace.layout, key) + 1 if number is None else number
            if _link(workspace, key, chosen, snapshot_id, about, change):
                return chosen
            if number is not None:
                break
    raise StoreError(
        f"every number tried for a generation of {key} was taken",
        "another program is writing there: stop it, then try again",
    )


def _link(
    workspace: Workspace, key: ComponentKey, number: int, snapshot_id: str, about: CommitInfo, change: Delta | None
) -> bool:
    """False where another program took the number first."""
    try:
        write_history(workspace, key, number, snapshot_id, about, change)
        folder = workspace.folder(workspace.layout.of("generations", key))
        workspace.disk.symlink(workspace.layout.target(key, snapshot_id), folder / str(number))
    except FileExistsError:
        return False
    workspace.disk.fsync_path(folder)
    return True


def write_history(
    workspace: Workspace, key: ComponentKey, number: int, snapshot_id: str, about: CommitInfo, change: Delta | None
) -> None:
    """Write how a generation came to be, in place of what a dead job wrote of the same. Raises OSError."""
    history = History(
        number=number,
        id=snapshot_id,
        as_of=about.as_of,
        end=about.end,
        reason=about.reason,
        text=about.text,
        restored=about.restored,
        who=about.who,
        job=about.job,
        delta=change,
        surroundings=about.surroundings,
        source=about.source,
    )
    path = workspace.layout.history(key, number, snapshot_id)
    if path.exists():
        workspace.disk.unlink(path)
    workspace.publish(path, records.dump(records.history_json(history)))


def _delta(workspace: Workspace, key: ComponentKey, snapshot_id: str, number: int | None) -> Delta | None:
    """What changed since the newest generation, or the newest before ``number``: a guard is committed behind the
    generation that the restore made, and stands before it. None where that is not known.

    Digests of two versions of a type are not comparable: they would tell of changes that nobody made."""
    before = newest(workspace, key, number)
    if before is None or not before[1]:
        return None
    since, old = before
    if old == snapshot_id:
        return Delta(since, old, 0, 0, 0, 0, False)
    paths = workspace.layout.index(key, old), workspace.layout.index(key, snapshot_id)
    if not all(path.exists() for path in paths) or not _comparable(workspace, key, old, snapshot_id):
        return None
    try:
        return delta(changed_between(*paths), since=since, since_id=old)
    except (Corrupt, OSError):
        return None  # an index is no more than a convenience


def _comparable(workspace: Workspace, key: ComponentKey, old: str, new: str) -> bool:
    """Whether the digests in two contents indexes were made in the same way."""
    before, after = (metadata_at(workspace, key, snapshot_id) for snapshot_id in (old, new))
    if before is None or after is None:
        return True
    return (before.type, before.digest_version) == (after.type, after.digest_version)
