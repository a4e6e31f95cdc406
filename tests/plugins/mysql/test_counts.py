"""When a dump lacks rows, and when a table has only grown since: the server's answers are made up here."""

from __future__ import annotations

from typing import cast

import pytest

from dysnomia_plugins.errors import Truncated
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.counts import check
from dysnomia_plugins.types.mysql.surroundings import Looked


class Server:
    """Counts a table as more and more rows, each time it is asked."""

    def __init__(self, *counts: int, written: bool) -> None:
        self._counts = list(counts)
        self._written = written

    def rows(self, _sql: str) -> list[tuple[str, int]]:
        return [("log", self._counts.pop(0))]

    def ask(self, _sql: str) -> list[int]:
        return [int(self._written)]


def looked(estimate: int) -> Looked:
    return Looked(None, estimates={"log": estimate})


def test_a_small_table_that_doubles_while_it_is_dumped_is_no_dump_cut_short() -> None:
    check(cast(Client, Server(500, 520, written=True)), "orders", {"log": 228}, looked(150))


@pytest.mark.parametrize(("counts", "written"), [((500, 500), False), ((500, 520), True)])
def test_a_dump_that_lacks_most_of_what_was_there_before_is_refused(counts: tuple[int, int], written: bool) -> None:
    with pytest.raises(Truncated, match=r"5 rows of orders\.log, and the server 500"):
        check(cast(Client, Server(*counts, written=written)), "orders", {"log": 5}, looked(490))
