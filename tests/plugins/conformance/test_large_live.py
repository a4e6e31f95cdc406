"""A large table that is live, compared with its snapshot: what both have is neither written nor read, and the
difference is that of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dysnomia_store.model import Form
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.contents.contents import open_live, sides
from dysnomia_tui.engine.diff.compare import Comparer, Opened
from dysnomia_tui.engine.diff.sides import opener_of
from dysnomia_tui.engine.engine import LIVE, Engine
from dysnomia_tui.engine.machine.machine import Machine
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.sql_world import SqlWorld
from tests.plugins.mysql.world import MariadbWorld
from tests.plugins.postgresql.world import PostgresqlWorld

ROWS = 40_000
PATIENCE = 60.0
ODD = (
    r"'it''s, (1, ''2'')'", "'a),(b'", "'),'", r"'back\\slash'''", "NULL", "''", "'a line\nand (1),\n(2),\n'",
    "'INSERT INTO `large` VALUES'",
)  # fmt: skip
"""Rows that stand in the middle of the others."""
FILL = {
    "mysql": "CREATE TABLE large (id int PRIMARY KEY, text text); INSERT INTO large SELECT"
    " IF(seq > {0}, seq + {0}, seq), CONCAT(MD5(seq), SHA2(seq, 256), SHA2(seq * 3, 256)) FROM seq_1_to_{1};",
    "postgresql": "CREATE TABLE large (id int PRIMARY KEY, text text); INSERT INTO large SELECT"
    " CASE WHEN n > {0} THEN n + {0} ELSE n END, md5(n::text) || sha256(n::text::bytea)::text"
    " || sha256((n * 3)::text::bytea)::text FROM generate_series(1, {1}) AS n;",
}
ODD_ROWS = "INSERT INTO large VALUES " + ", ".join(f"({ROWS + 1 + at}, {text})" for at, text in enumerate(ODD))
CHANGED = (5, ROWS, ROWS + 1, ROWS + 7)
CHANGES = (
    f"UPDATE large SET text = 'other, (1),(2)' WHERE id IN {CHANGED}; DELETE FROM large WHERE id = 100;"
    "INSERT INTO large VALUES (5000000, 'new')"
)

pytestmark = pytest.mark.server


@dataclass
class Live:
    """A database with a large table, and a store with a snapshot of it."""

    world: SqlWorld
    machine: Machine
    engine: Engine
    sql: Callable[[str], str]


@pytest.fixture(params=["mysql", "postgresql"])
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Live]:
    name = request.param
    maker = {"mysql": MariadbWorld, "postgresql": PostgresqlWorld}[name]
    server = request.getfixturevalue({"mysql": "mariadb", "postgresql": "postgres"}[name])
    with maker(server, tmp_path / "world") as world:
        world.seed()
        server.sql(FILL[name].format(ROWS, 2 * ROWS) + ODD_ROWS, "orders")
        driver = Driver(world, tmp_path / "store")
        driver.snapshot()
        key = world.component.key
        containers = tmp_path / "containers"
        containers.mkdir()
        lines = (f"{name}={value}\n" for name, value in world.component.properties.items())
        (containers / key.container).write_text("".join(lines))
        (tmp_path / "components" / key.container / key.component).mkdir(parents=True)
        settings = Settings(
            statedir=driver.store.root,
            containers_path=(containers,),
            components_path=(tmp_path / "components",),
            modules_path=(),
            user_config=tmp_path / "config",
        )
        yield Live(world, Machine(settings), Engine(settings), lambda text: server.sql(text, "orders"))


def test_what_the_snapshot_has_is_not_written_again(live: Live, tmp_path: Path) -> None:
    live.sql(CHANGES)
    stored = live.machine.store.generations(live.world.component.key)[-1]
    before = _as_it_is(live.machine.store.root)
    _, spec = sides(live.machine, live.world.component.key, stored.number, LIVE)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with open_live(spec.args, scratch) as opened:
        content = b"".join(_content(opened))
        written = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
        again = tmp_path / "again"
        again.mkdir()
        with open_live({name: value for name, value in spec.args.items() if name != "like"}, again) as alone:
            whole = b"".join(_content(alone))
        assert _without_time(content) == _without_time(whole)
        assert written < sum(path.stat().st_size for path in again.rglob("*") if path.is_file()) / 2
    assert _as_it_is(live.machine.store.root) == before


def _as_it_is(folder: Path) -> dict[Path, tuple[int, int, int]]:
    seen = ((path, path.lstat()) for path in folder.rglob("*") if "cache" not in path.parts)
    return {path: (status.st_nlink, status.st_size, status.st_mtime_ns) for path, status in seen}


def _content(opened: Opened) -> Iterator[bytes]:
    with opened.stored.open() as stream:
        while piece := stream.read(1 << 20):
            yield piece


def _without_time(dump: bytes) -> list[bytes]:
    return [line for line in dump.splitlines() if not line.startswith((b"\\restrict", b"\\unrestrict"))]


@pytest.mark.parametrize("newer", ["live", "generation"])
def test_the_difference_is_that_of_the_rows_and_most_are_not_read(live: Live, newer: str, tmp_path: Path) -> None:
    """The rows that changed, and of a table of which the neighbours are the same, few others."""
    live.sql(CHANGES)
    key = live.world.component.key
    number = live.machine.store.generations(key)[-1].number
    new: int | str = LIVE
    if newer == "generation":
        Driver(live.world, tmp_path / "store").snapshot()
        new = live.machine.store.generations(key)[-1].number
    with live.engine.diff(key, number, new) as diff:
        assert diff.wait(PATIENCE), diff.error
        table = next(one for one in diff.sections() if one.section.form is Form.ROWS and "large" in one.section.name)
        rows = diff.rows(table, 0, 100)
    assert (table.added, table.removed, table.changed) == (1, 1, len(CHANGED))
    changed = {(one.new or one.old or ("",))[0] for one in rows}
    assert changed == {"100", "5000000", *map(str, CHANGED)}
    specs = sides(live.machine, key, number, new)
    opened = []
    for name, spec in zip(("old", "new"), specs, strict=True):
        (tmp_path / name).mkdir()
        opened.append(opener_of(spec)(spec.args, tmp_path / name))
    with opened[0] as old, opened[1] as other:
        pair = [
            next(one for one in side.stored.sections() if one.form is Form.ROWS and "large" in one.name)
            for side in (old, other)
        ]
        read: list[int] = []
        compared = Comparer(old, other, tmp_path, read.append).compare((pair[0], pair[1]))
        compared.close()
    # Both sides have twice as many rows each, and they are read twice. MariaDB's dump begins anew with an INSERT for
    # each MiB of rows, and where that stands moves with the first change.
    assert sum(read) < (4 * ROWS if isinstance(live.world, MariadbWorld) else ROWS)
