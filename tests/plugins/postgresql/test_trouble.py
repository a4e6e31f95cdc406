"""Bad luck: processes that die, servers that stop, secrets that might leak. What was live stays live."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from dysnomia_plugins.base import Context, Place, Purpose
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, ServerDown, Truncated, WrongCredentials
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.plugin import PostgresqlDatabase
from tests.plugins.conformance.bare import Bare, BareStored, component, on_the_way, stored_of, swapped, with_properties
from tests.plugins.conformance.watching import seen_arguments
from tests.plugins.servers.common import GUARDED
from tests.plugins.servers.postgresql import PostgresServer
from tests.thorough import often
from tests.waiting import wait_until

pytestmark = pytest.mark.server

SECRET = "open-sesame-4711"
SWAPS = often(20, 3)
CLIENTS = 40


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    """The component ``orders`` with 50,000 rows."""
    yield from _bare(postgres, tmp_path)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Bare, PostgresServer]]:
    """The same on a server of its own, with TCP and a password, to be killed and stopped."""
    with PostgresServer(tcp=True) as server:
        for bare in _bare(server, tmp_path):
            yield bare, server


def _bare(server: PostgresServer, folder: Path) -> Iterator[Bare]:
    server.sql("CREATE DATABASE orders")
    server.sql(
        """CREATE TABLE t (id int PRIMARY KEY, v text);
        INSERT INTO t SELECT g, repeat('row ' || g, 20) FROM generate_series(1, 50000) g;""",
        "orders",
    )
    properties = server.properties | ({"postgresqlPort": str(server.tcp_port)} if server.tcp_port else {})
    yield Bare(PostgresqlDatabase(), folder, component(folder, "orders", **properties))
    if server.running:
        for name in server.databases() - {"postgres"}:
            server.drop(name)


def by_password(bare: Bare, server: PostgresServer, **properties: str) -> Bare:
    """The same component over TCP, where the server asks for a password."""
    more = {"postgresqlHost": "127.0.0.1", "postgresqlPort": str(server.tcp_port), **properties}
    return with_properties(bare, **more)


@contextmanager
def when_running(program: str, do: Callable[[psutil.Process], None]) -> Iterator[list[int]]:
    """Do something to each child of ours that runs ``program`` (once), while the body runs."""
    done: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not stop.is_set():
            for child in me.children(recursive=True):
                try:
                    if child.pid not in done and child.name() == program:
                        do(child)
                        done.append(child.pid)
                except (psutil.NoSuchProcess, psutil.ZombieProcess):
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def test_a_pg_dump_that_is_killed_leaves_no_snapshot(bare: Bare) -> None:
    with when_running("pg_dump", psutil.Process.kill) as killed, pytest.raises(ProcessFailed) as caught:
        bare.dump()
    assert killed
    assert caught.value.program == "pg_dump"
    assert caught.value.status == -signal.SIGKILL


def test_a_psql_that_is_killed_leaves_live_and_its_backend_is_ended(bare: Bare, postgres: PostgresServer) -> None:
    """A killed psql's backend goes on with its statement: dropping ends it first."""
    stored = bare.dump()
    postgres.sql("ALTER TABLE t ALTER v SET DEFAULT 'x'", "orders")
    now = bare.dump().digest
    ctx = bare.context("1")
    beside = bare.plugin.place(ctx, Purpose.BESIDE)

    def kill_the_load(process: psutil.Process) -> None:
        if process.environ().get("PGDATABASE") == beside.name:
            process.kill()

    with when_running("psql", kill_the_load), pytest.raises(PluginError):
        bare.plugin.load(ctx, stored, beside)
    leftover = subprocess.Popen(
        [postgres.bin / "psql", "-X", "-c", "SELECT pg_sleep(600)"],
        env=postgres.client_environment(PGDATABASE=beside.name, PGAPPNAME=Client.of(ctx).application),
        stderr=subprocess.DEVNULL,
    )
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    wait_until(lambda: postgres.sql(asleep) != "0")
    bare.plugin.drop(ctx, beside)
    assert leftover.wait(60) != 0
    assert postgres.databases() == {"postgres", "orders"}
    assert bare.dump().digest == now


def test_a_server_killed_while_it_loads_leaves_live(own: tuple[Bare, PostgresServer]) -> None:
    bare, server = own
    stored = bare.dump()
    ctx = bare.context("1")
    beside = bare.plugin.place(ctx, Purpose.BESIDE)
    killed = on_the_way(bare, 1 / 2, server.kill)
    with pytest.raises(ServerDown):
        bare.plugin.load(ctx, stored, beside)
    assert killed
    server.start()
    bare.plugin.drop(ctx, beside)
    assert not bare.plugin.recover(ctx)
    assert bare.dump().digest == stored.digest


