"""Servers as nobody here would set them up: the other worlds of MongoDB's conformance suite, on the double."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from tests.plugins.mongo.changes import NAME
from tests.plugins.mongo.world import MongoWorld
from tests.plugins.mongo.zoo import zoo
from tests.plugins.servers.mongo import MongoDouble

ENVIRONMENT = {
    "LC_ALL": "C",
    "LANG": "de_DE.ISO-8859-1",
    "TZ": "Asia/Kathmandu",
    "HTTP_PROXY": "http://192.0.2.1:1",
    "ALL_PROXY": "socks5://192.0.2.1:1",
    "MONGODB_URI": "mongodb://192.0.2.1",
    "SSL_CERT_FILE": "/nowhere",
}
"""Of whoever starts a job: none of it may be seen in a snapshot."""
COPIES = ("earlier", "part", "copy", "undone", *(f"guard{number}" for number in range(10)))
"""What the cases call the copies that they make: an account has rights on databases that it names."""


class HostileWorld(MongoWorld):
    """A member of a replica set with accounts; collections that look like a job's; what holds documents back."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        super().__init__(folder, MongoDouble(replica_set="rs/with:colon", auth=True))
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)

    def seed(self) -> None:
        super().seed()
        self.client[f"{NAME}2"].users.insert_one({"_id": 1})
        self.client[NAME.upper()].users.insert_one({"_id": 1})
        for name in ("dysnomia_notes", "dysnomia_0123_aside", "dysnomia", "oplog", "prelude", "systems", "a.system.b"):
            self.db[name].insert_one({"_id": name})
        strict = {"name": {"$regex": "^a", "$options": "i"}}
        self.db.create_collection("strict", validator=strict, validationAction="error")
        self.db.strict.insert_one({"_id": 1, "name": 5}, bypass_document_validation=True)
        long = "x" * 150
        self.db[long].insert_many([{"_id": number} for number in range(3)])
        self.db[f"{long}y"].insert_one({"_id": 1})
        self.db.expired.insert_one({"_id": 1, "at": datetime.datetime(2001, 1, 1)})
        self.db.expired.create_index("at", expireAfterSeconds=0)


class LeastPrivilegeWorld(MongoWorld):
    """The account has ``readWrite`` and ``dbAdmin`` on the database and on those of copies, and on no other."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, MongoDouble(auth=True, only=(NAME, *(self.copy_prefix + name for name in COPIES))))


class WideWorld(MongoWorld):
    """Every kind of collection, index, value and name."""

    def seed(self) -> None:
        super().seed()
        zoo(self.db)


class UpdatedWorld(MongoWorld):
    """After a tenth of many documents was changed and a tenth deleted, and collections were made anew and renamed."""

    def seed(self) -> None:
        super().seed()
        many = range(1000)
        self.db.many.insert_many([{"_id": number, "n": number % 7, "text": f"text {number}"} for number in many])
        self.db.many.create_index([("n", 1)], name="n")
        for number in many[3::10]:
            self.db.many.update_one({"_id": number}, {"$set": {"text": "again", "more": [number]}, "$unset": {"n": 1}})
        for number in many[5::10]:
            self.db.many.delete_one({"_id": number})
        self.db.many.insert_many([{"_id": number, "back": True} for number in many[5::20]])
        self.db.many.drop_index("n")
        self.db.many.create_index([("n", -1)], name="n")
        self.db.create_collection("passing", capped=True, size=4096, max=3)
        self.db.passing.insert_many([{"_id": number} for number in range(8)])
        self.db.many.rename("moved")
        self.db.many.insert_one({"_id": "new", "n": None})
        self.db.command({"collMod": "users", "validator": {"mail": {"$exists": True}}, "validationLevel": "moderate"})
        self.db.labels.drop()
        self.db.labels.insert_many([{"_id": "a"}, {"_id": "A"}])
