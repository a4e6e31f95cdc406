"""SQL patches: what psql makes of one state with them is the other state, as pg_dump has both."""

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
from tests.plugins.postgresql.bare import bare_component
from tests.plugins.servers.postgresql import PostgresServer
from tests.thorough import often

pytestmark = pytest.mark.server

SCHEMA = r"""
CREATE TYPE mood AS ENUM ('sad', 'ok; COMMIT', 'glad');
CREATE TYPE pair AS (a int, "b c" text);
CREATE DOMAIN short AS text CHECK (length(VALUE) < 20);
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text UNIQUE,
  boss int REFERENCES customers ON DELETE CASCADE, shout text GENERATED ALWAYS AS (upper(email)) STORED);
CREATE TABLE orders (number text, line int, customer int NOT NULL REFERENCES customers ON DELETE CASCADE
  ON UPDATE CASCADE, at timestamptz, PRIMARY KEY (number, line));
CREATE TABLE "Odd Names; --" ("a ""quoted"" one" text, "select" int);
CREATE TABLE heard (what text, at timestamptz);
CREATE TABLE zoo (b bytea, ts text[], p pair, bits bit varying, one bit(3), letter "char", fixed char(5), m money,
  f float8, g real, x xml, j json, jb jsonb, pt point, r int4range, i interval, d date, n numeric, e mood, s short,
  ip inet, c regclass, t tsvector, ok boolean, u uuid, ar int[][]);
CREATE TABLE parts (id int, day date) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (100) TO (1000);
CREATE SEQUENCE counter;
CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO public.heard VALUES (TG_OP || TG_NAME, now()); RETURN coalesce(NEW, OLD); END$$;
CREATE TRIGGER usual BEFORE INSERT OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION hear();
CREATE TRIGGER always AFTER INSERT OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION hear();
CREATE TRIGGER "for replicas" AFTER DELETE ON zoo FOR EACH ROW EXECUTE FUNCTION hear();
ALTER TABLE orders ENABLE ALWAYS TRIGGER always;
ALTER TABLE zoo ENABLE REPLICA TRIGGER "for replicas";
CREATE RULE never AS ON DELETE TO "Odd Names; --" DO INSTEAD NOTHING;
ALTER TABLE "Odd Names; --" ENABLE ALWAYS RULE never;
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE MATERIALIZED VIEW emails AS SELECT email FROM customers WITH NO DATA;
"""
ZOO = r"""('\x00ff5c', ARRAY['NULL', NULL, 'a,"b\'], ROW(1, E'x\ty'), B'101', B'110', 'z', 'ab ', '12.50'::money,
  0.1::float8 + 0.2, 'NaN', 'two<a/>parts', '{"a":  1, "a": 2}', '{"b": [1]}', '(1,2)', '[1,5)',
  '-1 day +2 hours', '2026-06-01', 1.10, 'ok; COMMIT', E'it''s', '10.0.0.1', 'orders', 'a:1 b:2', true,
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{{1,2},{3,4}}')"""
SEED = rf"""
INSERT INTO customers (email) VALUES ('ada'), (E'b\\n\\tob'), (NULL);
UPDATE customers SET boss = 1 WHERE id > 1;
INSERT INTO orders SELECT 'A' || n, n % 3, 1 + n % 3, '2026-01-01'::timestamptz + n * '1 hour'::interval
  FROM generate_series(1, 60) n;
INSERT INTO "Odd Names; --" VALUES (E'\\.', 1), ('', 2), (NULL, 3), ('same', 4), ('same', 4), ('same', 4);
INSERT INTO zoo VALUES {ZOO}, {ZOO}; INSERT INTO zoo (b) VALUES (NULL), (NULL), ('');
INSERT INTO parts SELECT n, '2026-01-01' FROM generate_series(1, 300, 7) n;
SELECT nextval('counter'), nextval('counter');
"""
CHANGES = (
    "DELETE FROM customers WHERE id = 2",
    "UPDATE customers SET email = CASE id WHEN 1 THEN 'new' ELSE 'ada' END WHERE id < 3",
    "INSERT INTO customers (email, boss) VALUES ('late', 1), (E'\\\\N', NULL)",
    "UPDATE orders SET line = line + 1 WHERE number < 'A3'",
    "DELETE FROM orders WHERE line = 1",
    "INSERT INTO orders VALUES (E'back\\\\slash', 9, 1, NULL), (E'tab\\t', 9, 1, 'infinity')",
    """INSERT INTO "Odd Names; --" VALUES ('same', 4), (E'\\r\\n', NULL)""",
    """UPDATE "Odd Names; --" SET "select" = 5
       WHERE ctid = (SELECT min(ctid) FROM "Odd Names; --" WHERE "select" = 4)""",
    """UPDATE "Odd Names; --" SET "a ""quoted"" one" = NULL WHERE "select" = 2""",
    f"INSERT INTO zoo VALUES {ZOO}",
    "DELETE FROM zoo WHERE ctid = (SELECT min(ctid) FROM zoo)",
    "UPDATE zoo SET f = f + 1, fixed = 'ab', letter = '', x = '<b/>', ok = false, m = m * -1, j = '{}'"
    " WHERE ctid = (SELECT max(ctid) FROM zoo WHERE f IS NOT NULL)",
    "UPDATE parts SET id = 400 - id",
    "SELECT nextval('counter')",
    "SELECT setval('counter', 1, false)",
    "UPDATE orders SET at = at + '1 us'::interval",
    "TRUNCATE orders",
)
HOSTILE = {
    "client_encoding": "LATIN1", "TimeZone": "Asia/Kathmandu", "DateStyle": "SQL, DMY", "IntervalStyle": "sql_standard",
    "bytea_output": "escape", "extra_float_digits": "-15", "array_nulls": "off", "xmloption": "document",
    "default_transaction_read_only": "on", "default_transaction_isolation": "serializable", "lc_monetary": "C.UTF-8",
    "standard_conforming_strings": "off", "backslash_quote": "off", "xmlbinary": "hex", "quote_all_identifiers": "on",
    "transform_null_equals": "on", "row_security": "off", "client_min_messages": "debug1", "search_path": "nowhere",
    "lock_timeout": "1",
}  # fmt: skip


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(postgres, tmp_path)


