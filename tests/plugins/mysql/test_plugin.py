"""A MariaDB database: what is carried over, copied, probed, found, and opened with the server's own client."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.mysql import discover
from dysnomia_plugins.types.mysql.server import Server
from tests.plugins.conformance.bare import Bare, places, restore, swapped, with_properties
from tests.plugins.mysql.bare import bare_component, seed
from tests.plugins.servers.mariadb import MariadbServer
from tests.waiting import wait_until

pytestmark = pytest.mark.server

ODD = 'o\'r `d` "e"; rs-- é'


@pytest.fixture
def bare(mariadb: MariadbServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(mariadb, tmp_path)


# --- names -----------------------------------------------------------------------------------------------


def test_a_name_may_hold_quotes_spaces_and_backticks(mariadb: MariadbServer, tmp_path: Path) -> None:
    for bare in bare_component(mariadb, tmp_path, ODD):
        seed(mariadb, ODD)
        stored = bare.dump()
        mariadb.sql("DELETE FROM t WHERE id > 5; CREATE TABLE later (a int)", ODD)
        restore(bare, stored)
        assert bare.dump().digest == stored.digest
        assert mariadb.sql("SELECT COUNT(*) FROM w", ODD) == "1000"


@pytest.mark.parametrize("name", ["mysql", "SYS", "x" * 65, "a ", "orders", "Orders"])
def test_a_copy_is_never_called_what_is_another_or_live(bare: Bare, name: str) -> None:
    with pytest.raises(NotSafe):
        bare.plugin.named(bare.component, name)


# --- what is kept ----------------------------------------------------------------------------------------


def test_grants_outlive_a_restore(bare: Bare, mariadb: MariadbServer) -> None:
    """Those on the schema and its tables are the accounts'; those on routines the server drops with the routine."""
    seed(mariadb)
    mariadb.sql(
        """CREATE FUNCTION f() RETURNS int RETURN 1; CREATE PROCEDURE p() SELECT 1;
        SET sql_mode = ORACLE;
DELIMITER //
        CREATE PACKAGE k AS FUNCTION x RETURN INT; END//
        CREATE PACKAGE BODY k AS FUNCTION x RETURN INT IS BEGIN RETURN 1; END; END//
DELIMITER ;
        CREATE USER shop@localhost; CREATE USER other@localhost; CREATE ROLE clerks;
        GRANT EXECUTE ON PACKAGE orders.k TO other@localhost; SET sql_mode = '';
        GRANT SELECT ON orders.* TO shop@localhost; GRANT UPDATE (v) ON orders.t TO other@localhost;
        GRANT EXECUTE ON FUNCTION orders.f TO shop@localhost WITH GRANT OPTION;
        GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE orders.p TO clerks;""",
        "orders",
    )
    shown = "SHOW GRANTS FOR shop@localhost; SHOW GRANTS FOR other@localhost; SHOW GRANTS FOR clerks"
    before = mariadb.sql(shown)
    assert before.count("ON ") >= 7
    stored = bare.dump()
    restore(bare, stored)
    assert mariadb.sql(shown) == before


