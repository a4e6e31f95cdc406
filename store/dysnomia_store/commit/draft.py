"""A snapshot in the making: its folder in staging, and who may read it."""

from __future__ import annotations

import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from dysnomia_store.content.cutting import Cutting
from dysnomia_store.content.snapshots import SnapshotDraft
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import NotFound
from dysnomia_store.names import ComponentKey
from dysnomia_store.pool.pool import pool_for


@contextmanager
def begin_draft(
    workspace: Workspace,
    key: ComponentKey,
    *,
    job: str,
    compression: str,
    level: int | None,
    about: dict[str, object],
    reader: str,
    cutting: Cutting,
) -> Iterator[SnapshotDraft]:
    """A new folder in staging, swept on leaving unless it was committed.

    Raises:
        NotFound: there is no user ``reader``.
        StoreError: the folder could not be made.
    """
    workspace.ready()
    group = group_of(reader)
    with in_words(f"starting a snapshot of {key}"):
        workspace.ensure_reserve()
        base = workspace.stage(job)
    draft = SnapshotDraft(
        base,
        disk=workspace.disk,
        compression=compression,
        level=level,
        about=about,
        reader=group,
        frames=pool_for(workspace, group),
        cutting=cutting,
    )
    try:
        yield draft
    finally:
        draft.abort()
        try:
            workspace.disk.remove_tree(base)
        except OSError:
            pass  # the next sweep takes it


def group_of(user: str) -> int | None:
    """The own group of a user who may read a snapshot besides the owner; None for ``""``. Raises NotFound."""
    if not user:
        return None
    try:
        return pwd.getpwnam(user).pw_gid
    except KeyError:
        raise NotFound(f"there is no user {user!r}", "create it, or change the container's configuration") from None
