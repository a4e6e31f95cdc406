"""What a restore of a directory would need and meet, without changing anything."""

from __future__ import annotations

import os
from collections.abc import Iterator

from dysnomia_plugins.base import Context, Finding, Place, Preflight, Severity, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.findings import free_bytes, of_snapshot
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.types.openldap.config import Configuration
from dysnomia_plugins.types.openldap.ldif import folded
from dysnomia_plugins.types.openldap.places import DATA, has_data
from dysnomia_plugins.types.openldap.programs import Directory
from dysnomia_plugins.types.openldap.server import START_SETTING, STOP_SETTING, control, holders, last_time, unseen

_AS_LDIF = 3
"""A database takes some three times the bytes of its LDIF, with the usual indexes."""


def preflight(ctx: Context, directory: Directory, stored: Stored, *, replace: bool) -> Preflight:
    """Findings, space, and how the swap would be made."""
    live = directory.layout.live
    holds_data = has_data(live)
    size = size_of(live)
    findings = list(of_snapshot(_of_snapshot(directory, stored)))
    needed = stored.metadata.content_size * _AS_LDIF if stored.metadata is not None else None
    free = free_bytes(live.name)
    needs = ((live.name, needed, free),) if needed is not None else ()
    if needed is not None and free is not None and free < needed:
        text = f"about {needed:,} bytes are needed in {live.name}, and {free:,} are free there"
        findings.append(Finding(Severity.WARNING, text, of_snapshot=True))
    swap = "nothing would be replaced"
    if replace:
        obstacles, swap = _exchange(ctx, directory, holds_data)
        findings += obstacles
        findings += _replication(directory)
    return Preflight(
        findings=tuple(findings),
        live_bytes=size,
        needs=needs,
        swap=swap,
        guard=_guard(holds_data) if replace else "",
    )


def size_of(place: Place) -> int | None:
    """Bytes on disk: the file is as long as it may become, with holes."""
    try:
        with Folder.at(place.name) as folder:
            seen = folder.seen(DATA)
    except (OSError, PluginError):
        return None
    return None if seen is None else seen.st_blocks * 512


def _of_snapshot(directory: Directory, stored: Stored) -> Iterator[Finding]:
    suffix = stored.metadata.surroundings.get("suffix") if stored.metadata is not None else None
    if isinstance(suffix, str) and folded(suffix) not in map(folded, directory.database.suffixes):
        text = f"it is of {suffix}, which the database here ({directory.suffix}) cannot hold"
        yield Finding(Severity.BLOCKER, text)
    yield Finding(
        Severity.NOTE,
        "the server's configuration (cn=config, schema, overlays, access rules, indexes) is not in it and stays as it "
        "is: entries of a schema that is gone are refused",
    )
    if os.geteuid() != 0:
        yield Finding(
            Severity.WARNING, "not root: the database will belong to you, and only your own server can be stopped"
        )


def _exchange(ctx: Context, directory: Directory, holds_data: bool) -> tuple[list[Finding], str]:
    folder = directory.layout.folder
    users = holders(folder)
    try:
        obstacle = "" if users else unseen(folder)
    except PluginError as error:
        obstacle = error.message
    if obstacle:
        return [Finding(Severity.BLOCKER, f"{obstacle}: run it as root")], ""
    if not users:
        put = "change places in one rename" if holds_data else "put the loaded database where none is"
        return (
            [],
            f"no server has the database open: {'its file and the loaded one would ' + put if holds_data else put}",
        )
    try:
        how = control(ctx.component, ctx.tool_path, folder, [user.pid for user in users])
    except PluginError as error:
        return [Finding(Severity.BLOCKER, error.message)], ""
    if how is None:
        text = (
            f"{users[0]}, and how it is stopped is not known: stop it, or set {STOP_SETTING} and {START_SETTING} in the"
            " container"
        )
        return [Finding(Severity.BLOCKER, text)], ""
    seconds = last_time(folder)
    took = f"the last time it was away for {seconds:.1f} s" if seconds is not None else "usually for a second or two"
    others = [one for one in _others(directory.configuration) if folded(one) != folded(directory.suffix)]
    also = f", of {', '.join(others)} as well" if others else ""
    text = f"the server would be stopped and started ({how.words}), {took}: clients get no answer meanwhile{also}"
    return (
        [Finding(Severity.WARNING, text)],
        f"the server would be stopped ({how.words}), the database's file and the loaded one change places in one "
        f"rename, and the server is started again; {took}",
    )


def _replication(directory: Directory) -> Iterator[Finding]:
    """What other servers make of it: OpenLDAP compares the time of the last change alone."""
    database = directory.database
    providers = ", ".join(database.providers)
    if providers and not database.written:
        text = f"this server copies {directory.suffix} from {providers} (syncrepl): restore it there"
        yield Finding(Severity.BLOCKER, text)
    elif providers:
        text = (
            f"{providers} would bring back what is newer there as soon as this server runs (syncrepl): stop that one "
            "first, and let it load all anew afterwards"
        )
        yield Finding(Severity.WARNING, text)
    elif database.provides:
        text = (
            "servers that copy it (overlay syncprov) keep what was changed, added or deleted since the snapshot: empty "
            "their databases afterwards, and they load all anew"
        )
        yield Finding(Severity.WARNING, text)


def _others(configuration: Configuration) -> list[str]:
    return [suffix for one in configuration.databases() for suffix in one.suffixes]


def _guard(holds_data: bool) -> str:
    if not holds_data:
        return "nothing is live, so there is nothing to guard"
    return (
        "the database as the stopped server left it, with all that it has acknowledged; it is set aside and becomes a "
        "generation; until then undo would bring back the very file"
    )
