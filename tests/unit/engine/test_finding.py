"""The history of a row through the generations, and rows that hold a text."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dysnomia_plugins.base import Stored
from dysnomia_plugins.types.sqlite.plugin import SqliteDatabase
from dysnomia_store.model import Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import FindAsked, HistoryAsked, Machine
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import EngineError, Exit
from dysnomia_tui.engine.finding.asked import Wanted
from dysnomia_tui.engine.finding.find import found_rows
from dysnomia_tui.engine.finding.history import Follower
from dysnomia_tui.engine.finding.kept import KeptLines
from dysnomia_tui.engine.records import Change, FoundRow, HistoryLine
from tests.unit.engine.ledger import BEGAN, PAPERS, SHOP, Ledger, make_ledger
from tests.waiting import wait_until

ADDED, REMOVED, CHANGED = Change.ADDED, Change.REMOVED, Change.CHANGED


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return make_ledger(tmp_path_factory.mktemp("ledger"))


def history(ledger: Ledger, asked: HistoryAsked, key: ComponentKey = SHOP) -> tuple[list[HistoryLine], list[str]]:
    notes: list[str] = []
    with TemporaryDirectory() as scratch:
        follower = Follower(Machine(ledger.settings), key, asked, Path(scratch), lambda *_: None, notes.append)
        return list(follower.lines()), notes


def find(ledger: Ledger, asked: FindAsked, key: ComponentKey = SHOP) -> list[FoundRow]:
    generation = ledger.chronicle.store.generation(key, asked.number)
    with TemporaryDirectory() as scratch:
        return list(found_rows(Machine(ledger.settings), generation, asked, Path(scratch), lambda *_: None))


@pytest.mark.parametrize("text", ["la\nmp,1", "\r", "x" * 200_000 + ",1", '"'], ids=["line", "return", "long", "quote"])
def test_a_text_that_is_not_written_as_cells_are_is_a_key_that_no_row_has(ledger: Ledger, text: str) -> None:
    lines, _ = history(ledger, HistoryAsked(text, "items"))
    assert lines == []


def test_a_row_is_followed_by_its_key_from_the_newest_generation_to_the_oldest(ledger: Ledger) -> None:
    lines, notes = history(ledger, HistoryAsked("2", "table:customers"))
    assert [(one.generation, one.before, one.row.change, one.row.old, one.row.new) for one in lines] == [
        (6, 5, ADDED, None, ("2", "Cem", None)),
        (4, 3, REMOVED, ("2", "Bea", "Lyon"), None),
        (3, 2, CHANGED, ("2", "Bea", None), ("2", "Bea", "Lyon")),
        (2, 1, CHANGED, ("2", "Ben"), ("2", "Bea")),
        (1, None, ADDED, None, ("2", "Ben")),
    ]
    assert lines[1].as_of == BEGAN + timedelta(hours=4), "when it was deleted, at the latest"
    assert lines[1].before_as_of == BEGAN + timedelta(hours=3), "when it was last seen"
    changed = [(one.columns, one.row.cells) for one in lines[2:4]]
    assert changed == [(("id", "name", "city"), frozenset({2})), (("id", "name"), frozenset({1}))]
    assert notes == []


def test_a_key_of_several_columns_is_given_with_commas_or_as_cells(ledger: Ledger) -> None:
    for asked in (
        HistoryAsked("lamp,1", "items"),
        HistoryAsked("sku=lamp,shelf=1"),
        HistoryAsked("", "items", ("lamp", "1")),
    ):
        lines, _ = history(ledger, asked)
        assert [(one.generation, one.row.change) for one in lines] == [(5, CHANGED), (4, CHANGED), (1, ADDED)], asked
    lines, _ = history(ledger, HistoryAsked('"lamp, oak",2', "items"))
    assert [(one.generation, one.row.new) for one in lines] == [(1, ("lamp, oak", "2", None))]
    lines, notes = history(ledger, HistoryAsked("lamp", "items"))
    assert lines == []
    assert notes == ["the key of table items is sku, shelf: give these values with commas between them"]


def test_without_a_section_every_table_is_looked_into_and_a_name_means_the_section(ledger: Ledger) -> None:
    lines, _ = history(ledger, HistoryAsked("1"))
    assert [(one.name, one.generation) for one in lines] == [("customers", 3), ("customers", 1)]
    lines, _ = history(ledger, HistoryAsked("items"))
    assert [(one.generation, one.row.change) for one in lines] == [(5, CHANGED), (4, CHANGED), (1, ADDED)]
    lines, _ = history(ledger, HistoryAsked("papers/list.txt"), PAPERS)
    assert [one.generation for one in lines] == [3, 2, 1]


def test_a_line_is_followed_as_a_whole(ledger: Ledger) -> None:
    lines, _ = history(ledger, HistoryAsked("first", "file:papers/list.txt"), PAPERS)
    assert [(one.generation, one.row.change) for one in lines] == [(3, REMOVED), (1, ADDED)]


def test_only_generations_in_which_the_section_changed_are_read(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The customers are the same in generations 4 and 5."""
    read: list[str] = []
    original = SqliteDatabase.rows_of_key

    def counting(
        self: SqliteDatabase, stored: Stored, section: Section, key: Sequence[str]
    ) -> Iterator[Sequence[bytes]]:
        read.append(section.digest)
        return original(self, stored, section, key)

    monkeypatch.setattr(SqliteDatabase, "rows_of_key", counting)
    ticks: list[int] = []
    asked = HistoryAsked("2", "customers")
    follower = Follower(Machine(ledger.settings), SHOP, asked, tmp_path, lambda done, of: ticks.append(done), print)
    assert len(list(follower.lines())) == 5
    assert len(read) == len(set(read)) == 5
    assert ticks == [0, 1, 2, 3, 4, 5, 6]


