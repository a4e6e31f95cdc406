"""A load by a superuser: what the owners in the dump wrote runs as they, and not as the superuser.

PostgreSQL calls functions of a database while its rows are loaded: from checks of tables and domains, generated
columns, keys of partitions; and whatever is immutable and has constant arguments as soon as a query is planned that
meets it (a foreign key, say, on a table with an index on an expression). Index builds and materialized views it runs
as the table's owner, the rest as whoever loads; and a SET ROLE before it could be taken back by the function itself.

So from its creation to the end of the load every function of a role that is no superuser is SECURITY DEFINER: it runs
as its owner, and cannot leave that. An event trigger refuses definitions by anybody but a superuser meanwhile, for an
owner could change its function while it runs. What a check calls directly is looked at: a function of a superuser's
that may do anything (volatile) is the checking table's owner's meanwhile, and where it is one of PostgreSQL's own that
runs SQL or touches files, nothing is loaded. All of it is as the dump has it before rights are given and materialized
views are filled.

What a function leaves for the end of its transaction (a cursor WITH HOLD, a trigger that waits) would run as whoever
ends that: each statement that may call one has a transaction of its own, at whose end nothing is left. Event triggers
are made after all else. Of functions of superusers that are written in a language of SQL, also those that say they
change nothing are lent: what names in them mean, or what they are told to run, may be the owner's.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dysnomia_plugins.errors import NotSafe, ProcessFailed
from dysnomia_plugins.types.postgresql.names import split_qualified
from dysnomia_plugins.types.postgresql.sessions import NO_PATH
from dysnomia_plugins.types.postgresql.statements import Statements
from dysnomia_plugins.types.postgresql.surroundings import DROP_PLPGSQL

MARK = "dysnomia_confined: "
"""How a refusal of ours begins among a server's errors."""
OLDEST_CONFINED = 11
"""The first version that has what it needs."""
WAY_OUT = (
    "restore it by the role that owns the database (postgresqlUsername), or set postgresqlTrustOwners=yes in the"
    " container if its owners may do what a superuser may"
)
HARMLESS = (
    *("clock_timestamp", "timeofday", "random", "random_normal", "gen_random_uuid", "uuidv4", "uuidv7", "nextval"),
    *("currval", "lastval", "setval", "pg_sleep", "pg_notify", "txid_current", "pg_current_xact_id"),
)
"""Volatile functions of PostgreSQL's own that a check may call: they run no SQL and reach nothing outside."""

_OWNED = re.compile(rb"ALTER (?:FUNCTION|PROCEDURE) .* OWNER TO ", re.DOTALL)
_DEFINES = re.compile(rb"CREATE (?:UNLOGGED |FOREIGN )?TABLE |CREATE DOMAIN |ALTER (?:TABLE|DOMAIN) ")
_MEETS = re.compile(
    rb"COPY |CREATE (?:UNIQUE )?INDEX |ALTER (?:TABLE|DOMAIN|INDEX) "
    rb"|CREATE (?:UNLOGGED |FOREIGN )?TABLE .*\s(?:PARTITION BY |GENERATED ALWAYS AS \()",
    re.DOTALL,
)
"""What may call functions: when it is planned, or for each row."""
_PLANNED = re.compile(
    rb"CREATE (?:UNLOGGED |FOREIGN )?TABLE .*\s(?:PARTITION BY \w+ \(.*\(|GENERATED ALWAYS AS \()", re.DOTALL
)
"""What is planned as a superuser before it is anybody's: a function with constant arguments is called."""
_GIVEN = re.compile(rb"ALTER .* OWNER TO (?:\"(?:[^\"]|\"\")*\"|[\w$\x80-\xff]+);\Z", re.DOTALL)
_LAST = re.compile(rb"GRANT |REVOKE |ALTER DEFAULT PRIVILEGES |REFRESH MATERIALIZED VIEW |SET SESSION AUTHORIZATION ")
"""What pg_dump writes once all else is there: here it ends."""
_EVENTS = re.compile(rb"(?:CREATE|ALTER|COMMENT ON|SECURITY LABEL .*? ON) EVENT TRIGGER ", re.DOTALL)
"""They would fire at what comes after them, whoever wrote what they call: nothing does."""
_PARTED = re.compile(rb"CREATE (?:UNLOGGED )?TABLE .*\sPARTITION BY \w+ \(.*\(", re.DOTALL)
_INDEXES = re.compile(rb"CREATE (?:UNIQUE )?INDEX ")
_EMPTIED = b"\nSET CONSTRAINTS ALL IMMEDIATE;\nCLOSE ALL;\n"
"""A transaction's end runs what functions left for it (triggers, cursors WITH HOLD), and as whoever ends it: nothing is
left. Triggers that wait call functions that are lent."""
_CHECK = re.compile(rb"ALTER (TABLE|DOMAIN) (?:ONLY )?")
_ADDED = re.compile(rb"\s*ADD CONSTRAINT\s+")


