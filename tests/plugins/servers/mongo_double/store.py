"""What the double holds: databases of collections of documents, in memory."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson import Binary, ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument

from tests.plugins.servers.mongo_double.values import Key, at, decoded, key_of, lazy, matches

LONGEST = 255
EXISTS, NOT_FOUND, ON_A_VIEW, BAD_NAME, DUPLICATE, INVALID, INVALID_INDEX = 48, 26, 166, 73, 11000, 121, 197


class Refused(Exception):
    """An answer with ``ok: 0``."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass
class Collection:
    """A collection or view."""

    options: dict[str, Any]
    uuid: Binary = field(default_factory=lambda: Binary(uuid.uuid4().bytes, 4))
    documents: dict[Key, bytes] = field(default_factory=dict)
    """By ``_id``, in the order in which they were inserted."""
    indexes: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        if not self.is_view:
            collation = {"collation": self.options["collation"]} if "collation" in self.options else {}
            clustered = (
                {**self.options["clusteredIndex"], "clustered": True} if "clusteredIndex" in self.options else {}
            )
            self.indexes.append({"v": 2, "key": {"_id": 1}, "name": "_id_", **collation, **clustered})

    @property
    def is_view(self) -> bool:
        return "viewOn" in self.options

    @property
    def fold(self) -> bool:
        return int(self.options.get("collation", {}).get("strength", 3)) < 3

    def key(self, value: Any) -> Key:
        return key_of(value, fold=self.fold)

    def put(self, raw: bytes, *, validate: bool = True, new: bool = False) -> None:
        """Raises Refused for a key that is there already, or what a validator refuses."""
        raw, identity = stored(raw)
        key = self.key(identity)
        if new and key in self.documents:
            raise Refused(DUPLICATE, f"E11000 duplicate key error dup key: {{ _id: {identity!r} }}")
        if validate and "validator" in self.options and not matches(decoded(raw), self.options["validator"]):
            raise Refused(INVALID, "Document failed validation")
        unique = [one for one in self.indexes if one.get("unique")]
        if unique:
            self._hold(unique, decoded(raw), key)
        self.size += len(raw) - len(self.documents.get(key, b""))
        self.documents[key] = raw
        self._cap()

    def _hold(self, unique: Sequence[Mapping[str, Any]], document: Mapping[str, Any], key: Key) -> None:
        for index in unique:
            wanted = [self.key(at(document, name)) for name in index["key"]]
            for other, raw in self.documents.items():
                if other != key and [self.key(at(decoded(raw), name)) for name in index["key"]] == wanted:
                    raise Refused(DUPLICATE, f"E11000 duplicate key error index: {index['name']}")

    def _cap(self) -> None:
        if not self.options.get("capped"):
            return
        while self.size > self.options["size"] or len(self.documents) > self.options.get("max", len(self.documents)):
            oldest = next(iter(self.documents))
            self.remove(oldest)

    def remove(self, key: Key) -> None:
        self.size -= len(self.documents.pop(key))

    def make_index(self, index: dict[str, Any]) -> None:
        if index.get("clustered"):
            raise Refused(INVALID_INDEX, "Cannot create a clustered index on a collection that is there")
        if any(one["name"] == index["name"] for one in self.indexes):
            return
        if index.get("unique"):
            seen = [tuple(self.key(at(decoded(raw), name)) for name in index["key"]) for raw in self.documents.values()]
            if len(set(seen)) != len(seen):
                raise Refused(DUPLICATE, f"E11000 duplicate key error index: {index['name']}")
        self.indexes.append({"v": 2, **index})


def stored(raw: bytes) -> tuple[bytes, Any]:
    """A document as the server keeps it, and its ``_id``."""
    fields = lazy(raw)
    names = list(fields)
    empty = [name for name in names if name != "_id" and fields[name] == Timestamp(0, 0)] if b"\x11" in raw else []
    if names[:1] == ["_id"] and not empty:
        return raw, fields["_id"] if not isinstance(fields["_id"], RawBSONDocument) else decoded(raw)["_id"]
    document = decoded(raw)
    identity = document.pop("_id", None) if "_id" in document else ObjectId()
    for name in empty:
        document[name] = Timestamp(int(time.time()), 1)
    return bson.encode({"_id": identity, **document}), identity


@dataclass
class Databases:
    """All that it holds."""

    by_name: dict[str, dict[str, Collection]] = field(default_factory=dict)

    def database(self, name: str) -> dict[str, Collection]:
        return self.by_name.get(name, {})

    def find(self, database: str, name: str) -> Collection | None:
        return self.database(database).get(name)

    def require(self, database: str, name: str) -> Collection:
        found = self.find(database, name)
        if found is None:
            raise Refused(NOT_FOUND, f"ns does not exist: {database}.{name}")
        return found

    def create(self, database: str, name: str, options: dict[str, Any]) -> Collection:
        if self.find(database, name) is not None:
            raise Refused(EXISTS, f"Collection {database}.{name} already exists.")
        self._check(database, name)
        made = Collection(options)
        self.by_name.setdefault(database, {})[name] = made
        return made

    def _check(self, database: str, name: str) -> None:
        if not name or "$" in name or len(f"{database}.{name}".encode()) > LONGEST:
            raise Refused(BAD_NAME, f"Invalid namespace specified '{database}.{name}'")

    def writable(self, database: str, name: str) -> Collection:
        """Made where it is not there, as a write makes it."""
        found = self.find(database, name)
        if found is None:
            return self.create(database, name, {})
        if found.is_view:
            raise Refused(ON_A_VIEW, f"Namespace {database}.{name} is a view, not a collection")
        return found

    def drop(self, database: str, name: str) -> bool:
        here = self.by_name.get(database, {})
        gone = here.pop(name, None)
        if not here:
            self.by_name.pop(database, None)
        return gone is not None

    def rename(self, old: str, new: str, *, drop_target: bool) -> None:
        (database, _, name), (other, _, target) = old.partition("."), new.partition(".")
        moved = self.require(database, name)
        if moved.is_view:
            raise Refused(ON_A_VIEW, f"Namespace {old} is a view, not a collection")
        self._check(other, target)
        if self.find(other, target) is not None and not drop_target:
            raise Refused(EXISTS, "target namespace exists")
        self.drop(database, name)
        if database != other:  # a copy, which is another collection
            moved.uuid = Binary(uuid.uuid4().bytes, 4)
        self.by_name.setdefault(other, {})[target] = moved

    def frozen(self) -> Databases:
        """As it is now, whatever is written later."""
        copy = Databases()
        for name, collections in self.by_name.items():
            copy.by_name[name] = {
                each: Collection(one.options, one.uuid, dict(one.documents)) for each, one in collections.items()
            }
        return copy

    def reading(self, database: str, name: str, wanted: Mapping[str, Any]) -> tuple[Collection, Iterator[bytes]]:
        """The documents that a filter means, in their natural order; of a view those of its ``$match``."""
        found = self.find(database, name) or Collection({})
        if found.is_view:
            under, documents = self.reading(database, found.options["viewOn"], {})
            stages = [stage["$match"] for stage in found.options["pipeline"] if "$match" in stage]
            return under, (raw for raw in documents if all(matches(decoded(raw), one) for one in (*stages, wanted)))
        if not wanted:
            return found, iter(list(found.documents.values()))
        if list(wanted) == ["_id"] and not isinstance(wanted["_id"], Mapping):
            raw = found.documents.get(found.key(wanted["_id"]))
            return found, iter([] if raw is None else [raw])
        return found, (raw for raw in list(found.documents.values()) if matches(decoded(raw), wanted, fold=found.fold))
