"""Files of a dump: what is written is read again, what is none is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import bson
import pytest
from bson import Regex
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_plugins.errors import NotSafe, PluginError, Truncated
from dysnomia_plugins.types.mongo import documents, source
from dysnomia_plugins.types.mongo.definitions import Definition, check_collection
from dysnomia_plugins.types.mongo.files import file_name, files_of
from dysnomia_plugins.types.mongo.names import check_database
from dysnomia_store.names import validate_name

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text("abcü", min_size=1, max_size=4), VALUES, max_size=5)


class Slow(io.BytesIO):
    """Gives less than it is asked for, as a pipe does."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 3) if size is not None and size > 0 else size)


@settings(max_examples=40, deadline=None)
@given(st.lists(DOCUMENTS, max_size=6))
def test_documents_are_read_as_they_were_written(values: list[dict[str, Any]]) -> None:
    written = [bson.encode(one) for one in values]
    assert list(documents.reading(Slow(b"".join(written)))) == written
    assert [one for batch in documents.batches(written) for one in batch] == written
    assert documents.split(b"".join(written)) == written


@settings(max_examples=40, deadline=None)
@given(st.lists(DOCUMENTS, min_size=1, max_size=4), st.data())
def test_what_is_cut_is_refused(values: list[dict[str, Any]], data: st.DataObject) -> None:
    written = [bson.encode(one) for one in values]
    ends = {sum(map(len, written[:number])) for number in range(len(written) + 1)}
    at = data.draw(st.integers(0, max(ends)).filter(lambda one: one not in ends))
    with pytest.raises(Truncated):
        list(documents.reading(io.BytesIO(b"".join(written)[:at])))


@settings(max_examples=40, deadline=None)
@given(st.lists(DOCUMENTS, max_size=5), st.randoms(use_true_random=False))
def test_a_multiset_knows_no_order(values: list[dict[str, Any]], random: Any) -> None:
    written = [bson.encode(one) for one in values]
    one, other, more = documents.Multiset(), documents.Multiset(), documents.Multiset()
    one.add(written)
    random.shuffle(written)
    other.add(written)
    more.add([*written, bson.encode({"x": 1})])
    assert one == other != more


@pytest.mark.parametrize(
    "data", [b"\x04\0\0\0\0", b"\xff\xff\xff\xff\0", b"\xff\xff\xff\x7f" + b"\0" * 40, b"\x06\0\0\0\0\1"]
)
def test_what_is_no_bson_is_refused(data: bytes) -> None:
    with pytest.raises(PluginError, match=r"not BSON|end within"):
        list(documents.reading(io.BytesIO(data)))


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=300))
def test_a_files_name_is_one_and_says_the_collections(name: str) -> None:
    made = file_name(name)
    assert validate_name(made + ".metadata.json", "artefact")
    (files,) = files_of([made + ".bson", made + ".metadata.json"])
    assert files.named == name or len(made) > 120 or not name.isprintable() or "\ud800" <= max(name) <= "\udfff"


def test_the_definition_leaves_out_what_is_no_state() -> None:
    key = {"v": 2, "key": {"b": 1, "a": -1}, "name": "b_1"}
    one = Definition.of("c", {"max": 5, "capped": True, "uuid": "x"}, [{**key, "ns": "d.c"}, {"key": {}, "name": "a"}])
    other = Definition.of("c", {"capped": True, "max": 5}, [{"key": {}, "name": "a"}, key])
    assert one.written() == other.written()
    assert Definition.read(one.written(), "c").written() == one.written()
    turned = {"v": 2, "key": {"a": -1, "b": 1}, "name": "b_1"}
    assert Definition.of("c", {}, [key]).written() != Definition.of("c", {}, [turned]).written()


@pytest.mark.parametrize(
    "expression", [{"$regex": "^a"}, {"$regex": "^a", "$options": "i"}, {"$regex": Regex("^a", "i")}, Regex("^a", "im"),
                   {"$in": [Regex("a")], "$not": {"$regex": "b"}}, {"$ref": "users", "$id": 1}],
)  # fmt: skip
def test_an_expression_is_read_as_it_was_written(expression: object) -> None:
    """``$regex`` is an operator of MongoDB's, and was a way to write a regular expression once."""
    one = Definition.of("c", {"validator": {"name": expression}}, ())
    again = Definition.read(one.written(), "c")
    assert again.written() == one.written()


def test_what_is_another_value_as_json_is_not_stored() -> None:
    one = Definition.of("c", {"viewOn": "b", "pipeline": [{"$set": {"a": {"$literal": {"$minKey": 1}}}}]}, ())
    with pytest.raises(PluginError, match="'c' hold what is another value as JSON"):
        one.readable()


def test_a_collection_may_be_called_oplog() -> None:
    """Only where it has no definition is the file of that name the dump's own."""
    (part,) = parts({"oplog.bson": bson.encode({"_id": 1}), "oplog.metadata.json": definition()})
    assert len(list(part.documents())) == 1
    assert parts({"oplog.bson": b""}) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"options": 5}', '{"indexes": [5]}', '{"indexes": [{"key": 5}]}', '{"collectionName": 5}',
             '{"collectionName": "system.users"}', '{"options": {"$numberInt": "x"}}', "[" * 100_000,
             '{"a": {"$oid": 5}}'],
)  # fmt: skip
def test_a_definition_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PluginError):
        Definition.read(text.encode(), "c") if text != '{"a": {"$oid": 5}}' else Definition.read(b"\xff", "c")


@pytest.mark.parametrize("name", ["", "a\0b", "system.users", "$cmd", "a$b", ".a", "a."])
def test_names_that_no_collection_has(name: str) -> None:
    with pytest.raises(PluginError):
        check_collection(name)


@pytest.mark.parametrize("name", ["", "admin", "local", "config", "a.b", "a b", "a/b", "a$", "x" * 64, "a\nb"])
def test_names_that_no_database_of_users_has(name: str) -> None:
    with pytest.raises(NotSafe):
        check_database(name)


def parts(files: dict[str, bytes]) -> list[source.Part]:
    @contextmanager
    def opener(name: str) -> Iterator[BinaryIO]:
        yield io.BytesIO(files[name])

    return source.parts(sorted(files), opener)


def definition(**also: Any) -> bytes:
    return json.dumps({"options": {}, "indexes": [], **also}).encode()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.bson": b""}, "no a.metadata.json"),
        ({"a.metadata.json": definition()}, "no file of the documents of a"),
        ({"a.bson.gz": b"", "a.metadata.json": definition()}, "a file 'a.bson.gz'"),
        ({"x/a.bson": b"", "y/a.metadata.json": definition()}, "several databases"),
        ({"a.bson": b"", "a.metadata.json": definition(options={"viewOn": "b"})}, "documents of the view a"),
        (
            {"a.bson": b"", "a.metadata.json": definition(collectionName="c"), "b.bson": b"",
             "b.metadata.json": definition(collectionName="c")},
            "the same collection",
        ),
    ],
)  # fmt: skip
def test_a_dump_that_is_not_one_is_refused(files: dict[str, bytes], said: str) -> None:
    with pytest.raises(PluginError, match=said):
        parts(files)


def test_what_a_dump_has_besides_is_passed_over() -> None:
    files = {"db/a.bson": bson.encode({"_id": 1}), "db/a.metadata.json": definition(), "db/prelude.json": b"{}",
             "db/system.profile.bson": b"", "db/system.profile.metadata.json": definition()}  # fmt: skip
    (part,) = parts(files)
    assert part.definition.name == "a"
    assert list(part.documents()) == [files["db/a.bson"]]
