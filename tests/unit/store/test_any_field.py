"""Any one field of any record of the store replaced by any JSON value: no traceback, and nothing else is hidden."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dysnomia_store.archive import format as archive_format
from dysnomia_store.archive.write import describe
from dysnomia_store.content import footer
from dysnomia_store.content.index import Index, decode
from dysnomia_store.errors import NameRejected, Refused, StoreError
from dysnomia_store.model import Check, CheckResult, Form, Marks, Pin, Section, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import Policy
from dysnomia_store.store import Store
from tests.any_json import Place, places, replaced, values, written
from tests.thorough import often
from tests.unit.store.shop import HOUR, KEY, START, Shop, rows

OTHER = ComponentKey("databases", "crm")


class World(NamedTuple):
    """A store, the places of its records, and what two components answer while all is well."""

    root: Path
    places: list[tuple[Path, int, Place]]
    mine: dict[str, Any]
    others: dict[str, Any]

    def __repr__(self) -> str:
        return "the store"


KINDS = ("metadata", "history", "marks", "checks", "trash", "store.json", "locks")


def fill(root: Path) -> Shop:
    """A store with every kind of record in it."""
    shop = Shop(root)
    for count in (10, 20, 30, 40, 40):  # the last is seen again
        shop.commit(rows(count))
        shop.commit(rows(count, "crm"), key=OTHER)
    pins = (Pin("why", "alice", START, None, ""), Pin("guard", "", START, START, "7"))
    shop.store.mark(KEY, 2, Marks(pins, Verdict.GOOD, ("t",), "n"), who="alice")
    shop.store.record_check(KEY, shop.ids()[2], Check(START, "bytes", CheckResult.OK, "", "7"))
    shop.collect(Policy(last=3), grace=10 * 86400.0)
    return shop


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.suffix == ".jsonl" else [path.read_bytes()]


def records_of(root: Path) -> list[tuple[Path, int, Place]]:
    """Every place of every record: the file, the line, the place in it."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.relative_to(root).parts[0] not in KINDS:
            continue
        if path.suffix not in (".json", ".jsonl") and "locks" not in path.parts:
            continue
        for number, line in enumerate(lines_of(path)):
            if line.strip():
                found += [(path, number, at) for at in places(json.loads(line))]
    return found


def calls(store: Store, key: ComponentKey) -> dict[str, Callable[[], Any]]:
    """What anybody asks of a component."""
    ids = {number: snapshot_id for _, number, snapshot_id in store.all_generations(key.container, key.component)}
    return {
        "generations": lambda: [one.number for one in store.generations(key)],
        "records": lambda: store.generations(key),
        "summary": lambda: store.summary(key),
        "before": lambda: store.newest_good_before(key, START),
        "check": lambda: [store.check(key, snapshot_id).result for snapshot_id in ids.values()],
        "checks": lambda: [store.checks(key, snapshot_id) for snapshot_id in ids.values()],
        "seen": lambda: [store.seen(key, number) for number in ids],
        "content": lambda: [_content(store, key, snapshot_id) for snapshot_id in ids.values()],
        "collection": lambda: store.plan_gc([key], lambda _: Policy(last=1)).lines,
        "holder": lambda: str(store.holder(key)),
    }


def _content(store: Store, key: ComponentKey, snapshot_id: str) -> bytes:
    with store.stored(key, snapshot_id).open() as stream:
        return stream.read()


def ask(root: Path, key: ComponentKey) -> dict[str, Any]:
    """The answers; an error of ours is one. Anything else ends the test."""
    try:
        store = Store(root, clock=lambda: START)
    except StoreError as error:
        return {"opening": error}
    try:
        answers: dict[str, Any] = {}
        for name, call in calls(store, key).items():
            try:
                answers[name] = call()
            except StoreError as error:
                answers[name] = error
        answers["trash"] = [entry.name for entry in store.trash()]
        answers["strange"] = store.strange()
        return answers
    finally:
        store.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("any") / "state"
    fill(root)
    yield World(root, records_of(root), ask(root, KEY), ask(root, OTHER))
    shutil.rmtree(root)


def test_the_world_holds_every_kind_of_record(world: World) -> None:
    root, records, mine, others = world
    assert {path.relative_to(root).parts[0] for path, _, _ in records} == set(KINDS)
    assert "seen.jsonl" in {path.name for path, _, _ in records}
    for answers in (mine, others):
        assert not [answer for answer in answers.values() if isinstance(answer, StoreError)]
    assert mine["strange"] == ()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=often(120, 30))
