"""What the owners of a database wrote never runs as a superuser, wherever PostgreSQL calls it while rows are loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe, ProcessFailed
from tests.plugins.conformance.bare import restore, with_properties
from tests.plugins.postgresql.bare import ROLES, bare_component
from tests.plugins.postgresql.shop import Shop
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server

OWNER = ROLES[0]


@pytest.fixture
def shop(postgres: PostgresServer, tmp_path: Path) -> Iterator[Shop]:
    for bare in bare_component(postgres, tmp_path):
        postgres.sql(f"CREATE ROLE {OWNER}")
        yield Shop(server=postgres, bare=bare)


WATCHED = f"""
SET ROLE {OWNER};
CREATE SCHEMA own;
CREATE FUNCTION own.watched(what text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
  IF current_setting('application_name') NOT LIKE 'dysnomia%' THEN
    RETURN what;
  END IF;
  FOREACH name IN ARRAY ARRAY['role', 'session_authorization'] LOOP
    BEGIN
      PERFORM set_config(name, 'postgres', false);
    EXCEPTION WHEN OTHERS THEN
      NULL;
    END;
  END LOOP;
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    RAISE EXCEPTION 'a superuser runs %', what;
  END IF;
  RETURN what;
END $$;
"""
"""A function that takes back what a session has put aside and, in sessions of ours, fails where a superuser runs it."""
PLACES = {
    "a check of a table": "CREATE TABLE own.t (k text CHECK (own.watched('check') <> '')); INSERT INTO own.t VALUES"
    " ('a')",
    "a check of a domain": "CREATE DOMAIN own.d AS text CHECK (own.watched(VALUE) <> '');"
    " CREATE TABLE own.t (k own.d); INSERT INTO own.t VALUES ('a')",
    "a check of a domain over a domain": "CREATE DOMAIN own.e AS varchar(5) CHECK (own.watched(VALUE) <> '');"
    " CREATE DOMAIN own.d AS own.e; CREATE TABLE own.t (k own.d); INSERT INTO own.t VALUES ('a')",
    "a domain in an array": "CREATE DOMAIN own.d AS text CHECK (own.watched(VALUE) <> '');"
    " CREATE TABLE own.t (k own.d[]); INSERT INTO own.t VALUES ('{a,NULL}')",
    "a domain in a row": "CREATE DOMAIN own.d AS text CHECK (own.watched(VALUE) <> '');"
    " CREATE TYPE own.r AS (a int, d own.d); CREATE TABLE own.t (k own.r, l own.r[]);"
    " INSERT INTO own.t VALUES ('(1,a)', ARRAY['(2,b)'::own.r])",
    "a domain in a range": "CREATE DOMAIN own.d AS int CHECK (own.watched('range') <> '');"
    " CREATE TYPE own.r AS RANGE (SUBTYPE = own.d); CREATE TABLE own.t (k own.r); INSERT INTO own.t VALUES ('[1,5)')",
    "a check of a domain that was added later": "CREATE DOMAIN own.d AS text; CREATE TABLE own.t (k own.d);"
    " INSERT INTO own.t VALUES ('a'); ALTER DOMAIN own.d ADD CONSTRAINT c CHECK (own.watched(VALUE) <> '') NOT VALID;"
    " ALTER DOMAIN own.d VALIDATE CONSTRAINT c",
    "a generated column": "CREATE TABLE own.t (k text, g text GENERATED ALWAYS AS (own.watched(k)) STORED);"
    " INSERT INTO own.t VALUES ('a')",
    "a generated column that is the same for all": "CREATE TABLE own.t (k text, g text GENERATED ALWAYS AS (k ||"
    " own.watched('made')) STORED); INSERT INTO own.t VALUES ('a')",
    "the key of partitions": "CREATE TABLE own.t (k text) PARTITION BY LIST (own.watched(k));"
    " CREATE TABLE own.t1 PARTITION OF own.t FOR VALUES IN ('a'); INSERT INTO own.t VALUES ('a')",
    "the key of partitions of partitions": "CREATE TABLE own.t (k text, n int) PARTITION BY LIST (own.watched(k));"
    " CREATE TABLE own.t1 PARTITION OF own.t FOR VALUES IN ('a') PARTITION BY RANGE (n);"
    " CREATE TABLE own.t2 PARTITION OF own.t1 DEFAULT; INSERT INTO own.t VALUES ('a', 3)",
    "a check that refers to its own table": "CREATE TABLE own.t (k text); CREATE FUNCTION own.f(own.t) RETURNS bool"
    " IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN own.watched(($1).k) <> ''''; END';"
    " ALTER TABLE own.t ADD CHECK (own.f(t)); INSERT INTO own.t VALUES ('a')",
    "a part that is attached": "CREATE TABLE own.t (k text) PARTITION BY LIST (k); CREATE TABLE own.t1 (k text,"
    " CHECK (own.watched('attached') <> ''), CHECK (k = 'a')); ALTER TABLE own.t ATTACH PARTITION own.t1 FOR VALUES IN"
    " ('a'); INSERT INTO own.t VALUES ('a')",
    "a key of partitions that is the same for all": "CREATE TABLE own.t (k text) PARTITION BY LIST ((k ||"
    " own.watched('key'))); CREATE TABLE own.t1 PARTITION OF own.t DEFAULT; INSERT INTO own.t VALUES ('a')",
    "a child": "CREATE TABLE own.t (k text NOT NULL); CREATE TABLE own.u (CHECK (own.watched('child') <> ''), j int)"
    " INHERITS (own.t); INSERT INTO own.u VALUES ('a', 1)",
    "an index that a foreign key meets": "CREATE TABLE own.t (k text PRIMARY KEY, m text REFERENCES own.t);"
    " CREATE INDEX ON own.t ((k || own.watched('index'))); INSERT INTO own.t VALUES ('a', 'a')",
    "an index in parts": "CREATE TABLE own.t (k text) PARTITION BY LIST (k);"
    " CREATE TABLE own.t1 PARTITION OF own.t FOR VALUES IN ('a'); CREATE INDEX ON own.t ((k || own.watched('index')));"
    " INSERT INTO own.t VALUES ('a')",
    "an exclusion": "CREATE TABLE own.t (k int4range, EXCLUDE USING gist ((int4range(1, length(own.watched('ex')))"
    " * k) WITH &&)); INSERT INTO own.t VALUES ('[1,2)')",
    "a materialized view": "CREATE TABLE own.t (k text); INSERT INTO own.t VALUES ('a');"
    " CREATE MATERIALIZED VIEW own.m AS SELECT own.watched(k) FROM own.t",
    "statistics": "CREATE TABLE own.t (k text); INSERT INTO own.t VALUES ('a'), ('b'), ('c');"
    " CREATE STATISTICS own.s ON (k || own.watched('statistics')) FROM own.t; ANALYZE own.t",
    "an operator": "CREATE FUNCTION own.op(text, text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS"
    " 'BEGIN RETURN own.watched($1) <> $2; END'; CREATE OPERATOR own.@@@ (FUNCTION = own.op, LEFTARG = text,"
    " RIGHTARG = text); CREATE TABLE own.t (k text CHECK (k OPERATOR(own.@@@) 'z')); INSERT INTO own.t VALUES ('a')",
    "a cast": "CREATE TYPE own.e AS ENUM ('a'); CREATE FUNCTION own.c(own.e) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
    " 'BEGIN RETURN length(own.watched(''cast'')); END'; CREATE CAST (own.e AS int) WITH FUNCTION own.c(own.e);"
    " CREATE TABLE own.t (k own.e CHECK (k::int > 0)); INSERT INTO own.t VALUES ('a')",
}


@pytest.fixture
def restored(shop: Shop) -> Callable[[str], None]:
    """Restores a database of the owner that a script has made; it must be as pg_dump had it."""

    def restored(script: str) -> None:
        shop.server.sql(f"CREATE DATABASE orders OWNER {OWNER}")
        shop.sql(script)
        stored = shop.bare.dump()
        before = shop.dumped()
        restore(shop.bare, stored)
        assert shop.dumped() == before

    return restored


@pytest.mark.parametrize("place", PLACES)
def test_what_runs_while_rows_are_loaded_runs_as_the_owner(place: str, restored: Callable[[str], None]) -> None:
    restored(WATCHED + PLACES[place])


CHANGES = {
    "itself": "CREATE OR REPLACE FUNCTION own.f(k text) RETURNS bool LANGUAGE plpgsql AS"
    " 'BEGIN RETURN own.watched(k) <> ''''; END'",
    "whom it runs as": "ALTER FUNCTION own.f(text) SECURITY INVOKER",
    "a domain": "ALTER DOMAIN own.d ADD CHECK (query_to_xml('SELECT own.watched(''new'')', true, true, '')"
    " IS NOT NULL)",
    "what names mean": "CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (own.watched('named') <> '')",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_function_changes_no_definition_while_it_runs(change: str, restored: Callable[[str], None]) -> None:
    """It may be refused, or told so: nothing that it makes is there for the next row."""
    script = f"""{WATCHED} CREATE DOMAIN own.d AS text;
    CREATE FUNCTION own.f(k text) RETURNS bool LANGUAGE plpgsql AS $f$
    BEGIN
      IF current_setting('application_name') LIKE 'dysnomia%' THEN
        BEGIN
          EXECUTE $c${CHANGES[change]}$c$;
          RAISE EXCEPTION 'changed' USING ERRCODE = 'DYS01';
        EXCEPTION WHEN SQLSTATE 'DYS01' THEN
          RAISE EXCEPTION 'a definition was changed';
        WHEN OTHERS THEN
          NULL;
        END;
      END IF;
      RETURN own.watched(k) <> '';
    END $f$;
    CREATE TABLE own.t (k own.d CHECK (own.f(k))); INSERT INTO own.t SELECT generate_series(1, 100);"""
    restored(script)


def test_what_a_function_sets_for_its_session_moves_no_bounds_of_statements(restored: Callable[[str], None]) -> None:
    """The comment after the rows would end early, and go on as a statement of a superuser."""
    injected = "\\'; SELECT own.watched($$injected$$); --"
    restored(
        f"""{WATCHED}
        CREATE FUNCTION own.f(k text) RETURNS bool LANGUAGE plpgsql AS $f$
        BEGIN
          PERFORM set_config('standard_conforming_strings', 'off', false), set_config('backslash_quote', 'on', false),
            set_config('client_encoding', 'SJIS', false), set_config('search_path', 'own, pg_catalog', false),
            set_config('dysnomia.search_path', 'own', false) WHERE current_setting('application_name') LIKE 'dysnomia%';
          RETURN true;
        END $f$;
        CREATE FUNCTION own.lower(k text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT own.watched(k)';
        CREATE TABLE own.t (k text CHECK (own.f(k))); CREATE INDEX i ON own.t (pg_catalog.lower(k));
        COMMENT ON INDEX own.i IS '{injected.replace("'", "''")}'; INSERT INTO own.t VALUES ('a');"""
    )


def test_a_helper_of_a_superuser_runs_what_it_is_told_as_the_owner(restored: Callable[[str], None]) -> None:
    restored(
        f"""CREATE FUNCTION public.run(what text) RETURNS text LANGUAGE plpgsql AS
          'BEGIN EXECUTE what; RETURN what; END';
        {WATCHED} CREATE TABLE own.t (k text CHECK (public.run('SELECT own.watched(''told'')') <> ''),
          l text CHECK (public.run('DO $$ BEGIN IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AND'
            ' current_setting(''application_name'') LIKE ''dysnomia%'' THEN RAISE EXCEPTION ''told''; END IF;'
            ' END $$') <> ''));
        INSERT INTO own.t VALUES ('a', 'b')"""
    )


def test_a_check_may_read_what_the_end_of_the_dump_gives_rights_on(shop: Shop, restored: Callable[[str], None]) -> None:
    """The schema, and the table that is looked into, are another's; rights come after the rows."""
    shop.server.sql(f"CREATE ROLE {ROLES[1]}")
    restored(
        f"""CREATE SCHEMA other AUTHORIZATION {ROLES[1]}; CREATE TABLE other.codes (k text);
        INSERT INTO other.codes VALUES ('a'); ALTER TABLE other.codes OWNER TO {ROLES[1]};
        CREATE TABLE other.more (k text); INSERT INTO other.more VALUES ('a');
        GRANT USAGE, CREATE ON SCHEMA other TO {OWNER}; GRANT SELECT, UPDATE ON other.codes TO {OWNER};
        GRANT SELECT ON other.more TO {OWNER} WITH GRANT OPTION;
        SET ROLE {OWNER};
        CREATE FUNCTION other.known(k text) RETURNS bool LANGUAGE plpgsql AS
          'BEGIN RETURN k IN (SELECT c.k FROM other.codes c JOIN other.more USING (k)); END';
        CREATE TABLE other.uses (k text CHECK (other.known(k)),
          at timestamptz DEFAULT now() CHECK (at <= clock_timestamp()));
        INSERT INTO other.uses SELECT 'a'"""
    )


def test_a_check_that_would_run_sql_of_its_owner_is_refused_and_says_so(shop: Shop) -> None:
    shop.server.sql(f"CREATE DATABASE orders OWNER {OWNER}")
    shop.sql(
        f"""{WATCHED} CREATE TABLE own.t (k text CONSTRAINT asks CHECK (
          query_to_xml('SELECT own.watched(''asked'')', true, true, '') IS NOT NULL)); INSERT INTO own.t VALUES ('a')"""
    )
    stored = shop.bare.dump()
    before = shop.dumped()
    with pytest.raises(
        NotSafe, match=r"the check asks of table own\.t calls query_to_xml, .* postgresqlTrustOwners=yes"
    ):
        restore(shop.bare, stored)
    assert shop.dumped() == before
    with pytest.raises(ProcessFailed, match="a superuser runs asked"):
        restore(with_properties(shop.bare, postgresqlTrustOwners="yes"), stored, job="3")


@pytest.mark.parametrize("of", ["t", "parent", "child"])
def test_no_row_is_put_back_where_the_look_at_live_would_run_an_owners_function(of: str, shop: Shop) -> None:
    """PostgreSQL calls it while it plans a query (constant arguments) in an index of the table or of one beside."""
    shop.server.sql(f"CREATE DATABASE orders OWNER {OWNER}")
    shop.create_in(
        f"""{WATCHED} CREATE TABLE own.parent (k text PRIMARY KEY);
        CREATE TABLE own.t (k text PRIMARY KEY, p text REFERENCES own.parent);
        CREATE TABLE own.child (k text PRIMARY KEY, t text REFERENCES own.t);
        INSERT INTO own.parent VALUES ('p'); INSERT INTO own.t VALUES ('a', 'p');"""
    )
    shop.sql(f"CREATE INDEX ON own.{of} ((k || own.watched('planned'))); DELETE FROM own.t")
    look = shop.look(shop.wanted("own.t", "a"))
    assert "own.watched(text), which an index or a check calls, would run as one" in look.refusals[0]
    shop.sql("DROP INDEX own." + shop.sql("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%planned%'"))
    assert shop.put(shop.wanted("own.t", "a")) == {}


AS_SUPERUSER = "SELECT 1 / (1 - (SELECT rolsuper::int FROM pg_roles WHERE rolname = current_user))"
"""Fails where a superuser runs it."""


def test_what_a_function_leaves_for_the_end_of_the_transaction_does_not_run_as_a_superuser(
    restored: Callable[[str], None],
) -> None:
    """A cursor WITH HOLD is read at the commit, by whoever commits."""
    restored(
        f"""{WATCHED}
        CREATE FUNCTION own.f(k text) RETURNS bool LANGUAGE plpgsql AS $f$
        BEGIN
          IF current_setting('application_name') LIKE 'dysnomia%' THEN
            EXECUTE $c$DECLARE c CURSOR WITH HOLD FOR SELECT query_to_xml('{AS_SUPERUSER}', true, true, '')$c$;
          END IF;
          RETURN true;
        END $f$;
        CREATE TABLE own.t (k text CHECK (own.f(k))); INSERT INTO own.t VALUES ('a');"""
    )


HELPED = {
    "a check": "CREATE TABLE own.t (k text CHECK (public.run(own.told()) <> '')); INSERT INTO own.t VALUES ('a')",
    "a generated column": "CREATE TABLE own.t (k text, g text GENERATED ALWAYS AS (public.run(own.told())) STORED);"
    " INSERT INTO own.t VALUES ('a')",
    "the key of partitions": "CREATE TABLE own.t (k text) PARTITION BY LIST ((k || public.run(own.told())));"
    " CREATE TABLE own.t1 PARTITION OF own.t DEFAULT; INSERT INTO own.t VALUES ('a')",
    "an index that a foreign key meets": "CREATE TABLE own.t (k text PRIMARY KEY, m text REFERENCES own.t);"
    " CREATE INDEX ON own.t ((k || public.run(own.told()))); INSERT INTO own.t VALUES ('a', 'a')",
}


@pytest.mark.parametrize("place", HELPED)
def test_a_helper_of_a_superuser_that_says_it_changes_nothing_runs_as_the_owner_too(
    place: str, restored: Callable[[str], None]
) -> None:
    restored(
        f"""CREATE FUNCTION public.run(what text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
          'DECLARE found text; BEGIN EXECUTE what INTO found; RETURN found; END';
        {WATCHED} CREATE FUNCTION own.told() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $f$
        BEGIN
          RETURN CASE WHEN current_setting('application_name') LIKE 'dysnomia%' THEN '{AS_SUPERUSER}' ELSE 'SELECT 1'
            END;
        END $f$;
        {HELPED[place]}"""
    )


def test_an_event_trigger_whose_function_is_an_owners_does_not_run_as_a_superuser(
    restored: Callable[[str], None],
) -> None:
    restored(
        f"""{WATCHED} CREATE FUNCTION own.event() RETURNS event_trigger LANGUAGE plpgsql AS
          'BEGIN PERFORM own.watched(''event''); END';
        CREATE TABLE own.t (k text); INSERT INTO own.t VALUES ('a');
        CREATE MATERIALIZED VIEW own.m AS SELECT * FROM own.t;
        RESET ROLE; CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION own.event()"""
    )


LEFT = {
    "a cursor": f"EXECUTE $c$DECLARE c CURSOR WITH HOLD FOR SELECT query_to_xml('{AS_SUPERUSER}', true, true, '')$c$",
    "a trigger": "INSERT INTO own.other VALUES (1)",
    "a trigger of its own making": "CREATE TABLE own.more (i int); CREATE CONSTRAINT TRIGGER x AFTER INSERT ON own.more"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION own.late(); INSERT INTO own.more VALUES (1)",
    "an encoding": "PERFORM set_config('client_encoding', 'SJIS', false), set_config('bytea_output', 'escape', false)",
}


@pytest.mark.parametrize("left", LEFT)
def test_what_a_check_leaves_in_the_session_that_puts_a_row_back_does_not_run_as_a_superuser(
    left: str, shop: Shop
) -> None:
    """It may be refused, as long as nothing of it ran: an exception names the superuser, or nothing is changed."""
    shop.server.sql(f"CREATE DATABASE orders OWNER {OWNER}")
    shop.create_in(
        f"""{WATCHED} CREATE TABLE own.other (i int);
        CREATE FUNCTION own.late() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN PERFORM own.watched(''late''); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON own.other DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
          EXECUTE FUNCTION own.late();
        CREATE FUNCTION own.f(k text) RETURNS bool LANGUAGE plpgsql AS $f$
        BEGIN
          IF current_setting('application_name') LIKE 'dysnomia%' THEN {LEFT[left]}; END IF;
          RETURN true;
        END $f$;
        CREATE TABLE own.t (k text PRIMARY KEY, v bytea, CHECK (own.f(k)));
        INSERT INTO own.t VALUES ('a' || chr(277) || chr(92) || chr(39) || '; x', decode('00ff', 'hex'))"""
    )
    before = shop.dumped()
    shop.sql("DELETE FROM own.t")
    rows = shop.lacking(shop.sections()["own.t"])
    if "trigger" in left:
        with pytest.raises(NotSafe, match=r"the trigger .* waits for the end of the transaction"):
            shop.put(rows)
        assert shop.sql("SELECT count(*) FROM own.t, own.other") == "0"
    else:
        assert shop.put(rows) == {}
        assert shop.dumped() == before


def test_no_row_is_put_back_where_an_event_trigger_would_run_an_owners_function(shop: Shop) -> None:
    shop.server.sql(f"CREATE DATABASE orders OWNER {OWNER}")
    shop.create_in(
        f"""{WATCHED} CREATE TABLE own.t (k text PRIMARY KEY); INSERT INTO own.t VALUES ('a');
        CREATE FUNCTION own.event() RETURNS event_trigger LANGUAGE plpgsql AS
          'BEGIN PERFORM own.watched(''event''); END';
        RESET ROLE; CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION own.event()"""
    )
    look = shop.look(shop.wanted("own.t", "a"))
    assert "event trigger e would run own.event() as one" in look.refusals[0]
