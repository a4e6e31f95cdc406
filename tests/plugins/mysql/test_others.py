"""MariaDB servers and dumps of others: settings that cut, views that do not work, rows too long, dumps not trusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, Truncated
from dysnomia_plugins.types.mysql import confined, engines, session, vetting
from dysnomia_plugins.types.mysql.views import without_schema
from tests.plugins.conformance.bare import Bare, Notes, places, restore, swapped, with_properties
from tests.plugins.mysql.bare import bare_component, seed
from tests.plugins.servers.mariadb import MariadbServer


@pytest.fixture
def bare(mariadb: MariadbServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(mariadb, tmp_path)


@pytest.mark.server
def test_a_limit_on_the_server_does_not_cut_a_dump(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    whole = bare.dump().digest
    mariadb.sql("SET GLOBAL sql_select_limit = 5")
    try:
        assert bare.dump().digest == whole
    finally:
        mariadb.sql("SET GLOBAL sql_select_limit = DEFAULT")


@pytest.mark.server
def test_a_dump_that_lacks_rows_is_not_kept(
    bare: Bare, mariadb: MariadbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dump program shows no error: only a second count can tell."""
    seed(mariadb)
    monkeypatch.setattr(session, "DUMPING", ())
    mariadb.sql("SET GLOBAL sql_select_limit = 5")
    try:
        with pytest.raises(Truncated, match=r"5 rows of orders\.t, and the server 1000"):
            bare.dump()
    finally:
        mariadb.sql("SET GLOBAL sql_select_limit = DEFAULT")


