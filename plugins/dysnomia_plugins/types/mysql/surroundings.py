"""What belongs to a schema and is not in its dump: default character set, collation, comment.

Grants on a schema and its tables are the accounts', by its name: they outlive any swap, which keeps the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dysnomia_plugins.types.mysql.characters import OF_COLUMN
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.names import KEPT, identifier, literal
from dysnomia_plugins.types.mysql.unseen import OWN_RIGHTS

Surroundings = Mapping[str, Any]
_NULLABLE_COUNTER = "extra LIKE '%auto_increment%' AND is_nullable = 'YES'"
ELSEWHERE = ("MRG_MyISAM", "MRG_ISAM", "CONNECT", "OQGRAPH", "SPIDER", "VP", "FEDERATED")
"""Engines of tables whose rows are in others, or with another server: a dump has their definitions alone."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A schema at a glance."""

    around: Surroundings | None
    """None where there is no such schema."""
    endless: tuple[str, ...] = ()
    """Events that mariadb-dump cannot dump."""
    not_transactional: tuple[str, ...] = ()
    """Tables (with their engines) that a dump may not catch at a single moment."""
    floats: tuple[str, ...] = ()
    """Tables with FLOAT columns, of which a dump keeps six digits."""
    partial: tuple[str, ...] = ()
    """Tables with text in a character set of which a dump may lose some bytes."""
    nullable: tuple[str, ...] = ()
    """Tables whose AUTO_INCREMENT column may hold NULL: a load makes numbers of them."""
    versioned: bool = False
    """Whether a table keeps its own history."""
    estimates: Mapping[str, int] = field(default_factory=dict)
    """How many rows each table may have, as the server guesses."""
    broken: tuple[str, ...] = ()
    """Views that do not work: a table, a column or a function is gone. The server tells no column of such a view."""
    now: str = ""
    """The server's time."""
    own_rights: tuple[str, ...] = ()
    """What ``unseen.OWN_RIGHTS`` gave."""


def look(client: Client, database: str) -> Looked:
    """What is to be known of a schema before it is dumped; the server's version by the way."""
    name = literal(database)
    answers = client.several(
        version="SELECT JSON_ARRAY(VERSION(), NOW())",
        schema="SELECT JSON_ARRAY(default_character_set_name, default_collation_name, ''"
        f" /*M!100500 , schema_comment */) FROM information_schema.schemata WHERE schema_name = {name}",
        event=f"SELECT JSON_ARRAY(event_name) FROM information_schema.events WHERE event_schema = {name}"
        " AND CONCAT(event_definition, event_comment) LIKE '%;;%'",
        engine="SELECT JSON_ARRAY(CONCAT(t.table_name, ' (', t.engine, ')')) FROM information_schema.tables t JOIN"
        f" information_schema.engines e ON e.engine = t.engine WHERE t.table_schema = {name}"
        " AND COALESCE(e.transactions, 'NO') <> 'YES' LIMIT 100",
        columns="SELECT JSON_ARRAY(table_name, MAX(data_type = 'float'),"
        f" MAX(COALESCE({OF_COLUMN}, 0)), MAX({_NULLABLE_COUNTER})) FROM information_schema.columns"
        f" WHERE table_schema = {name} GROUP BY table_name",
        view=f"SELECT JSON_ARRAY(table_name) FROM information_schema.tables WHERE table_schema = {name}"
        " AND table_type = 'VIEW'",
        estimate="SELECT JSON_ARRAY(table_name, table_rows) FROM information_schema.tables"
        f" WHERE table_schema = {name} AND table_type = 'BASE TABLE' AND table_name <> {literal(KEPT)}"
        f" AND engine NOT IN ({', '.join(map(literal, ELSEWHERE))})",
        versioned="SELECT JSON_ARRAY(COUNT(*)) FROM information_schema.tables"
        f" WHERE table_schema = {name} AND table_type = 'SYSTEM VERSIONED'",
        right=OWN_RIGHTS,
    )
    client.note_version(answers["version"][0][0])
    around = None
    if answers["schema"]:
        charset, collation, *comments = answers["schema"][0]
        around = {"charset": charset, "collation": collation, "comment": "".join(filter(None, comments))}
    events, engines, views = (tuple(str(one) for (one,) in answers[kind]) for kind in ("event", "engine", "view"))
    floats = tuple(str(table) for table, has, *_ in answers["columns"] if has)
    partial = tuple(str(table) for table, _, has, _ in answers["columns"] if has)
    nullable = tuple(str(table) for table, *_, has in answers["columns"] if has)
    known = {str(table) for table, *_ in answers["columns"]}
    broken = tuple(view for view in views if view not in known)
    estimates = {str(table): int(rows or 0) for table, rows in answers["estimate"]}
    return Looked(
        around,
        events,
        engines,
        floats,
        partial,
        nullable,
        bool(answers["versioned"][0][0]),
        estimates,
        broken,
        answers["version"][0][1],
        tuple(str(right) for (right,) in answers["right"]),
    )


def creation(database: str, around: Surroundings | None) -> str:
    """The SQL that makes a schema like that."""
    sql = f"CREATE DATABASE {identifier(database)}"
    if around:
        sql += f" CHARACTER SET {identifier(around['charset'])} COLLATE {identifier(around['collation'])}"
        if around.get("comment"):
            sql += f" COMMENT {literal(around['comment'])}"
    return sql + ";\n"
