"""Bad luck with MariaDB: hostile dumps, processes that die, secrets that might leak, swaps that are watched."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, ServerDown, Truncated, WrongCredentials
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.mysql import swap
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.server import Server
from tests.plugins.conformance.bare import Bare, Notes, on_the_way, places, restore, stored_of, swapped, with_properties
from tests.plugins.conformance.watching import seen_arguments
from tests.plugins.mysql.bare import bare_component, seed
from tests.plugins.servers.common import GUARDED
from tests.plugins.servers.mariadb import MariadbServer
from tests.waiting import wait_until

pytestmark = pytest.mark.server

SECRET = 'open "sesame\\ #4711'


@pytest.fixture
def bare(mariadb: MariadbServer, tmp_path: Path) -> Iterator[Bare]:
    """The component ``orders`` with 20,000 rows, a view and a trigger."""
    for one in bare_component(mariadb, tmp_path):
        seed(mariadb, rows=20_000)
        yield one


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Bare, MariadbServer]]:
    """The same on a server of its own, with TCP, to be killed and stopped."""
    with MariadbServer(tcp=True) as server:
        for one in bare_component(server, tmp_path):
            seed(server, rows=20_000)
            yield one, server


# --- secrets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["socket", "host", "file"])
def test_a_password_is_never_seen(own: tuple[Bare, MariadbServer], tmp_path: Path, how: str) -> None:
    """Dump, load and swap while the arguments of every process are watched from outside."""
    bare, server = own
    quoted = SECRET.replace("\\", "\\\\")
    server.sql(f"CREATE USER boss@localhost IDENTIFIED BY '{quoted}'; GRANT ALL ON *.* TO boss@localhost")
    server.sql(f"CREATE USER boss@127.0.0.1 IDENTIFIED BY '{quoted}'; GRANT ALL ON *.* TO boss@127.0.0.1")
    file = tmp_path / "options"
    file.write_text('[client]\nuser=boss\npassword="' + SECRET.replace("\\", "\\\\").replace('"', '\\"') + '"\n')
    file.chmod(0o600)
    properties = {
        "socket": {"mysqlUsername": "boss", "mysqlPassword": SECRET},
        "host": {
            "mysqlUsername": "boss", "mysqlPassword": SECRET,
            "mysqlHost": "127.0.0.1", "mysqlPort": str(server.tcp_port),
        },
        "file": {"mysqlDefaultsFile": str(file)},
    }[how]  # fmt: skip
    with_properties(bare, **properties)
    with seen_arguments() as seen:
        restore(bare, bare.dump())
    assert any("mariadb-dump" in line for line in seen)
    assert any("--database=dysnomia_" in line for line in seen)
    assert not any("sesame" in line for line in seen)
    assert "sesame" not in repr(Client.of(bare.context()).server)
    assert "sesame" not in repr(bare.progress.lines)


def test_wrong_credentials_are_said_without_the_password(bare: Bare) -> None:
    with_properties(bare, mysqlUsername="nobody-here", mysqlPassword=SECRET)
    with pytest.raises(WrongCredentials, match="nobody-here") as caught:
        bare.dump()
    assert "sesame" not in str(caught.value)
    assert not bare.plugin.probe(bare.component, ProcessRunner()).up


def test_an_account_at_its_limit_is_not_said_to_be_a_server_that_is_down(bare: Bare, mariadb: MariadbServer) -> None:
    mariadb.sql("CREATE USER boss@localhost IDENTIFIED BY 'x' WITH MAX_QUERIES_PER_HOUR 2")
    mariadb.sql("GRANT ALL ON *.* TO boss@localhost")
    with_properties(bare, mysqlUsername="boss", mysqlPassword="x")
    with pytest.raises(ServerDown, match=r"takes no more now .*max_queries_per_hour") as caught:
        bare.dump()
    assert "limit of the server or account" in caught.value.hint


@pytest.mark.parametrize("name", ["it's", 'in "quotes"', "back\\slash"])
def test_events_of_a_database_with_a_quote_in_its_name_are_named(mariadb: MariadbServer, name: str) -> None:
    """mariadb-dump asks for a database of another name: that was taken for one that has to be activated first."""
    mariadb.sql(f"CREATE DATABASE `{name}`; CREATE EVENT `{name}`.e ON SCHEDULE EVERY 1 DAY DO SELECT 1")
    client = Client(Server.from_properties(mariadb.properties), ProcessRunner())
    try:
        with (
            pytest.raises(PluginError, match="cannot dump the events of a database whose name holds a quote"),
            client.dumping(name, ["--events"]) as stream,
        ):
            stream.read()
    finally:
        mariadb.drop(name)


# --- servers and programs that die -----------------------------------------------------------------------


def test_a_mariadb_dump_that_is_killed_leaves_no_snapshot(bare: Bare, mariadb: MariadbServer) -> None:
    """Killed while more than a pipe holds is still to come."""
    mariadb.sql("INSERT INTO t SELECT seq, REPEAT('x', 190) FROM seq_30001_to_80000", "orders")
    killed: list[int] = []

    def advance(done: int, total: int | None = None, unit: str = "bytes") -> None:
        for child in psutil.Process().children(recursive=True) if not killed else ():
            if child.name() == "mariadb-dump":
                child.kill()
                killed.append(child.pid)

    bare.progress.advance = advance  # type: ignore[method-assign]
    with pytest.raises(ProcessFailed) as caught:
        bare.dump()
    assert killed
    assert caught.value.status == -signal.SIGKILL


def test_a_server_killed_while_it_loads_leaves_live(own: tuple[Bare, MariadbServer]) -> None:
    bare, server = own
    stored = bare.dump()
    ctx = bare.context("1")
    beside, _ = places(bare, ctx)
    killed = on_the_way(bare, 1 / 4, server.kill)
    with pytest.raises((ServerDown, ProcessFailed)):
        bare.plugin.load(ctx, stored, beside)
    assert killed
    server.start()
    bare.plugin.drop(ctx, beside)
    assert not bare.plugin.recover(ctx)
    assert bare.dump().digest == stored.digest


def test_a_stopped_server_is_said_not_to_answer(own: tuple[Bare, MariadbServer]) -> None:
    bare, server = own
    os.killpg(server.pid, signal.SIGSTOP)
    try:
        probe = bare.plugin.probe(bare.component, ProcessRunner())
    finally:
        os.killpg(server.pid, signal.SIGCONT)
    assert (probe.up, probe.detail) == (False, "not answering")
    assert bare.plugin.probe(bare.component, ProcessRunner()).up
    server.stop()
    assert "not there" in bare.plugin.probe(bare.component, ProcessRunner()).detail
    server.start()


# --- dumps that are not what they should be --------------------------------------------------------------

TABLE = b"CREATE TABLE `a` (\n  `b` int\n);\n"
END = b"-- Dump completed\n"


@pytest.mark.parametrize(
    ("dump", "error", "match"),
    [
        (TABLE + b"INSERT INTO `a` VALUES\n(1),\n(2", Truncated, "end marker"),
        (b"USE orders;\nDROP TABLE IF EXISTS `t`;\n" + END, NotSafe, "USE orders"),
        (b"DROP DATABASE orders;\n" + END, NotSafe, "DROP DATABASE"),
        (b"/*!40000 DROP DATABASE IF EXISTS `orders`*/;\n" + END, NotSafe, "DROP DATABASE"),
        (b"DROP TABLE IF EXISTS `orders`.`t`;\n" + END, NotSafe, "DROP TABLE"),
        (b"SET GLOBAL read_only = 1;\n" + END, NotSafe, "SET GLOBAL"),
        (b"GRANT ALL ON *.* TO x@y;\n" + END, NotSafe, "GRANT"),
        (b"\\! touch {witness}\n;\n" + END, NotSafe, "touch"),
        (TABLE + b"INSERT INTO `a` VALUES\n(1) \\! touch {witness}\n;\n" + END, ProcessFailed, "Unknown command"),
        (TABLE + b"system touch {witness}\n;\n" + END, NotSafe, "system"),
        (TABLE + TABLE + END, ProcessFailed, "already exists"),
    ],
)
def test_a_bad_dump_is_refused_and_live_is_live(
    bare: Bare, mariadb: MariadbServer, tmp_path: Path, dump: bytes, error: type[PluginError], match: str
) -> None:
    witness = Path("/tmp") / f"witness-{tmp_path.name}"
    stored = stored_of(tmp_path, "dump.sql", dump.replace(b"{witness}", os.fsencode(witness)))
    ctx = bare.context("1")
    beside, _ = places(bare, ctx)
    with pytest.raises(error, match=match):
        bare.plugin.load(ctx, stored, beside)
    bare.plugin.drop(ctx, beside)
    assert not witness.exists()
    assert mariadb.sql("SELECT COUNT(*) FROM t", "orders") == "20000"
    assert mariadb.databases() == {"orders"}


def test_a_dump_of_dysnomias_own_module_lacks_its_last_line_and_is_restored(
    bare: Bare, mariadb: MariadbServer, tmp_path: Path
) -> None:
    argv = [mariadb.dumper, "--no-defaults", "--user=root", f"--socket={mariadb.socket}"]
    dump = subprocess.run([*argv, "--single-transaction", "--quick", "orders"], capture_output=True, check=True).stdout
    stored = stored_of(tmp_path, "dump.sql", b"\n".join(dump.rstrip(b"\n").split(b"\n")[:-1]) + b"\n")
    assert bare.plugin.rescan(bare.context(), stored, _Nothing()) is None
    mariadb.sql("DELETE FROM t", "orders")
    restore(bare, stored)
    assert mariadb.sql("SELECT COUNT(*) FROM w", "orders") == "20000"


class _Nothing:
    """A sink that keeps nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args, **_more: None


