"""A small database with one of everything, and single changes to it, made with PyMongo."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from pymongo.database import Database

NAME = "app"
Db = Database[dict[str, Any]]
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000)
USERS: Sequence[Mapping[str, Any]] = (
    {"_id": 2, "name": "Zoë", "mail": "z@example.org", "tags": ["a", "b"], "born": NOW},
    {"_id": 1, "name": "amy", "mail": "a@example.org", "address": {"town": "Köln", "zip": "50667"}},
    {"_id": 1.5, "name": "", "mail": "n@example.org", "balance": Decimal128("1.10")},
    {"_id": "one", "name": None, "mail": "one@example.org", "big": Int64(2**62), "small": -(2**31)},
)
KINDS: Mapping[str, Any] = {
    "_id": ObjectId("0123456789abcdef01234567"), "min": MinKey(), "max": MaxKey(), "regex": Regex("^a.*", "im"),
    "code": Code("f()"), "scoped": Code("f(x)", {"x": 1}), "time": Timestamp(5, 7), "bytes": b"\0\xff",
    "uuid": Binary(b"0123456789abcdef", 4), "nan": float("nan"), "minus zero": -0.0, "inf": float("inf"), "bool": True,
    "ref": DBRef("users", 1), "empty": {}, "none": [], "a.b": 1, "ü": "\U0001f600", "text": "x\0y\n",
    "long": "z" * 70000,
}  # fmt: skip
CASELESS = {"locale": "en", "strength": 2}


def fill(db: Db) -> None:
    """Make it from nothing."""
    db.create_collection("users", validator={"mail": {"$type": "string"}}, validationLevel="strict")
    db.users.insert_many([dict(one) for one in USERS])
    db.users.create_index([("mail", 1)], unique=True)
    db.users.create_index([("name", 1), ("born", -1)], name="by name", sparse=True)
    db.kinds.insert_one(dict(KINDS))
    db.create_collection("events", capped=True, size=1 << 20, max=1000)
    db.events.insert_many([{"_id": number, "what": f"event {number}"} for number in (3, 1, 2)])
    db.create_collection("labels", collation=CASELESS)
    db.labels.insert_many([{"_id": name} for name in ("b", "A", "c", "Z", "_")])
    db.create_collection("nothing yet")
    db["with/slash %41 and.dots"].insert_one({"_id": {"a": 1, "b": [1, 2]}, "v": 1})
    db.log.insert_one({"_id": 0})
    db.create_collection("grown ups", viewOn="users", pipeline=[{"$match": {"name": {"$gt": "b"}}}])
    db.create_collection("also", viewOn="grown ups", pipeline=[], collation=CASELESS)


def _number(random: Random) -> int:
    return random.getrandbits(40)


def _inserted(db: Db, random: Random) -> str:
    number = _number(random)
    db.users.insert_one({"_id": f"u{number}", "mail": f"{number}@example.org"})
    return f"user {number}"


def _set(db: Db, collection: str, key: Any, **fields: Any) -> str:
    db[collection].update_one({"_id": key}, {"$set": fields})
    return f"{collection} {key}: {list(fields)}"


def _deleted(db: Db, random: Random) -> str:
    number = _number(random)
    db.kinds.insert_many([{"_id": number}, {"_id": number + 0.5}])
    db.kinds.delete_one({"_id": number})
    return f"{number} came and went, and another stays"


def _order(db: Db, random: Random) -> str:
    """The order of fields is state."""
    number = _number(random)
    fields = ["a", "b", f"c{number}"]
    random.shuffle(fields)
    db.kinds.replace_one({"_id": "order"}, dict.fromkeys(fields, 1), upsert=True)
    return f"fields {fields}"


def _kind(db: Db, random: Random) -> str:
    """A number that is equal and of another kind."""
    number = _number(random)
    db.kinds.insert_one({"_id": f"n{number}", "v": 1})
    db.kinds.update_one({"_id": "n"}, {"$set": {"v": (Int64(1), 1, 1.0)[number % 3], "n": number}}, upsert=True)
    return "a number of another kind"


def _again(db: Db, random: Random) -> str:
    """Inserted later, so in another place of a collection that is capped."""
    found = db.events.find_one({}, sort=[("$natural", 1)])
    assert found is not None
    db.events.delete_one({"_id": found["_id"]})
    db.events.insert_one(found)
    return f"event {found['_id']} is the last one"


def _index(db: Db, random: Random) -> str:
    number = _number(random)
    db.users.create_index([(f"f{number}", 1 - 2 * (number % 2))], name=f"i{number}", expireAfterSeconds=number % 1000)
    return f"index {number}"


def _validator(db: Db, random: Random) -> str:
    db.command({"collMod": "users", "validator": {"mail": {"$ne": str(_number(random))}}})
    return "another validator"


def _collection(db: Db, random: Random) -> str:
    db.create_collection(f"c{_number(random)}", capped=True, size=4096 * random.randint(1, 99))
    return "a collection"


def _view(db: Db, random: Random) -> str:
    db.create_collection(f"v{_number(random)}", viewOn="users", pipeline=[])
    return "a view"


def _other_view(db: Db, random: Random) -> str:
    number = _number(random)
    db.command({"collMod": "grown ups", "viewOn": "users", "pipeline": [{"$match": {"n": number}}]})
    return f"a view of {number}"


def _renamed(db: Db, random: Random) -> str:
    name = f"renamed {_number(random)}"
    old = next(one for one in sorted(db.list_collection_names()) if one.startswith(("renamed", "nothing")))
    db[old].rename(name)
    return f"{old} is {name}"


CHANGES: Mapping[str, Callable[[Db, Random], str]] = {
    "document": _inserted,
    "value": lambda db, r: _set(db, "users", 1, name=str(_number(r))),
    "deep value": lambda db, r: _set(db, "users", 1, address={"town": str(_number(r)), "zip": "1"}),
    "field": lambda db, r: _set(db, "kinds", "fields", **{f"f{_number(r)}": None}) + _inserted(db, r),
    "array": lambda db, r: _set(db, "users", 2, tags=["b", str(_number(r))]),
    "date": lambda db, r: _set(db, "users", 2, born=NOW + datetime.timedelta(milliseconds=_number(r))),
    "decimal": lambda db, r: _set(db, "users", 1.5, balance=Decimal128(f"{_number(r)}.0")),
    "kind": _kind,
    "bytes": lambda db, r: _set(db, "kinds", KINDS["_id"], bytes=r.randbytes(20)),
    "order of fields": _order,
    "deleted": _deleted,
    "order of capped": _again,
    "label": lambda db, r: str(db.labels.insert_one({"_id": f"L{_number(r)}"}).inserted_id),
    "index": _index,
    "validator": _validator,
    "collection": _collection,
    "view": _view,
    "another view": _other_view,
    "renamed": _renamed,
    "long": lambda db, r: _set(db, "kinds", KINDS["_id"], long=f"{'y' * 70000}{_number(r)}"),
}