def test_a_stopped_server_is_said_not_to_answer(own: tuple[Bare, PostgresServer]) -> None:
    bare, server = own
    os.killpg(server.pid, signal.SIGSTOP)
    try:
        probe = bare.plugin.probe(bare.component, ProcessRunner())
        assert (probe.up, probe.detail) == (False, "not answering")
        client = Client(Client.of(bare.context()).server, ProcessRunner(), connect_timeout=2)
        with pytest.raises(ServerDown, match="not answering"):
            client.ask("SELECT 1")
    finally:
        os.killpg(server.pid, signal.SIGCONT)
    assert bare.plugin.probe(bare.component, ProcessRunner()).up


def test_a_server_that_is_down_is_said_to_be(own: tuple[Bare, PostgresServer]) -> None:
    bare, server = own
    stored = bare.dump()
    server.stop()
    probe = bare.plugin.probe(bare.component, ProcessRunner())
    assert not probe.up
    assert "not there" in probe.detail
    with pytest.raises(ServerDown, match="not there"):
        bare.dump()
    with pytest.raises(ServerDown, match="not there"):
        bare.plugin.preflight(bare.context(), stored, replace=True)
    server.start()


def test_wrong_credentials_are_said_without_the_password(own: tuple[Bare, PostgresServer]) -> None:
    bare, server = own
    server.sql(f"ALTER ROLE postgres PASSWORD '{SECRET}'")
    with pytest.raises(WrongCredentials, match="password"):
        by_password(bare, server).dump()
    with pytest.raises(WrongCredentials) as caught:
        by_password(bare, server, postgresqlPassword="wrong-4711").dump()
    assert "wrong-4711" not in str(caught.value)
    with pytest.raises(WrongCredentials, match="nobody-here"):
        by_password(bare, server, postgresqlUsername="nobody-here", postgresqlPassword="x").dump()
    assert not bare.plugin.probe(bare.component, ProcessRunner()).up


def test_passwords_come_from_a_file_or_a_property_and_are_never_seen(
    own: tuple[Bare, PostgresServer], tmp_path: Path
) -> None:
    """Dump, load and swap while every argument of every child is watched from outside."""
    bare, server = own
    server.sql(f"ALTER ROLE postgres PASSWORD '{SECRET}'")
    digest = bare.dump().digest
    passfile = tmp_path / "passfile"
    passfile.write_text(f"127.0.0.1:{server.tcp_port}:*:postgres:{SECRET}\n")
    passfile.chmod(0o600)
    assert by_password(bare, server, postgresqlPassFile=str(passfile)).dump().digest == digest
    by_password(bare, server, postgresqlPassFile="", postgresqlPassword=SECRET)
    with seen_arguments() as seen:
        ctx, aside = swapped(bare, bare.dump(), "1")
        bare.plugin.drop(ctx, aside)
    assert any("pg_dump" in line for line in seen)
    assert any("psql" in line for line in seen)
    assert not any(SECRET in line for line in seen)
    assert SECRET not in repr(Client.of(ctx).server)
    assert SECRET not in repr(bare.progress.lines)


# --- dumps that are not what they should be --------------------------------------------------------------

TAIL = b"--\n-- PostgreSQL database dump complete\n--\n\n"


@pytest.mark.parametrize(
    ("dump", "error", "match"),
    [
        (b"CREATE TABLE a (b int);\nCOPY a FROM stdin;\n1\n2\n", Truncated, "end marker"),
        (b"CREATE TABLE a (b int);\n", Truncated, "end marker"),
        (b"CREATE TABLE a (b int);\n\\! touch {witness}\n" + TAIL, NotSafe, "command for the client"),
        (b"SELECT 1 \\g {witness}\n;\n" + TAIL, NotSafe, "command for the client"),
        (b"\\restrict A\nSELECT 1;\n" + TAIL + b"\\unrestrict A\n\\! touch {witness}\n", NotSafe, "command"),
        (b"SELECT 1/0;\n" + TAIL, ProcessFailed, "division by zero"),
        (b"ALTER DATABASE orders OWNER TO gone;\n" + TAIL, ProcessFailed, 'role "gone" does not exist'),
        (b"CREATE EXTENSION no_such;\n" + TAIL, ProcessFailed, "no_such"),
        (b"CREATE TABLE a (b int);\nCOPY a FROM stdin;\nx\n\\.\n" + TAIL, ProcessFailed, "invalid input syntax"),
    ],
)
def test_a_bad_dump_is_refused_and_live_is_live(
    bare: Bare, postgres: PostgresServer, tmp_path: Path, dump: bytes, error: type[PluginError], match: str
) -> None:
    witness = Path("/tmp") / f"witness-{tmp_path.name}"
    stored = stored_of(tmp_path, "dump.pgsql", dump.replace(b"{witness}", os.fsencode(witness)))
    ctx = bare.context("1")
    beside = bare.plugin.place(ctx, Purpose.BESIDE)
    with pytest.raises(error, match=match):
        bare.plugin.load(ctx, stored, beside)
    bare.plugin.drop(ctx, beside)
    assert not witness.exists()
    assert postgres.sql("SELECT count(*) FROM t", "orders") == "50000"
    assert postgres.databases() == {"postgres", "orders"}


