"""The swap: collections change names within their database, one after the other.

MongoDB renames one collection at a time, at once for all clients. For some milliseconds they see old collections beside
new ones. A client that writes in between, while a name is free, gets a collection of that name made by the server: it
is moved away, and what it holds is put into what is set aside. Nothing is reverted: what a dead job began is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.mongo.documents import batches, split
from dysnomia_plugins.types.mongo.dump import raw
from dysnomia_plugins.types.mongo.names import OURS
from dysnomia_plugins.types.mongo.places import Spot, rename
from dysnomia_plugins.types.mongo.server import About, Server

if TYPE_CHECKING:
    from bson.raw_bson import RawBSONDocument
    from pymongo import MongoClient

EXCHANGE = "mongodb-exchange"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
_EXISTS, _NOT_FOUND = 48, 26
"""NamespaceExists, NamespaceNotFound: numbers of MongoDB's ``error_codes.yml``."""
_ATTEMPTS = 1000
WRITTEN = " (written during a restore)"


def swap(ctx: Context, server: Server, live: str, beside: str, aside: str) -> None:
    """Raises PluginError with live as it was, or leaves a journal that ``recover`` finishes."""
    with server.client() as client:
        exchange = _Exchange(client, Spot.of(live), Spot.of(beside), Spot.of(aside), stray_of(ctx))
        exchange.prepare(server)
        ctx.journal.step(EXCHANGE, live=live, beside=beside, aside=aside)
        exchange.run(ctx)


def stray_of(ctx: Context) -> str:
    """Begins the names of collections that clients made while a name was free."""
    return f"{OURS}{ctx.tag}_stray"


def recover(ctx: Context, server: Server) -> bool:
    """Finish the exchange of a dead job. Idempotent. Raises PluginError."""
    begun = next((data for name, data in reversed(ctx.journal.steps()) if name == EXCHANGE), None)
    if begun is None:
        return False
    names = [str(begun[one]) for one in ("live", "beside", "aside")]
    with server.client() as client:
        live, beside, aside = map(Spot.of, names)
        _Exchange(client, live, beside, aside, stray_of(ctx)).run(ctx)
    return True


@dataclass(frozen=True, slots=True)
class _Exchange:
    client: MongoClient[dict[str, Any]]
    live: Spot
    beside: Spot
    aside: Spot
    stray: str

    def prepare(self, server: Server) -> None:
        """Note what is to be exchanged, on both sides. Raises PluginError for what would stop it half-way."""
        if not About.of(self.client).writable:
            raise PluginError(f"MongoDB on {server} takes no writes", "configure the primary of the replica set")
        if not self.beside.exists(self.client):
            raise NotSafe(f"{self.beside.database} has nothing loaded as {self.beside.prefix}", "nothing was replaced")
        definitions = self.live.definitions(self.client)
        long = self.aside.too_long([one.name for one in definitions])
        if long:
            raise NotSafe(f"{long[0]!r} has a name that is too long to be set aside", "restore a copy, and rename it")
        if definitions:
            self.aside.note(self.client, definitions)
        self.beside.note_collections(self.client)

    def run(self, ctx: Context) -> None:
        """All of it, or what is left of it. It is done when what is noted of ``beside`` is gone."""
        new = self.beside.noted(self.client)
        if new is None:
            return
        views = list(self.beside.views(self.client))
        self._drop_views()
        for name in sorted({*new, *self._here()}):
            self._exchange(name, name in new)
        for view in views:
            self._make_view(view.name, view.options)
        for name in self._strays():
            ctx.progress.log(f"clients wrote to {name} while its name was free: that is with what was set aside")
            self._merge(name)
        self.beside.drop(self.client)

    def _here(self) -> list[str]:
        return [str(info["name"]) for info in self.live.infos(self.client) if info.get("type") != "view"]

    def _names(self) -> set[str]:
        return set(self.client[self.live.database].list_collection_names())

    def _drop_views(self) -> None:
        """Those that are noted. A new one of the same definition is made again."""
        noted = {view.name: view.written() for view in self.aside.views(self.client)}
        for one in self.live.definitions(self.client):
            if one.is_view and noted.get(one.name) == one.written():
                self.client[self.live.database].drop_collection(one.name)

    def _exchange(self, name: str, new: bool) -> None:
        """One name, from whatever a job that died left of it."""
        for _ in range(_ATTEMPTS):
            names = self._names()
            waits = self.beside.collection(name) in names
            if new and not waits:
                return
            if not new and (name not in names or self.aside.collection(name) in names):
                return  # made after it was set aside: that is of the new state
            if name in names:
                self._move_away(name)
            if waits and self._renamed(self.beside.collection(name), name):
                return
        raise self._without_end(name)

    def _without_end(self, name: str) -> PluginError:
        return PluginError(f"{self.live.database}.{name} is made again whenever it is moved away", "stop its clients")

    def _move_away(self, name: str) -> None:
        if self.aside.collection(name) not in self._names():
            self._renamed(name, self.aside.collection(name))
            return
        if f"{self.stray}.{name}" in self._names():
            self._merge(name)
        self._renamed(name, f"{self.stray}.{name}")

    def _renamed(self, old: str, new: str) -> bool:
        """False where somebody was there before. Raises PyMongo's errors."""
        from pymongo.errors import OperationFailure

        try:
            rename(self.client[self.live.database], old, new)
        except OperationFailure as error:
            if error.code not in (_EXISTS, _NOT_FOUND):
                raise
            return False
        return True

    def _make_view(self, name: str, options: Any) -> None:
        from pymongo.errors import OperationFailure

        for _ in range(_ATTEMPTS):
            try:
                self.client[self.live.database].command({"create": name, **options})
            except OperationFailure as error:
                if error.code != _EXISTS:
                    raise
            else:
                return
            here = next((info for info in self.live.infos(self.client) if info["name"] == name), None)
            if here is not None and here.get("type") == "view":
                return
            self._move_away(name)
        raise self._without_end(name)

    # What clients wrote while a name was free.

    def _strays(self) -> Sequence[str]:
        beginning = f"{self.stray}."
        return sorted(name.removeprefix(beginning) for name in self._names() if name.startswith(beginning))

    def _merge(self, name: str) -> None:
        """Into what was set aside; where that does not take a document, into a collection beside it. Idempotent."""
        from bson.raw_bson import RawBSONDocument
        from pymongo.errors import BulkWriteError

        database = self.client[self.live.database]
        stray, target = f"{self.stray}.{name}", self.aside.collection(name)
        if target not in self._names() and self._renamed(stray, target):
            return
        for batch in batches(one for data in raw(database[stray]) for one in split(data)):
            documents = [RawBSONDocument(one) for one in batch]
            try:
                database[target].insert_many(documents, ordered=False)
            except BulkWriteError as error:
                for refused in error.details.get("writeErrors", ()):
                    self._put_beside(target, documents[refused["index"]])
        database.drop_collection(stray)

    def _put_beside(self, target: str, document: RawBSONDocument) -> None:
        """Unless a job that died has put it where it belongs."""
        from bson import CodecOptions
        from bson.raw_bson import RawBSONDocument

        options: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
        database = self.client.get_database(self.live.database, codec_options=options)
        key = {"_id": document["_id"]}
        kept: Any = database[target].find_one(key)
        if kept is None or kept.raw != document.raw:
            database[f"{target}{WRITTEN}"].replace_one(key, document, upsert=True)
