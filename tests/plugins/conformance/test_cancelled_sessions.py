"""A job that is cancelled leaves no session on the server: neither one that waits for a lock nor one that loads."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dysnomia_plugins.errors import Cancelled
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, Reporter, Token
from tests.plugins.conformance.sql_world import DATABASE, SqlWorld
from tests.plugins.mysql.world import MariadbWorld
from tests.plugins.postgresql.world import PostgresqlWorld
from tests.plugins.servers.common import GUARDED
from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.servers.postgresql import PostgresServer
from tests.waiting import wait_until

pytestmark = pytest.mark.server

PATIENCE = 30.0


@dataclass
class Sessions:
    """A world, and what its server says of sessions that are not the tests' own."""

    world: SqlWorld
    driver: Driver
    ask: Callable[[str], str]
    all_of_ours: str
    waiting: str
    lock: tuple[list[str], dict[str, str] | None, str]
    """A client that holds a lock on a table until its input ends: program, environment, statements that print 1."""

    def count(self, which: str) -> int:
        return int(self.ask(which))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody else holds the table."""
        argv, env, statements = self.lock
        with subprocess.Popen(
            [*GUARDED, *argv], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(statements)
            client.stdin.flush()
            assert client.stdout.readline().strip() == "1"
            try:
                yield
            finally:
                client.stdin.close()


@pytest.fixture(params=["mysql", "postgresql"])
def sessions(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sessions]:
    if request.param == "mysql":
        mariadb: MariadbServer = request.getfixturevalue("mariadb")
        listed = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID()"
        with MariadbWorld(mariadb, tmp_path / "world") as world:
            yield Sessions(
                world,
                Driver(world, tmp_path / "store"),
                mariadb.sql,
                f"{listed} AND (db IS NULL OR db <> '{DATABASE}' OR info LIKE '%SQL_NO_CACHE%')",
                f"{listed} AND state = 'Waiting for table metadata lock'",
                (
                    mariadb.argv("--unbuffered", f"--database={DATABASE}"),
                    None,
                    "LOCK TABLES customers WRITE;\nSELECT 1;\n",
                ),
            )
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    listed = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dysnomia%'"
    with PostgresqlWorld(postgres, tmp_path / "other") as other:
        yield Sessions(
            other,
            Driver(other, tmp_path / "store"),
            postgres.sql,
            listed,
            f"{listed} AND wait_event_type = 'Lock'",
            (
                [str(postgres.bin / "psql"), "-X", "-q", "-A", "-t"],
                dict(postgres.client_environment(PGDATABASE=DATABASE)),
                "BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE;\nSELECT 1;\n",
            ),
        )


def test_a_dump_that_waits_for_a_lock_is_gone_when_it_is_cancelled(sessions: Sessions) -> None:
    sessions.world.seed()
    token = Token()
    ended: list[BaseException] = []

    def snapshot() -> None:
        try:
            activities.snapshot(sessions.driver.bench(token=token))
        except Cancelled as error:
            ended.append(error)

    with sessions.locked():
        job = threading.Thread(target=snapshot)
        job.start()
        wait_until(lambda: sessions.count(sessions.waiting) > 0, PATIENCE)
        token.cancelled = True
        job.join(PATIENCE)
        assert len(ended) == 1
        wait_until(lambda: sessions.count(sessions.waiting) == 0, PATIENCE)
    wait_until(lambda: sessions.count(sessions.all_of_ours) == 0, PATIENCE)


def test_a_load_that_is_cancelled_half_way_leaves_no_session(sessions: Sessions) -> None:
    sessions.world.seed()
    sessions.world.grow(8 << 20)
    number = sessions.driver.snapshot().generation.number
    token, reporter = Token(), Reporter()

    def cancel() -> None:
        token.cancelled = token.cancelled or reporter.phases[-1] == "load"

    reporter.on_advance = cancel
    with pytest.raises(Cancelled):
        activities.restore(sessions.driver.bench(token=token, reporter=reporter), number)
    wait_until(lambda: sessions.count(sessions.all_of_ours) == 0, PATIENCE)
    databases = sessions.world._sql_server.databases()  # type: ignore[attr-defined]
    assert not [name for name in databases if name.startswith("dysnomia_")]
