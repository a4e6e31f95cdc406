"""Snapshots that were made elsewhere, and lines that are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.base import Purpose
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.etcd import contents
from dysnomia_plugins.types.etcd.dump import ARTEFACT
from dysnomia_plugins.types.etcd.plugin import EtcdDatabase
from dysnomia_plugins.types.etcd.records import (
    begins_with_key,
    folder_of,
    of_line,
    of_shown,
    section_of,
    shown,
    to_line,
)
from dysnomia_store.sink import ContentSink
from tests.plugins.conformance.bare import Bare, BareDraft, component, stored_of
from tests.plugins.etcd.site import site

GOOD = to_line(b"users/1", b"anna")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        b'{"key":"a"}',
        b'{"key":"a","value":1}',
        b'{"key":"a","value":"b","lease":"1"}',
        b'{"key":["a"],"value":"b"}',
        b'{"key64":"not base64!","value":"b"}',
        b'{"key":"a","value64":"AA="}',
        b'{"key":"\\ud800","value":"b"}',
        b"[" * 100_000,
        b'{"key":"a","value":"\xff"}',
    ],
)
def test_what_is_no_line_is_refused(tmp_path: Path, line: bytes) -> None:
    bare = Bare(EtcdDatabase(), tmp_path, component(tmp_path / "component"))
    stored = stored_of(tmp_path, ARTEFACT, GOOD + b"\n" + line + b"\n")
    draft = tmp_path / "draft"
    draft.mkdir()
    sink: ContentSink
    with pytest.raises(PluginError, match="is not a key and its value"), BareDraft(draft).artefact(ARTEFACT) as sink:
        contents.rescan(bare.context(), stored, sink)


def _rescanned(tmp_path: Path, dump: bytes) -> BareDraft:
    bare = Bare(EtcdDatabase(), tmp_path, component(tmp_path / "component"))
    folder = tmp_path / "draft"
    folder.mkdir()
    draft = BareDraft(folder)
    with draft.artefact(ARTEFACT) as sink:
        contents.rescan(bare.context(), stored_of(tmp_path, ARTEFACT, dump), sink)
    return draft


def test_a_rescan_finds_the_sections_again(tmp_path: Path) -> None:
    lines = [to_line(key, b"v") for key in (b"a/1", b"a/2", b"b/x/y", b"loose", b"z")]
    draft = _rescanned(tmp_path, b"\n".join(lines) + b"\n")
    assert [(one.name, one.rows) for one in draft.sections] == [("a/", 2), ("b/", 1), (".", 2)]
    assert draft.result is not None
    assert draft.result.content_size == sum(len(line) + 1 for line in lines)


@pytest.mark.parametrize(
    "keys", [[b"a/2", b"a/1"], [b"a/1", b"a/1"], [b"a/1", b"b/1", b"a/2"], [b"b", b"a"], [b"loose", b"a/1"]]
)
def test_keys_out_of_order_or_twice_are_refused(tmp_path: Path, keys: list[bytes]) -> None:
    with pytest.raises(PluginError, match="not in the order of keys"):
        _rescanned(tmp_path, b"".join(to_line(key, b"v") + b"\n" for key in keys))


@pytest.mark.parametrize("line", [b'{"key": "a","value":"b"}', b'{"key64":"YQ==","value":"b"}'])
def test_lines_that_are_written_otherwise_are_refused(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(PluginError, match="written in another way"):
        _rescanned(tmp_path, line + b"\n")


@pytest.mark.server
def test_an_index_that_says_otherwise_than_the_keys_is_not_loaded(tmp_path: Path) -> None:
    with site(tmp_path / "site") as here:
        here.server.put({b"/app/a/1": b"live", b"/app/a/2": b"live"})
        stored = here.dump()
        section = stored._sections[0]
        for wrong, words in (
            (replace(section, name="b/"), "is not one of 'b/'"),
            (replace(section, rows=3), "has 2 keys, not 3"),
            (replace(section, length=(section.length or 0) - 2), "is not a key and its value"),
        ):
            stored._sections = (wrong,)
            ctx = here.context()
            with pytest.raises(PluginError, match=words):
                here.plugin.load(ctx, stored, here.plugin.place(ctx, Purpose.BESIDE))
            here.plugin.drop(ctx, here.plugin.place(ctx, Purpose.BESIDE))
        assert here.server.pairs(b"/app/") == {b"a/1": b"live", b"a/2": b"live"}


@given(st.binary(), st.binary())
def test_every_key_and_value_is_a_line_and_back(key: bytes, value: bytes) -> None:
    line = to_line(key, value)
    assert b"\n" not in line
    assert of_line(line) == (key, value)
    assert line.startswith(begins_with_key(key))
    assert to_line(*of_line(line)) == line


@given(st.binary(), st.binary())
def test_what_is_shown_means_one_key(one: bytes, other: bytes) -> None:
    assert of_shown(shown(one)) == one
    assert (shown(one) == shown(other)) == (one == other)


@given(st.lists(st.binary(min_size=1, max_size=5).map(lambda key: key.replace(b"\x01", b"/")), unique=True))
def test_sections_do_not_lie_within_each_other(keys: list[bytes]) -> None:
    names = [section_of(folder_of(key)) for key in sorted(keys) if folder_of(key)]
    runs = [name for at, name in enumerate(names) if not at or names[at - 1] != name]
    assert len(runs) == len(set(runs))