@given(st.data())
def test_any_field_of_any_record(world: World, data: st.DataObject) -> None:
    root, records, mine, others = world
    path, number, at = data.draw(st.sampled_from(records))
    value = data.draw(values)
    before = path.read_bytes()
    lines = lines_of(path)
    lines[number] = written(replaced(json.loads(lines[number]), at, value)) + b"\n"
    path.write_bytes(b"".join(lines))
    shutil.rmtree(root / "cache", ignore_errors=True)
    try:
        now_mine, now_others = ask(root, KEY), ask(root, OTHER)
        if "opening" in now_mine:
            assert path.name == "store.json"
            return
        mine_hurt = KEY.component in path.parts
        whole, whole_before = (now_others, others) if mine_hurt else (now_mine, mine)
        if "trash" not in path.parts and path.name != "store.json":
            untouched = {name for name in whole if name not in ("trash", "strange")}
            assert {name: whole[name] for name in untouched} == {name: whole_before[name] for name in untouched}
            assert now_mine["generations"] == mine["generations"]
            assert now_others["generations"] == others["generations"]
    finally:
        path.write_bytes(before)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=often(20, 8))
@given(st.data())
def test_writers_go_on_beside_it(world: World, data: st.DataObject) -> None:
    """Writers of the component whose record it is may be refused; those of another never."""
    original, records, _, _ = world
    root = original.with_name("copy")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(original, root, symlinks=True, ignore=shutil.ignore_patterns("cache"))
    path, number, at = data.draw(st.sampled_from(records))
    path = root / path.relative_to(original)
    lines = lines_of(path)
    lines[number] = written(replaced(json.loads(lines[number]), at, data.draw(values))) + b"\n"
    path.write_bytes(b"".join(lines))
    pinned = Path(root / "marks" / KEY.container / KEY.component / "copies")
    try:
        shop = Shop(root, now=START + 100 * HOUR)
    except StoreError:
        assert path.name == "store.json"
        return
    for key in (KEY, OTHER):
        try:
            shop.commit(rows(50), key=key)
            shop.store.update_marks(key, 5, lambda said: said, who="bob")
            shop.collect(Policy(last=1))
            list(shop.store.sweep(alive=lambda job: False))
            shop.store.empty_trash()
        except StoreError:
            assert key.component in path.parts
    if path.is_relative_to(pinned.parent):
        assert list(pinned.iterdir()), "the copy of what may be pinned is gone"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=often(60, 15))
@given(value=values, name=st.sampled_from(["who", "job", "doing", "pid", "since"]))
def test_who_holds_a_lock(world: World, value: Any, name: str) -> None:
    root = world[0]
    path = root / "locks" / KEY.container / KEY.component
    before = path.read_bytes()
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        path.write_bytes(written(json.loads(before) | {name: value}))
        assert Store(root).holder(KEY) is not None
    finally:
        os.close(descriptor)
        path.write_bytes(before)


# --- what the bytes of a snapshot say of themselves -----------------------------------------------------------------


def with_footer(path: Path, target: Path, read: Callable[[BinaryIO, Path], Any], change: Callable[[Any], Any]) -> None:
    with path.open("rb", buffering=0) as file:
        found = read(cast(BinaryIO, file), path)
    about, start = found
    target.write_bytes(path.read_bytes()[:start] + footer.encode(change(about)))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=often(80, 20))
@given(data=st.data(), value=values)
def test_the_footer_of_an_artefact(world: World, data: st.DataObject, value: Any) -> None:
    from dysnomia_store.content.artefact_reader import ArtefactReader

    root = world[0]
    path = next((root / "snapshots" / KEY.container / KEY.component).glob("*/*.zst"))
    target = root.parent / path.name

    def change(about: Any) -> Any:
        return replaced(about, data.draw(st.sampled_from(list(places(about)))), value)

    with_footer(path, target, footer.artefact, change)
    try:
        ArtefactReader(target).verify()
    except StoreError:
        pass


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=often(80, 20))
@given(data=st.data(), value=values)
def test_the_footer_of_a_contents_index(world: World, data: st.DataObject, value: Any) -> None:
    root = world[0]
    path = next((root / "metadata" / KEY.container / KEY.component).glob("*.index.zst"))
    target = root.parent / "index.zst"

    def change(about: Any) -> Any:
        return replaced(about, data.draw(st.sampled_from(list(places(about)))), value)

    with_footer(path, target, footer.contents, change)
    try:
        with Index(target) as index:
            len(index)
            list(index.sections())
            list(index.lines(1, 2))
    except StoreError:
        pass


@settings(deadline=None)
@given(data=st.data(), value=values)
def test_a_line_of_a_contents_index(data: st.DataObject, value: Any) -> None:
    from dysnomia_store.content.index import encode

    line = json.loads(encode(Section("table", "t", Form.ROWS, 5, "d", 1, 0, 5, "a", ("x",), ("x",), {"k": "v"})))
    changed = replaced(line, data.draw(st.sampled_from(list(places(line)))), value)
    try:
        section = decode(written(changed))
    except ValueError:
        return
    assert decode(encode(section)) == section


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=often(100, 25))
@given(data=st.data(), value=values)
def test_the_record_of_an_archive(world: World, data: st.DataObject, value: Any) -> None:
    store = Store(world[0])
    generations = {KEY: store.generations(KEY)}
    record = json.loads(archive_format.dump(describe(store._workspace, generations, "db1")))
    changed = replaced(record, data.draw(st.sampled_from(list(places(record)))), value)
    try:
        archive_format.load(written(changed), "a.tar")
    except (Refused, NameRejected):
        pass
