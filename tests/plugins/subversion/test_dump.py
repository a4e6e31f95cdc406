"""Dumps, lock files and lists as they are read: whatever they hold, all of it, and nothing that is none."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.errors import PluginError, Truncated
from dysnomia_plugins.types.subversion.dumpfile import BadDump, DumpReader, Revision, read_hash, write_hash
from dysnomia_plugins.types.subversion.locks import Lock, line_of, lock_of, read_locks, write_locks

HEAD = b"SVN-fs-dump-format-version: 2\n\nUUID: 11111111-2222-3333-4444-555555555555\n\n"

Properties = dict[bytes, bytes]
Node = tuple[bytes, bytes]
Commit = tuple[Properties, list[Node]]

names = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=20).map(str.encode)
properties = st.dictionaries(names, st.binary(max_size=60), max_size=4)
commits = st.lists(st.tuples(properties, st.lists(st.tuples(names, st.binary(max_size=300)), max_size=4)), max_size=5)


def block(values: Properties) -> bytes:
    lines = [b"K %d\n%b\nV %d\n%b\n" % (len(name), name, len(value), value) for name, value in values.items()]
    return b"".join(lines) + b"PROPS-END\n"


def revision(number: int, values: Properties, nodes: list[Node]) -> bytes:
    props = block(values)
    made = b"Revision-number: %d\nProp-content-length: %d\nContent-length: %d\n\n%b\n"
    parts = [made % (number, len(props), len(props), props)]
    for path, text in nodes:
        head = (
            b"Node-path: %b\nNode-kind: file\nNode-action: add\nText-content-length: %d\nContent-length: %d\n\n%b\n\n"
        )
        parts.append(head % (path, len(text), len(text), text))
    return b"".join(parts)


def dump_of(commits: list[Commit], first: int = 0) -> bytes:
    return HEAD + b"".join(revision(first + at, *one) for at, one in enumerate(commits))


def read(data: bytes, *, pad: bool = False) -> tuple[bytes, list[Revision]]:
    out = bytearray()
    found = list(DumpReader(io.BytesIO(data), pad=pad).revisions(out.extend))
    return bytes(out), found


@given(commits.filter(bool))
def test_every_byte_is_handed_on_and_every_revision_told(made: list[Commit]) -> None:
    data = dump_of(made)
    out, found = read(data)
    assert out == data
    assert [one.number for one in found] == list(range(len(made)))
    assert [dict(one.properties) for one in found] == [values for values, _ in made]
    assert [one.changes for one in found] == [len(nodes) for _, nodes in made]


@given(commits.filter(bool), st.data())
def test_a_dump_that_is_cut_is_truncated_or_ends_after_a_revision(made: list[Commit], data: st.DataObject) -> None:
    whole = dump_of(made)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    _, all_of_it = read(whole)
    try:
        _, found = read(cut)
    except (Truncated, BadDump):
        return
    rows = [one.row() for one in all_of_it]
    assert [one.row() for one in found[:-1]] == rows[: len(found) - 1], "only the last may lack some of its paths"


@given(st.binary(max_size=400), st.integers(0, 200))
def test_garbage_is_refused_and_never_taken_for_a_dump(garbage: bytes, at: int) -> None:
    whole = dump_of([({b"svn:log": b"one"}, [(b"a", b"text")])])
    for data in (garbage, whole[:at] + garbage + whole[at:]):
        try:
            read(data)
        except PluginError:
            continue


def test_the_digest_of_a_revision_is_of_all_of_it_in_whatever_order_its_paths_stand() -> None:
    nodes: list[Node] = [(b"a", b"1"), (b"b", b"2")]
    log = {b"svn:log": b"x" * 5000}

    def digest(values: Properties, nodes: list[Node]) -> str:
        return read(dump_of([(values, nodes)]))[1][0].digest

    assert digest(log, nodes) == digest(log, nodes[::-1])
    others = [
        digest(log, nodes[:1]), digest(log, [*nodes, nodes[0]]), digest(log, [(b"a", b"2"), (b"b", b"1")]),
        digest({b"svn:log": b"x" * 4999 + b"y"}, nodes), digest({**log, b"other": b""}, nodes),
    ]  # fmt: skip
    assert len({digest(log, nodes), *others}) == 6


def test_one_revision_alone_keeps_its_number_behind_empty_ones() -> None:
    data = dump_of([({b"svn:log": b"five"}, [(b"a", b"")])], first=5)
    out, found = read(data, pad=True)
    assert [one.number for one in found] == [5]
    _, again = read(out)
    assert [one.number for one in again] == [0, 1, 2, 3, 4, 5]
    assert [one.padding for one in again] == [True] * 5 + [False]
    assert again[-1].row() == found[0].row()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello\n",
        b"SVN-fs-dump-format-version: 9\n\n",
        HEAD + b"Node-path: a\n\n",
        HEAD + b"Revision-number: 1\nContent-length: 0\n\nRevision-number: 1\nContent-length: 0\n\n",
        HEAD + b"Revision-number: x\nContent-length: 0\n\n",
        HEAD + b"Revision-number: 1\nProp-content-length: 99999999999\nContent-length: 99999999999\n\n",
        HEAD + b"Revision-number: 1\nProp-content-length: 14\nContent-length: 14\n\nK 99\na\nV 1\nb\n",
        HEAD + b"Surprise: 1\n\n",
    ],
)
def test_what_no_honest_program_wrote_is_refused(data: bytes) -> None:
    with pytest.raises(PluginError):
        read(data)


texts = st.text(st.characters(codec="utf-8"), max_size=40)


@given(st.dictionaries(texts, texts, max_size=6))
def test_subversions_own_small_files_are_read_as_they_are_written(values: dict[str, str]) -> None:
    assert read_hash(write_hash(values)) == values


@pytest.mark.parametrize("path", ["", "a", "/", "//a", "/a/../b", "/a/", "/./a", "/a//b"])
def test_a_lock_of_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(BadDump):
        lock_of(line_of({"path": path, "token": "t"}))


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b'{"path":"/a"}\n', b'{"path":"/a","token":1}\n', b"\xff\n"])
def test_a_line_that_is_no_lock_is_refused(line: bytes) -> None:
    with pytest.raises(BadDump):
        lock_of(line)


def test_locks_are_written_as_they_are_read(tmp_path: Path) -> None:
    locks: list[Lock] = [
        {
            "path": "/a/b",
            "token": "opaquelocktoken:1",
            "owner": "alice",
            "comment": "two\nlines",
            "is_dav_comment": "0",
        },
        {"path": "/a/tschüß", "token": "opaquelocktoken:2", "owner": "", "creation_date": "2026-01-01T00:00:00.0Z"},
    ]
    (tmp_path / "db").mkdir()
    assert write_locks(tmp_path, locks) == 2
    assert read_locks(tmp_path) == locks
    assert [lock_of(line_of(lock)) for lock in locks] == locks


def test_a_damaged_lock_is_named_and_not_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "db/locks/abc"
    folder.mkdir(parents=True)
    (folder / "abcd").write_bytes(b"K 4\npath\nV 900\n/a\nEND\n")
    with pytest.raises(PluginError, match="abcd is damaged"):
        read_locks(tmp_path)
