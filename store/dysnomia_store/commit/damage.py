"""A damaged frame: every snapshot that holds it is marked, and healed by the next that brings the same content.

One file stands for many generations, so one bad sector can hurt them all. What a check finds is recorded for each of
them, and the file is never believed again. A frame of the same content that is written later (a dump, an import) takes
its place everywhere; the damaged file stays below ``frames/bad`` for a while.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from dysnomia_store.catalog import checks
from dysnomia_store.content.dysnomia_checksum import checksum
from dysnomia_store.content.proofs import Damaged, Proofs
from dysnomia_store.disk.links import entries, links
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Check, CheckResult
from dysnomia_store.names import ComponentKey
from dysnomia_store.pool.pool import BAD, HEALED, NO_LINKS, Pool
from dysnomia_store.pool.snapshots import Holder, holders

KEPT = 30 * 86400.0
"""Seconds for which a damaged file that no snapshot holds any longer is kept."""
Snapshots = dict[tuple[ComponentKey, str], list[str]]
"""Names of the files, by component and id."""


def spread(workspace: Workspace, of: tuple[ComponentKey, str], damage: Sequence[Damaged], check: Check) -> Check:
    """Record damaged frames of a snapshot for every other that holds the same files, and never believe them again.

    Returns the check with those named. Raises StoreError.
    """
    with in_words("recording damaged frames"):
        pool = Pool(workspace.layout, workspace.disk)
        wanted: dict[bytes, set[int]] = {}
        for one in damage:
            with suppress(OSError):
                wanted.setdefault(one.digest, set()).add(one.path.stat(follow_symlinks=False).st_ino)
            pool.condemn(one.path, one.digest)
        others = _holding(workspace, wanted)
        others.pop(of, None)
        for other, names in others.items():
            if not checks.failed(workspace.layout, *other):
                where = _where(workspace, {of, *others} - {other})
                text = f"{', '.join(names)} is damaged: the same file is in {where}"
                checks.record(workspace, *other, Check(check.at, "bytes", check.result, text, check.job))
        if not others:
            return check
        where = _where(workspace, set(others))
    return Check(check.at, check.how, check.result, f"{check.text}; the same files are in {where}", check.job)


def mend(workspace: Workspace, digests: Collection[bytes]) -> tuple[tuple[ComponentKey, str], ...]:
    """Put the pool's files of some frames in the place of damaged ones, in every snapshot that holds those.

    Each is checked then, and the result recorded. Returns the snapshots. Raises StoreError.
    """
    touched: Snapshots = {}
    with in_words("healing damaged frames"):
        pool = Pool(workspace.layout, workspace.disk)
        wanted = {digest: set(pool.known_bad(digest)) for digest in digests}
        wanted = {digest: bad for digest, bad in wanted.items() if bad and pool.path(digest).exists()}
        for holder, digest, path in _matching(workspace, wanted):
            _exchange(workspace, pool.path(digest), path)
            if holder.key is not None:
                touched.setdefault((holder.key, holder.id), []).append(path.name)
        for holder in holders(workspace.layout) if wanted else ():
            # Healed before, by a job that died before it could say so.
            if holder.key is None or not any(map(holder.frames.has, wanted)):
                continue
            if checks.failed(workspace.layout, holder.key, holder.id):
                touched.setdefault((holder.key, holder.id), [])
    proofs = Proofs()
    for key, snapshot_id in touched:
        with in_words(f"checking snapshot {snapshot_id} of {key}"):
            renew_checksum(workspace, key, snapshot_id)
            check = checks.check(workspace.layout, key, snapshot_id, workspace.clock(), None, proofs)
            if check.result is CheckResult.OK:
                check = Check(check.at, check.how, check.result, "healed by a later snapshot of the same content")
            checks.record(workspace, key, snapshot_id, check)
    with in_words("healing damaged frames"):
        for one in proofs.damaged:  # what took its place is damaged as well: the next one of the same content heals it
            pool.condemn(one.path, one.digest)
        for digest in wanted.keys() - {one.digest for one in proofs.damaged}:
            pool.healed(digest)
    return tuple(touched)


def mend_later(workspace: Workspace, digests: Collection[bytes]) -> None:
    """The same behind a commit that stands: what fails is done by the next sweep."""
    if digests:
        with suppress(StoreError):
            mend(workspace, digests)


def sweep_bad(workspace: Workspace) -> None:
    """Heal what can be, and delete damaged files that were kept long enough. Raises StoreError, OSError."""
    pool = Pool(workspace.layout, workspace.disk)
    present: set[bytes] = set()
    for entry in list(entries(workspace.layout.frames / BAD)):
        with suppress(ValueError, FileNotFoundError):
            digest = bytes.fromhex(entry.name.partition(".")[0])
            if not entry.name.endswith(HEALED):
                if pool.path(digest).exists():
                    present.add(digest)
            elif entry.stat(follow_symlinks=False).st_ctime < time.time() - KEPT:
                workspace.disk.unlink(Path(entry.path), missing_ok=True)
    if present:
        mend(workspace, present)


def renew_checksum(workspace: Workspace, key: ComponentKey, snapshot_id: str) -> None:
    """Write Dysnomia's checksum of a snapshot anew, where there is one: its content is the same, its bytes may not be.

    Raises OSError."""
    path = workspace.layout.checksum(key, snapshot_id)
    if not path.exists():
        return
    with workspace.staging("") as base:
        workspace.disk.write_new(base / "checksum", checksum(workspace.layout.snapshot(key, snapshot_id)).encode())
        workspace.disk.replace(base / "checksum", path)
    workspace.disk.fsync_path(path.parent)


def _exchange(workspace: Workspace, source: Path, path: Path) -> bool:
    """Put a link to ``source`` in the place of a file of a snapshot, in one step. False where that is gone."""
    with workspace.staging("") as base:
        try:
            workspace.disk.link(source, base / "frame")
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            workspace.disk.copy_file(source, base / "frame", source.stat().st_mode & 0o777)
        try:
            workspace.disk.replace(base / "frame", path)
        except FileNotFoundError:
            return False  # the snapshot was collected meanwhile
    workspace.disk.fsync_path(path.parent)
    return True


def _matching(workspace: Workspace, wanted: dict[bytes, set[int]]) -> Iterator[tuple[Holder, bytes, Path]]:
    """Files of snapshots that are one of these inodes where a frame with that digest should be."""
    if not any(wanted.values()):
        return
    for holder in holders(workspace.layout):
        for digest, inodes in wanted.items():
            for path in holder.having(digest):
                with suppress(OSError):
                    if path.stat(follow_symlinks=False).st_ino in inodes:
                        yield holder, digest, path


def _holding(workspace: Workspace, wanted: dict[bytes, set[int]]) -> Snapshots:
    snapshots: Snapshots = {}
    for holder, _, path in _matching(workspace, wanted):
        if holder.key is not None:
            snapshots.setdefault((holder.key, holder.id), []).append(f"{holder.folder.name}/{path.name}")
    return snapshots


def _where(workspace: Workspace, snapshots: Collection[tuple[ComponentKey, str]]) -> str:
    """The generations of some snapshots, in words."""
    keys = sorted({key for key, _ in snapshots})
    return "; ".join(_generations(workspace, key, [one for at, one in snapshots if at == key]) for key in keys)


def _generations(workspace: Workspace, key: ComponentKey, ids: Sequence[str]) -> str:
    numbers = sorted(number for number, snapshot_id, _ in links(workspace.layout, key) if snapshot_id in ids)
    if not numbers:
        return f"a snapshot of {key} that no generation links"
    return f"generation{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))} of {key}"
