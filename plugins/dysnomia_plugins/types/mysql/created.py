"""What a CREATE statement of a dump makes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dysnomia_plugins.types.mysql.names import NAME, unquoted

SCHEMA, TABLE, SEQUENCE, VIEW, TRIGGER, EVENT = "schema", "table", "sequence", "view", "trigger", "event"
ROUTINES = ("function", "procedure", "package body", "package")
CODE = (VIEW, TRIGGER, *ROUTINES)
"""What a table does not hold, and what is made anew where it stands."""

_HEAD = 1 << 14
_WRAPPING = re.compile(rb"/\*M?!\d*\s*|\*/\s*")
_USER = rb"(?:" + NAME + rb"(?:@" + NAME + rb")?)"
_CREATE = re.compile(
    rb"\s*CREATE\s+(?:OR REPLACE\s+)?(?:ALGORITHM\s*=\s*\w+\s+)?(?P<definer>DEFINER\s*=\s*" + _USER + rb"\s+)?"
    rb"(?:SQL SECURITY \w+\s+)?(?:AGGREGATE\s+)?"
    rb"(?P<kind>TABLE|SEQUENCE|VIEW|TRIGGER|EVENT|PROCEDURE|FUNCTION|PACKAGE\s+BODY|PACKAGE)\s+"
    rb"(?:IF NOT EXISTS\s+)?(?:(?P<schema>" + NAME + rb")\s*\.\s*)?(?P<name>" + NAME + rb")",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Created:
    """What a CREATE statement makes."""

    kind: str
    """``schema`` for a table."""
    name: str
    stands_in: bool = False
    """A view that stands in for the real one until all tables are there."""
    schema: str = ""
    """The schema, where the statement names it."""
    definer: bytes = b""
    """The DEFINER clause, where there is one."""


def created(statement: bytes) -> Created | None:
    """What ``statement`` creates; None where it creates nothing we know."""
    head = _WRAPPING.sub(b" ", statement[:_HEAD])
    match = _CREATE.match(head)
    if match is None:
        return None
    kind = re.sub(r"\s+", " ", match["kind"].decode().lower())
    name = unquoted(match["name"])
    stands_in = kind == "view" and match["definer"] is None and b"ALGORITHM" not in head[: match.start("kind")].upper()
    schema = unquoted(match["schema"]) if match["schema"] else ""
    return Created(SCHEMA if kind == "table" else kind, name, stands_in, schema, match["definer"] or b"")