@dataclass
class ConfinedStatements(Statements):
    """The rules of a load by a superuser."""

    place: str = field(default_factory=lambda: f"dysnomia_{secrets.token_hex(8)}")
    """The schema of what it needs meanwhile."""
    _created: bool = False
    _defined: bool = False
    _met: bool = False
    _open: bool = False
    _held: bool = False
    _parted: bool = False
    _indexed: bool = False
    _over: bool = False

    @property
    def own_path(self) -> bytes:
        """As it was at the beginning: a function may have set what a session keeps."""
        if self._over:
            return super().own_path
        kept = f"(SELECT path FROM {self.place}.kept)"
        return f"SELECT pg_catalog.set_config('search_path', {kept}, false);\n".encode()

    def opening(self) -> bytes:
        fires = "SET event_triggers = on;\n" if self.major >= 17 else ""
        return (fires + _OPENING.replace("{place}", self.place)).encode()

    def ending(self) -> bytes:
        if self._over:
            return b""
        self._over = True
        lines = self._as_we_read(standard=True) + _ENDING.replace("{place}", self.place).encode()
        return lines + (f"{DROP_PLPGSQL}\n".encode() if self._without_plpgsql else b"")

    def skips(self, statement: bytes) -> bool:
        if not self._over and statement == DROP_PLPGSQL.encode():
            self._without_plpgsql = True  # ours are written in it: it goes with them
            return True
        return super().skips(statement)

    def waits(self, statement: bytes) -> bool:
        return bool(_EVENTS.match(statement))

    def before(self, statement: bytes, *, standard: bool) -> bytes:
        done = b"" if self._over or not _LAST.match(statement) else self.ending()
        return done + self._prepared(statement, standard) + super().before(statement, standard=standard)

    def before_rows(self, *, standard: bool) -> bytes:
        return self._prepared(b"COPY ", standard) + super().before_rows(standard=standard)

    def after(self, statement: bytes) -> bytes:
        return self._closed() + super().after(statement)

    def after_rows(self) -> bytes:
        return self._closed() + super().after_rows()

    def _closed(self) -> bytes:
        open_, self._open = self._open, False
        if not open_:
            return b""
        return _EMPTIED + (self._call("release") if self._held else b"") + b"COMMIT;\n"

    def instead(self, statement: bytes) -> bytes:
        """A check that is added to what has rows is looked at before it is run."""
        named = None if self._over else _added_check(statement)
        if named is None:
            return super().instead(statement)
        kind, table, constraint = named
        validate = b"ALTER %s %s VALIDATE CONSTRAINT %s;" % (kind, table, constraint)
        return b"%s NOT VALID;\n%s%s" % (statement[:-1], self._call("look"), validate)

    def _prepared(self, statement: bytes, standard: bool) -> bytes:
        """What goes ahead of a statement: functions that came since the last are lent, checks looked at."""
        if self._over:
            return b""
        lines = self._as_we_read(standard) if self._met else b""
        self._met = bool(_MEETS.match(statement)) and not _GIVEN.match(statement)
        if self._met and self._created:
            lines += self._call("lend")
            self._created = False
        if self._met and self._must_look(statement):
            lines += self._call("look")
            self._defined = self._parted = self._indexed = False
        self._created = self._created or bool(_OWNED.match(statement))
        self._defined = self._defined or bool(_DEFINES.match(statement))
        self._parted = self._parted or bool(_PARTED.match(statement))
        self._indexed = self._indexed or bool(_INDEXES.match(statement))
        self._open = self._met
        self._held = bool(_PLANNED.match(statement))
        return lines + (b"BEGIN;\n" if self._met else b"") + (self._hold(statement) if self._held else b"")

    def _must_look(self, statement: bytes) -> bool:
        """Whether expressions came that this one meets: a COPY all, a foreign key those of indexes."""
        referring = self._indexed and b" FOREIGN KEY " in statement
        return self._parted or referring or (statement == b"COPY " and self._defined)

    def _as_we_read(self, standard: bool) -> bytes:
        """A function may have changed how psql reads what follows: then it would find other statements."""
        on = "on" if standard else "off"
        path = NO_PATH.decode() if self._without_path else ""
        return f"SET standard_conforming_strings = {on};\nSET client_encoding = '{self.encoding}';\n{path}".encode()

    def _hold(self, statement: bytes) -> bytes:
        place = self.place.encode()
        return b"SELECT FROM %s.hold($%s$%s$%s$);\n" % (place, place, statement, place)

    def _call(self, function: str) -> bytes:
        return f"SELECT FROM {self.place}.{function}();\n".encode()


