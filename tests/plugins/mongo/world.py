"""The conformance world of MongoDB: one database of a double, read and changed with PyMongo."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Any

import bson
from bson import json_util
from bson.raw_bson import RawBSONDocument

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.mongo.names import is_ours
from dysnomia_plugins.types.mongo.plugin import MongoDatabase
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.mongo.changes import CASELESS, CHANGES, NAME, USERS, fill
from tests.plugins.servers.mongo import ROOT, ROOT_PASSWORD, ROOT_USER, MongoDouble

WRITER = """
import os, sys
from pymongo import MongoClient
from pymongo.errors import PyMongoError
user, password, port, log = sys.stdin.read().split("\\n")
account = {"username": user, "password": password} if user else {}
client = MongoClient("127.0.0.1", int(port), directConnection=True, retryWrites=False, **account)
number = 0
with open(log, "a") as out:
    while True:
        number += 1
        try:
            client.app.log.insert_one({"_id": number})
        except PyMongoError:
            continue
        out.write(f"{number}\\n")
        out.flush()
"""
RAW: bson.CodecOptions[Any] = bson.CodecOptions(RawBSONDocument)


class MongoWriter(ProgramWriter):
    """A number is logged when the server has acknowledged it."""

    def __init__(self, server: MongoDouble, log: Path) -> None:
        account = (ROOT_USER, ROOT_PASSWORD) if server.auth else ("", "")
        super().__init__(
            log, [sys.executable, "-c", WRITER], env={"PYTHONPATH": str(ROOT), "PATH": os.defpath},
            stdin="\n".join((*account, str(server.port), str(log))),
        )  # fmt: skip


class MongoWorld(World):
    """A double of its own, with another database beside."""

    def __init__(self, folder: Path, server: MongoDouble | None = None) -> None:
        self.plugin = MongoDatabase()
        self.folder = folder
        self.server = server or MongoDouble()
        path = folder / "component"
        initial(path / "mongo-databases")
        self.component = Component(ComponentKey.of("mongo", NAME), path, dict(self.server.properties))
        try:
            self.server.__enter__()
            self.client = self.server.client()
            self.db = self.client[NAME]
            self.client["another-one"].things.insert_one({"_id": 5})
        except BaseException:
            self.server.remove()
            raise

    def close(self) -> None:
        self.client.close()
        self.server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def seed(self) -> None:
        fill(self.db)

    def whole(self, place: Place | None = None) -> object:
        """Options, indexes and documents of all collections; of one that is capped in its order."""
        db = self.client.get_database(place.name if place else NAME, codec_options=RAW)
        named = ((str(one["name"]), one) for one in db.list_collections())
        infos = [one for name, one in named if not name.startswith("system.") and not is_ours(name)]
        return {one["name"]: self._one(db, one) for one in infos} or None

    def _one(self, db: Any, info: Any) -> object:
        options = info["options"]
        if info["type"] == "view":
            return _text(options)
        indexes = sorted(_text(dict(one)) for one in db[info["name"]].list_indexes())
        documents = [bytes(one.raw) for one in db[info["name"]].find({}, sort=[("$natural", 1)])]
        return _text(options), indexes, documents if options.get("capped") else sorted(documents)

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        return f"{name}: {CHANGES[name](self.db, random)}"

    def touch(self) -> str:
        """Documents in another order, another UUID, indexes made anew, another database."""
        users = list(self.db.users.find({}))
        indexes = [one for one in self.db.users.list_indexes() if one["name"] != "_id_"]
        options = next(one["options"] for one in self.db.list_collections() if one["name"] == "users")
        self.db.users.drop()
        self.db.create_collection("users", **options)
        self.db.users.insert_many(reversed(users))
        self.db.command({"createIndexes": "users", "indexes": [dict(one) for one in reversed(indexes)]})
        self.db.kinds.insert_one({"_id": "passing"})
        self.db.kinds.delete_one({"_id": "passing"})
        self.client["another-one"].things.delete_many({})
        return "a collection made anew with its documents in another order"

    def grow(self, size: int) -> None:
        random = Random(1)
        each = 1 << 15
        for number in range((size >> 20) + 1):
            texts = [random.randbytes(each // 2).hex() for _ in range(32)]
            self.db.big.insert_many([{"_id": number * 32 + at, "text": text} for at, text in enumerate(texts)])

    def some_sections(self) -> tuple[str, ...]:
        return ("collection:users", "collection:labels")

    def part(self, place: Place | None = None) -> object:
        whole = self.whole(place)
        assert isinstance(whole, dict)
        return {name: whole[name] for name in ("users", "labels")}

    def spoil(self, place: Place) -> None:
        database, _, prefix = place.name.partition(".")
        name = f"{prefix}.kinds" if prefix else "kinds"
        self.client[database][name].update_one({}, {"$set": {"spoiled": True}})

    def writer(self, log: Path) -> Writer:
        return MongoWriter(self.server, log)

    def written(self, place: Place | None = None) -> set[int]:
        db = self.client[place.name if place else NAME]
        names = [name for name in db.list_collection_names() if name.startswith("log")]
        return {int(one["_id"]) for name in names for one in db[name].find({})}

    def unreachable(self) -> AbstractContextManager[None]:
        return self.server.away()


def _text(value: object) -> str:
    return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS, sort_keys=True)


def initial(folder: Path) -> None:
    """An initial state as files of ``mongodump``."""
    folder.mkdir(parents=True)
    definition = {
        "options": {"collation": CASELESS},
        "indexes": [
            {"v": 2, "key": {"_id": 1}, "name": "_id_", "collation": CASELESS},
            {"v": 2, "unique": True, "key": {"mail": 1}, "name": "mail_1"},
        ],
        "uuid": "0" * 32, "collectionName": "users", "type": "collection",
    }  # fmt: skip
    text = json_util.dumps(definition, json_options=json_util.CANONICAL_JSON_OPTIONS)
    (folder / "users.metadata.json").write_text(text)
    (folder / "users.bson").write_bytes(b"".join(bson.encode(one) for one in USERS))
