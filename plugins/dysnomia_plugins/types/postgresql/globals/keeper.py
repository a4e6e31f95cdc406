"""A server's globals: read from it, and kept on it for a job, in a database of the job's own.

Such a database is made from template0, so that no code of anybody's is in it, and holds two tables: the document, line
by line, and what a restore made. Nobody but a superuser may read them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dysnomia_plugins.base import Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.globals.changes import Changes, Made
from dysnomia_plugins.toolkit.globals.document import Document, from_rows, parse
from dysnomia_plugins.toolkit.globals.plugin import Held
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.globals.changes import Facts, Planner, names_of
from dysnomia_plugins.types.postgresql.globals.facts import FACTS, KINDS, question
from dysnomia_plugins.types.postgresql.names import identifier, literal

MARK = "globals kept by dysnomia"
"""The comment of a database that holds them: no other is dropped."""
QUIET = """\\set VERBOSITY terse
SET log_statement = 'none';
SET log_duration = off;
SET log_min_duration_statement = -1;
SET log_min_duration_sample = -1;
SET log_min_error_statement = 'panic';
SET track_activities = off;
SET pg_stat_statements.track = 'none';
SET pg_stat_statements.track_utility = off;
SET password_encryption = 'scram-sha-256';
"""
"""Before statements that hold secrets: they go into no log and no view of the server's, and no error repeats them."""
_TABLES = """CREATE TABLE public.document (n int GENERATED ALWAYS AS IDENTITY, line text NOT NULL);
CREATE TABLE public.made (line text NOT NULL);
CREATE TABLE public.done (line text NOT NULL);
"""


class PostgresqlKeeper:
    """One server, as an activity knows it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def version(self) -> str:
        number = self.client.version
        return f"{number // 10000}.{number % 10000}"

    def require_superuser(self) -> None:
        """Raise PluginError where passwords could not be read: a snapshot without them restores nobody."""
        if not self.client.superuser:
            raise PluginError(
                f"the role {self.client.server.user} is not a superuser of the server at {self.client.server}:"
                " passwords cannot be read or set, and a snapshot without them would let nobody in",
                "name a superuser in postgresqlUsername",
            )

    def live(self) -> Document:
        self.require_superuser()
        return from_rows(KINDS, self.client.ask(question(self.client.version)))

    def exists(self, place: Place) -> bool:
        return self.client.exists(place.name)

    def kept(self, place: Place) -> Held:
        """Raises PluginError, NotSafe."""
        if not self.exists(place):
            raise PluginError(f"there is no database {place.name} on the server at {self.client.server}")
        lines, made = self.client.ask(
            "SELECT json_build_array((SELECT coalesce(json_agg(line ORDER BY n), '[]') FROM public.document),"
            " (SELECT coalesce(json_agg(line ORDER BY ctid), '[]') FROM public.made))",
            place.name,
        )
        content = "".join(f"{line}\n" for line in lines).encode()
        return Held(parse(KINDS, content), [tuple(json.loads(one)) for one in made])

    def create(self, place: Place) -> None:
        """An empty place. Raises PluginError."""
        name = identifier(place.name)
        self.client.script(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';\n"
            f"COMMENT ON DATABASE {name} IS {literal(MARK)};\n"
        )
        self.client.script(_TABLES, place.name)

    def keep(self, place: Place, held: Held) -> None:
        self.require_superuser()
        self.create(place)
        self.client.script(f"{QUIET}BEGIN;\n{filling(held)}COMMIT;\n", place.name)

    def drop(self, place: Place) -> None:
        """Idempotent. Raises NotSafe for a database that no job of ours made."""
        self.client.end_backends()
        mark = self.client.ask(
            "SELECT to_json(coalesce(shobj_description(oid, 'pg_database'), '')) FROM pg_database"
            f" WHERE datname = {literal(place.name)}"
        )
        if mark is None:
            return
        # A database that was made and has no comment yet is the job's by its name.
        if mark != MARK and not place.name.startswith("dysnomia_"):
            raise NotSafe(f"{place.name} holds no globals that were kept", "drop it by psql, if it is to go")
        self.client.drop_database(place.name)

    def facts(self, wanted: Document, made: Sequence[Made]) -> Facts:
        """What else a plan must know. Raises PluginError."""
        about: dict[str, Any] = self.client.ask(FACTS)
        if about["standby"]:
            raise PluginError(f"the server at {self.client.server} is a standby, which takes no writes")
        locations = sorted({str(cells[2]) for cells in wanted.of("tablespaces").values() if cells[2]})
        folders = [
            path for path in locations
            if self.client.ask(f"SELECT to_json((pg_stat_file({literal(path)}, true)).isdir)")
        ]  # fmt: skip
        return Facts(
            me=about["me"],
            version=self.client.version,
            databases=frozenset(about["databases"]),
            predefined=frozenset(about["predefined"]),
            folders=frozenset(folders),
            bootstrap=about["bootstrap"],
            by_password=bool(self.client.server.password or self.client.server.passfile or self.client.server.host),
            depends=self._depends(made) if made else {},
        )

    def _depends(self, made: Sequence[Made]) -> dict[str, str]:
        """What objects rest on, as the server notes it for all of its databases."""
        depends: dict[str, str] = self.client.ask(
            f"""SELECT coalesce(json_object_agg(w.name, w.words), '{{}}') FROM (
              SELECT 'role ' || r.rolname AS name, 'objects in ' || string_agg(DISTINCT coalesce(d.datname,
                  'the whole server'), ', ') || ' are owned by it or name it' AS words
                FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid LEFT JOIN pg_database d ON d.oid = s.dbid
                WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname IN ({_list(names_of("roles", made))})
                  AND s.classid <> 'pg_tablespace'::regclass AND s.classid <> 'pg_auth_members'::regclass
                  AND NOT (s.deptype = 'a' AND (s.classid = 'pg_database'::regclass
                    OR s.classid = to_regclass('pg_parameter_acl'))) GROUP BY 1
              UNION ALL SELECT 'tablespace ' || t.spcname, 'databases have objects in it: ' || string_agg(d.datname,
                  ', ' ORDER BY d.datname)
                FROM pg_tablespace t, pg_tablespace_databases(t.oid) b(oid) JOIN pg_database d ON d.oid = b.oid
                WHERE t.spcname IN ({_list(names_of("tablespaces", made))}) GROUP BY 1) w"""
        )
        return depends

    def changes(self, held: Held, live: Document) -> Changes:
        return Planner(held.document, live, self.facts(held.document, held.made), held.made).plan()


def filling(held: Held) -> str:
    """The statements that fill the tables of a place."""
    lines = [line.decode() for _, lines in held.document.lines() for line in lines]
    sql = [f"INSERT INTO public.document (line) VALUES ({literal(line)});" for line in lines]
    sql += [f"INSERT INTO public.made VALUES ({literal(json.dumps(list(one)))});" for one in held.made]
    return "".join(f"{line}\n" for line in sql)


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(literal, names)) or "NULL"
