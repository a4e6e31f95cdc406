"""Events, where they must not run: a schema that is not live keeps the text of its events in a table of ours.

mariadb-dump writes all events as one stretch of the dump. Such a schema is dumped without ``--events``, and the stretch
is put back at its place: so its dump is, byte for byte, that of the schema in which the events are real.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dysnomia_plugins.errors import ProcessFailed
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.names import KEPT, blob, identifier, literal
from dysnomia_plugins.types.mysql.scanner import Part, Piece
from dysnomia_plugins.types.mysql.server import error_code

EVENTS = "events"
NO_SCHEMA, NO_TABLE = 1049, 1146
_HEADING = b"-- Dumping events"
_STATEMENT = re.compile(rb"/\*!50(?:106|003|117) ")
_END = re.compile(rb"/\*!50106 SET TIME_ZONE= @save_time_zone \*/")
_PIECE = 1 << 14


class EventsFinder:
    """Tells of each piece of a dump, in order, whether it is of the stretch of events."""

    def __init__(self) -> None:
        self._inside = False

    def takes(self, piece: Piece) -> bool:
        if piece.part is Part.NAMED:
            self._inside = piece.data.startswith(_HEADING)
        elif piece.part in (Part.INSERT, Part.ROWS, Part.END) or (
            piece.part is Part.STATEMENT and not _STATEMENT.match(piece.data)
        ):
            self._inside = False
        return self._inside


def woven(pieces: Iterator[Piece], events: list[Piece]) -> Iterator[Piece]:
    """A dump's pieces with a stretch of events put where it would stand."""
    for piece in pieces:
        if piece.part is Part.NAMED and events:
            yield from events
            events = []
        yield piece


# --- the table -------------------------------------------------------------------------------------------------------


def keep(what: str, data: bytes) -> str:
    """The SQL that makes a note in the schema that is the session's."""
    lines = [
        f"CREATE TABLE IF NOT EXISTS {identifier(KEPT)} (what VARCHAR(32) CHARACTER SET ascii, n INT, body LONGBLOB,"
        " PRIMARY KEY (what, n)) ENGINE=InnoDB;",
        "START TRANSACTION;",
        f"DELETE FROM {identifier(KEPT)} WHERE what = {literal(what)};",
    ]
    for n, start in enumerate(range(0, max(len(data), 1), _PIECE)):
        body = blob(data[start : start + _PIECE])
        lines.append(f"INSERT INTO {identifier(KEPT)} VALUES ({literal(what)}, {n}, {body});")
    return "\n".join([*lines, "COMMIT;"]) + "\n"


def kept(client: Client, database: str) -> dict[str, bytes]:
    """All notes in a schema; none where our table is not there."""
    table = f"{identifier(database)}.{identifier(KEPT)}"
    try:
        rows = client.rows(f"SELECT JSON_ARRAY(what, HEX(body)) FROM {table} ORDER BY what, n")
    except ProcessFailed as error:
        if error_code(error) not in (NO_SCHEMA, NO_TABLE):
            raise
        return {}
    notes: dict[str, bytes] = {}
    for what, body in rows:
        notes[what] = notes.get(what, b"") + bytes.fromhex(body)
    return notes