@pytest.mark.server
def test_a_server_that_adds_if_exists_is_restored_all_the_same(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    stored = bare.dump()
    mariadb.sql("DELETE FROM t", "orders")
    mariadb.sql("SET GLOBAL sql_if_exists = 1")
    try:
        restore(bare, stored)
        assert bare.dump().digest == stored.digest
    finally:
        mariadb.sql("SET GLOBAL sql_if_exists = DEFAULT")


@pytest.mark.server
@pytest.mark.parametrize(
    "setting",
    [
        "enforce_storage_engine = 'Aria'",
        "max_session_mem_used = 8192",
        "idle_write_transaction_timeout = 1",
        "sort_buffer_size = 1024",
        "tmp_disk_table_size = 1024",
        "innodb_default_encryption_key_id = 7",
    ],
)
def test_what_a_server_sets_for_each_session_neither_changes_nor_stops_a_restore(
    bare: Bare, mariadb: MariadbServer, setting: str
) -> None:
    seed(mariadb)
    stored = bare.dump()
    mariadb.sql("DELETE FROM t", "orders")
    mariadb.sql(f"SET GLOBAL {setting}")
    try:
        restore(bare, stored)
        assert bare.dump().digest == stored.digest
    finally:
        mariadb.sql(f"SET SESSION max_session_mem_used = {2**40}; SET GLOBAL {setting.split()[0]} = DEFAULT")


@pytest.mark.server
def test_an_account_that_cannot_choose_a_tables_engine_is_named_in_the_plan(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    stored = bare.dump()
    mariadb.sql("CREATE USER some@localhost; GRANT SELECT, CREATE, DROP ON *.* TO some@localhost")
    mariadb.sql("SET GLOBAL enforce_storage_engine = 'Aria'")
    try:
        with_properties(bare, mysqlUsername="some")
        found = bare.plugin.preflight(bare.context(), stored, replace=False).findings
        said = [one.text for one in found if one.severity is Severity.BLOCKER and "enforce_storage_engine" in one.text]
        assert len(said) == 1
        assert "Aria" in said[0]
    finally:
        mariadb.sql("SET GLOBAL enforce_storage_engine = DEFAULT; DROP USER some@localhost")


@pytest.mark.server
def test_a_view_of_an_account_that_is_gone_comes_back_as_it_was(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql("CREATE DEFINER = gone@nowhere VIEW lost AS SELECT id FROM t", "orders")
    shown = mariadb.sql("SHOW CREATE VIEW lost", "orders")
    assert "`orders`.`t`.`id`" in shown
    stored = bare.dump()
    copy = Place("copied")
    bare.plugin.load(bare.context("3"), stored, copy)
    assert bare.dump(copy).digest == stored.digest
    restore(bare, stored)
    assert mariadb.sql("SHOW CREATE VIEW lost", "orders") == shown


@pytest.mark.server
@pytest.mark.parametrize("rights", ["ALL ON orders.*", "SELECT ON orders.t", "SELECT (id) ON orders.t"])
def test_a_view_on_a_view_whose_definer_has_rights_on_that_schema_alone(
    bare: Bare, mariadb: MariadbServer, rights: str
) -> None:
    """An application's account made both: in any other schema its view may read nothing. It is lent what it needs on
    the schemas of the job, and has in the end what it had."""
    seed(mariadb)
    mariadb.sql(f"CREATE USER shop@localhost; GRANT {rights} TO shop@localhost")
    mariadb.sql(
        "CREATE DEFINER = shop@localhost VIEW a_inner AS SELECT id FROM t;"
        " CREATE VIEW outside AS SELECT id FROM a_inner;"
        " CREATE DEFINER = shop@localhost VIEW z_inner AS SELECT id FROM t; CREATE VIEW b AS SELECT id FROM z_inner",
        "orders",
    )
    held = "SELECT * FROM mysql.db; SELECT * FROM mysql.tables_priv; SELECT * FROM mysql.columns_priv"
    before = mariadb.sql(held)
    stored = bare.dump()
    ctx = bare.context("verify")
    scratch = bare.plugin.place(ctx, Purpose.SCRATCH)
    bare.plugin.load(ctx, stored, scratch)
    assert bare.dump(scratch, "verify").digest == stored.digest
    bare.plugin.drop(ctx, scratch)
    assert mariadb.sql(held) == before
    mariadb.sql("DELETE FROM t", "orders")
    ctx, aside = swapped(bare, stored)
    assert mariadb.sql("SELECT COUNT(*) FROM outside; SELECT COUNT(*) FROM b", "orders") == "1000\n1000"
    assert bare.dump(aside).digest != stored.digest
    assert mariadb.sql("SELECT COUNT(*) FROM outside", aside.name) == "0"
    bare.plugin.drop(ctx, aside)
    assert bare.dump().digest == stored.digest
    assert mariadb.sql(held) == before
    bare.plugin.load(bare.context("3"), stored, Place("copied"))
    assert mariadb.sql(held) == before, "nobody gets rights on a copy without being asked"
    assert any("read as shop@localhost, who has no rights on it" in line for line in bare.progress.lines)


@pytest.mark.server
def test_rights_on_a_copys_name_are_those_of_its_owner(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql("CREATE USER shop@localhost; GRANT ALL ON orders.* TO shop@localhost")
    mariadb.sql("GRANT SELECT, SHOW VIEW ON copied.* TO shop@localhost")
    mariadb.sql(
        "CREATE DEFINER = shop@localhost VIEW a AS SELECT id FROM t; CREATE VIEW b AS SELECT id FROM a", "orders"
    )
    before = mariadb.sql("SHOW GRANTS FOR shop@localhost")
    bare.plugin.load(bare.context("2"), bare.dump(), Place("copied"))
    assert mariadb.sql("SHOW GRANTS FOR shop@localhost") == before
    assert mariadb.sql("SELECT COUNT(*) FROM b", "copied") == "1000"


@pytest.mark.server
def test_a_view_that_does_not_work_is_kept_as_text_and_stays_where_it_is(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql("CREATE TABLE other (a int); CREATE VIEW broken AS SELECT a FROM other; DROP TABLE other", "orders")
    shown = mariadb.sql("SHOW CREATE VIEW broken", "orders")
    stored = bare.dump()
    assert any("do not work" in line and "broken" in line for line in bare.progress.lines)
    mariadb.sql("DELETE FROM t", "orders")
    restore(bare, stored)
    assert mariadb.sql("SHOW CREATE VIEW broken", "orders") == shown
    assert bare.dump().digest == stored.digest


@pytest.mark.server
def test_a_row_longer_than_the_server_takes_is_loaded_in_parts(bare: Bare, mariadb: MariadbServer) -> None:
    mariadb.sql("CREATE DATABASE orders")
    mariadb.sql(
        """CREATE TABLE big (id int PRIMARY KEY, b longblob, t longtext CHARACTER SET utf8mb4);
        INSERT INTO big SELECT seq, REPEAT(UNHEX('00275cff'), 200000), REPEAT('\\'\\\\ü', 60000) FROM seq_1_to_3""",
        "orders",
    )
    stored = bare.dump()
    mariadb.sql("SET GLOBAL max_allowed_packet = 1048576")
    try:
        restore(bare, stored)
        assert bare.dump().digest == stored.digest
    finally:
        mariadb.sql("SET GLOBAL max_allowed_packet = 16777216")


@pytest.mark.server
def test_a_storage_engine_that_the_server_lacks_is_named_and_never_replaced(bare: Bare, mariadb: MariadbServer) -> None:
    mariadb.sql("INSTALL SONAME 'ha_archive'; CREATE DATABASE orders")
    try:
        mariadb.sql(
            """CREATE TABLE old (id int, v text) ENGINE=ARCHIVE; INSERT INTO old VALUES (1, 'a');
            CREATE TABLE t (v text DEFAULT 'ENGINE=ROCKSDB' COMMENT 'ENGINE=x', `ENGINE=y` int) ENGINE=Aria""",
            "orders",
        )
        stored = bare.dump()
        mariadb.sql("DROP TABLE old", "orders")
    finally:
        mariadb.sql("UNINSTALL SONAME 'ha_archive'")
    found = bare.plugin.preflight(bare.context(), stored, replace=True).findings
    said = [one.text for one in found if one.severity is Severity.BLOCKER and one.of_snapshot]
    assert len(said) == 1
    assert "lacks the storage engine ARCHIVE, which the snapshot needs for old: install it" in said[0]
    copy = Place("copied")
    with pytest.raises(NotSafe, match="table old is made with the storage engine ARCHIVE, which the server lacks"):
        bare.plugin.load(bare.context("3"), stored, copy)
    mariadb.sql("INSTALL SONAME 'ha_archive'")
    try:
        bare.plugin.drop(bare.context("3"), copy)
        restore(bare, stored)
        assert bare.dump().digest == stored.digest
    finally:
        mariadb.drop("orders")
        mariadb.sql("UNINSTALL SONAME 'ha_archive'")


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (b"CREATE TABLE `t` (`ENGINE=a` int DEFAULT 'ENGINE=b') ENGINE=InnoDB COMMENT='ENGINE=c''d'", {"InnoDB"}),
        (b"CREATE TABLE `t` (i int)\n ENGINE=Aria\n PARTITION BY HASH (i) (PARTITION p ENGINE = Aria)", {"Aria"}),
        (b"/*!50100 PARTITION BY RANGE (`a`) (PARTITION `p0` VALUES LESS THAN (1) ENGINE = RocksDB) */", {"RocksDB"}),
        (b"CREATE TABLE `t` (i int)", set()),
    ],
)
def test_the_engines_of_a_definition_are_not_those_of_its_texts(statement: bytes, found: set[str]) -> None:
    assert engines.engines_in(statement) == found
    assert engines.missing(found, {"innodb", "aria"}) == sorted(found - {"InnoDB", "Aria"})


@pytest.mark.server
def test_a_copy_holds_no_table_of_ours(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    bare.plugin.load(bare.context("2"), bare.dump(), Place("copied"))
    assert set(mariadb.sql("SHOW TABLES", "copied").split()) == {"t", "w"}


@pytest.mark.server
def test_a_dump_that_is_not_trusted_is_loaded_by_an_account_that_is_gone_afterwards(
    bare: Bare, mariadb: MariadbServer
) -> None:
    """Its code keeps its definer where that can do nothing beyond the schema."""
    mariadb.sql("CREATE USER shop@localhost; GRANT ALL ON orders.* TO shop@localhost; CREATE DATABASE orders")
    mariadb.sql(
        """CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a');
        CREATE DEFINER = shop@localhost TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 'g';
        CREATE DEFINER = shop@localhost VIEW w AS SELECT id FROM t""",
        "orders",
    )
    stored = bare.dump()
    users = mariadb.sql("SELECT User, Host FROM mysql.global_priv")
    ctx = bare.context("2", made_here=False)
    beside, aside = places(bare, ctx)
    bare.plugin.load(ctx, stored, beside)
    assert mariadb.sql("SELECT User, Host FROM mysql.global_priv") == users
    bare.plugin.swap(ctx, beside, aside)
    bare.plugin.drop(ctx, aside)
    assert bare.dump().digest == stored.digest


@pytest.mark.server
def test_code_of_a_dump_that_is_not_trusted_never_runs_as_an_administrator(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    stored = bare.dump()
    ctx = bare.context("2", made_here=False)
    with pytest.raises(NotSafe, match=r"root@localhost.*beyond orders") as refused:
        bare.plugin.load(ctx, stored, places(bare, ctx)[0])
    assert "dysnomia-tui trust; or give the" in refused.value.hint
    found = bare.plugin.preflight(ctx, stored, replace=True).findings
    assert any(one.severity is Severity.BLOCKER and "root@localhost" in one.text for one in found)


@pytest.mark.server
def test_the_account_of_a_load_that_died_goes_with_its_recovery(bare: Bare, mariadb: MariadbServer) -> None:
    journal = Notes()
    mariadb.sql("CREATE USER dysnomia_0123abcd_1@localhost")
    journal.step(confined.MADE, user="dysnomia_0123abcd_1", host="localhost")
    for _ in range(2):
        bare.plugin.recover(bare.context("1", journal))
        assert mariadb.sql("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'dysnomia%'") == "0"


@pytest.mark.server
def test_a_plan_says_that_a_binary_log_asks_for_super(bare: Bare, mariadb: MariadbServer) -> None:
    seed(mariadb)
    mariadb.sql("CREATE USER dumper@localhost IDENTIFIED BY 'x'; GRANT ALL ON *.* TO dumper@localhost")
    mariadb.sql("REVOKE SUPER, SLAVE MONITOR, SET USER ON *.* FROM dumper@localhost")
    poor = with_properties(bare, mysqlUsername="dumper", mysqlPassword="x")
    found = poor.plugin.preflight(poor.context(), poor.dump(), replace=True).findings
    said = " ".join(one.text for one in found if one.severity is Severity.BLOCKER)
    assert "SLAVE MONITOR" in said
    assert "is root@localhost" in said
    assert "GRANT SET USER ON *.* TO `dumper`@`localhost`" in said


@pytest.mark.parametrize(
    "statement",
    [
        b"SET @x=1, GLOBAL general_log_file='/tmp/x';",
        b"SET SESSION sql_mode='', @@GLOBAL.max_connections=7;",
        b"SET/**/GLOBAL max_connections=9;",
        b"SET @a=(SELECT load_file('/etc/passwd'));",
        b"SET STATEMENT max_statement_time=1 FOR CREATE USER x@y;",
        b"/*!50003 SET @a=1 */ /*!50003 ; CREATE USER x@y */;",
        b"SET PASSWORD = 'x';",
        b"SET sql_mode = sys_exec('x');",
        b"DO SETVAL(`x`,1), sys_exec('touch');",
        b"ALTER TABLE `t` RENAME TO mysql.evil;",
        b"CREATE TABLE `mysql`.`evil` (i int);",
        b"USE mysql;",
    ],
)
def test_a_statement_that_reaches_out_is_never_sent(statement: bytes) -> None:
    with pytest.raises(NotSafe):
        vetting.check(statement, b"orders")


@pytest.mark.parametrize(
    "statement",
    [
        b"/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;",
        b"/*!40101 SET NAMES utf8mb4 */;",
        b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;",
        b"/*!40103 SET TIME_ZONE='+00:00' */;",
        b"/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ZERO_DATE' */ ;;",
        b"/*!50003 SET character_set_client  = @saved_cs_client */ ;",
        b"/*!40000 ALTER TABLE `t` DISABLE KEYS */;",
        b"DO SETVAL(`s`, 1, 0);",
    ],
)
def test_what_dumps_are_made_of_is_sent(statement: bytes) -> None:
    vetting.check(statement, b"orders")


@pytest.mark.parametrize("rows", [b"(1,load_file('/etc/passwd'));\n", b"((SELECT 1));\n", b"(1) ON DUPLICATE KEY;\n"])
def test_rows_of_a_dump_that_is_not_trusted_are_literals(rows: bytes) -> None:
    vetting.check_rows(b"(1,'a\\'(',NULL,-1.5e3,0xAB,_binary '')," + b"\n(2,'x');\n")
    with pytest.raises(NotSafe):
        vetting.check_rows(rows)


def test_a_view_names_its_schema_in_three_parts_or_where_nothing_else_is_called_so() -> None:
    text = b"select `b`.`t`.`id` AS `id`,'`b`.`t`.`id`' AS `x` from (`b`.`t` join `o`.`b`)"
    assert without_schema(text, "b") == b"select `t`.`id` AS `id`,'`b`.`t`.`id`' AS `x` from (`t` join `o`.`b`)"
    assert without_schema(b"select `b`.`id` from `t` `b`", "b") == b"select `b`.`id` from `t` `b`"