def test_a_table_with_other_rows_than_the_index_says_is_refused(bare: Bare) -> None:
    stored = bare.dump()
    whole = stored.sections

    def wrong() -> Iterator[object]:
        for section in whole():
            yield replace(section, rows=7) if section.kind == "table" else section

    stored.sections = wrong  # type: ignore[method-assign, assignment]
    ctx = bare.context("1")
    with pytest.raises(PluginError, match="50000 rows in the dump, and 7"):
        bare.plugin.load(ctx, stored, bare.plugin.place(ctx, Purpose.BESIDE))


# --- the swap --------------------------------------------------------------------------------------------


def restored(bare: Bare, stored: BareStored, job: str) -> tuple[Context, Place]:
    ctx = bare.context(job)
    beside, aside = bare.plugin.place(ctx, Purpose.BESIDE), bare.plugin.place(ctx, Purpose.ASIDE)
    bare.plugin.load(ctx, stored, beside)
    bare.plugin.swap(ctx, beside, aside)
    return ctx, aside


def test_every_swap_succeeds_under_clients_that_connect_all_the_time(bare: Bare, postgres: PostgresServer) -> None:
    """``pgbench -C -c 40``, started again whenever it gives up."""
    env = postgres.client_environment(PGDATABASE="orders")
    subprocess.run([postgres.bin / "pgbench", "-i", "-q"], env=env, check=True, stderr=subprocess.DEVNULL)
    postgres.sql("DROP TABLE t", "orders")
    stored = bare.dump()
    loop = f'while :; do "$1" -n -C -c {CLIENTS} -T 600 >/dev/null 2>&1; done'
    clients = subprocess.Popen(
        [*GUARDED, "bash", "-c", loop, "clients", postgres.bin / "pgbench"], env=env, start_new_session=True
    )
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'"
    try:
        for number in range(SWAPS):
            wait_until(lambda: int(postgres.sql(sessions)) > 0)
            ctx, aside = restored(bare, stored, str(number))
            assert bare.plugin.recover(ctx)
            bare.plugin.drop(ctx, aside)
    finally:
        os.killpg(clients.pid, signal.SIGKILL)
        clients.wait()
    assert postgres.databases() == {"postgres", "orders"}


def test_idle_clients_are_ended_and_a_stranger_is_not(bare: Bare, postgres: PostgresServer) -> None:
    stored = bare.dump()
    idle = [_session(postgres, "orders") for _ in range(3)]
    stranger = _session(postgres, "postgres")
    ctx, aside = restored(bare, stored, "1")
    for session in idle:
        assert session.wait(60) != 0
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    assert postgres.sql("SELECT datconnlimit, datallowconn FROM pg_database WHERE datname = 'orders'") == "-1|t"
    bare.plugin.drop(ctx, aside)


def _session(server: PostgresServer, database: str) -> subprocess.Popen[bytes]:
    """A psql in the middle of a transaction."""
    session = subprocess.Popen(
        [*GUARDED, server.bin / "psql", "-X", "-q", "-c", "BEGIN", "-c", "SELECT pg_sleep(600)"],
        env=server.client_environment(PGDATABASE=database, PGAPPNAME=f"idle{database}"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    asleep = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event = 'PgSleep'"
    wait_until(lambda: int(server.sql(asleep)) > 0)
    return session


def test_a_swap_that_cannot_be_leaves_everything(bare: Bare, postgres: PostgresServer) -> None:
    """The snapshot's owner is gone between plan and swap: nothing is renamed, no client is kept out."""
    stored = bare.dump()
    ctx = bare.context("1")
    beside, aside = bare.plugin.place(ctx, Purpose.BESIDE), bare.plugin.place(ctx, Purpose.ASIDE)
    with pytest.raises(PluginError, match="is not there"):
        bare.plugin.swap(ctx, beside, aside)
    bare.plugin.load(ctx, stored, beside)
    postgres.sql(f'CREATE DATABASE "{aside.name}"')
    with pytest.raises(NotSafe, match="already"):
        bare.plugin.swap(ctx, beside, aside)
    assert not bare.plugin.recover(ctx)
    assert bare.dump().digest == stored.digest
