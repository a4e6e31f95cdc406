"""Where state can be on a server: a database; or beside what is live, in the same one, collections with a prefix.

MongoDB renames collections within a database at once, and copies them between databases. So what a restore makes is in
the database of what is live: ``<prefix>.users`` for ``users``, and a collection that is called as the prefix alone,
with what renaming cannot carry: the views, and which collections belong to it. It is there where the place is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.mongo.definitions import Definition
from dysnomia_plugins.types.mongo.names import LONGEST, check_database, is_ours, is_readable

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

_CONTENTS, _VIEW = "contents", "view"


@dataclass(frozen=True, slots=True)
class Spot:
    """A place, taken apart."""

    database: str
    prefix: str = ""

    @classmethod
    def of(cls, place: str) -> Spot:
        """Raises NotSafe."""
        database, _, prefix = place.partition(".")
        return cls(check_database(database), prefix)

    def collection(self, name: str) -> str:
        return f"{self.prefix}.{name}" if self.prefix else name

    def too_long(self, names: Sequence[str]) -> list[str]:
        """Those that could not be called so there."""
        return [name for name in names if len(f"{self.database}.{self.collection(name)}".encode()) > LONGEST]

    # Looking. All raise PyMongo's errors.

    def infos(self, client: MongoClient[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the server says of each collection there, with the names that they have when they are live."""
        beginning = f"{self.prefix}." if self.prefix else ""
        infos = []
        for info in client[self.database].list_collections():
            name = str(info["name"])
            if name.startswith(beginning) and (self.prefix or not (is_ours(name) or name.startswith("system."))):
                infos.append({**info, "name": name.removeprefix(beginning)})
        return sorted(infos, key=lambda one: str(one["name"]))

    def definitions(self, client: MongoClient[dict[str, Any]]) -> list[Definition]:
        """Of all collections and views there, in the order of their names. Raises PluginError for what is not known."""
        infos = self.infos(client)
        definitions = [self._defined(client, info) for info in infos]
        if self.prefix:
            definitions += self.views(client)
        return sorted(definitions, key=lambda one: one.name)

    def _defined(self, client: MongoClient[dict[str, Any]], info: dict[str, Any]) -> Definition:
        name, kind = str(info["name"]), info.get("type", "collection")
        if kind not in ("collection", "view"):
            raise PluginError(
                f"{self.database}.{name} is of the kind {kind!r}, which this type cannot snapshot",
                "take it elsewhere, or snapshot the database by mongodump",
            )
        if not is_readable(name):
            raise PluginError(
                f"{self.database}.{name} has a name that PyMongo does not read",
                "rename it: two dots, or one at its end",
            )
        options = info.get("options", {})
        if kind == "view":
            return Definition.of(name, options, ())
        indexes = client[self.database][self.collection(name)].list_indexes()
        return Definition.of(name, options, [dict(one) for one in indexes])

    # The collection that is called as the prefix.

    def note(self, client: MongoClient[dict[str, Any]], definitions: Sequence[Definition]) -> None:
        """Say what belongs there. Made under another name and renamed at last: it is whole or not there, and that this
        server renames has been seen. Raises PluginError where it does not."""
        from pymongo import WriteConcern

        database = client[self.database]
        database.drop_collection(f"{self.prefix}-new")
        made = database.get_collection(f"{self.prefix}-new", write_concern=WriteConcern(w="majority", j=True))
        views = [one for one in definitions if one.is_view]
        names = sorted(one.name for one in definitions if not one.is_view)
        made.insert_one({"_id": _CONTENTS, "collections": names})
        for number, view in enumerate(views):
            made.insert_one({"_id": f"{_VIEW} {number}", "definition": view.written()})
        rename(database, f"{self.prefix}-new", self.prefix)
        if self.prefix not in database.list_collection_names():
            raise PluginError("the server says that it renamed a collection, and did not", "nothing was replaced")

    def note_collections(self, client: MongoClient[dict[str, Any]]) -> None:
        """Which collections are there now: those that were set aside may be others than were noted."""
        names = [str(info["name"]) for info in self.infos(client)]
        client[self.database][self.prefix].replace_one(
            {"_id": _CONTENTS}, {"_id": _CONTENTS, "collections": names}, upsert=True
        )

    def noted(self, client: MongoClient[dict[str, Any]]) -> list[str] | None:
        """Which collections belong there; None where it was not noted."""
        contents = client[self.database][self.prefix].find_one({"_id": _CONTENTS})
        return None if contents is None else [str(name) for name in contents["collections"]]

    def views(self, client: MongoClient[dict[str, Any]]) -> Iterator[Definition]:
        for document in client[self.database][self.prefix].find({}):
            if str(document["_id"]).startswith(_VIEW):
                yield Definition.read(bytes(document["definition"]), "a view")

    def size(self, client: MongoClient[dict[str, Any]]) -> int:
        """Bytes of the whole database as the server counts them, indexes too; it may not tell every account."""
        stats = client[self.database].command("dbStats")
        return int(stats.get("dataSize", 0)) + int(stats.get("indexSize", 0))

    def exists(self, client: MongoClient[dict[str, Any]]) -> bool:
        if not self.prefix:
            return bool(self.infos(client))
        return any(self._is_part(name) for name in client[self.database].list_collection_names())

    def _is_part(self, name: str) -> bool:
        return name in (self.prefix, f"{self.prefix}-new") or name.startswith(f"{self.prefix}.")

    def drop(self, client: MongoClient[dict[str, Any]]) -> None:
        """All of it: what is noted goes last. Idempotent."""
        database = client[self.database]
        if not self.prefix:
            infos = self.infos(client)
            for info in sorted(infos, key=lambda one: one.get("type") != "view"):
                database.drop_collection(str(info["name"]))
            return
        for name in sorted(filter(self._is_part, database.list_collection_names()), reverse=True):
            database.drop_collection(name)


def rename(database: Database[dict[str, Any]], old: str, new: str) -> None:
    """Within the database, at once. Raises PyMongo's errors."""
    database.client.admin.command(
        {"renameCollection": f"{database.name}.{old}", "to": f"{database.name}.{new}", "dropTarget": False}
    )