class States:
    """Live in two states: what was dumped of each by the plugin, and what pg_dump says of them."""

    def __init__(self, server: PostgresServer, bare: Bare, schema: str = SCHEMA + SEED, options: str = "") -> None:
        self.server, self.bare = server, bare
        server.sql(f"CREATE DATABASE orders {options}")
        server.sql(schema, "orders")
        self.old, self.was = bare.dump(), self.dumped("orders")
        server.sql("CREATE DATABASE base TEMPLATE orders")

    def change(self, *statements: str) -> None:
        for statement in statements:
            self.server.sql(f"SET session_replication_role = replica; {statement}", "orders")
        self.new, self.now = self.bare.dump(), self.dumped("orders")

    def dumped(self, database: str) -> list[str]:
        argv: list[str | Path] = [self.server.bin / "pg_dump", "--inserts", database]
        done = subprocess.run(argv, env=self.server.client_environment(), capture_output=True, check=True)
        lines = done.stdout.decode("utf-8", "surrogateescape").split("\n")
        return sorted(line for line in lines if "restrict " not in line)

    def patch(self, old: Stored, new: Stored) -> bytes:
        with TemporaryDirectory() as name:
            sides = [Opened(self.bare.plugin, one) for one in (old, new)]
            text = "".join(sql_patch(sides[0], sides[1], Path(name), "1 -> 2"))
        return text.encode("utf-8", "surrogateescape")

    def apply(self, script: bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
        argv: list[str | Path] = [self.server.bin / "psql", "-X", "-d", "base"]
        env = {**self.server.client_environment(), **environment}
        return subprocess.run(argv, env=env, input=script, capture_output=True, check=False)

    def close(self) -> None:
        self.server.drop("base")


@pytest.mark.parametrize("seed", range(often(10, 4)))
def test_a_patch_gives_exactly_the_other_state_and_back_whatever_is_set(
    postgres: PostgresServer, bare: Bare, seed: int
) -> None:
    chance = random.Random(seed)
    states = States(postgres, bare)
    try:
        states.change(*(CHANGES if not seed else chance.sample(CHANGES, chance.randint(1, 6))))
        if seed % 2:
            for name, value in HOSTILE.items():
                said = value if name == "DateStyle" else f"'{value}'"
                postgres.sql(f"ALTER DATABASE base SET {name} = {said}")
        done = states.apply(states.patch(states.old, states.new))
        assert (done.returncode, done.stderr.decode(), done.stdout.decode()) == (0, "", "")
        postgres.sql("ALTER DATABASE base RESET ALL")
        assert states.dumped("base") == states.now
        again = states.apply(states.patch(states.old, states.new))
        assert again.returncode != 0 or states.was == states.now or seed
        assert states.dumped("base") == states.now, "all or nothing"
        done = states.apply(states.patch(states.new, states.old))
        assert (done.returncode, done.stderr.decode()) == (0, "")
        assert states.dumped("base") == states.was
    finally:
        states.close()


def test_another_state_is_left_as_it_is_and_so_it_is_without_the_right(postgres: PostgresServer, bare: Bare) -> None:
    states = States(postgres, bare)
    try:
        states.change(CHANGES[0], CHANGES[4], CHANGES[13])
        script = states.patch(states.old, states.new)
        postgres.sql(
            "SET session_replication_role = replica; UPDATE customers SET email = 'meanwhile' WHERE id = 2", "base"
        )
        meanwhile = states.dumped("base")
        done = states.apply(script)
        assert done.returncode != 0
        assert b"this database is not in the state that the patch was made for" in done.stderr
        assert states.dumped("base") == meanwhile
        postgres.sql("CREATE ROLE nobody_much LOGIN")
        refused = states.apply(script, PGUSER="nobody_much")
        assert refused.returncode != 0
        assert b"session_replication_role" in refused.stderr
        assert states.dumped("base") == meanwhile
    finally:
        postgres.sql("DROP ROLE IF EXISTS nobody_much")
        states.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER TABLE orders ADD note text", "the schemas differ"),
        ("CREATE TABLE more (a int)", "the schemas differ"),
        ("SELECT lo_put(4711, 0, 'x')", "large object 4711 differs"),
        ("INSERT INTO heard SELECT string_agg(md5(n::text), '') FROM generate_series(1, 200000) n", "too long"),
    ],
)
def test_what_a_patch_cannot_say_is_refused_by_name(
    postgres: PostgresServer, bare: Bare, statement: str, words: str
) -> None:
    states = States(postgres, bare, SCHEMA + SEED + "SELECT lo_from_bytea(4711, 'abc');")
    try:
        states.change(statement)
        with pytest.raises(Unsupported, match=words):
            states.patch(states.old, states.new)
    finally:
        states.close()


def test_names_and_values_are_in_the_encoding_of_the_dump(postgres: PostgresServer, bare: Bare) -> None:
    schema = """SET client_encoding = 'UTF8'; CREATE TABLE "é" ("ü" text, n int PRIMARY KEY);
      INSERT INTO "é" VALUES ('ä', 1), ('ß', 2);"""
    states = States(postgres, bare, schema, "TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        states.change("""SET client_encoding = 'UTF8'; UPDATE "é" SET "ü" = 'ö' WHERE n = 2""")
        done = states.apply(states.patch(states.old, states.new))
        assert (done.returncode, done.stderr) == (0, b"")
        assert states.dumped("base") == states.now != states.was
    finally:
        states.close()
