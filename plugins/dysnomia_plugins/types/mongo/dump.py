"""A snapshot of a database: of each collection its definition and its documents, in the order of ``_id``.

The documents of a capped collection are in the order in which they were inserted, since that is state there. On a
member of a replica set all others are read as of one moment (``readConcern: snapshot``, MongoDB 5.0); on a server alone
MongoDB offers nothing of the kind, and each collection is read as it is when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dysnomia_plugins.base import Context, Draft, Dumped
from dysnomia_plugins.errors import PluginError, Unsupported
from dysnomia_plugins.types.mongo.definitions import Definition
from dysnomia_plugins.types.mongo.documents import split
from dysnomia_plugins.types.mongo.files import DEFINITION as DEFINITION_FILE
from dysnomia_plugins.types.mongo.files import DOCUMENTS, file_name
from dysnomia_plugins.types.mongo.places import Spot
from dysnomia_plugins.types.mongo.server import About, Server, version
from dysnomia_plugins.types.mongo.source import COLLECTION, DEFINITION, VIEW
from dysnomia_store.model import Form
from dysnomia_store.sink import ContentSink

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.client_session import ClientSession
    from pymongo.collection import Collection

COLUMNS, KEY = ("_id", "document"), ("_id",)
_BATCH = 1000
READ_CONCERN = "mongoReadConcern"


def dump(ctx: Context, server: Server, place: str, draft: Draft) -> Dumped:
    """Raises PluginError, and then nothing is kept."""
    ctx.progress.phase("dump")
    as_of = datetime.now(UTC)
    spot = Spot.of(place)
    with server.client() as client, ExitStack() as stack:
        about = About.of(client)
        refuse_sharded(about)
        before = _identities(spot, client)
        if not before and not spot.exists(client):
            raise PluginError(
                f"MongoDB on {server} has no database {place!r}",
                "it is made by its first document, or by the component's initial state",
            )
        definitions = spot.definitions(client)
        session = stack.enter_context(client.start_session(snapshot=True)) if at_once(ctx, about) else None
        dumper = _Dumper(ctx, client, spot, session)
        for definition in definitions:
            dumper.write(definition, draft)
        warnings = _changed(before, _identities(spot, client))
        ctx.progress.log(f"{dumper.documents} {'document' if dumper.documents == 1 else 'documents'}")
        return Dumped(
            as_of=as_of,
            end=datetime.now(UTC),
            complete=True,
            tool_versions={"mongod": version(client)},
            surroundings={"database": spot.database, "documents": dumper.documents},
            warnings=(*warnings, *_left_out(spot, client)),
        )


def at_once(ctx: Context, about: About) -> bool:
    """Whether collections are read as of one moment."""
    return bool(about.replica_set) and ctx.component.prop(READ_CONCERN, "snapshot") != "local"


def refuse_sharded(about: About) -> None:
    """Raises Unsupported for the router of a sharded cluster: its collections are in many places."""
    if about.sharded:
        raise Unsupported(
            "this is the router of a sharded cluster", "only a mongod that holds the data itself is handled"
        )


def _identities(spot: Spot, client: MongoClient[dict[str, Any]]) -> dict[str, object]:
    return {str(info["name"]): info.get("info", {}).get("uuid") for info in spot.infos(client)}


def _changed(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Warnings. Raises PluginError where something is gone: it may have been read without its documents."""
    for name, uuid in before.items():
        if name not in after or after[name] != uuid:
            raise PluginError(
                f"the collection {name} was dropped or replaced while it was read", "take the snapshot again"
            )
    new = sorted(after.keys() - before.keys())
    return [f"made while the snapshot was taken, and not in it: {', '.join(new)}"] if new else []


def _left_out(spot: Spot, client: MongoClient[dict[str, Any]]) -> Iterator[str]:
    if not spot.prefix and "system.js" in client[spot.database].list_collection_names():
        yield "stored JavaScript (system.js) is not in the snapshot: a restore leaves it as it is"


class _Dumper:
    def __init__(
        self, ctx: Context, client: MongoClient[dict[str, Any]], spot: Spot, session: ClientSession | None
    ) -> None:
        self._ctx, self._client, self._spot, self._session = ctx, client, spot, session
        self.documents = 0
        self._written = 0

    def write(self, definition: Definition, draft: Draft) -> None:
        name = file_name(definition.name)
        with draft.artefact(name + DEFINITION_FILE) as sink:
            write_definition(definition, sink)
        if not definition.is_view:
            with draft.artefact(name + DOCUMENTS) as sink:
                self._documents(definition, sink)

    def _documents(self, definition: Definition, sink: ContentSink) -> None:
        sink.begin_section(COLLECTION, definition.name, Form.ROWS, columns=COLUMNS, key=KEY)
        rows = 0
        for batch in raw_batches(self._client, self._spot, definition, self._session):
            self._ctx.cancel.check()
            sink.write(batch)
            rows += len(split(batch))
            self._written += len(batch)
            self._ctx.progress.advance(self._written)
        sink.end_section(rows=rows)
        self.documents += rows


def write_definition(definition: Definition, sink: ContentSink) -> None:
    """One section: of a view all that it is. Raises PluginError."""
    written = definition.readable()
    sink.begin_section(VIEW if definition.is_view else DEFINITION, definition.name, Form.TEXT)
    sink.write(written)
    sink.end_section()


def raw_batches(
    client: MongoClient[dict[str, Any]], spot: Spot, definition: Definition, session: ClientSession | None = None
) -> Iterator[bytes]:
    """The documents of a collection as the server sends them, in the order in which they are stored.

    Where a collection has a collation, ``_id`` would be sorted by it: the order of bytes is the same everywhere."""
    from pymongo.collation import Collation

    collection = client[spot.database][spot.collection(definition.name)]
    if definition.is_capped:
        # MongoDB before 8.0 has no snapshot reads of these.
        yield from raw(collection, sort=[("$natural", 1)])
        return
    collation = Collation("simple") if "collation" in definition.options else None
    options: dict[str, Any] = {"collation": collation, "allow_disk_use": True} if collation else {}
    yield from raw(collection, sort=[("_id", 1)], session=session, **options)


def raw(collection: Collection[dict[str, Any]], **options: Any) -> Iterator[bytes]:
    """All documents of a collection, a batch after the other as the server sent it. Raises PyMongo's errors."""
    cursor: Any = collection.find_raw_batches({}, batch_size=_BATCH, **options)
    yield from cursor