def test_the_schemas_own_defaults_stay_and_come_back_when_it_is_gone(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql("ALTER DATABASE orders CHARACTER SET utf8mb4 COLLATE utf8mb4_czech_ci COMMENT 'of the shop''s'")
    asked = (
        "SELECT default_collation_name, schema_comment FROM information_schema.schemata WHERE schema_name = 'orders'"
    )
    before = mariadb.sql(asked)
    stored = bare.dump()
    restore(bare, stored)
    assert mariadb.sql(asked) == before
    mariadb.drop("orders")
    restore(bare, stored, "3")
    assert mariadb.sql(asked) == before
    assert mariadb.databases() == {"orders"}


def test_what_stands_aside_dumps_as_what_was_live(bare: Bare, mariadb: MariadbServer) -> None:
    """Triggers, views and all: so its dump is the guard. No event runs in it."""
    seed(mariadb)
    stored = bare.dump()
    mariadb.sql(
        """INSERT INTO t (v) VALUES ('later'); CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO SET @x = 1;
        CREATE PROCEDURE p() SELECT 1;""",
        "orders",
    )
    now = bare.dump().digest
    ctx, aside = swapped(bare, stored)
    assert bare.dump(aside).digest == now
    assert mariadb.sql(f"SHOW EVENTS IN {aside.name}") == ""
    bare.plugin.drop(ctx, aside)


def test_events_run_after_a_restore_and_never_beside(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb, rows=3)
    mariadb.sql(
        "CREATE TABLE ticks (a int); CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO INSERT INTO ticks VALUES (1)",
        "orders",
    )
    stored = bare.dump()
    mariadb.sql("DROP EVENT e", "orders")
    ctx = bare.context("2")
    copy = Place("copied")
    bare.plugin.load(ctx, stored, copy)
    restore(bare, stored)
    ticks = int(mariadb.sql("SELECT COUNT(*) FROM ticks", "orders"))
    wait_until(lambda: int(mariadb.sql("SELECT COUNT(*) FROM ticks", "orders")) > ticks)
    rows = mariadb.sql("SELECT COUNT(*) FROM ticks", "copied")
    assert int(rows) <= ticks
    assert any("events do not run in a copy" in line for line in bare.progress.lines)


def test_foreign_keys_hold_in_live_and_in_what_stands_aside(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql(
        "CREATE TABLE c (t int, FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE); INSERT INTO c VALUES (7)",
        "orders",
    )
    ctx, aside = swapped(bare, bare.dump())
    for name in ("orders", aside.name):
        assert "foreign key constraint fails" in _refused(mariadb, "INSERT INTO c VALUES (77777)", name)
        mariadb.sql("DELETE FROM t WHERE id = 7", name)
        assert mariadb.sql("SELECT COUNT(*) FROM c", name) == "0"
    bare.plugin.drop(ctx, aside)


def _refused(server: MariadbServer, sql: str, database: str) -> str:
    with pytest.raises(AssertionError) as caught:
        server.sql(sql, database)
    return str(caught.value)


# --- before a restore ------------------------------------------------------------------------------------


def findings(bare: Bare, *, replace: bool = True, made_here: bool = True) -> dict[Severity, str]:
    stored = bare.dump()
    found = bare.plugin.preflight(bare.context(made_here=made_here), stored, replace=replace)
    said: dict[Severity, str] = {}
    for finding in found.findings:
        said[finding.severity] = said.get(finding.severity, "") + finding.text + "\n"
    return said


def test_a_plan_says_who_is_kept_out_and_who_cannot_be(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql(
        """CREATE USER shop@localhost; CREATE USER other@localhost; CREATE USER boss@localhost; CREATE ROLE clerks;
        CREATE USER dumper@localhost; GRANT SELECT ON `ord%`.* TO clerks; GRANT clerks TO shop@localhost;
        GRANT SELECT ON *.* TO dumper@localhost; GRANT ALL ON *.* TO boss@localhost"""
    )
    mariadb.sql("CREATE TABLE old_one (a int) ENGINE=MyISAM; CREATE TABLE rounded (f float)", "orders")
    said = findings(bare)
    assert Severity.BLOCKER not in said
    assert "shop@localhost" in said[Severity.NOTE]
    assert "dumper@localhost" in said[Severity.NOTE]
    assert "other@localhost" not in said[Severity.NOTE]
    assert "old_one (MyISAM)" in said[Severity.NOTE]
    assert "boss@localhost" in said[Severity.WARNING]
    assert "rounded" in said[Severity.WARNING]


def test_keys_from_another_schema_are_refused_in_plan_and_swap(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql(
        "CREATE DATABASE elsewhere; CREATE TABLE elsewhere.c (a int, FOREIGN KEY k (a) REFERENCES orders.t (id))"
    )
    assert "elsewhere.c" in findings(bare)[Severity.BLOCKER]
    ctx = bare.context("2")
    beside, aside = places(bare, ctx)
    stored = bare.dump()
    bare.plugin.load(ctx, stored, beside)
    with pytest.raises(NotSafe, match=r"elsewhere\.c"):
        bare.plugin.swap(ctx, beside, aside)
    assert bare.dump().digest == stored.digest
    mariadb.drop("elsewhere")


def test_an_account_without_the_rights_is_told_which(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql("CREATE USER dumper@localhost IDENTIFIED BY 'x'; GRANT ALL ON *.* TO dumper@localhost")
    mariadb.sql("REVOKE SUPER, CONNECTION ADMIN, CREATE USER ON *.* FROM dumper@localhost")
    said = findings(with_properties(bare, mysqlUsername="dumper", mysqlPassword="x"))
    assert "CREATE USER, CONNECTION ADMIN" in said[Severity.BLOCKER]


def test_an_untrusted_dump_is_dangerous_where_we_may_do_everything(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    assert "not trusted" in findings(bare, made_here=False, replace=False)[Severity.DANGEROUS]


def test_an_event_that_mariadb_dump_never_ends_on_is_refused(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql("CREATE EVENT odd ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO SET @x = ';;'", "orders")
    with pytest.raises(NotSafe, match="odd"):
        bare.dump()


# --- what is there ---------------------------------------------------------------------------------------


def test_a_probe_tells_version_size_and_who_is_in(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    with subprocess.Popen(mariadb.argv("--database=orders"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as idle:
        runner = ProcessRunner()
        wait_until(lambda: bare.plugin.probe(bare.component, runner).clients == 1)
        probe = bare.plugin.probe(bare.component, runner)
        assert probe.up
        assert probe.version.startswith("10.") or probe.version.startswith("11.")
        assert probe.size
        assert "root from localhost" in probe.who[0]
        idle.communicate(b"")
    mariadb.drop("orders")
    assert "no database orders" in bare.plugin.probe(bare.component, runner).detail


def test_every_server_is_found_by_its_socket_or_process(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    found = [
        one for one in discover.discover(ProcessRunner(), ()) if one.properties.get("mysqlSocket") == mariadb.socket
    ]
    assert [(one.component, one.type, one.readable) for one in found] == [("orders", "mysql-database", True)]
    assert found[0].size


def test_a_server_that_does_not_let_us_in_is_named_with_a_remedy(bare: Bare, mariadb: MariadbServer) -> None:
    mariadb.sql("SET PASSWORD FOR root@localhost = PASSWORD('x')")
    try:
        found = [one for one in discover.discover(ProcessRunner(), [mariadb.socket]) if mariadb.socket in one.detail]
    finally:
        mariadb.sql("SET PASSWORD FOR root@localhost = PASSWORD('')", password="x")
    assert [(one.readable, one.component) for one in found] == [(False, "")]
    assert found[0].remedy


def test_the_shell_is_the_servers_own_client_without_a_secret_in_its_arguments(
    bare: Bare, mariadb: MariadbServer
) -> None:
    seed(mariadb)
    mariadb.sql("CREATE USER boss@localhost IDENTIFIED BY 'se cret'; GRANT ALL ON *.* TO boss@localhost")
    argv, env = bare.plugin.shell(with_properties(bare, mysqlUsername="boss", mysqlPassword="se cret").component)
    assert not any("se cret" in word for word in argv)
    done = subprocess.run(
        argv, env={**os.environ, **env}, input=b"SELECT DATABASE(), CURRENT_USER()", capture_output=True, check=True
    )
    assert done.stdout.split() == [b"DATABASE()", b"CURRENT_USER()", b"orders", b"boss@localhost"]


# --- initial state ---------------------------------------------------------------------------------------


def test_activation_that_fails_leaves_nothing(bare: Bare, mariadb: MariadbServer) -> None:
    folder = bare.component.path / "mysql-databases"
    folder.mkdir()
    (folder / "a.sql").write_text("CREATE TABLE a (b int);\nCREATE TABLE a (b int);\n")
    with pytest.raises(PluginError, match="already exists"):
        bare.plugin.activate(bare.context())
    assert mariadb.databases() == set()


def test_a_password_may_hold_anything_but_a_line_break() -> None:
    assert 'password="a\\"b\\\\c #d"' in Server(password='a"b\\c #d').options()
    with pytest.raises(NotSafe, match="line break"):
        Server(password="a\nb").options()


def test_a_default_takes_its_numbers_from_the_sequence_beside_it(bare: Bare, mariadb: MariadbServer) -> None:
    """The server writes the schema's name into such a default: live's, a copy's, and without live."""
    seed(mariadb, rows=3)
    columns = "id int PRIMARY KEY DEFAULT NEXTVAL(s), v text DEFAULT 'nextval(`orders`.'"
    mariadb.sql(f"CREATE SEQUENCE s; CREATE TABLE n ({columns})", "orders")
    mariadb.sql("INSERT INTO n (v) VALUES ('a')", "orders")
    stored = bare.dump()
    copy = Place("copied")
    bare.plugin.load(bare.context("2"), stored, copy)
    assert bare.dump(copy).digest == stored.digest
    assert "nextval(`copied`.`s`)" in mariadb.sql("SHOW CREATE TABLE n", "copied")
    ctx, aside = swapped(bare, stored, "3")
    assert "nextval(`orders`.`s`)" in mariadb.sql("SHOW CREATE TABLE n", "orders")
    assert f"nextval(`{aside.name}`.`s`)" in mariadb.sql("SHOW CREATE TABLE n", aside.name)
    assert bare.dump().digest == bare.dump(aside).digest == stored.digest
    bare.plugin.drop(ctx, aside)
    mariadb.sql("DROP TABLE n; DROP SEQUENCE s", "orders")
    restore(bare, stored, "4")
    mariadb.drop("orders")
    restore(bare, stored, "5")
    mariadb.sql("INSERT INTO n (v) VALUES ('b')", "orders")
    assert bare.dump().digest != stored.digest


@pytest.mark.parametrize(
    "lines",
    [
        "[mysqldump]\nignore-table=orders.w",
        "[mariadb-dump]\nno-create-info\nskip-tz-utc",
        "[mysqldump]\nsystem=users\nreplace\nwhere=id<5",
        "[mysqldump]\nresult-file=/nonexistent/file\nxml",
        "[mysql]\nxml\ntee=/nonexistent/file\ndatabase=mysql",
        "[client]\nloose-ssl=0\ninit-command=SET sql_select_limit = 1",
        "[client-mariadb]\ndefault-character-set=latin1",
    ],
)
def test_an_option_file_says_how_the_server_is_reached_and_nothing_of_the_dump(
    bare: Bare, mariadb: MariadbServer, tmp_path: Path, lines: str
) -> None:
    """One's own ``~/.my.cnf`` may be written for other dumps: a view that it ignores was missing, all green."""
    seed(mariadb)
    whole = bare.dump().digest
    mariadb.sql("CREATE USER boss@localhost IDENTIFIED BY 'se cr#t'; GRANT ALL ON *.* TO boss@localhost")
    file = tmp_path / "my.cnf"
    socket = mariadb.properties["mysqlSocket"]
    file.write_text(f"[client]\nuser=boss\npassword='se cr#t'\nsocket={socket}\n{lines}\n")
    file.chmod(0o600)
    bare.component = replace(bare.component, properties={"mysqlDefaultsFile": str(file)})
    stored = bare.dump()
    assert stored.digest == whole
    mariadb.sql("DELETE FROM t", "orders")
    restore(bare, stored)
    assert bare.dump().digest == whole


def test_an_option_file_that_is_none_is_named(bare: Bare, tmp_path: Path) -> None:
    file = tmp_path / "my.cnf"
    file.write_text("user=boss\n")
    file.chmod(0o600)
    with pytest.raises(PluginError, match=rf"option file {file} cannot be read .*without preceding group"):
        with_properties(bare, mysqlDefaultsFile=str(file)).dump()


ALL_ROUTINES = "SELECT ON mysql.proc"


@pytest.mark.parametrize(
    ("rights", "unseen"),
    [
        (("SELECT, SHOW VIEW, EVENT, LOCK TABLES ON orders.*", ALL_ROUTINES), "triggers"),
        (("SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON orders.*",), "procedures and functions"),
        (("SELECT, TRIGGER ON orders.t", ALL_ROUTINES), "tables and triggers"),
        (("EVENT ON orders.*",), "tables and triggers and procedures and functions"),
        (("SELECT, SHOW VIEW, TRIGGER, EVENT ON `order_`.*", ALL_ROUTINES), ""),
        (("SELECT, SHOW VIEW, TRIGGER, EVENT ON *.*",), ""),
        (("ALL ON orders.*", ALL_ROUTINES), ""),
    ],
)
def test_what_an_account_is_not_shown_is_missing_from_no_snapshot(
    bare: Bare, mariadb: MariadbServer, rights: tuple[str, ...], unseen: str
) -> None:
    """mariadb-dump ends well for an account to which the server shows no triggers or no routines."""
    seed(mariadb)
    mariadb.sql("CREATE PROCEDURE p() SELECT 1; CREATE FUNCTION f() RETURNS int RETURN 1", "orders")
    whole = bare.dump().digest
    mariadb.sql("CREATE USER dumper@localhost IDENTIFIED BY 'x'")
    for right in rights:
        mariadb.sql(f"GRANT {right} TO dumper@localhost")
    dumper = with_properties(bare, mysqlUsername="dumper", mysqlPassword="x")
    if not unseen:
        assert dumper.dump().digest == whole
        return
    with pytest.raises(NotSafe, match=f"is not shown all {unseen} of orders") as caught:
        dumper.dump()
    assert "TO `dumper`@`localhost`" in caught.value.hint
    for statement in caught.value.hint.split("; "):
        mariadb.sql(statement)
    assert dumper.dump().digest == whole


def test_rights_that_come_with_a_role_are_rights(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql(
        "CREATE ROLE clerks; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON orders.* TO clerks;"
        " GRANT SELECT ON mysql.proc TO clerks; CREATE USER dumper@localhost IDENTIFIED BY 'x';"
        " GRANT clerks TO dumper@localhost; SET DEFAULT ROLE clerks FOR dumper@localhost"
    )
    whole = bare.dump().digest
    assert with_properties(bare, mysqlUsername="dumper", mysqlPassword="x").dump().digest == whole