def test_a_client_that_refuses_the_sandbox_line_still_loads(
    bare: Bare, mariadb: MariadbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MySQL's own client fails on the first line of MariaDB's dumps. None is in Debian: a stand-in that does too."""
    folder = tmp_path / "bin"
    folder.mkdir()
    client = folder / "mariadb"
    client.write_text(
        f"""#!/usr/bin/env python3
import os, subprocess, sys
if "--sandbox" in sys.argv: sys.exit("unknown option '--sandbox'")
if "--help" in sys.argv:
    print("  --binary-mode"); sys.exit(0)
real = subprocess.Popen(["{mariadb.client}", *sys.argv[1:]], stdin=subprocess.PIPE, close_fds=False)
for line in sys.stdin.buffer:
    if line.startswith(b"/*M!999999\\\\- enable the sandbox mode */"):
        print("ERROR at line 1: Unknown command '\\\\-'.", file=sys.stderr)
        real.kill(); sys.exit(1)
    real.stdin.write(line)
real.stdin.close()
sys.exit(real.wait())
"""
    )
    client.chmod(0o755)
    stored = bare.dump()
    with stored.open() as stream:
        assert stream.read(64).startswith(b"/*M!999999\\- enable the sandbox mode */")
    context = bare.context

    def poorer(job: str = "1", journal: Notes | None = None, *, made_here: bool = True) -> Any:
        ctx = context(job, journal, made_here=made_here)
        return replace(ctx, tool_path=f"{folder}:{ctx.tool_path}")

    monkeypatch.setattr(bare, "context", poorer)
    mariadb.sql("DELETE FROM t", "orders")
    restore(bare, stored)
    assert bare.dump().digest == stored.digest
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(
            [str(client), *mariadb.argv()[1:]], input=b"/*M!999999\\- enable the sandbox mode */ \n", check=True
        )


def test_a_table_with_other_rows_than_the_index_says_is_refused(bare: Bare) -> None:
    stored = bare.dump()
    whole = stored.sections

    def wrong() -> Iterator[object]:
        for section in whole():
            yield replace(section, rows=7) if section.kind == "table" else section

    stored.sections = wrong  # type: ignore[method-assign, assignment]
    ctx = bare.context("1")
    with pytest.raises(PluginError, match="20000 rows in the dump, and 7"):
        bare.plugin.load(ctx, stored, places(bare, ctx)[0])


# --- the swap --------------------------------------------------------------------------------------------


def of_state(number: int) -> str:
    """The SQL that makes table, view, function and trigger tell of one state."""
    return f"""ALTER TABLE t ADD which int DEFAULT {number};
      CREATE OR REPLACE VIEW w AS SELECT {number} AS which, MIN(which) AS inside FROM t;
      CREATE OR REPLACE FUNCTION f() RETURNS int RETURN {number};
      CREATE OR REPLACE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.v = {number};"""


def test_an_application_meets_the_old_state_a_closed_door_or_the_new_state(
    bare: Bare, mariadb: MariadbServer, tmp_path: Path
) -> None:
    """A client that asks all the time whether table, view, function and trigger are of one state."""
    mariadb.sql(of_state(1), "orders")
    stored = bare.dump()
    mariadb.sql("ALTER TABLE t DROP which;" + of_state(2), "orders")
    mariadb.sql("CREATE USER shop@localhost; GRANT ALL ON orders.* TO shop@localhost")
    asks, answers = tmp_path / "asks.sql", tmp_path / "answers"
    answers.touch()
    ask = "SELECT CONCAT_WS(' ', which, inside, f(), (SELECT v FROM t ORDER BY id DESC LIMIT 1)) FROM w;\n"
    asks.write_text(("INSERT INTO t (v) VALUES ('x');\n" + ask) * 20)
    loop = f'while :; do "$@" <{asks} >>{answers} 2>/dev/null; done'
    client = mariadb.argv("--unbuffered", "--database=orders", user="shop")
    process = subprocess.Popen([*GUARDED, "bash", "-c", loop, "asker", *client], start_new_session=True)
    told = {1: stored}
    try:
        for job in range(6):
            before = answers.stat().st_size
            wait_until(lambda before=before: answers.stat().st_size > before)  # type: ignore[misc]
            if job == 0:
                told[2] = bare.dump()
            ctx, aside = swapped(bare, told[1 + job % 2], str(job))
            bare.plugin.drop(ctx, aside)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    seen = {line for line in answers.read_text().split("\n") if line.count(" ") == 3}
    assert seen == {"1 1 1 1", "2 2 2 2"}


def test_a_swap_that_fails_half_way_is_reverted_and_lets_everybody_in_again(
    bare: Bare, mariadb: MariadbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mariadb.sql("CREATE USER shop@localhost; GRANT ALL ON orders.* TO shop@localhost")
    stored = bare.dump()
    event = "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM t"  # not at once
    mariadb.sql(f"INSERT INTO t (v) VALUES ('later'); {event}", "orders")
    now = bare.dump().digest
    journal = Notes()
    ctx = bare.context("1", journal)
    beside, aside = places(bare, ctx)
    bare.plugin.load(ctx, stored, beside)

    def failing(self: swap.Exchange) -> None:
        assert mariadb.locked() == {"shop@localhost"}
        raise PluginError("the view is of another world")

    monkeypatch.setattr(swap.Exchange, "forward", failing)
    with pytest.raises(PluginError, match="another world"):
        bare.plugin.swap(ctx, beside, aside)
    assert not bare.plugin.recover(ctx)
    assert not bare.plugin.recover(ctx)
    assert bare.dump().digest == now
    assert bare.dump(beside).digest == stored.digest
    assert mariadb.databases() == {"orders", beside.name}


def test_a_server_killed_at_the_exchange_comes_back_to_one_state(
    own: tuple[Bare, MariadbServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, server = own
    stored = bare.dump()
    server.sql("INSERT INTO t (v) VALUES ('later'); CREATE TABLE u (a int); CREATE TABLE v (a int)", "orders")
    now = bare.dump().digest
    ctx = bare.context("1")
    beside, aside = places(bare, ctx)
    bare.plugin.load(ctx, stored, beside)
    exchange = swap.Exchange.exchange

    def killing(self: swap.Exchange) -> None:
        timer = threading.Timer(0.08, server.kill)
        timer.start()
        try:
            exchange(self)
        finally:
            timer.join()
        raise ServerDown("it was killed")

    monkeypatch.setattr(swap.Exchange, "exchange", killing)
    with pytest.raises((ServerDown, ProcessFailed)):
        bare.plugin.swap(ctx, beside, aside)
    server.start()
    done = bare.plugin.recover(ctx)
    assert bare.dump().digest == (stored.digest if done else now)
    assert not server.locked()


def test_an_idle_transaction_is_ended_and_an_account_locked_before_stays_so(bare: Bare, mariadb: MariadbServer) -> None:
    mariadb.sql("CREATE USER shop@localhost; GRANT ALL ON orders.* TO shop@localhost")
    mariadb.sql("CREATE USER other@localhost ACCOUNT LOCK; GRANT ALL ON orders.* TO other@localhost")
    client = mariadb.argv("--unbuffered", "--database=orders", user="shop")
    with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as idle:
        assert idle.stdin is not None
        assert idle.stdout is not None
        idle.stdin.write(b"START TRANSACTION; DELETE FROM t; SELECT 'deleted';\n")
        idle.stdin.flush()
        assert idle.stdout.readline() == b"deleted\n"
        restore(bare, bare.dump())
        idle.stdin.close()
        idle.wait()
    assert mariadb.sql("SELECT COUNT(*) FROM t", "orders") == "20000"
    assert mariadb.locked() == {"other@localhost"}
    mariadb.sql("DROP USER other@localhost")
