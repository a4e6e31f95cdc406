"""One of everything that a database of MongoDB can hold, as far as the double knows it, and names hard to write."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Mapping
from typing import Any

import bson
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

NAMES = (
    "a.b.c", "with blank", "tab\there", "new\nline", "ünï✓😀", "e\u0301", "\u00e9", "Case", "case", "quo\"te's",
    "back\\slash",
    "per%cent", "%2F", "a/b", "-dash", "~", "*", "?", "<angle>", "semi;colon", "\x01", "1", "users.bson",
    "users.metadata.json", "x.bson", "indexes", "null", "\u202eright to left", "\u200b", "fs.files", "fs.chunks",
)  # fmt: skip
COLLATION = {"locale": "de", "strength": 1, "caseLevel": True, "numericOrdering": True, "backwards": False}
INDEXES: tuple[Mapping[str, Any], ...] = (
    {"key": {"a": 1}, "name": "plain"},
    {"key": {"a": 1, "b": -1, "c.d": 1}, "name": "of three"},
    {"key": {"a": 1.0}, "name": "of a double"},
    {"key": {"a": "hashed"}, "name": "hashed"},
    {"key": {"$**": 1}, "name": "wild", "wildcardProjection": {"a": 1, "b.c": 1, "_id": 0}},
    {"key": {"_fts": "text", "_ftsx": 1}, "name": "text", "weights": {"t": 5, "u": 1}, "default_language": "german",
     "language_override": "idioma", "textIndexVersion": 3},
    {"key": {"where": "2dsphere"}, "name": "sphere", "2dsphereIndexVersion": 3},
    {"key": {"flat": "2d"}, "name": "flat", "bits": 26, "min": -180.0, "max": 180.0},
    {"key": {"at": 1}, "name": "expires", "expireAfterSeconds": Int64(2**31 - 1)},
    {"key": {"s": 1}, "name": "sparse and unique", "sparse": True, "unique": False, "hidden": True},
    {"key": {"p": 1}, "name": "partial",
     "partialFilterExpression": {"p": {"$gt": 5, "$type": "int"}, "q": {"$exists": True}}},
    {"key": {"k": 1}, "name": "collated", "collation": COLLATION},
    {"key": {"ü.\u202e": 1}, "name": "näme with \"quotes\" and $"},
)  # fmt: skip
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def zoo(db: Database[dict[str, Any]]) -> None:
    for number, name in enumerate(NAMES):
        db[name].insert_many([{"_id": number}, {"_id": name}])
    _indexes(db)
    _views(db)
    _options(db)
    db["all kinds"].insert_many([{"_id": f"v{number}", "v": value} for number, value in enumerate(_values())])
    db["all keys"].insert_many([{"_id": value} for value in _keys()])
    db["hard"].insert_many([RawBSONDocument(raw) for raw in _raw()])


def _indexes(db: Database[dict[str, Any]]) -> None:
    db.command({"createIndexes": "indexed", "indexes": [dict(one) for one in INDEXES]})
    db.indexed.insert_one({"_id": 1, "a": [1, {"b": 2}], "where": {"type": "Point", "coordinates": [13.4, 52.5]}})


def _views(db: Database[dict[str, Any]]) -> None:
    """Expressions that look like values of extended JSON, and views of what is not there."""
    match = {"$or": [{"mail": {"$regex": "@example", "$options": "ix"}}, {"mail": {"$regex": Regex("^x", "s")}}]}
    other = {"mail": {"$in": [Regex("a", "i"), "b"], "$not": {"$regex": "z"}}, "born": {"$lt": _EPOCH}}
    typed = {"_id": {"$type": ["objectId", "int"]}, "ref": {"$ref": "users", "$id": 1}}
    db.create_collection("hard view", viewOn="users", pipeline=[{"$match": match}, {"$match": other}])
    db.create_collection("typed view", viewOn="hard view", pipeline=[{"$match": typed}], collation=COLLATION)
    db.create_collection("of nothing", viewOn="is not there", pipeline=[{"$limit": Int64(5)}, {"$skip": 1.5}])
    lookup = {"from": "kinds", "let": {"a": "$a"}, "pipeline": [{"$match": {"$expr": {"$eq": ["$_id", "$$a"]}}}]}
    db.create_collection("joined", viewOn="users", pipeline=[{"$lookup": {**lookup, "as": "k"}}])


def _options(db: Database[dict[str, Any]]) -> None:
    schema = {"bsonType": "object", "required": ["a"], "properties": {"a": {"enum": [1, 1.0, Int64(1), None, "x"]}}}
    db.create_collection("schema", validator={"$or": [{"a": {"$exists": True}}, {"b": 1}]}, validationAction="warn")
    db.command({"collMod": "schema", "validator": {"$jsonSchema": schema, "s": {"$regex": "^a.*$", "$options": ""}}})
    db.command({"create": "clustered", "clusteredIndex": {"v": 2, "key": {"_id": 1}, "name": "by id", "unique": True}})
    db.clustered.insert_many([{"_id": number} for number in (3, 1, 2)])
    db.command({"create": "stored", "storageEngine": {"wiredTiger": {"configString": "block_compressor=zlib"}}})
    db.command({"create": "images", "changeStreamPreAndPostImages": {"enabled": True}})
    db.command({"create": "kept", "expireAfterSeconds": Int64(86400), "indexOptionDefaults": {"storageEngine": {}}})
    db.create_collection("small", capped=True, size=4096)
    db.small.insert_many([{"_id": number, "text": "x" * 100} for number in range(60, 0, -1)])


def _values() -> list[Any]:
    deep: dict[str, Any] = {}
    for _ in range(95):
        deep = {"d": [deep]}
    days = (datetime.timedelta(days) for days in (-719162, -1, 0, 1, 2932896))
    binaries = [Binary(b"0123456789abcdef", kind) for kind in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 128, 255)]
    texts = ["", "\0", "a\0b", "\r\n", "\u2028", "\ufffd", "\U0010ffff", "e\u0301", "\u00e9", "$where", '{"$oid": 1}']
    numbers = [0, -0.0, 1, 1.0, Int64(1), 2**31, -(2**63), 5e-324, 1.7976931348623157e308, float("inf"), float("nan")]
    decimals = [Decimal128(text) for text in ("0", "-0", "1", "1.0", "1E+3", "NaN", "sNaN", "-Infinity", "9.99E+6144")]
    return [
        deep, {}, [], [[]], [None, [1, [2, [3]]]], None, True, False, MinKey(), MaxKey(), ObjectId(b"\0" * 12),
        Timestamp(0, 0), Timestamp(2**32 - 1, 2**32 - 1), Regex("", "ilmsux"), Regex("/\\/", ""), Code(""),
        Code("f", {"x": {"y": 1}}), {"$ref": "users", "$id": 1, "$db": "other", "extra": 2}, {"": {"": ""}},
        {"a.b": 1, "a": {"b": 1}}, {"$a": 1, "$oid": "no id", "$date": "no date"}, {str(n): n for n in range(500)},
        *(_EPOCH + each for each in days), bson.DatetimeMS(2**63 - 1), bson.DatetimeMS(-(2**63)),
        *binaries, *texts, *numbers, *decimals, b"\0" * (1 << 20), "x" * (3 << 20),
    ]  # fmt: skip


def _keys() -> list[Any]:
    """Numbers that are equal are one key; text that looks the same is not."""
    return [
        1, 1.5, Int64(2**53 + 1), float(2**54), Decimal128("0.1"), 0.1, "1", "", "e\u0301", "\u00e9", "a", "A", b"a",
        Binary(b"0123456789abcdef", 4), Binary(b"0123456789abcdef", 3), ObjectId(b"\1" * 12), True, False, None,
        {"a": 1, "b": 2}, {"b": 2, "a": 1}, {}, {"a": {"b": [1]}}, MinKey(), MaxKey(), Timestamp(1, 1), _EPOCH,
        Timestamp(1, 2), bson.DatetimeMS(2**62), float("-inf"), float("nan"), "x" * 1000, "a\0b", Code("f()"),
    ]  # fmt: skip


def _element(kind: int, name: bytes, value: bytes) -> bytes:
    return bytes([kind]) + name + b"\0" + value


def _raw() -> list[bytes]:
    """What PyMongo does not write: names twice, types that are no longer made, text that is no UTF-8."""
    text = struct.pack("<i", 4) + b"old\0"
    bad = struct.pack("<i", 4) + b"\xff\xfe\x80\0"
    elements = (
        _element(16, b"a", struct.pack("<i", 1)) + _element(16, b"a", struct.pack("<i", 2)),
        _element(6, b"undefined", b""),
        _element(14, b"symbol", text),
        _element(12, b"pointer", text + b"\1" * 12),
        _element(2, b"no utf-8", bad),
        _element(8, b"bool", b"\1") + _element(17, b"later", struct.pack("<II", 1, 0)),
        _element(5, b"old binary", struct.pack("<iBi", 7, 2, 3) + b"abc"),
    )
    return [
        struct.pack("<i", len(body) + 5) + body + b"\0"
        for number, each in enumerate(elements)
        for body in [_element(16, b"_id", struct.pack("<i", number)) + each]
    ]