def test_a_generation_that_cannot_be_read_is_said_and_its_neighbours_are_compared(tmp_path: Path) -> None:
    ledger = make_ledger(tmp_path)
    store = ledger.chronicle.store
    (dump,) = (store.stored(SHOP, store.generation(SHOP, 3).id).folder).glob("dump*")
    dump.chmod(0o600)
    dump.write_bytes(dump.read_bytes()[:-1] + b"?")
    lines, notes = history(ledger, HistoryAsked("2", "customers"))
    assert [(one.generation, one.before, one.row.change) for one in lines][:3] == [
        (6, 5, ADDED),
        (4, 2, REMOVED),
        (2, 1, CHANGED),
    ]
    assert len(notes) == 1
    assert notes[0].startswith("generation 3 cannot be read, and is left out: ")


def test_what_is_found_is_what_a_filter_would_show(ledger: Ledger) -> None:
    found = find(ledger, FindAsked(6, "LYON"))
    assert [(one.kind, one.name, one.number) for one in found] == [("schema", "main", 6), ("table", "customers", 1)]
    assert found[1].cells == ("1", "Ada", "Lyon")
    assert [one.cells for one in find(ledger, FindAsked(6, "!lyon", "customers"))] == [("2", "Cem", None)]
    assert [one.cells for one in find(ledger, FindAsked(6, "city=NULL", "customers"))] == [("2", "Cem", None)]
    assert [one.cells for one in find(ledger, FindAsked(6, "sku=lamp"))] == [("lamp", "1", "12")]
    assert [one.cells for one in find(ledger, FindAsked(1, "-- table items", "schema:main"))] == [("-- table items",)]
    assert [one.cells for one in find(ledger, FindAsked(2, "c"), PAPERS)] == [("second",)]


def test_the_name_of_a_file_is_found_where_no_section_is_asked_for(ledger: Ledger) -> None:
    found = find(ledger, FindAsked(2, "LIST.txt"), PAPERS)
    assert [(one.kind, one.name, one.number, one.cells) for one in found] == [("file", "papers/list.txt", 0, ())]
    assert find(ledger, FindAsked(2, "list.txt", "papers/list.txt"), PAPERS) == []
    assert all(one.number for one in find(ledger, FindAsked(2, "!list.txt"), PAPERS) if one.name == "papers/list.txt")
    assert find(ledger, FindAsked(6, "items")) == find(
        ledger, FindAsked(6, "items", "schema:main")
    )  # no name of a table


def test_a_value_is_of_a_column_and_an_equals_sign_elsewhere_is_text() -> None:
    assert Wanted("n=1", ("n",))(("1",))
    assert not Wanted("n=1", ("n",))(("11",))
    assert Wanted("a=b", ("n",))(("x a=b y",))
    assert Wanted("!n=1", ("n",))(("2",))


def test_the_engine_looks_in_a_process_of_its_own(ledger: Ledger) -> None:
    engine = Engine(ledger.settings)
    with engine.history(SHOP, HistoryAsked("2", "table:customers")) as search:
        assert list(search.follow()) == history(ledger, HistoryAsked("2", "table:customers"))[0]
        assert search.ready
        assert search.progress() == (6, 6)
        assert len(search.page(1, 2)) == 2
    with engine.find(SHOP, FindAsked(60, "x")) as find, pytest.raises(EngineError, match="generation 60") as raised:
        list(find.follow())
    assert raised.value.exit is Exit.NOT_FOUND


def test_a_section_that_is_not_there_is_named(ledger: Ledger) -> None:
    with pytest.raises(EngineError, match="no section 'nope'"):
        find(ledger, FindAsked(6, "x", "nope"))


def test_a_search_that_is_closed_leaves_neither_process_nor_files(ledger: Ledger) -> None:
    search = Engine(ledger.settings).history(SHOP, HistoryAsked("2"))
    folder = search._folder.path
    assert folder.is_dir()
    search.close()
    wait_until(lambda: search._process.poll() is not None)
    assert not folder.exists()
    assert search.page(0, 10) == []


def test_where_what_it_finds_cannot_be_kept_that_is_its_error(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk for temporary files. Whoever waited for it waited for ever."""

    def full(_lines: KeptLines, _line: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(KeptLines, "append", full)
    search = Engine(ledger.settings).history(SHOP, HistoryAsked("2"))
    with search, pytest.raises(EngineError, match=r"takes no temporary files \(No space left on device\)") as caught:
        list(search.follow())
    assert caught.value.exit == 9
