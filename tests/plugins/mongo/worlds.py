"""Servers as nobody here would set them up: the other worlds of MongoDB's conformance suite."""

from __future__ import annotations

from pathlib import Path

import bson
import pytest

from tests.plugins.mongo.world import MongoWorld
from tests.plugins.servers.mongo import MongoDouble

ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "Asia/Kathmandu",
    "MONGODB_URI": "mongodb://192.0.2.1/",
    "HTTP_PROXY": "http://192.0.2.1:1",
    "ALL_PROXY": "http://192.0.2.1:1",
}


class HostileWorld(MongoWorld):
    """An account is asked for, it is a member of a replica set, and the environment means another server."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        super().__init__(folder, MongoDouble(replica_set="rs0", auth=True))


class WideWorld(MongoWorld):
    """Many documents, many collections, names that are hard to write, the largest document."""

    def seed(self) -> None:
        super().seed()
        names = ("1", "ünï✓😀", "a b", "-x", "x" * 120, "per%cent", "quo'te", 'quo"te', "tab\there", "a\\b", "*", "CON")
        for number, name in enumerate(names):
            self.db[name].insert_one({"_id": number})
        self.db.many.insert_many([{"_id": number, "v": "x" * (number % 50)} for number in range(5000)])
        self.db.largest.insert_one({"_id": 1, "v": "x" * ((16 << 20) - len(bson.encode({"_id": 1, "v": ""})))})
        for number in range(60):
            self.db[f"c{number}"].create_index([("a", 1)], name=f"i{number}")


class UpdatedWorld(MongoWorld):
    """After a tenth of many documents was written again, and a tenth deleted, with the largest keys first."""

    def seed(self) -> None:
        super().seed()
        self.db.many.insert_many([{"_id": 3000 - number, "v": number} for number in range(3000)])
        self.db.many.delete_many({"v": {"$gte": 300, "$lt": 600}})
        self.db.many.update_many({"v": {"$gte": 600, "$lt": 900}}, {"$set": {"w": 1}})
        self.db.many.insert_many([{"_id": 2700 - number, "again": True} for number in range(100)])
