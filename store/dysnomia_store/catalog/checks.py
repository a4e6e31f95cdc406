"""Checks of stored bytes, and the records of checks and verifies."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from dysnomia_store.content.artefact_reader import open_artefact
from dysnomia_store.content.dysnomia_checksum import PREFIX, Match, compare
from dysnomia_store.content.files import is_readers_own, unreadable
from dysnomia_store.content.frame_folder import collapsed, folder_of
from dysnomia_store.content.manifest import differences, walk
from dysnomia_store.content.proofs import OnBytes, Proofs
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.locks import records_lock
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import Corrupt, NotFound
from dysnomia_store.model import Check, CheckResult, Metadata
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed

_NAMED = 5
"""Files that a result names before it only counts them."""


def record(workspace: Workspace, key: ComponentKey, snapshot_id: str, check: Check) -> None:
    """Add a result to what is known of a snapshot. Raises StoreError."""
    path = workspace.layout.checks(key, snapshot_id)
    with in_words(f"recording a check of {key}"), records_lock(workspace.disk, workspace.layout, key):
        workspace.append(path, records.dump(records.check_json(check)))
        workspace.disk.touch_folder(path.parent)


def results(layout: Layout, key: ComponentKey, snapshot_id: str) -> tuple[Check, ...]:
    """Every result, oldest first."""
    checks = []
    try:
        lines = records.read_file(layout.checks(key, snapshot_id)).splitlines()
    except (OSError, Corrupt):
        return ()
    for line in lines:
        try:
            checks.append(typed.check(line, "check"))
        except Corrupt:
            continue  # cut short by a crash
    return tuple(checks)


def failed(layout: Layout, key: ComponentKey, snapshot_id: str) -> bool:
    """Whether the last check of a snapshot failed."""
    checks = results(layout, key, snapshot_id)
    return bool(checks) and checks[-1].result in (CheckResult.CORRUPT, CheckResult.MISSING)


def check(
    layout: Layout,
    key: ComponentKey,
    snapshot_id: str,
    now: datetime,
    on_bytes: OnBytes | None = None,
    proofs: Proofs | None = None,
) -> Check:
    """Read every byte of a snapshot and compare. Never raises for what is wrong with it: that is the result.

    ``proofs`` is what was found of frames so far in the same check of several snapshots, and is added to.
    The authority is our manifest; where none was written, the digest in the artefact's own footer; else Dysnomia's
    checksum.

    Raises:
        NotPermitted: where it may not be read, so that nothing can be said.
        StoreError: where it cannot be read now, for a reason that is not its own.
    """
    folder = layout.snapshot(key, snapshot_id)
    try:
        if folder.is_file() and not folder.is_symlink():
            return Check(now, "bytes", *_check_file(layout, key, snapshot_id, folder))
        if not folder.is_dir():
            return Check(now, "bytes", CheckResult.MISSING, "its folder is gone")
        result, text = _check(layout, key, snapshot_id, folder, on_bytes, proofs)
    except OSError as error:
        if is_readers_own(error):
            raise unreadable(error, f"snapshot {snapshot_id} of {key}") from error
        result, text = CheckResult.CORRUPT, f"it cannot be read: {error.strerror}"
    return Check(now, "bytes", result, text)


def _check_file(layout: Layout, key: ComponentKey, snapshot_id: str, file: Path) -> tuple[CheckResult, str]:
    """A snapshot that is a file: by the checksum that bash Dysnomia wrote of it."""
    try:
        expected = layout.checksum(key, snapshot_id).read_text("ascii").strip()
    except (FileNotFoundError, ValueError):
        return CheckResult.UNVERIFIABLE, "nothing was written of what its bytes were"
    with file.open("rb") as opened:
        if f"{PREFIX}{hashlib.file_digest(opened, 'sha256').hexdigest()}" == expected:
            return CheckResult.OK, "by Dysnomia's checksum"
    return CheckResult.CORRUPT, "its bytes are not those of Dysnomia's checksum"


def _check(
    layout: Layout,
    key: ComponentKey,
    snapshot_id: str,
    folder: Path,
    on_bytes: OnBytes | None,
    proofs: Proofs | None,
) -> tuple[CheckResult, str]:
    path = layout.metadata(key, snapshot_id)
    problem = ""
    try:
        written: Metadata | None = typed.metadata(records.read_file(path), path.name)
        if written is not None and written.id != snapshot_id:
            written, problem = None, "its metadata belongs to another snapshot"
    except FileNotFoundError:
        written = None
    except Corrupt:
        written, problem = None, "its metadata cannot be read"
    if written is not None:
        return _by_manifest(folder, written, on_bytes, proofs)
    result, text = _without_manifest(layout, key, snapshot_id, folder, on_bytes)
    return result, "; ".join(filter(None, (problem, text)))


def _by_manifest(
    folder: Path, metadata: Metadata, on_bytes: OnBytes | None, proofs: Proofs | None
) -> tuple[CheckResult, str]:
    wrong, only_missing = differences(folder, metadata.files, on_bytes, proofs)
    if not wrong:
        return CheckResult.OK, ""
    text = ", ".join(wrong[:_NAMED]) + (f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else "")
    return (CheckResult.MISSING if only_missing else CheckResult.CORRUPT), text


def _without_manifest(
    layout: Layout, key: ComponentKey, snapshot_id: str, folder: Path, on_bytes: OnBytes | None
) -> tuple[CheckResult, str]:
    try:
        expected = layout.checksum(key, snapshot_id).read_text("ascii")
    except (FileNotFoundError, ValueError):
        return _by_itself(folder, on_bytes)
    match = compare(folder, expected, on_bytes)
    if match is Match.SAME:
        return CheckResult.OK, "by Dysnomia's checksum"
    if match is Match.OTHER_ORDER:
        return CheckResult.UNVERIFIABLE, "its files are listed in another order than when its checksum was written"
    if match is Match.DIFFERENT:
        return CheckResult.CORRUPT, "its bytes are not those of Dysnomia's checksum"
    return CheckResult.UNVERIFIABLE, "Dysnomia's checksum depends on the order of its files on the disk it was made on"


def _by_itself(folder: Path, on_bytes: OnBytes | None) -> tuple[CheckResult, str]:
    """Check a snapshot by its own footers alone (it was copied without its metadata and checksum)."""
    explained = 0
    paths = collapsed(path for path, _ in walk(folder))
    if not paths:
        return CheckResult.UNVERIFIABLE, "it is empty, and nothing says what it held"
    for path in paths:
        try:
            reader = open_artefact(folder / (folder_of(path) or path))
            if reader.about is not None:
                reader.verify(on_bytes)
                explained += 1
        except NotFound:
            return CheckResult.MISSING, f"{path} is missing"
        except Corrupt as error:
            return CheckResult.CORRUPT, error.message
    if explained == len(paths):
        return CheckResult.OK, "by its own footer"
    return CheckResult.UNVERIFIABLE, "nothing was written of what its bytes were"
