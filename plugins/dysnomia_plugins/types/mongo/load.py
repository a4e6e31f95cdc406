"""A snapshot, loaded where nothing is: collections, their documents, indexes, views; then read and compared.

What was written is read again from the server before it may replace anything: MongoDB puts another time where a
document has an empty timestamp, for one, and such a copy is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.mongo.definitions import Definition
from dysnomia_plugins.types.mongo.documents import Multiset, batches, split
from dysnomia_plugins.types.mongo.dump import raw_batches, refuse_sharded
from dysnomia_plugins.types.mongo.names import LONGEST
from dysnomia_plugins.types.mongo.places import Spot
from dysnomia_plugins.types.mongo.server import About, Server
from dysnomia_plugins.types.mongo.source import Part

if TYPE_CHECKING:
    from pymongo import MongoClient


def load(ctx: Context, server: Server, parts: Sequence[Part], place: str) -> None:
    """Raises PluginError; what was made then is the caller's to drop."""
    spot = Spot.of(place)
    with server.client() as client:
        refuse_sharded(About.of(client))
        if spot.exists(client):
            raise NotSafe(f"MongoDB on {server} has {place} already", "nothing was loaded over it")
        long = spot.too_long([one.definition.name for one in parts])
        if long:
            raise NotSafe(
                f"the name of {long[0]!r} would be longer than {LONGEST} bytes as {spot.collection(long[0])!r}",
                "restore a copy into another database",
            )
        _Loader(ctx, client, spot).run(parts)


class _Loader:
    def __init__(self, ctx: Context, client: MongoClient[dict[str, Any]], spot: Spot) -> None:
        self._ctx, self._client, self._spot = ctx, client, spot
        self._database = client[spot.database]
        self._done = 0

    def run(self, parts: Sequence[Part]) -> None:
        collections = [one for one in parts if not one.definition.is_view]
        loaded = {}
        for part in collections:
            self._create(part.definition)
            loaded[part.definition.name] = self._fill(part)
        self._ctx.progress.phase("check")
        self._done = 0
        for part in collections:
            self._compare(part, loaded[part.definition.name])
        for part in collections:
            self._make_indexes(part.definition)
        definitions = [part.definition for part in parts]
        if self._spot.prefix:
            self._spot.note(self._client, definitions)
        else:
            for definition in definitions:
                if definition.is_view:
                    self._create(definition)
        self._compare_definitions(definitions)

    def _create(self, definition: Definition) -> None:
        self._ctx.cancel.check()
        self._database.command({"create": self._spot.collection(definition.name), **definition.options})

    def _fill(self, part: Part) -> Multiset:
        """In their order: a capped collection keeps it."""
        from bson.raw_bson import RawBSONDocument

        loaded = Multiset()
        collection = self._database[self._spot.collection(part.definition.name)]
        validated = "validator" in part.definition.options
        for batch in batches(part.documents()):
            self._ctx.cancel.check()
            raw = [RawBSONDocument(one) for one in batch]
            collection.insert_many(raw, ordered=True, bypass_document_validation=validated)
            loaded.add(batch)
            self._done += sum(map(len, batch))
            self._ctx.progress.advance(self._done)
        return loaded

    def _compare(self, part: Part, loaded: Multiset) -> None:
        """Raises PluginError where the server answers with anything else than was loaded."""
        answered = Multiset()
        for batch in raw_batches(self._client, self._spot, part.definition):
            self._ctx.cancel.check()
            answered.add(split(batch))
            self._done += len(batch)
            self._ctx.progress.advance(self._done)
        if answered != loaded:
            raise PluginError(
                f"the server does not answer with the documents that were loaded into {part.definition.name} "
                f"({answered.count} of {loaded.count})",
                "nothing was replaced: an empty timestamp at the top of a document becomes the time, and a capped "
                "collection may be too small",
            )

    def _make_indexes(self, definition: Definition) -> None:
        """Last, as mongorestore does: an index that lets documents expire would delete what is not compared yet."""
        self._ctx.cancel.check()
        if definition.to_be_made:
            self._database.command(
                {"createIndexes": self._spot.collection(definition.name), "indexes": definition.to_be_made}
            )

    def _compare_definitions(self, wanted: Sequence[Definition]) -> None:
        """Raises PluginError where a server defines it otherwise than it was told."""
        made = {one.name: one.written() for one in self._spot.definitions(self._client)}
        for one in wanted:
            if made.get(one.name) != one.written():
                raise PluginError(
                    f"the server defines {one.name} in another way than the snapshot does",
                    "nothing was replaced: the snapshot is of another version of MongoDB, or of other options",
                )
