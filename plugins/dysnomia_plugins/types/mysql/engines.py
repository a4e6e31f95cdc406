"""Storage engines: those that the tables of a dump are made with, and those that a server has.

A server that lacks one makes the table with its default engine and only warns: a dump sets its own ``sql_mode``,
without NO_ENGINE_SUBSTITUTION. So nothing is loaded before its engine is known to be there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from dysnomia_plugins.base import Stored
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.created import SCHEMA, SEQUENCE
from dysnomia_plugins.types.mysql.lexer import QUOTED
from dysnomia_plugins.types.mysql.rows import raw_rows
from dysnomia_store.errors import NotFound

HINT = "install it (INSTALL SONAME), or restore on a server that has it"
ASKED = 200
"""Tables whose engines a plan asks for; the load looks at all."""
_ENGINE = re.compile(rb"\bENGINE\s*=\s*(\w+)", re.IGNORECASE)
_ALIASES = {"heap": "memory", "merge": "mrg_myisam"}


def engines_in(statement: bytes) -> set[str]:
    """The engines that a CREATE TABLE or CREATE SEQUENCE names, for the table and for its partitions."""
    return {name.decode() for name in _ENGINE.findall(QUOTED.sub(b"''", statement))}


def supported(client: Client) -> frozenset[str]:
    """The engines of the server, in small letters."""
    rows = client.rows(
        "SELECT JSON_ARRAY(LOWER(engine)) FROM information_schema.engines WHERE support IN ('YES', 'DEFAULT')"
    )
    return frozenset(str(name) for (name,) in rows)


def missing(wanted: Collection[str], available: Collection[str]) -> list[str]:
    """Those that are not there."""
    return sorted(name for name in wanted if _ALIASES.get(name.lower(), name.lower()) not in available)


def refuse_missing(table: str, statement: bytes, available: Collection[str]) -> None:
    """Raises NotSafe where the server lacks an engine of a table."""
    if lacking := missing(engines_in(statement), available):
        raise NotSafe(f"table {table} is made with the storage engine {lacking[0]}, which the server lacks", HINT)


def missing_for(client: Client, stored: Stored) -> Mapping[str, list[str]]:
    """The engines that a snapshot needs and the server lacks, each with its tables; of as many tables as a plan may
    look at."""
    available = supported(client)
    tables: dict[str, list[str]] = {}
    for table, statement in _definitions(stored):
        for name in missing(engines_in(statement), available):
            tables.setdefault(name, []).append(table)
    return tables


def _definitions(stored: Stored) -> Iterator[tuple[str, bytes]]:
    try:
        sections = [section for section in stored.sections() if section.kind in (SCHEMA, SEQUENCE)]
    except NotFound:  # just imported: the load looks at all of it
        return
    for section in sections[:ASKED]:
        yield section.name, b"\n".join(line for batch in raw_rows(stored, section) for line in batch)
