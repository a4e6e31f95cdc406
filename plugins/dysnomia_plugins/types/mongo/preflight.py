"""What a restore of a database would need and meet, without changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.toolkit.findings import of_snapshot
from dysnomia_plugins.types.mongo.definitions import Definition
from dysnomia_plugins.types.mongo.dump import at_once
from dysnomia_plugins.types.mongo.names import LONGEST, is_readable
from dysnomia_plugins.types.mongo.places import Spot
from dysnomia_plugins.types.mongo.server import About, Server
from dysnomia_plugins.types.mongo.source import of_stored

if TYPE_CHECKING:
    from pymongo import MongoClient

_MANY = 200
"""Collections whose definitions are read for a plan, which is to take a second."""
_THEIRS = ("mongoDumpArgs", "mongoRestoreArgs")
SWAP = (
    "collections change names within the database, one after the other, each at once; for some milliseconds clients "
    "see old ones beside new ones"
)
GUARD = (
    "the collections that were live, set aside under other names with all that was written to them, and what clients "
    "wrote while a name was free"
)
NOTHING = "nothing is live, so there is nothing to guard"


def preflight(ctx: Context, server: Server, live: str, place: str, stored: Stored, *, replace: bool) -> Preflight:
    """``place``: where what is live would be set aside. Raises PluginError where the server does not answer."""
    spot = Spot.of(live)
    with server.client() as client:
        about = About.of(client)
        exists = spot.exists(client)
        findings = [*of_snapshot(_of_snapshot(spot, place, stored, replace=replace)), *_of_server(ctx, about)]
        if replace:
            findings += _of_live(spot, place, client)
        size = _size(spot, client) if exists else None
    guard = GUARD if exists else NOTHING
    return Preflight(
        findings=tuple(findings),
        live_bytes=size,
        needs=((f"on {server}", stored.metadata.content_size, None),) if stored.metadata is not None else (),
        swap=SWAP if replace else "nothing would be replaced",
        guard=guard if replace else "",
    )


def _of_server(ctx: Context, about: About) -> Iterator[Finding]:
    if about.sharded:
        yield Finding(Severity.BLOCKER, "this is the router of a sharded cluster: its collections are in many places")
    elif not about.writable:
        yield Finding(Severity.BLOCKER, "the server takes no writes: configure the primary of its replica set")
    if not at_once(ctx, about):
        text = (
            "snapshots of this server are not of one moment: MongoDB has that on a replica set only; each collection "
            "is read as it is when it is read, without an oplog"
        )
        yield Finding(Severity.NOTE, text)
    ignored = [name for name in _THEIRS if ctx.component.prop(name)]
    if ignored:
        text = (
            f"{' and '.join(ignored)} {'is' if len(ignored) == 1 else 'are'} for Dysnomia's own module, and not used: "
            "an account is set as mongoUser and mongoPassword"
        )
        yield Finding(Severity.NOTE, text)


def _of_snapshot(spot: Spot, place: str, stored: Stored, *, replace: bool) -> Iterator[Finding]:
    """Raises PluginError."""
    yield Finding(Severity.NOTE, "accounts and roles of the server, and stored JavaScript (system.js), are not in it")
    definitions = [part.definition for part in of_stored(stored)] if len(stored.artefacts()) <= 2 * _MANY else []
    expiring = [one.name for one in definitions if _expires(one)]
    if expiring:
        text = f"the server deletes documents that are older than their indexes keep them: {', '.join(expiring)}"
        yield Finding(Severity.WARNING, text)
    long = Spot.of(place).too_long([one.name for one in definitions])
    if replace and long:
        yield Finding(Severity.BLOCKER, f"{_too_long(long)}: restore a copy into another database")


def _expires(definition: Definition) -> bool:
    return "expireAfterSeconds" in definition.options or any("expireAfterSeconds" in one for one in definition.indexes)


def _of_live(spot: Spot, place: str, client: MongoClient[dict[str, Any]]) -> Iterator[Finding]:
    infos = spot.infos(client)
    long = Spot.of(place).too_long([str(info["name"]) for info in infos])
    if long:
        yield Finding(Severity.BLOCKER, f"{_too_long(long)}: restore a copy into another database")
    unread = [str(info["name"]) for info in infos if not is_readable(str(info["name"]))]
    if unread:
        text = (
            f"{unread[0]} has a name that PyMongo does not read, and cannot be set aside: restore a copy, or rename it"
        )
        yield Finding(Severity.BLOCKER, text)
    others = [str(info["name"]) for info in infos if info.get("type", "collection") not in ("collection", "view")]
    if others:
        text = f"{others[0]} is a collection of a kind that cannot be set aside (a time series): restore a copy"
        yield Finding(Severity.BLOCKER, text)


def _too_long(names: list[str]) -> str:
    return f"the name of {names[0]!r} would be longer than {LONGEST} bytes while it stands beside what is live"


def _size(spot: Spot, client: MongoClient[dict[str, Any]]) -> int | None:
    from pymongo.errors import OperationFailure

    try:
        return spot.size(client)
    except OperationFailure:
        return None
