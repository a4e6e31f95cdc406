"""Triggers, views, routines and events of a schema: read as SQL, taken away, and made again somewhere else.

RENAME TABLE takes tables from schema to schema with all they hold; these it does not take, or refuses because of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from dysnomia_plugins.errors import NotSafe, Truncated
from dysnomia_plugins.toolkit.sqldump.names import encode
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.created import EVENT, SCHEMA, SEQUENCE, VIEW, created
from dysnomia_plugins.types.mysql.kept_events import EVENTS, EventsFinder, kept
from dysnomia_plugins.types.mysql.names import KEPT, identifier, literal
from dysnomia_plugins.types.mysql.scanner import DumpScanner, Part, Piece, renamed, unqualified
from dysnomia_plugins.types.mysql.surroundings import look
from dysnomia_plugins.types.mysql.views import ignoring, without_schema

_TAKEN = (Part.STATEMENT, Part.ALTER_DATABASE, Part.DELIMITER, Part.TRIVIA)


@dataclass(frozen=True, slots=True)
class Code:
    """What is made anew in a schema."""

    objects: bytes
    """Triggers, routines and views, as a dump has them."""
    events: bytes
    """The dump's stretch of events."""


def read(client: Client, database: str) -> Code:
    """All of a schema's code. Its events are real, or kept as text.

    Raises Truncated where the dump ends before its end marker."""
    looked = look(client, database)
    refuse_endless(database, looked.endless)
    text = kept(client, database).get(EVENTS)
    options = ["--no-data", "--skip-lock-tables", "--routines", "--triggers", f"--ignore-table={database}.{KEPT}"]
    options += ["--events"] if text is None else []
    options += ignoring(database, looked.broken)
    finder = EventsFinder()
    objects: list[bytes] = []
    events: list[bytes] = []
    with client.dumping(database, options) as stream:
        scanner = DumpScanner(stream, exact=False)
        for piece in scanner.pieces():
            if finder.takes(piece):
                events.append(piece.data)
            elif piece.part in _TAKEN and not _of_table(piece):
                made = created(piece.data)
                of_view = made is not None and made.kind == VIEW
                objects.append(without_schema(piece.data, database) if of_view else piece.data)
    if not scanner.complete:
        raise Truncated(f"the dump of {database} ended before its end marker")
    return Code(b"".join(objects), b"".join(events) if text is None else text)


def refuse_endless(database: str, events: Sequence[str]) -> None:
    """mariadb-dump (seen in 10.11.19) never ends on an event that holds its delimiter. Raises NotSafe."""
    if events:
        raise NotSafe(
            f"mariadb-dump would not terminate: events of {database} contain ';;': {', '.join(events[:5])}",
            "remove the ';;' with ALTER EVENT",
        )


def _of_table(piece: Piece) -> bool:
    if piece.part is not Part.STATEMENT:
        return False
    if piece.data.startswith((b"DROP TABLE IF EXISTS", b"DROP SEQUENCE IF EXISTS", b"DO SETVAL(", b"LOCK TABLES")):
        return True
    if piece.data.startswith((b"UNLOCK TABLES", b"/*!40000 ALTER TABLE")):
        return True
    made = created(piece.data)
    return made is not None and made.kind in (SCHEMA, SEQUENCE)


def for_schema(text: bytes, database: str) -> Iterator[bytes]:
    """The statements as they make it all in another schema."""
    name = encode(identifier(database))

    for piece in DumpScanner(BytesIO(text)).pieces():
        if piece.part is Part.ALTER_DATABASE:
            yield renamed(piece.data, name)
        elif piece.part is Part.STATEMENT:
            yield unqualified(piece.data) or piece.data
        elif piece.part is not Part.NAMED:
            yield piece.data


def script(text: bytes, database: str) -> bytes:
    """The same as one script."""
    return b"".join(for_schema(text, database)) + b"\n"


def events_not_taken(client: Client, database: str, text: bytes) -> list[str]:
    """Events of a dump's stretch that a schema lacks though they were just made in it: the server drops at once what
    ends in the past, also where it is disabled."""
    pieces = DumpScanner(BytesIO(text)).pieces()
    all_made = [created(piece.data) for piece in pieces if piece.part is Part.STATEMENT]
    names = [made.name for made in all_made if made is not None and made.kind == EVENT]
    if not names:
        return []
    sql = "SELECT JSON_ARRAY(LOWER(event_name)) FROM information_schema.events WHERE event_schema = "
    existing = {str(name) for (name,) in client.rows(sql + literal(database))}
    return [name for name in names if name.lower() not in existing]


# --- taking away -----------------------------------------------------------------------------------------------------


def dropping(client: Client, *databases: str, all_of_it: bool = True, spared: Collection[str] = ()) -> str:
    """The SQL that takes away the triggers and events of these schemas, and their views (but ``spared``) and
    routines."""
    names = ", ".join(map(literal, databases))
    answers = client.several(
        trigger=f"SELECT JSON_ARRAY(trigger_schema, trigger_name) FROM information_schema.triggers"
        f" WHERE trigger_schema IN ({names})",
        event=f"SELECT JSON_ARRAY(event_schema, event_name) FROM information_schema.events"
        f" WHERE event_schema IN ({names})",
        view=f"SELECT JSON_ARRAY(table_schema, table_name) FROM information_schema.views"
        f" WHERE table_schema IN ({names})",
        routine="SELECT JSON_ARRAY(routine_schema, routine_name, routine_type) FROM information_schema.routines"
        f" WHERE routine_schema IN ({names}) AND routine_type <> 'PACKAGE BODY'",
    )
    lines = []
    for kind in ("trigger", "event", "view") if all_of_it else ("trigger", "event"):
        lines += [
            f"DROP {kind.upper()} IF EXISTS {_qualified(*one)};\n"
            for one in answers[kind]
            if kind != "view" or one[1] not in spared
        ]
    for schema, name, kind in answers["routine"] if all_of_it else ():
        lines.append(in_its_mode(kind, f"DROP {kind} IF EXISTS {_qualified(schema, name)};\n"))
    return "".join(lines)


def _qualified(schema: str, name: str) -> str:
    return f"{identifier(schema)}.{identifier(name)}"


def in_its_mode(kind: str, statement: str) -> str:
    """Packages are spoken of in Oracle's mode only (until MariaDB 11.4). A package takes its body with it."""
    if not kind.startswith("PACKAGE"):
        return statement
    return f"SET SESSION sql_mode = 'ORACLE';\n{statement}SET SESSION sql_mode = '';\n"
