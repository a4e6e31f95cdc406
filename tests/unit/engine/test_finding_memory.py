"""A history of one row keeps nothing in mind of the sections that cannot have it, nor of generations long past."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from dysnomia_plugins.base import Row, StatePlugin, Stored
from dysnomia_store.model import Form, Generation, Section
from dysnomia_tui.engine import HistoryAsked, Machine
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.finding import history
from dysnomia_tui.engine.finding.history import Follower
from tests.memory import at_most
from tests.unit.engine.ledger import SHOP, make_ledger

MANY = 100_000


class Crowded:
    """A snapshot of many sections, and what reads it: each is other content in each generation."""

    type = "sqlite-database"

    def __init__(self, generation: int, form: Form, count: int) -> None:
        self._about = generation, form, count

    def sections(self) -> Iterator[Section]:
        generation, form, count = self._about
        key = ("id",) if form is Form.ROWS else ()
        for number in range(count):
            yield Section("table", f"t{number}", form, 1, f"{generation}.{number}", columns=("id", "v"), key=key)

    def raw_rows(self, _stored: object, _section: Section) -> Iterator[list[bytes]]:
        yield [b"x" * 10_000 + b"%d" % self._about[0]]

    def parse_row(self, _section: Section, raw: bytes) -> Row:
        return Row(("1",), ("1", raw.decode()))


@pytest.mark.parametrize(("form", "count", "lines"), [(Form.BYTES, MANY // 5, 0), (Form.ROWS, 300, 1800)])
def test_memory_does_not_grow_with_what_was_read(
    form: Form, count: int, lines: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = make_ledger(tmp_path / "ledger")

    @contextmanager
    def crowded(_machine: object, generation: Generation, _scratch: object) -> Iterator[Opened]:
        one = Crowded(generation.number, form, count)
        yield Opened(cast("StatePlugin", one), cast("Stored", one))

    monkeypatch.setattr(history, "opened", crowded)
    asked = HistoryAsked("1", row=("1",))
    with at_most(10):
        follower = Follower(Machine(ledger.settings), SHOP, asked, tmp_path, lambda *_: None, lambda _: None)
        assert sum(1 for _ in follower.lines()) == lines
