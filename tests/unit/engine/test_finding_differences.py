"""The history of a row reads what differs between two generations, and finds what reading everything finds."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from dysnomia_plugins.base import Row, Stored
from dysnomia_plugins.toolkit.line_batches import in_lines
from dysnomia_plugins.toolkit.process import NeverCancelled
from dysnomia_plugins.types.sqlite import load
from dysnomia_plugins.types.sqlite.contents import Extracts
from dysnomia_store.model import Form, Generation, Section
from dysnomia_tui.engine import HistoryAsked, Machine
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.finding import history
from dysnomia_tui.engine.finding.history import Follower, Look, State
from dysnomia_tui.engine.records import HistoryLine
from tests.unit.engine.ledger import SHOP, Ledger, make_ledger
from tests.unit.store.shop import KEY, SMALL, Shop

# --- a type whose rows are lines --------------------------------------------------------------------------------------


class Keyed:
    """Rows that are lines, ``key value``; says how many bytes it read."""

    rows_by_line = True

    def __init__(self) -> None:
        self.read = 0

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        assert section.offset is not None
        assert section.length is not None
        with stored.open_range(section.artefact, section.offset, section.length) as stream:
            for batch in in_lines(iter(partial(stream.read, 4096), b"")):
                self.read += sum(map(len, batch))
                yield batch

    def parse_row(self, section: Section, raw: bytes) -> Row:
        key, _, value = raw.decode().partition(" ")
        return Row((key,), (key, value))


def look_of(shop: Shop, reader: Keyed, rows: dict[int, str]) -> tuple[Look, Section]:
    content = "".join(f"{key} {value}\n" for key, value in rows.items()).encode()
    stored = shop.store.stored(KEY, shop.commit(content).generation.id)
    section = replace(next(iter(stored.sections())), form=Form.ROWS, columns=("key", "value"), key=("key",))
    return Look(cast(Generation, None), Opened(reader, stored), ExitStack()), section


def state_of(rows: dict[int, str], key: int) -> State | None:
    return State(("key", "value"), (str(key), rows[key])) if key in rows else None


def altered(rows: dict[int, str], draw: random.Random) -> dict[int, str]:
    """Some changed, gone, come, and some moved to the end, as a table is written after an update."""
    result = dict(rows)
    for key in draw.sample(sorted(rows), 6):
        way = draw.randrange(4)
        value = result.pop(key)
        if way == 0:
            result = {one: draw.randbytes(20).hex() if one == key else text for one, text in rows.items()} | result
        elif way == 1:
            result[key] = value
        elif way == 2:
            result[key] = draw.randbytes(20).hex()
    return result | {100_000 + draw.randrange(1000): "new"}


@pytest.mark.parametrize("seed", range(6))
def test_a_row_is_what_the_older_generation_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(history, "WORTH", 1)
    draw, reader, shop = random.Random(seed), Keyed(), Shop(tmp_path, cutting=SMALL)
    now = {key: draw.randbytes(20).hex() for key in range(4000)}
    before = altered(now, draw)
    newer, new_section = look_of(shop, reader, now)
    older, section = look_of(shop, reader, before)
    name = section.kind, section.name
    for key in {
        *draw.sample(sorted(now), 10),
        *(now.keys() ^ before.keys()),
        *(k for k in now if now[k] != before.get(k)),
    }:
        newer.rows[name] = new_section, state_of(now, key)
        differing = history._beside(older, section, newer)
        assert differing is not None
        assert history._row_of_difference(*differing, state_of(now, key), (str(key),)) == state_of(before, key)


def test_little_is_read_where_little_differs(tmp_path: Path) -> None:
    reader, shop = Keyed(), Shop(tmp_path, cutting=SMALL)
    now = {key: os.urandom(20).hex() for key in range(8000)}
    newer, new_section = look_of(shop, reader, now)
    older, section = look_of(shop, reader, now | {4000: "as it was"})
    newer.rows[section.kind, section.name] = new_section, state_of(now, 1)
    differing = history._beside(older, section, newer)
    assert differing is not None
    assert history._row_of_difference(*differing, state_of(now, 1), ("1",)) == state_of(now, 1)
    assert reader.read < sum(map(len, now.values())) / 10


def test_where_much_differs_the_section_is_read_up_to_the_row(tmp_path: Path) -> None:
    reader, shop = Keyed(), Shop(tmp_path, cutting=SMALL)
    now = {key: os.urandom(20).hex() for key in range(8000)}
    newer, new_section = look_of(shop, reader, now)
    older, section = look_of(shop, reader, now | {key: os.urandom(20).hex() for key in range(2000, 8000)})
    newer.rows[section.kind, section.name] = new_section, state_of(now, 1)
    assert history._beside(older, section, newer) is None


def test_nothing_is_left_out_of_sections_that_are_not_laid_out_alike(tmp_path: Path) -> None:
    reader, shop = Keyed(), Shop(tmp_path, cutting=SMALL)
    now = dict.fromkeys(range(4000), "x" * 20)
    newer, new_section = look_of(shop, reader, now)
    older, section = look_of(shop, reader, now | {1: "other"})
    name = section.kind, section.name
    assert history._beside(older, section, newer) is None, "nothing was looked for in the newer one"
    for other in (
        replace(new_section, columns=("key", "text")),
        replace(new_section, attributes={"encoding": "latin1"}),
    ):
        newer.rows[name] = other, None
        assert history._beside(older, section, newer) is None


# --- SQLite, whose copies are changed ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """The shop, with some megabytes of letters that change here and there, and one generation that cannot be read."""
    ledger = make_ledger(tmp_path_factory.mktemp("ledger"))
    draw = random.Random(5)
    with closing(sqlite3.connect(ledger.database)) as db, db:
        db.execute("CREATE TABLE letters (id INTEGER PRIMARY KEY, text TEXT)")
        db.executemany("INSERT INTO letters VALUES (?, ?)", ((id_, draw.randbytes(500).hex()) for id_ in range(4000)))
    ledger.snapshot(SHOP)
    ledger.step("UPDATE letters SET text = 'second' WHERE id = 7")
    ledger.step("UPDATE customers SET city = 'Bern' WHERE id = 1")
    ledger.step("DELETE FROM letters WHERE id BETWEEN 100 AND 2000; UPDATE letters SET text = 'third' WHERE id = 7")
    broken = ledger.step("UPDATE letters SET text = 'fourth' WHERE id = 3999")
    ledger.step("INSERT INTO letters VALUES (100, 'again'); VACUUM")
    ledger.step("DELETE FROM letters WHERE id = 7")
    folder = ledger.chronicle.store.stored(SHOP, ledger.chronicle.store.generation(SHOP, broken).id).folder
    frame = max(folder.rglob("0*"), key=lambda path: path.stat().st_size)
    frame.chmod(0o600)
    frame.unlink()
    return ledger


def lines(ledger: Ledger, asked: HistoryAsked, scratch: Path) -> tuple[list[HistoryLine], list[str]]:
    notes: list[str] = []
    follower = Follower(Machine(ledger.settings), SHOP, asked, scratch, lambda *_: None, notes.append)
    return list(follower.lines()), notes


@pytest.mark.parametrize("text", ["7", "100", "1500", "3999", "1", "12345"])
def test_a_copy_that_is_changed_tells_what_one_that_is_made_anew_tells(
    grown: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    rewritten: list[int] = []
    rewrite = load.rewrite

    def noted(stored: Stored, path: Path, parts: Sequence[tuple[int, int]], size: int) -> None:
        rewritten.append(sum(length for _, length in parts))
        rewrite(stored, path, parts, size)
        whole = path.with_name("whole")
        load.write_out(stored, whole, NeverCancelled())
        assert path.read_bytes() == whole.read_bytes()
        whole.unlink()

    with monkeypatch.context() as patch:
        patch.setattr("dysnomia_plugins.types.sqlite.contents.rewrite", noted)
        changed = lines(grown, HistoryAsked(text), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(history, "_hand_on", lambda *_: None)
        anew = lines(grown, HistoryAsked(text), tmp_path)
    assert changed == anew
    assert len(changed[1]) == 1, "the generation that cannot be read is left out, and said"
    assert rewritten
    assert min(rewritten) < 2_000_000


def test_a_copy_goes_with_what_it_is_of(grown: Ledger) -> None:
    store = grown.chronicle.store
    one, other = (store.stored(SHOP, store.generation(SHOP, number).id) for number in (7, 8))
    extracts = Extracts()
    extracts.change(other, one, [(0, 10)], 10)
    path = extracts.path(one)
    extracts.change(other, one, [], path.stat().st_size)
    assert extracts.path(other) == path
    assert extracts.path(one) != path
    del other
    assert not path.exists()
