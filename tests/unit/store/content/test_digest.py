"""The identity: the same state, the same digest; any change of state, another one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.content.digest import Digested, DigestSink
from dysnomia_store.model import Form, Section
from tests.unit.store.content.test_artefact import Kept

Part = tuple[str, bytes, Mapping[str, str]]


def digested(parts: list[Part]) -> tuple[Digested, list[Section]]:
    kept = Kept()
    sink = DigestSink(kept, "dump")
    for name, data, attributes in parts:
        if name:
            sink.begin_section("file", name, Form.BYTES, attributes=attributes)
        sink.write(data)
        if name:
            sink.end_section()
    return sink.close(), kept.sections


def digest(*parts: Part) -> str:
    return digested(list(parts))[0].digest


def test_bytes_that_move_from_one_section_to_the_next_are_another_state() -> None:
    assert digest(("a", b"12", {}), ("b", b"3", {})) != digest(("a", b"1", {}), ("b", b"23", {}))


def test_bytes_that_move_out_of_a_section_are_another_state() -> None:
    assert digest(("", b"1", {}), ("a", b"2", {})) != digest(("a", b"12", {}))
    assert digest(("a", b"2", {}), ("", b"1", {})) != digest(("a", b"2", {}), ("", b"", {}))


def test_names_kinds_and_attributes_are_state() -> None:
    assert digest(("a", b"1", {})) != digest(("b", b"1", {}))
    assert digest(("a", b"1", {"mode": "644"})) != digest(("a", b"1", {"mode": "640"}))
    assert digest(("a", b"1", {"mode": "644"})) != digest(("a", b"1", {}))


def test_the_order_in_which_attributes_are_told_is_not_state() -> None:
    assert digest(("a", b"1", {"mode": "644", "owner": "x"})) == digest(("a", b"1", {"owner": "x", "mode": "644"}))


def test_an_empty_section_is_state() -> None:
    assert digest(("a", b"", {})) != digest()


def test_content_cannot_pose_as_a_section() -> None:
    """Bytes that spell what the digest is made of make another digest than what they spell."""
    _, sections = digested([("a", b"1", {})])
    spelled = f'["file","a",[],"{sections[0].digest}"]\n'.encode()
    assert digest(("", spelled, {})) != digest(("a", b"1", {}))


def test_a_section_without_attributes_has_the_digest_of_its_bytes() -> None:
    _, sections = digested([("a", b"content", {})])
    assert sections[0].digest == hashlib.sha256(b"content").hexdigest()


def test_masked_bytes_are_stored_and_what_stands_for_them_is_digested() -> None:
    kept = Kept()
    sink = DigestSink(kept, "dump")
    sink.write_masked(b"\\restrict AbC\n", b"\\restrict\n")
    sink.begin_section("table", "t", Form.ROWS)
    sink.write(b"row\n")
    sink.end_section(1)
    result = sink.close()
    plain = DigestSink(Kept(), "dump")
    plain.write(b"\\restrict\n")
    plain.begin_section("table", "t", Form.ROWS)
    plain.write(b"row\n")
    plain.end_section(1)
    assert result.digest == plain.close().digest
    assert kept.sections[0].offset == len(b"\\restrict AbC\n")


def test_what_is_only_stored_is_no_state() -> None:
    first, second = DigestSink(Kept(), "d"), DigestSink(Kept(), "d")
    first.store_only(b"page")
    assert first.close().digest == second.close().digest
    assert first.close().content_size == 4


def test_a_section_that_is_only_digested_has_no_place() -> None:
    kept = Kept()
    sink = DigestSink(kept, "db")
    sink.store_only(b"pages")
    sink.begin_section("table", "t", Form.ROWS)
    sink.digest_only(b"typed row")
    sink.end_section(1, size=99)
    (section,) = kept.sections
    assert (section.offset, section.length, section.size) == (None, None, 99)


def test_what_becomes_known_later_is_told() -> None:
    kept = Kept()
    sink = DigestSink(kept, "d")
    sink.begin_section("table", "t", Form.ROWS)
    sink.describe_section(columns=("id", "v"), key=("id",))
    sink.end_section(0)
    sink.amend_section("table", "t", key=("v",))
    assert kept.sections[0].columns == ("id", "v")
    assert kept.sections[0].key == ("id",)
    assert kept.amended == [("table", "t", ("v",))]


def test_a_section_left_open_is_a_mistake() -> None:
    sink = DigestSink(Kept(), "d")
    with pytest.raises(ValueError, match="no section"):
        sink.describe_section(key=())
    sink.begin_section("table", "t", Form.ROWS)
    with pytest.raises(ValueError, match="has not ended"):
        sink.close()


attributes = st.dictionaries(st.sampled_from("xy"), st.text(max_size=2), max_size=2)
parts = st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.binary(max_size=4), attributes), max_size=4)


def normal(parts: list[Part]) -> list[Any]:
    """What two lists of parts must have in common to be the same state."""
    found: list[Any] = []
    for name, data, attributes in parts:
        if name:
            found.append((name, data, dict(attributes)))
        elif data and found and isinstance(found[-1], bytes):
            found[-1] += data
        elif data:
            found.append(data)
    return found


@given(parts, parts)
def test_two_states_share_a_digest_only_if_they_are_the_same(one: list[Part], two: list[Part]) -> None:
    assert (digest(*one) == digest(*two)) == (normal(one) == normal(two))
