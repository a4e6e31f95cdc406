"""Rows put back into a live database: exactly these, whatever is in them, and nothing of what stands against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.mysql.bare import bare_component
from tests.plugins.mysql.changes import SEED
from tests.plugins.mysql.shop import Shop
from tests.plugins.servers.mariadb import CALM, HOSTILE, HOSTILE_GLOBALS, MariadbServer

pytestmark = pytest.mark.server

PASSWORD = "not a secret"


@pytest.fixture
def shop(mariadb: MariadbServer, tmp_path: Path) -> Iterator[Shop]:
    for bare in bare_component(mariadb, tmp_path):
        yield Shop(mariadb, bare)


@pytest.fixture(scope="module")
def hostile() -> Iterator[MariadbServer]:
    with MariadbServer(settings=HOSTILE, globals_=HOSTILE_GLOBALS, calm=CALM) as server:
        yield server


MORE = r"""
CREATE TABLE `s'el``ect` (`a
b` varchar(20) PRIMARY KEY, flag bit(1), many bit(64), u uuid, net inet6, fixed binary(4), small tinyint unsigned
  zerofill, big bigint unsigned, money decimal(65,30), x double, y double unsigned, moment time(6),
  at timestamp(6) NULL,
  z datetime, area polygon, blank varbinary(9), t longtext, c char(5), nat nchar(3), feeling enum('a','b\'c',''));
INSERT INTO `s'el``ect` VALUES ('k\t\n\\\'', b'1', ~0, UUID(), '::1', X'00FF27', 7, 18446744073709551615,
  -12345.678901234567890123456789, 1e300, 0.1, '-838:59:59.999999', '2026-06-01 12:00:00.123456', '0000-00-00 00:00:00',
  ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))'), X'', REPEAT('x', 70000), 'ab ', 'é', 'b\'c'),
  ('', b'0', 0, NULL, NULL, NULL, NULL, NULL, NULL, -2.2250738585072014e-308, NULL, NULL, NULL, NULL, NULL, NULL, '',
  '', NULL, '');
CREATE TABLE by_bytes (k varbinary(20), b bit(10), d date, x double, PRIMARY KEY (k, b, d, x));
INSERT INTO by_bytes VALUES (X'00275C0AFF', b'1000000001', '2026-01-02', 0.1), ('abc', 2, '2026-01-02', 1e100);
CREATE TABLE zero (id int AUTO_INCREMENT PRIMARY KEY, v varchar(9)); SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
INSERT INTO zero VALUES (0, 'zero'), (7, 'seven');
CREATE TABLE team (id int PRIMARY KEY, lead int, slug varchar(9) UNIQUE);
CREATE TABLE member (id int PRIMARY KEY, team int NOT NULL, nick varchar(9) COLLATE utf8mb4_bin UNIQUE,
  FOREIGN KEY (team) REFERENCES team (id) ON DELETE CASCADE);
INSERT INTO team VALUES (1, 1, 'a'), (2, 2, 'b'); INSERT INTO member VALUES (1, 1, 'x'), (2, 2, 'X');
ALTER TABLE team ADD FOREIGN KEY (lead) REFERENCES member (id);
"""
NOT_ALONE = {"loved", "told", "tree", "orders"}
"""Of the seed: MyISAM, with a history, with triggers."""


def _everything_is_back(shop: Shop) -> None:
    shop.create(SEED + MORE)
    tables = {name: one for name, one in shop.sections().items() if one.key and name not in NOT_ALONE}
    assert len(tables) >= 12
    for name in tables:
        look = shop.look(shop.all_of(name))
        assert look.refusals == ()
        assert [one.raw for one in look.rows] == [row.wanted for row in shop.all_of(name)], "in the dump's own words"
    shop.sql("SET foreign_key_checks = 0; DROP TRIGGER stamp; DROP TRIGGER stamp_again; DELETE FROM orders")
    shop.keep()
    before = shop.dumped()
    tables = {name: shop.sections()[name] for name in tables}
    names = ["`" + name.replace("`", "``") + "`" for name in tables]
    shop.sql("SET foreign_key_checks = 0;" + "".join(f"DELETE FROM {name};" for name in names))
    rows = [row for one in tables.values() for row in shop.lacking(one)]
    assert len(rows) == sum(one.rows or 0 for one in tables.values())
    look = shop.look(rows)
    assert (look.conflicts, look.refusals) == ({}, ())
    assert shop.put(rows, look) == []
    assert shop.dumped() == before


def test_one_of_everything_is_back_as_mariadb_dump_has_it(shop: Shop) -> None:
    """All rows of all tables that have a key are deleted."""
    _everything_is_back(shop)


def test_the_same_whatever_is_set_on_the_server(hostile: MariadbServer, tmp_path: Path) -> None:
    for bare in bare_component(hostile, tmp_path):
        _everything_is_back(Shop(hostile, bare))
