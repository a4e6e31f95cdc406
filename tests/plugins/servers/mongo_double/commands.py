"""The commands that the double answers. Source: MongoDB's manual, "Database Commands"."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import bson
from bson import Int64, Timestamp
from bson.raw_bson import RawBSONDocument

from tests.plugins.servers.mongo_double.scram import Login
from tests.plugins.servers.mongo_double.store import NOT_FOUND, Collection, Databases, Refused
from tests.plugins.servers.mongo_double.values import at, changed, decoded, key_of, lazy

Document = dict[str, Any]
VERSION = "7.0.0-double"
_BATCH = 8 << 20
_FREE = frozenset({"hello", "ismaster", "isMaster", "ping", "buildInfo", "saslStart", "saslContinue", "endSessions"})
_NOT_OPTIONS = frozenset({"create", "lsid", "$db", "writeConcern", "comment", "$clusterTime", "$readPreference"})


@dataclass
class Client:
    """One connection."""

    known: bool
    login: Login | None = None
    databases: Sequence[str] = ()
    """Those on which it has rights; all where none are named."""

    def may(self, database: str) -> bool:
        return not self.databases or database in self.databases


@dataclass
class Double:
    """A server."""

    replica_set: str = ""
    accounts: Mapping[str, tuple[str, Sequence[str]]] = field(default_factory=dict)
    """By name: a password, and the databases on which the account has rights (all where none are named)."""
    data: Databases = field(default_factory=Databases)
    cursors: dict[int, tuple[str, Iterator[bytes]]] = field(default_factory=dict)
    moments: dict[Timestamp, Databases] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def answer(self, client: Client, command: Document) -> Document:
        """Never raises what a command did wrong."""
        name = next(iter(command))
        if not client.known and name not in _FREE:
            return {"ok": 0.0, "errmsg": f"Command {name} requires authentication", "code": 13}
        try:
            known = COMMANDS.get(name)
            if known is None:
                raise Refused(59, f"no such command: '{name}'")
            self._allow(client, name, command)
            return {**known(self, client, command), "ok": 1.0}
        except Refused as error:
            return {"ok": 0.0, "errmsg": error.text, "code": error.code}

    def _allow(self, client: Client, name: str, command: Document) -> None:
        """Raises Refused where an account lacks the right."""
        if name in _FREE or name == "listDatabases":
            return
        meant = {str(command[key]).partition(".")[0] for key in ("renameCollection", "to") if key in command}
        for database in meant or {str(command["$db"])}:
            if not client.may(database):
                raise Refused(13, f"not authorized on {database} to execute command {{ {name}: 1 }}")

    # The server itself.

    def hello(self, client: Client, command: Document) -> Document:
        member = {"setName": self.replica_set, "secondary": False} if self.replica_set else {}
        mechanisms = {"saslSupportedMechs": ["SCRAM-SHA-256"]} if "saslSupportedMechs" in command else {}
        return {
            "helloOk": True, "ismaster": True, "isWritablePrimary": True, "maxBsonObjectSize": 16 << 20,
            "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "localTime": datetime.now(UTC),
            "logicalSessionTimeoutMinutes": 30, "minWireVersion": 0, "maxWireVersion": 21, "readOnly": False,
            **member, **mechanisms,
        }  # fmt: skip

    def nothing(self, client: Client, command: Document) -> Document:
        return {}

    def build_info(self, client: Client, command: Document) -> Document:
        return {"version": VERSION, "versionArray": [7, 0, 0, 0]}

    def sasl_start(self, client: Client, command: Document) -> Document:
        client.login = Login({user: password for user, (password, _) in self.accounts.items()})
        said = client.login.begin(bytes(command["payload"])) if command["mechanism"] == "SCRAM-SHA-256" else None
        return self._said(said)

    def sasl_continue(self, client: Client, command: Document) -> Document:
        said = client.login.end(bytes(command["payload"])) if client.login is not None else None
        client.known = said is not None
        if client.known and client.login is not None:
            client.databases = self.accounts[client.login.user][1]
        return {**self._said(said), "done": True}

    def _said(self, said: bytes | None) -> Document:
        if said is None:
            raise Refused(18, "Authentication failed.")
        return {"conversationId": 1, "done": False, "payload": said}

    # Databases and collections.

    def list_databases(self, client: Client, command: Document) -> Document:
        names = filter(client.may, sorted(self.data.by_name))
        return {"databases": [{"name": name, "sizeOnDisk": 1, "empty": False} for name in names]}

    def drop_database(self, client: Client, command: Document) -> Document:
        self.data.by_name.pop(command["$db"], None)
        return {}

    def db_stats(self, client: Client, command: Document) -> Document:
        collections = self.data.database(command["$db"]).values()
        return {"dataSize": sum(one.size for one in collections), "indexSize": 0, "collections": len(collections)}

    def list_collections(self, client: Client, command: Document) -> Document:
        here = self.data.database(command["$db"])
        infos = [self._info(name, one) for name, one in sorted(here.items())]
        if any(one.is_view for one in here.values()):
            infos.append(self._info("system.views", Collection({})))
        wanted = command.get("filter", {}).get("name")
        found = [info for info in infos if wanted in (None, info["name"]) or isinstance(wanted, Mapping)]
        return self._cursor(f"{command['$db']}.$cmd.listCollections", map(bson.encode, found), 1000)

    def _info(self, name: str, one: Collection) -> Document:
        if one.is_view:
            return {"name": name, "type": "view", "options": one.options, "info": {"readOnly": True}}
        info = {"readOnly": False, "uuid": one.uuid}
        kind = "timeseries" if "timeseries" in one.options else "collection"
        return {"name": name, "type": kind, "options": one.options, "info": info, "idIndex": one.indexes[0]}

    def create(self, client: Client, command: Document) -> Document:
        options = {name: value for name, value in command.items() if name not in _NOT_OPTIONS}
        self.data.create(command["$db"], command["create"], options)
        return {}

    def collection_modified(self, client: Client, command: Document) -> Document:
        found = self.data.require(command["$db"], command["collMod"])
        taken = ("validator", "validationLevel", "validationAction", "viewOn", "pipeline")
        found.options.update({name: command[name] for name in taken if name in command})
        return {}

    def drop(self, client: Client, command: Document) -> Document:
        if not self.data.drop(command["$db"], command["drop"]):
            raise Refused(NOT_FOUND, "ns not found")
        return {}

    def rename(self, client: Client, command: Document) -> Document:
        if command["$db"] != "admin":
            raise Refused(13, "renameCollection may only be run against the admin database.")
        self.data.rename(command["renameCollection"], command["to"], drop_target=bool(command.get("dropTarget")))
        return {}

    def list_indexes(self, client: Client, command: Document) -> Document:
        found = self.data.require(command["$db"], command["listIndexes"])
        return self._cursor(f"{command['$db']}.{command['listIndexes']}", map(bson.encode, found.indexes), 1000)

    def create_indexes(self, client: Client, command: Document) -> Document:
        found = self.data.writable(command["$db"], command["createIndexes"])
        for index in command["indexes"]:
            found.make_index(dict(index))
        return {}

    def drop_indexes(self, client: Client, command: Document) -> Document:
        found = self.data.require(command["$db"], command["dropIndexes"])
        found.indexes = [one for one in found.indexes if one["name"] != command["index"]]
        return {}

    # Documents.

    def insert(self, client: Client, command: Document) -> Document:
        found = self.data.writable(command["$db"], command["insert"])
        validate = not command.get("bypassDocumentValidation")
        errors = []
        done = 0
        for number, one in enumerate(command["documents"]):
            try:
                found.put(_raw(one), validate=validate, new=True)
                done += 1
            except Refused as error:
                errors.append({"index": number, "code": error.code, "errmsg": error.text})
                if command.get("ordered", True):
                    break
        return {"n": done, **({"writeErrors": errors} if errors else {})}

    def update(self, client: Client, command: Document) -> Document:
        done, made = 0, []
        for number, one in enumerate(command["updates"]):
            found, documents = self.data.reading(command["$db"], command["update"], one["q"])
            old = [decoded(raw) for raw in documents][: None if one.get("multi") else 1]
            if not old and one.get("upsert"):
                found = self.data.writable(command["$db"], command["update"])
                new = changed({**one["q"]}, one["u"])
                found.put(bson.encode(new), new=True)
                made.append({"index": number, "_id": new["_id"]})
            for each in old:
                found.put(bson.encode(changed(each, one["u"])))
            done += max(len(old), 1 if one.get("upsert") else 0)
        return {"n": done, "nModified": done - len(made), **({"upserted": made} if made else {})}

    def delete(self, client: Client, command: Document) -> Document:
        done = 0
        for one in command["deletes"]:
            found, documents = self.data.reading(command["$db"], command["delete"], one["q"])
            for raw in list(documents)[: one["limit"] or None]:
                found.remove(found.key(decoded(raw)["_id"]))
                done += 1
        return {"n": done}

    def find(self, client: Client, command: Document) -> Document:
        data, moment = self._as_of(command)
        found, documents = data.reading(command["$db"], command["find"], command.get("filter", {}))
        simple = command.get("collation", {}).get("locale") == "simple"
        ordered = _sorted(documents, command.get("sort", {}), fold=found.fold and not simple)
        skip, limit = command.get("skip", 0), command.get("limit", 0)
        limited = itertools.islice(ordered, skip, skip + abs(limit) if limit else None)
        answer = self._cursor(f"{command['$db']}.{command['find']}", limited, command.get("batchSize", 101))
        if command.get("singleBatch"):
            self.cursors.pop(answer["cursor"]["id"], None)
            answer["cursor"]["id"] = Int64(0)
        if moment is not None:
            answer["cursor"]["atClusterTime"] = moment
        return answer

    def _as_of(self, command: Document) -> tuple[Databases, Timestamp | None]:
        concern = command.get("readConcern", {})
        if concern.get("level") != "snapshot":
            return self.data, None
        if not self.replica_set:
            raise Refused(123, "node needs to be a replica set member to use readConcern: snapshot")
        moment = concern.get("atClusterTime")
        if moment is None:
            moment = Timestamp(int(time.time()), next(self.numbers))
            self.moments = {moment: self.data.frozen()}
        if moment not in self.moments:
            raise Refused(239, "Read timestamp is older than the oldest available timestamp.")
        return self.moments[moment], moment

    def _cursor(self, namespace: str, documents: Iterator[bytes], size: int) -> Document:
        batch, more = _batch(documents, size)
        number = 0
        if more is not None:
            number = next(self.numbers)
            self.cursors[number] = namespace, more
        return {"cursor": {"id": Int64(number), "ns": namespace, "firstBatch": batch}}

    def get_more(self, client: Client, command: Document) -> Document:
        number = int(command["getMore"])
        if number not in self.cursors:
            raise Refused(43, f"cursor id {number} not found")
        namespace, documents = self.cursors.pop(number)
        batch, more = _batch(documents, command.get("batchSize", 1 << 30))
        if more is not None:
            self.cursors[number] = namespace, more
        return {"cursor": {"id": Int64(number if more is not None else 0), "ns": namespace, "nextBatch": batch}}

    def kill_cursors(self, client: Client, command: Document) -> Document:
        killed = [number for number in command["cursors"] if self.cursors.pop(int(number), None) is not None]
        return {"cursorsKilled": killed, "cursorsNotFound": [], "cursorsAlive": [], "cursorsUnknown": []}

    def count(self, client: Client, command: Document) -> Document:
        _, documents = self.data.reading(command["$db"], command["count"], command.get("query", {}))
        return {"n": sum(1 for _ in documents)}

    def aggregate(self, client: Client, command: Document) -> Document:
        """A count, by whichever stages."""
        wanted: Document = {}
        for stage in command["pipeline"]:
            wanted |= stage.get("$match", {})
        _, documents = self.data.reading(command["$db"], command["aggregate"], wanted)
        number = sum(1 for _ in documents)
        found = [bson.encode({"_id": 1, "n": number})] if number else []
        return self._cursor(f"{command['$db']}.{command['aggregate']}", iter(found), 101)


def _raw(document: Any) -> bytes:
    return bytes(document.raw) if isinstance(document, RawBSONDocument) else bson.encode(document)


def _batch(documents: Iterator[bytes], most: int) -> tuple[list[RawBSONDocument], Iterator[bytes] | None]:
    """So many, and the rest, if there is one."""
    batch: list[RawBSONDocument] = []
    size = 0
    documents = iter(documents)
    for raw in documents:
        if len(batch) >= most or (batch and size + len(raw) > _BATCH):
            return batch, itertools.chain([raw], documents)
        batch.append(RawBSONDocument(raw))
        size += len(raw)
    return batch, None


def _sorted(documents: Iterator[bytes], wanted: Mapping[str, int], *, fold: bool) -> Iterator[bytes]:
    if not wanted or "$natural" in wanted:
        return documents
    ordered = list(documents)
    for name, direction in reversed(list(wanted.items())):
        ordered.sort(key=lambda raw: key_of(_value(raw, name), fold=fold), reverse=direction < 0)
    return iter(ordered)


def _value(raw: bytes, name: str) -> Any:
    if "." in name:
        return at(decoded(raw), name)
    value = lazy(raw).get(name)
    return decoded(raw)[name] if isinstance(value, RawBSONDocument) else value


COMMANDS: Mapping[str, Callable[[Double, Client, Document], Document]] = {
    "hello": Double.hello,
    "ismaster": Double.hello,
    "isMaster": Double.hello,
    "ping": Double.nothing,
    "endSessions": Double.nothing,
    "buildInfo": Double.build_info,
    "saslStart": Double.sasl_start,
    "saslContinue": Double.sasl_continue,
    "listDatabases": Double.list_databases,
    "dropDatabase": Double.drop_database,
    "dbStats": Double.db_stats,
    "listCollections": Double.list_collections,
    "create": Double.create,
    "collMod": Double.collection_modified,
    "drop": Double.drop,
    "renameCollection": Double.rename,
    "listIndexes": Double.list_indexes,
    "createIndexes": Double.create_indexes,
    "dropIndexes": Double.drop_indexes,
    "insert": Double.insert,
    "update": Double.update,
    "delete": Double.delete,
    "find": Double.find,
    "getMore": Double.get_more,
    "killCursors": Double.kill_cursors,
    "count": Double.count,
    "aggregate": Double.aggregate,
}
