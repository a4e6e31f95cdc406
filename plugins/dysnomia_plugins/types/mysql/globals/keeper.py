"""A server's globals: read from it, and kept on it for a job, in a table of the system schema.

Whoever may read such a table may read the accounts themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from dysnomia_plugins.base import Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.globals.changes import Changes, Made
from dysnomia_plugins.toolkit.globals.document import Document, parse
from dysnomia_plugins.toolkit.globals.plugin import Held
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.globals.changes import Facts, Planner
from dysnomia_plugins.types.mysql.globals.facts import KINDS, read
from dysnomia_plugins.types.mysql.names import identifier, literal
from dysnomia_plugins.types.mysql.server import error_code

SCHEMA = "mysql"
MARK = "globals kept by dysnomia"
"""The comment of a table that holds them: no other is dropped."""
DOCUMENT, MADE, DONE = "document", "made", "done"
OLDEST = (10, 4)
"""The first MariaDB with ``mysql.global_priv``."""
_DENIED = frozenset({1044, 1142, 1143, 1227})
QUIET = """SET SESSION slow_query_log = 0;
/*M!100000 EXECUTE IMMEDIATE 'SET SESSION sql_log_off = 1' */;
SET SESSION sql_mode = 'NO_AUTO_CREATE_USER';
"""
"""Before statements that hold secrets: they go into neither log of the server's."""


class MysqlKeeper:
    """One server, as an activity knows it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def version(self) -> str:
        """Of the server. Raises PluginError where it has no ``mysql.global_priv``."""
        if not self.client.mariadb or self.client.version < OLDEST:
            raise PluginError(
                f"the server at {self.client.server} is {self.client.version_text}: accounts are read of MariaDB 10.4"
                " and newer",
                "dump them by its own client (SHOW CREATE USER, SHOW GRANTS)",
            )
        return self.client.version_text.split("-")[0]

    def live(self) -> Document:
        """Raises PluginError, also where the account may not read all of it."""
        self.version()
        try:
            return read(self.client)
        except PluginError as error:
            if error_code(error) not in _DENIED:
                raise
            raise PluginError(
                f"the account {self._me()} may not read the accounts of the server at {self.client.server}: a snapshot"
                " without their passwords would let nobody in",
                "name one with all privileges in mysqlUsername",
            ) from None

    def _me(self) -> str:
        return "@".join(self.client.account)

    def _comment(self, place: Place) -> str | None:
        rows = self.client.rows(
            "SELECT JSON_ARRAY(table_comment) FROM information_schema.tables"
            f" WHERE table_schema = {literal(SCHEMA)} AND table_name = {literal(place.name)}"
        )
        return str(rows[0][0]) if rows else None

    def exists(self, place: Place) -> bool:
        return self._comment(place) is not None

    def _rows(self, place: Place) -> Iterator[tuple[str, str]]:
        sql = f"SELECT JSON_ARRAY(what, line) FROM {self.table(place)} ORDER BY n"
        for what, line in self.client.rows(sql):
            yield str(what), str(line)

    def table(self, place: Place) -> str:
        return f"{identifier(SCHEMA)}.{identifier(place.name)}"

    def kept(self, place: Place) -> Held:
        """Raises PluginError, NotSafe."""
        if not self.exists(place):
            raise PluginError(f"there is no table {place.name} in the schema {SCHEMA} of {self.client.server}")
        rows = list(self._rows(place))
        content = "".join(f"{line}\n" for what, line in rows if what == DOCUMENT).encode()
        return Held(parse(KINDS, content), [tuple(json.loads(line)) for what, line in rows if what == MADE])

    def done(self, place: Place) -> bool:
        """Whether the change that a place is the guard of came to its end."""
        return self.exists(place) and any(what == DONE for what, _ in self._rows(place))

    def set_done(self, place: Place) -> None:
        self.client.script(f"INSERT INTO {self.table(place)} (what, line) VALUES ('{DONE}', '');")

    def keep(self, place: Place, held: Held) -> None:
        self.live()
        lines = [(DOCUMENT, line.decode()) for _, lines in held.document.lines() for line in lines]
        lines += [(MADE, json.dumps(list(one))) for one in held.made]
        into = f"INSERT INTO {self.table(place)} (what, line) VALUES"
        values = "".join(f"{into} ('{what}', {literal(line)});\n" for what, line in lines)
        # What fails is repeated by the client program, so a line that fails must hold no secret: none of these can.
        self.client.script(
            f"CREATE TABLE {self.table(place)} (n int PRIMARY KEY AUTO_INCREMENT, what varchar(10) NOT NULL,"
            f" line longtext NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
            f" COMMENT={literal(MARK)};\n{QUIET}SET autocommit = 0;\n{values}COMMIT;\n",
            held=True,
        )

    def drop(self, place: Place) -> None:
        """Idempotent. Raises NotSafe for a table that no job of ours made."""
        self.client.end_own()
        comment = self._comment(place)
        if comment is None:
            return
        if comment != MARK:
            raise NotSafe(f"{place.name} holds no globals that were kept", "drop it by the client, if it is to go")
        self.client.script(f"DROP TABLE {self.table(place)};")

    def facts(self, wanted: Document) -> Facts:
        """What else a plan must know. Raises PluginError."""
        me = self.client.account
        objects = {
            (str(key[0]) if key[0] != "column" else "table", str(key[1]), str(key[2]))
            for key in wanted.of("privileges")
            if key[0] not in ("server", "database", "proxy")
        }
        present = self.client.rows(
            "SELECT JSON_ARRAY('table', table_schema, table_name) FROM information_schema.tables UNION ALL"
            " SELECT JSON_ARRAY(LOWER(routine_type), routine_schema, routine_name) FROM information_schema.routines"
        ) if objects else []  # fmt: skip
        definers = self.client.rows(
            "SELECT JSON_ARRAY(definer, CONCAT('views in ', table_schema)) FROM information_schema.views"
            " UNION SELECT JSON_ARRAY(definer, CONCAT('routines in ', routine_schema)) FROM information_schema.routines"
            " UNION SELECT JSON_ARRAY(definer, CONCAT('triggers in ', trigger_schema)) FROM information_schema.triggers"
            " UNION SELECT JSON_ARRAY(definer, CONCAT('events in ', event_schema)) FROM information_schema.events"
        )
        return Facts(
            me=me,
            objects=frozenset(objects & {(kind, schema, name) for kind, schema, name in present}),
            definers={str(definer): str(what) for definer, what in definers},
        )

    def changes(self, held: Held, live: Document) -> Changes:
        return Planner(held.document, live, self.facts(held.document), held.made).plan()


def made_of(made: Sequence[Made]) -> list[list[Any]]:
    return [list(one) for one in made]
