"""Dumps of strangers: whatever is in them, they reach nothing outside of the database that they are loaded into."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.postgresql.plugin import ARTEFACT
from tests.plugins.conformance.bare import Bare, BareStored, on_the_way, places, stored_of, with_properties
from tests.plugins.postgresql.bare import bare_component, seed
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server

MARK = "/tmp/dysnomia-hostile"
SUPER = "CREATE ROLE dysnomia_evil SUPERUSER LOGIN"
IF_SUPER = f"IF current_setting('is_superuser') = 'on' THEN {SUPER}; END IF;"
QUIET = f"BEGIN {IF_SUPER} RETURN $1; EXCEPTION WHEN OTHERS THEN RETURN $1; END"
LEXING = (
    "CREATE FUNCTION public.lexing() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
    " PERFORM set_config('standard_conforming_strings', 'off', false);"
    " PERFORM set_config('client_encoding', 'SJIS', false); RETURN 1; END $$;\nSELECT public.lexing();\n"
)
HOSTILE = {
    "a program in a DO": f"DO $$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch {MARK}''' ; END $$;",
    "a program": f"COPY (SELECT 1) TO PROGRAM 'touch {MARK}';",
    "a program that is read": f"CREATE TABLE p (v text); COPY p FROM PROGRAM 'touch {MARK}';",
    "a file": f"COPY (SELECT 1) TO '{MARK}';",
    "a file that is read": "CREATE TABLE p (v text); COPY p FROM '/etc/hostname';",
    "a file by a function": "SELECT pg_read_file('/etc/hostname');",
    "a large object to a file": f"SELECT lo_export(lo_from_bytea(0, 'x'), '{MARK}');",
    "a large object from a file": "SELECT lo_import('/etc/hostname');",
    "a command of the client's": f"\\! touch {MARK}",
    "a command within a statement": f"SELECT 1 \\! touch {MARK}\n;",
    "another connection": f"\\connect postgres\n{SUPER};",
    "a command after rows": f"COPY public.t (id, v) FROM stdin;\n5000\tx\n\\.\n\\! touch {MARK}\n",
    "a command behind another encoding": f"SET client_encoding = 'SJIS';\nSELECT E'\x81' \\! touch {MARK}\n;",
    "a command behind names": f"SET NAMES 'SJIS';\nSELECT E'\x81' \\! touch {MARK}\n;",
    "a command behind a function that changes quoting": LEXING + f"SELECT '\\', '\n\\! touch {MARK}\n';",
    "a role": f"{SUPER};",
    "a role in a DO": f"DO $$ BEGIN {SUPER}; END $$;",
    "another role first": f"RESET SESSION AUTHORIZATION; RESET ROLE; {SUPER};",
    "the superuser": f"SET SESSION AUTHORIZATION postgres; {SUPER};",
    "the superuser's role": f"SET ROLE postgres; {SUPER};",
    "settings of several at once": f"SET LOCAL search_path = public; SET role TO postgres; {SUPER};",
    "rights of the superuser's": "GRANT postgres TO PUBLIC; GRANT pg_execute_server_program TO CURRENT_USER;",
    "a password": "ALTER ROLE postgres PASSWORD 'x';",
    "a comment on a role": "COMMENT ON ROLE postgres IS 'x';",
    "the server's settings": "ALTER SYSTEM SET archive_command = 'touch /tmp/x';",
    "settings of other databases": "ALTER DATABASE postgres SET search_path = 'evil';",
    "settings of a role": "ALTER ROLE postgres SET search_path = 'evil';",
    "another database": "DROP DATABASE other;",
    "another database's name": "ALTER DATABASE other RENAME TO mine;",
    "another database's owner": "ALTER DATABASE other OWNER TO CURRENT_USER;",
    "a new database": "CREATE DATABASE mine;",
    "an untrusted language": "CREATE EXTENSION plpython3u;",
    "another server": "CREATE EXTENSION dblink;",
    "files as tables": "CREATE EXTENSION file_fdw;",
    "a library": "CREATE FUNCTION public.sys(cstring) RETURNS int AS 'libc.so.6', 'system' LANGUAGE C STRICT;",
    "an internal function": "CREATE FUNCTION public.f(text) RETURNS text LANGUAGE internal AS 'pg_read_file_all';",
    "an event trigger": "CREATE FUNCTION public.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';\n"
    "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.e();",
    "a function of its owner's rights": f"CREATE FUNCTION public.f() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS"
    f" $$ BEGIN {SUPER}; RETURN 1; END $$;\nALTER FUNCTION public.f() OWNER TO postgres;\n"
    "CREATE TABLE public.d (i int DEFAULT public.f());\nINSERT INTO public.d DEFAULT VALUES;",
    "an index": f"CREATE FUNCTION public.g(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN {SUPER}; RETURN $1;"
    " END $$;\nCREATE TABLE public.x (i int);\nINSERT INTO public.x VALUES (1);\n"
    "CREATE INDEX ON public.x (public.g(i));",
    "an index that waits": f"CREATE FUNCTION public.h(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ {QUIET} $$;\n"
    "CREATE TABLE public.y (i int);\nINSERT INTO public.y VALUES (1);\nCREATE INDEX ON public.y (public.h(i));\n"
    "CREATE STATISTICS public.s ON (public.h(i)), i FROM public.y;\nALTER TABLE public.y OWNER TO postgres;",
    "a check that waits": f"CREATE FUNCTION public.h(int) RETURNS boolean LANGUAGE plpgsql AS"
    f" $$ BEGIN {IF_SUPER} RETURN true; EXCEPTION WHEN OTHERS THEN RETURN true; END $$;\n"
    "CREATE TABLE public.y (i int CHECK (public.h(i)));\nINSERT INTO public.y VALUES (1);",
    "a materialized view": f"CREATE FUNCTION public.m() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {SUPER}; RETURN 1;"
    " END $$;\nCREATE MATERIALIZED VIEW public.v AS SELECT public.m();",
    "a function in the way": f"CREATE FUNCTION public.count(bigint) RETURNS bigint LANGUAGE plpgsql AS"
    f" $$ BEGIN {IF_SUPER} RETURN 0; EXCEPTION WHEN OTHERS THEN RETURN 0; END $$;\n"
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$;",
    "its own database's role": "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET role = %L', current_database(),"
    " current_user); END $$;",
    "a subscription": "CREATE SUBSCRIPTION s CONNECTION 'dbname=postgres' PUBLICATION p WITH (connect = false);",
    "default rights of others": "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON TABLES TO PUBLIC;",
    "a tablespace": "CREATE TABLESPACE evil LOCATION '/tmp';",
}
FACTS = """SELECT json_build_array(
  (SELECT json_agg(json_build_array(a.rolname, a.rolsuper, a.rolpassword, r.rolconfig,
     shobj_description(a.oid, 'pg_authid')) ORDER BY a.rolname) FROM pg_authid a JOIN pg_roles r USING (oid)),
  (SELECT json_agg(json_build_array(roleid::regrole, member::regrole)) FROM pg_auth_members),
  (SELECT json_agg(json_build_array(datname, datdba::regrole) ORDER BY datname) FROM pg_database
     WHERE datname NOT LIKE 'dysnomia%'),
  (SELECT json_agg(json_build_array(setdatabase, setrole, setconfig)) FROM pg_db_role_setting s
     WHERE setdatabase NOT IN (SELECT oid FROM pg_database WHERE datname LIKE 'dysnomia%')),
  (SELECT json_agg(json_build_array(name, setting)) FROM pg_file_settings WHERE sourcefile LIKE '%auto%'),
  (SELECT json_agg(spcname) FROM pg_tablespace))"""
"""All that a dump could change beyond its own database."""


@pytest.fixture
def bare(postgres: PostgresServer, tmp_path: Path) -> Iterator[Bare]:
    yield from bare_component(postgres, tmp_path)


def whole_dump(stored: BareStored) -> bytes:
    with stored.open() as stream:
        return stream.read()


def test_a_hostile_dump_has_no_effect_outside_of_its_database(
    bare: Bare, postgres: PostgresServer, tmp_path: Path
) -> None:
    seed(postgres)
    seed(postgres, "other")
    dump = whole_dump(bare.dump())
    end = b"--\n-- PostgreSQL database dump complete"
    assert dump.count(end) == 1
    before = postgres.sql(FACTS)
    mark = Path(MARK)
    for number, (name, statements) in enumerate(HOSTILE.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        stored = stored_of(folder, ARTEFACT, dump.replace(end, statements.encode("latin-1") + b"\n\n" + end))
        ctx = bare.context(f"h{number}", made_here=False)
        beside, _ = places(bare, ctx)
        try:
            bare.plugin.load(ctx, stored, beside)
        except PluginError:
            loaded = False
        else:
            loaded = True
            # What runs later, in sessions of the server's own and of superusers that only look.
            postgres.sql("ANALYZE; VACUUM FREEZE; REINDEX DATABASE CONCURRENTLY;", beside.name, check=False)
            bare.dump(beside)
        bare.plugin.drop(ctx, beside)
        assert not mark.exists(), f"{name}: it ran a program or wrote a file (loaded: {loaded})"
        assert postgres.sql(FACTS) == before, f"{name} (loaded: {loaded})"
        assert list(bare.plugin.left_behind(ctx)) == [], name


def test_an_honest_dump_is_loaded_whole_and_belongs_to_the_databases_owner(
    bare: Bare, postgres: PostgresServer
) -> None:
    seed(postgres)
    postgres.sql(
        """CREATE ROLE dysnomia_owner; CREATE ROLE dysnomia_reader;
        CREATE EXTENSION hstore; CREATE EXTENSION pg_stat_statements;
        CREATE SCHEMA app AUTHORIZATION dysnomia_owner; CREATE TABLE app.k (h hstore);
        INSERT INTO app.k VALUES ('a=>1');
        ALTER TABLE app.k OWNER TO dysnomia_owner; GRANT SELECT ON app.k TO dysnomia_reader;
        CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t; CREATE INDEX ON t (lower(v));
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
        SELECT lo_from_bytea(4711, 'x');""",
        "orders",
    )
    stored = bare.dump()
    ctx = bare.context("honest", made_here=False)
    found = bare.plugin.preflight(ctx, stored, replace=True).findings
    said = [one for one in found if one.severity is not Severity.NOTE]
    assert [one.severity for one in said if "has known holes" not in one.text] == [Severity.DANGEROUS]
    beside, aside = places(bare, ctx)
    bare.plugin.load(ctx, stored, beside)
    bare.plugin.swap(ctx, beside, aside)
    assert postgres.sql("SELECT count(*) FROM t; SELECT h FROM app.k; SELECT lo_get(4711)", "orders") == (
        '1000\n"a"=>"1"\n\\x78'
    )
    owners = "SELECT DISTINCT relowner::regrole FROM pg_class WHERE oid > 16383 AND relkind IN ('r', 'm', 'S')"
    assert postgres.sql(owners, "orders") == "pg_database_owner"
    assert postgres.sql("SELECT has_table_privilege('dysnomia_reader', 'app.k', 'SELECT')", "orders") == "t"
    assert postgres.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'dysnomia_0%'") == ""
    bare.plugin.drop(ctx, aside)
    trusted = bare.context("trusted")
    beside, aside = places(bare, trusted)
    bare.plugin.load(trusted, stored, beside)
    bare.plugin.swap(trusted, beside, aside)
    assert bare.dump().digest == stored.digest
    bare.plugin.drop(trusted, aside)


def test_what_a_dead_worker_left_is_found_and_dropped_with_its_role(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    stored = bare.dump()

    def dies() -> None:
        raise RuntimeError("killed")

    on_the_way(bare, 0.1, dies)
    ctx = bare.context("dead", made_here=False)
    beside, _ = places(bare, ctx)
    with pytest.raises(RuntimeError, match="killed"):
        bare.plugin.load(ctx, stored, beside)
    assert list(bare.plugin.left_behind(ctx)) == [beside]
    bare.plugin.drop(ctx, beside)
    assert list(bare.plugin.left_behind(ctx)) == []
    assert postgres.sql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'dysnomia%'") == "0"
    postgres.sql(f'CREATE ROLE "{bare.plugin.place(ctx, Purpose.BESIDE).name}_role"')
    (alone,) = bare.plugin.left_behind(ctx)
    bare.plugin.drop(ctx, alone)
    assert list(bare.plugin.left_behind(ctx)) == []


def test_what_only_a_superuser_can_make_is_refused_beforehand(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    postgres.sql(
        """CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER ear ON ddl_command_end EXECUTE FUNCTION e(); CREATE EXTENSION dblink;""",
        "orders",
    )
    stored = bare.dump()
    ctx = bare.context("no", made_here=False)
    blockers = [
        one.text
        for one in bare.plugin.preflight(ctx, stored, replace=True).findings
        if one.severity is Severity.BLOCKER
    ]
    assert len(blockers) == 1
    assert "event trigger ear" in blockers[0]
    assert "extension dblink" in blockers[0]
    assert "dysnomia-tui trust" in blockers[0]
    with pytest.raises(NotSafe, match="event trigger ear"):
        bare.plugin.load(ctx, stored, Place("copy"))
    assert "copy" not in postgres.databases()


def test_who_cannot_make_the_role_is_refused(bare: Bare, postgres: PostgresServer) -> None:
    seed(postgres)
    stored = bare.dump()
    postgres.sql("CREATE ROLE dysnomia_owner LOGIN CREATEDB; ALTER DATABASE orders OWNER TO dysnomia_owner")
    with_properties(bare, postgresqlUsername="dysnomia_owner")
    ctx = bare.context("no", made_here=False)
    found = bare.plugin.preflight(ctx, stored, replace=True).findings
    assert any(one.severity is Severity.BLOCKER and "only a superuser can" in one.text for one in found)
    with pytest.raises(NotSafe, match="only a superuser can"):
        bare.plugin.load(ctx, stored, Place("copy"))


def test_a_server_that_lets_no_role_in_by_a_password_is_said_to(tmp_path: Path) -> None:
    with PostgresServer(hba="local all postgres trust\nlocal all all peer\n") as server:
        for bare in bare_component(server, tmp_path):
            seed(server)
            stored = bare.dump()
            ctx = bare.context("no", made_here=False)
            found = bare.plugin.preflight(ctx, stored, replace=True).findings
            assert any(one.severity is Severity.BLOCKER and "pg_hba.conf" in one.text for one in found)
            with pytest.raises(NotSafe, match=r"pg_hba\.conf"):
                bare.plugin.load(ctx, stored, Place("copy"))
            assert server.databases() == {"postgres", "orders"}


def test_the_role_comes_in_by_tcp_where_the_socket_asks_who_one_is(tmp_path: Path) -> None:
    hba = "local all postgres trust\nlocal all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n"
    with PostgresServer(tcp=True, hba=hba) as server:
        for bare in bare_component(server, tmp_path):
            with_properties(bare, postgresqlPort=str(server.tcp_port))
            seed(server)
            stored = bare.dump()
            server.sql(f"ALTER ROLE postgres PASSWORD '{secrets.token_hex(8)}'")
            bare.plugin.load(bare.context("tcp", made_here=False), stored, Place("copy"))
            assert server.sql("SELECT count(*) FROM t", "copy") == "1000"
