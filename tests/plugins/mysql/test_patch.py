"""SQL patches: what the mariadb client makes of one state with them is the other state, as mariadb-dump has both."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dysnomia_plugins.base import Stored
from dysnomia_plugins.errors import Unsupported
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.diff.patch import sql_patch
from tests.plugins.conformance.bare import Bare
from tests.plugins.mysql.bare import bare_component
from tests.plugins.servers.mariadb import CALM, HOSTILE, HOSTILE_GLOBALS, MariadbServer

pytestmark = pytest.mark.server

SEED = r"""
CREATE TABLE customers (id int PRIMARY KEY AUTO_INCREMENT, name varchar(200) UNIQUE, credit decimal(12,2), rate double,
  born datetime(6), seen timestamp NULL DEFAULT NULL ON UPDATE current_timestamp(), about json, sign varbinary(40),
  flags bit(9), feeling enum('sad','ok'), tags set('a','b','c'), place point, day date, year year, clock time(3),
  twice decimal(14,2) GENERATED ALWAYS AS (credit * 2) STORED, half decimal(14,2) AS (credit / 2) VIRTUAL);
CREATE TABLE orders (number varchar(40) PRIMARY KEY, customer int, note text,
  FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE tree (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES tree (id) ON DELETE SET NULL);
CREATE TABLE prices (item varchar(40), day date, price decimal(10,4), PRIMARY KEY (day, item))
  PARTITION BY RANGE COLUMNS (day) (PARTITION old VALUES LESS THAN ('2026-01-20'),
  PARTITION new VALUES LESS THAN (MAXVALUE));
CREATE TABLE latin (id int PRIMARY KEY, t varchar(50) CHARACTER SET latin1, c char(3) COLLATE utf8mb4_bin);
CREATE TABLE shy (id int PRIMARY KEY, hidden int INVISIBLE DEFAULT 7);
CREATE TABLE `Odd ``T"'; able` (`a ``b"', c` int, `; -- INSERT INTO x` text, PRIMARY KEY (`a ``b"', c`));
CREATE TABLE loose (v int); CREATE TABLE `long` (id int PRIMARY KEY, t longtext);
CREATE TABLE loved (a int PRIMARY KEY) ENGINE=MyISAM;
CREATE TABLE floats (a int PRIMARY KEY, f float);
CREATE TABLE heard (id int PRIMARY KEY, what text);
CREATE TRIGGER hears BEFORE INSERT ON heard FOR EACH ROW SET NEW.what = 'heard';
INSERT INTO `Odd ``T"'; able` VALUES (1, 'tab\tand\nnewline'), (2, NULL), (3, ''), (0, ');\nDROP TABLE loose;\n');
INSERT INTO customers (name, credit, rate, born, seen, about, sign, flags, feeling, tags, place, day, year, clock)
  SELECT CONCAT('name ', seq, ' é😀'), seq * 1.10, seq / 3.0, '2026-01-01 00:00:00.123456' + INTERVAL seq HOUR,
    '2026-01-01' + INTERVAL seq DAY, CONCAT('{"n": ', seq, '}'), UNHEX(MD5(seq)), seq, 'ok', 'a,c', POINT(seq, 2),
    '2026-01-01', 2026, '10:11:12.123' FROM seq_1_to_40;
INSERT INTO orders SELECT CONCAT('N', seq), seq, IF(seq % 3, CONCAT('note ', seq), NULL) FROM seq_1_to_40;
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
INSERT INTO prices SELECT CONCAT('item ', seq % 7), '2026-01-01' + INTERVAL seq DAY, seq / 3 FROM seq_1_to_40;
INSERT INTO latin VALUES (1, 'é', 'abc'), (2, 'E', 'ABC');
INSERT INTO shy (id, hidden) VALUES (1, 2);
"""
CHANGES = (
    "DELETE FROM customers WHERE id IN (2, 40)",
    "UPDATE customers SET name = CASE id WHEN 1 THEN 'new' ELSE 'name 1 é😀' END WHERE id IN (1, 3) ORDER BY id",
    "UPDATE customers SET rate = rate * (1 + 2.220446049250313e-16), sign = X'00275C0A', flags = b'101', seen = NULL"
    " WHERE id = 5",
    "UPDATE customers SET credit = credit + 1, about = NULL, place = POINT(0, 1), name = UPPER(name) WHERE id = 7",
    "INSERT INTO customers (name) VALUES ('late\\r\\n'), (NULL), ('\\0\\Z\\\\')",
    "UPDATE orders SET note = UPPER(note) WHERE customer < 9",
    "DELETE FROM tree WHERE id = 1",
    "UPDATE prices SET day = day + INTERVAL 15 DAY WHERE item = 'item 3' ORDER BY day DESC",
    "UPDATE latin SET t = 'É', c = 'abC'",
    "UPDATE shy SET hidden = 3",
    "INSERT INTO shy (id, hidden) VALUES (0, NULL)",
    """UPDATE `Odd ``T"'; able` SET `; -- INSERT INTO x` = '\\\\' WHERE `a ``b"', c` = 2""",
    """DELETE FROM `Odd ``T"'; able` WHERE `a ``b"', c` = 0""",
    "DELETE FROM prices",
)


class States:
    """Live in two states: what was dumped of each by the plugin, and what mariadb-dump says of them."""

    def __init__(self, server: MariadbServer, bare: Bare) -> None:
        self.server, self.bare = server, bare
        for name in ("orders", "base"):
            server.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            server.sql(SEED, name)
        self.old, self.was = bare.dump(), self.dumped("orders")
        assert self.dumped("base") == self.was

    def change(self, *statements: str) -> None:
        for statement in statements:
            self.server.sql(f"SET foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; {statement}", "orders")
        self.new, self.now = self.bare.dump(), self.dumped("orders")

    def dumped(self, database: str) -> list[str]:
        argv = [self.server.dumper, "--no-defaults", "--user=root", f"--socket={self.server.socket}"]
        if self.server.calm:
            argv.append(f"--host=user=root;socket={self.server.socket};init-command={{{self.server.calm}}}")
        argv += ["--compact", "--hex-blob", "--order-by-primary", "--skip-extended-insert", database]
        done = subprocess.run(argv, capture_output=True, check=True)
        return done.stdout.decode("utf-8", "surrogateescape").split("\n")

    def patch(self, old: Stored, new: Stored) -> bytes:
        with TemporaryDirectory() as name:
            sides = [Opened(self.bare.plugin, one) for one in (old, new)]
            text = "".join(sql_patch(sides[0], sides[1], Path(name), "1 -> 2"))
        return text.encode("utf-8", "surrogateescape")

    def apply(self, script: bytes) -> subprocess.CompletedProcess[bytes]:
        argv = [self.server.client, "--no-defaults", "--user=root", f"--socket={self.server.socket}", "base"]
        return subprocess.run(argv, input=script, capture_output=True, check=False)


@pytest.fixture
def states(mariadb: MariadbServer, tmp_path: Path) -> Iterator[States]:
    for bare in bare_component(mariadb, tmp_path):
        yield States(mariadb, bare)


@pytest.fixture(scope="module")
def hostile() -> Iterator[MariadbServer]:
    with MariadbServer(settings=HOSTILE, globals_=HOSTILE_GLOBALS, calm=CALM) as server:
        yield server


def _forth_and_back(states: States, seed: int) -> None:
    chance = random.Random(seed)
    states.change(*(CHANGES if not seed else chance.sample(CHANGES, chance.randint(1, 6))))
    for old, new, wanted in ((states.old, states.new, states.now), (states.new, states.old, states.was)):
        done = states.apply(states.patch(old, new))
        assert (done.returncode, done.stderr.decode()) == (0, "")
        assert states.dumped("base") == wanted


@pytest.mark.parametrize("seed", range(8))
def test_a_patch_gives_exactly_the_other_state_and_back(states: States, seed: int) -> None:
    _forth_and_back(states, seed)


def test_whatever_is_set_on_the_server(hostile: MariadbServer, tmp_path: Path) -> None:
    for bare in bare_component(hostile, tmp_path):
        _forth_and_back(States(hostile, bare), 0)


def test_another_state_is_left_as_it_is(states: States) -> None:
    states.change(CHANGES[0], CHANGES[4])
    script = states.patch(states.old, states.new)
    states.server.sql("UPDATE customers SET name = UPPER(name) WHERE id = 2", "base")
    meanwhile = states.dumped("base")
    done = states.apply(script)
    assert done.returncode != 0
    assert b"this database is not in the state that the patch was made for" in done.stderr
    assert states.dumped("base") == meanwhile


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER TABLE orders ADD more int", "the schemas differ"),
        ("INSERT INTO loose VALUES (1)", "no primary key"),
        ("INSERT INTO loved VALUES (1)", "engine without transactions"),
        ("INSERT INTO floats VALUES (1, 0.1)", "FLOAT columns of table floats"),
        ("INSERT INTO heard VALUES (1, '')", "the trigger hears would run on table heard"),
        ("INSERT INTO `long` VALUES (1, REPEAT('x', 5000000))", "too long"),
    ],
)
def test_what_a_patch_cannot_say_is_refused_by_name(states: States, statement: str, words: str) -> None:
    states.change(statement)
    with pytest.raises(Unsupported, match=words):
        states.patch(states.old, states.new)