@contextmanager
def refusals_in_words() -> Iterator[None]:
    """What a load fails by, where it is that owners' code does not run as a superuser.

    Raises NotSafe for what the confinement refuses, ProcessFailed for other errors."""
    try:
        yield
    except ProcessFailed as error:
        text = error.stderr
        if match := re.search(rf"ERROR:\s+{MARK}(.*)", text):
            raise NotSafe(match[1], WAY_OUT) from None
        if "ERROR:  permission denied" in text and not error.hint:
            raise ProcessFailed(error.program, error.status, text, f"if a check needs that right: {WAY_OUT}") from error
        raise


def _added_check(statement: bytes) -> tuple[bytes, bytes, bytes] | None:
    """What the check is of, its name and the constraint's, where ``statement`` adds one and runs it."""
    head = _CHECK.match(statement)
    table = split_qualified(statement[head.end() :]) if head else None
    added = _ADDED.match(table[1]) if table else None
    constraint = split_qualified(table[1][added.end() :]) if table and added else None
    if head is None or table is None or constraint is None or not constraint[1].lstrip().startswith(b"CHECK"):
        return None
    return None if constraint[1].endswith(b"NOT VALID;") else (head[1], table[0], constraint[0])


_NAMES = ", ".join(f"'{name}'" for name in HARMLESS)
_HEAD = "LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $dysnomia$"
_OPENING = f"""CREATE SCHEMA {{place}};
CREATE TABLE {{place}}.kept AS SELECT pg_catalog.current_setting('dysnomia.search_path') AS path,
  pg_catalog.current_setting('dysnomia.lc_monetary') AS money;
CREATE TABLE {{place}}.lent (function oid PRIMARY KEY, owner oid);
CREATE TABLE {{place}}.held (function oid, owner oid);
CREATE TABLE {{place}}.granted (what text, reader oid);

CREATE VIEW {{place}}.expressions AS SELECT k.conname::text AS name, k.conbin::text AS tree,
  coalesce('table ' || nullif(k.conrelid, 0)::regclass, 'domain ' || k.contypid::regtype) AS of,
  coalesce(t.relowner, y.typowner) AS owner
  FROM pg_catalog.pg_constraint k LEFT JOIN pg_catalog.pg_class t ON t.oid = k.conrelid
    LEFT JOIN pg_catalog.pg_type y ON y.oid = k.contypid
  WHERE k.contype = 'c'
UNION ALL SELECT x.name, x.tree, 'table ' || t.oid::regclass, t.relowner FROM pg_catalog.pg_class t,
  LATERAL (SELECT a.attname::text, d.adbin::text FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a
      ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = t.oid AND to_jsonb(a) ->> 'attgenerated' <> ''
    UNION ALL SELECT 'partitions', k.partexprs::text FROM pg_catalog.pg_partitioned_table k WHERE k.partrelid = t.oid
    UNION ALL SELECT i.indexrelid::regclass::text, concat(i.indexprs::text, i.indpred::text)
      FROM pg_catalog.pg_index i WHERE i.indrelid = t.oid) x(name, tree)
  WHERE t.relkind IN ('r', 'p', 'f');

CREATE FUNCTION {{place}}.refuse() RETURNS event_trigger {_HEAD}
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    RAISE EXCEPTION '{MARK}a function of % changes definitions while it is loaded', current_user;
  END IF;
END $dysnomia$;
CREATE EVENT TRIGGER {{place}} ON ddl_command_start EXECUTE PROCEDURE {{place}}.refuse();
ALTER EVENT TRIGGER {{place}} ENABLE ALWAYS;

CREATE FUNCTION {{place}}.lend() RETURNS void {_HEAD}
DECLARE f oid;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
    WHERE NOT p.prosecdef AND NOT r.rolsuper AND p.prokind <> 'a'
  LOOP
    EXECUTE format('ALTER ROUTINE %s SECURITY DEFINER', f::regprocedure);
    INSERT INTO {{place}}.lent VALUES (f, NULL);
  END LOOP;
END $dysnomia$;

-- Functions of superusers that a statement may name and the server may call while it plans: they can do nothing.
CREATE FUNCTION {{place}}.hold(statement text) RETURNS void {_HEAD}
DECLARE f record;
BEGIN
  FOR f IN SELECT p.oid::regprocedure AS named, p.oid, p.proowner FROM pg_proc p
      JOIN pg_roles w ON w.oid = p.proowner AND w.rolsuper JOIN pg_language l ON l.oid = p.prolang
    WHERE NOT p.prosecdef AND p.prokind = 'f' AND p.provolatile <> 'v' AND l.lanname NOT IN ('internal', 'c')
      AND p.oid >= 16384 AND p.pronamespace <> '{{place}}'::regnamespace
      AND (strpos(statement, p.proname) > 0 OR EXISTS (SELECT FROM pg_cast c WHERE c.castfunc = p.oid)
        OR EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = p.oid AND strpos(statement, o.oprname) > 0))
  LOOP
    INSERT INTO {{place}}.held VALUES (f.oid, f.proowner);
    EXECUTE format('ALTER ROUTINE %s OWNER TO pg_read_all_settings', f.named);
    EXECUTE format('ALTER ROUTINE %s SECURITY DEFINER', f.named);
  END LOOP;
END $dysnomia$;

CREATE FUNCTION {{place}}.release() RETURNS void {_HEAD}
DECLARE f record;
BEGIN
  FOR f IN SELECT h.function::regprocedure AS named, h.owner::regrole AS owner FROM {{place}}.held h LOOP
    EXECUTE format('ALTER ROUTINE %s SECURITY INVOKER', f.named);
    EXECUTE format('ALTER ROUTINE %s OWNER TO %s', f.named, f.owner);
  END LOOP;
  DELETE FROM {{place}}.held;
END $dysnomia$;

CREATE FUNCTION {{place}}.look() RETURNS void {_HEAD}
DECLARE c record; one oid; readers oid[] := '{{}}';
BEGIN
  FOR c IN SELECT e.name AS what, e.of, r.oid AS checks, p.oid AS f, p.proname AS name, p.proowner AS owner,
      w.rolsuper AS super, p.provolatile, p.prosecdef AS lent, p.provolatile = 'v' OR l.lanname NOT IN ('internal', 'c')
      AS acts, p.oid < 16384 AND p.pronamespace = 'pg_catalog'::regnamespace AS builtin
    FROM {{place}}.expressions e JOIN pg_roles r ON r.oid = e.owner AND NOT r.rolsuper,
      LATERAL (SELECT m[1]::oid FROM regexp_matches(e.tree, ':(?:op)?funcid ([0-9]+)', 'g') m
        UNION SELECT o.oprcode FROM regexp_matches(e.tree, ':opnos? (?:\\(o )?([0-9 ]+)', 'g') m,
          regexp_split_to_table(trim(m[1]), ' +') n JOIN pg_operator o ON o.oid = n::oid) called(f)
      JOIN pg_proc p ON p.oid = called.f JOIN pg_roles w ON w.oid = p.proowner JOIN pg_language l ON l.oid = p.prolang
  LOOP
    IF c.builtin AND (c.name LIKE '%to\\_xml%' OR c.provolatile = 'v' AND c.name NOT IN ({_NAMES})) THEN
      RAISE EXCEPTION '{MARK}the check % of % calls %, which would run as a superuser', c.what, c.of, c.name;
    ELSIF NOT c.builtin AND c.super AND c.acts AND NOT c.lent THEN
      INSERT INTO {{place}}.lent VALUES (c.f, c.owner) ON CONFLICT DO NOTHING;
      EXECUTE format('ALTER ROUTINE %s OWNER TO %s', c.f::regprocedure, c.checks::regrole);
      EXECUTE format('ALTER ROUTINE %s SECURITY DEFINER', c.f::regprocedure);
    END IF;
    IF NOT c.builtin AND (c.acts OR NOT c.super) THEN
      readers := readers || c.checks || CASE WHEN NOT c.super THEN c.owner END;
    END IF;
  END LOOP;
  FOR one IN SELECT DISTINCT r FROM unnest(readers) r WHERE r IS NOT NULL LOOP
    PERFORM {{place}}.let_read(one);
  END LOOP;
END $dysnomia$;

-- What a check reads may be somebody else's: rights on it come with the end of the dump.
CREATE FUNCTION {{place}}.let_read(reader oid) RETURNS void {_HEAD}
DECLARE what text;
BEGIN
  FOR what IN
    SELECT 'USAGE ON SCHEMA ' || n.oid::regnamespace FROM pg_namespace n
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> '{{place}}' AND NOT has_schema_privilege(reader, n.oid, 'USAGE')
    UNION ALL SELECT 'SELECT ON TABLE ' || c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> '{{place}}'
    AND NOT has_table_privilege(reader, c.oid, 'SELECT')
  LOOP
    EXECUTE format('GRANT %s TO %s', what, reader::regrole);
    INSERT INTO {{place}}.granted VALUES (what, reader);
  END LOOP;
END $dysnomia$;
"""
_ENDING = """DO $dysnomia$
DECLARE one record;
BEGIN
  PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);
  FOR one IN SELECT l.function::regprocedure AS f, l.owner FROM {place}.lent l JOIN pg_proc p ON p.oid = l.function LOOP
    EXECUTE format('ALTER ROUTINE %s SECURITY INVOKER', one.f);
    IF one.owner IS NOT NULL THEN
      EXECUTE format('ALTER ROUTINE %s OWNER TO %s', one.f, one.owner::regrole);
    END IF;
  END LOOP;
  FOR one IN SELECT what, reader::regrole AS reader FROM {place}.granted LOOP
    EXECUTE format('REVOKE %s FROM %s', one.what, one.reader);
  END LOOP;
END $dysnomia$;
DROP EVENT TRIGGER {place};
SELECT FROM (SELECT pg_catalog.set_config('dysnomia.search_path', path, false),
  pg_catalog.set_config('dysnomia.lc_monetary', money, false) FROM {place}.kept) k;
DROP SCHEMA {place} CASCADE;
"""
