"""What a dump's definitions refer to and do not define: roles, extensions, tablespaces. And what few roles may make."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dysnomia_plugins.base import Stored
from dysnomia_plugins.toolkit.sqldump.names import decode
from dysnomia_plugins.toolkit.sqldump.reader import Readable
from dysnomia_plugins.types.postgresql.contents import LARGE_OBJECT, SCHEMA
from dysnomia_plugins.types.postgresql.names import identifiers, split_qualified
from dysnomia_plugins.types.postgresql.scanner import DumpScanner, Part
from dysnomia_plugins.types.postgresql.surroundings import ABSENT
from dysnomia_store.errors import NotFound

SCHEMA_LIMIT = 64 << 20
"""Bytes of definitions that are looked through; a load names what is missing beyond them."""
UNINDEXED_LIMIT = 16 << 20
"""Bytes of a dump without an index that are looked through."""

_NAME = rb'((?:"(?:[^"]|"")*"|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*))'
_OWNER = re.compile(rb"ALTER .* OWNER TO " + _NAME + rb";\Z", re.DOTALL)
_GRANT = re.compile(rb"(?:GRANT|REVOKE) .* (?:TO|FROM) " + _NAME + rb"(?: WITH GRANT OPTION)?;\Z", re.DOTALL)
_DEFAULTS = re.compile(rb"ALTER DEFAULT PRIVILEGES FOR ROLE " + _NAME)
_MAPPING = re.compile(rb"CREATE USER MAPPING FOR " + _NAME + rb" SERVER ")
_POLICY = re.compile(
    rb"CREATE POLICY .*? TO ((?:[^()'$]|\"(?:[^\"]|\"\")*\")+?)(?: USING | WITH CHECK |;\Z)", re.DOTALL
)
_SESSION = re.compile(rb"SET SESSION AUTHORIZATION " + _NAME + rb";\Z")
_EXTENSION = re.compile(rb"CREATE EXTENSION (?:IF NOT EXISTS )?" + _NAME + rb"(?: WITH SCHEMA " + _NAME + rb")?")
_TABLESPACE = re.compile(rb"SET default_tablespace = " + _NAME + rb";\Z")
_SUBSCRIPTION = re.compile(rb"CREATE SUBSCRIPTION " + _NAME)
_PRIVILEGED = re.compile(
    rb"CREATE (EVENT TRIGGER|SUBSCRIPTION|FOREIGN DATA WRAPPER|ACCESS METHOD|OPERATOR CLASS|OPERATOR FAMILY"
    rb"|TEXT SEARCH PARSER|TEXT SEARCH TEMPLATE|(?:OR REPLACE )?(?:TRUSTED )?(?:PROCEDURAL )?LANGUAGE) ",
)
"""What only a superuser can make, by its first words."""
_BASE_TYPE = re.compile(rb"CREATE TYPE (.*?) \(\s*INTERNALLENGTH", re.DOTALL)
_CODE = re.compile(rb"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE) (.*?)\(", re.DOTALL)
_CODE_BEYOND = re.compile(rb"\n    LANGUAGE (?:c|internal|plpython3u|plperlu|pltclu)\b|\n    LANGUAGE .* LEAKPROOF\b")
_BARE_CAST = re.compile(rb"CREATE CAST (\(.*\)) WITHOUT FUNCTION", re.DOTALL)
_EVERYTHING = re.compile(rb"CREATE PUBLICATION (\S+) FOR (?:ALL TABLES|TABLES IN SCHEMA)")
_DEFAULT_RIGHTS = re.compile(rb"ALTER DEFAULT PRIVILEGES FOR ROLE " + _NAME)


@dataclass
class Needs:
    """What a dump's definitions refer to and do not define."""

    roles: set[str] = field(default_factory=set)
    extensions: set[str] = field(default_factory=set)
    tablespaces: set[str] = field(default_factory=set)
    subscriptions: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)
    """Those of the roles that own something."""
    privileged: set[str] = field(default_factory=set)
    """What only a superuser can make, in words."""
    schemas: dict[str, str] = field(default_factory=dict)
    """Where an extension is, by its name."""
    absent: list[str] = field(default_factory=list)
    """Statements at its start that take away what every new database begins with."""
    large_objects: int = 0
    """How many the snapshot holds."""

    def look(self, statement: bytes) -> None:
        """Take note of one statement."""
        for pattern in (_OWNER, _GRANT, _DEFAULTS, _MAPPING, _POLICY, _SESSION):
            if match := pattern.match(statement):
                self.roles |= set(identifiers(match[1]))
        for pattern, needed in (
            (_EXTENSION, self.extensions),
            (_TABLESPACE, self.tablespaces),
            (_SUBSCRIPTION, self.subscriptions),
        ):
            if match := pattern.match(statement):
                needed |= set(identifiers(match[1]))
        if statement.startswith(b"DROP ") and statement.decode("ascii", "replace") in ABSENT:
            self.absent.append(statement.decode("ascii"))
        if (match := _EXTENSION.match(statement)) and match[2]:
            self.schemas |= dict(zip(identifiers(match[1]), identifiers(match[2]), strict=False))
        if match := _OWNER.match(statement):
            self.owners |= set(identifiers(match[1]))
        self._look_beyond(statement)

    def _look_beyond(self, statement: bytes) -> None:
        if not statement.startswith((b"CREATE ", b"SET SESSION", b"SECURITY LABEL", b"ALTER DEFAULT")):
            return
        if match := _PRIVILEGED.match(statement):
            self.privileged.add(f"the {decode(match[1]).lower()} {_named(statement[match.end() :])}")
        elif match := _BASE_TYPE.match(statement):
            self.privileged.add(f"the base type {decode(match[1])}")
        elif (match := _CODE.match(statement)) and _CODE_BEYOND.search(statement):
            self.privileged.add(f"the function {decode(match[1])}")
        elif match := _BARE_CAST.match(statement):
            self.privileged.add(f"the cast {decode(match[1])}")
        elif match := _EVERYTHING.match(statement):
            self.privileged.add(f"the publication {decode(match[1])}")
        elif match := _SESSION.match(statement):
            self.privileged.add(f"grants by the role {decode(match[1])}")
        elif match := _DEFAULT_RIGHTS.match(statement):
            self.privileged.add(f"default privileges of the role {decode(match[1])}")
        elif statement.startswith(b"SECURITY LABEL"):
            self.privileged.add("security labels")

    @property
    def real_roles(self) -> set[str]:
        """Without the words that stand where a role may."""
        return {role for role in self.roles if role.lower() not in ("public", "current_user", "session_user")}


def needs_of(stored: Stored) -> Needs:
    """What the snapshot needs, from its index and its sections of kind schema alone.

    Where no index was written (another tool's snapshot), from as much of the dump as can be read at once."""
    needs = Needs()
    try:
        _look_by_index(stored, needs)
    except NotFound:
        with stored.open() as stream:
            _look(_Bounded(stream, UNINDEXED_LIMIT), needs)
    return needs


def _look_by_index(stored: Stored, needs: Needs) -> None:
    left = SCHEMA_LIMIT
    for section in stored.sections():
        needs.large_objects += section.kind == LARGE_OBJECT
        if section.kind != SCHEMA or section.offset is None or section.length is None or left <= 0:
            continue
        with stored.open_range(section.artefact, section.offset, min(section.length, left)) as stream:
            _look(stream, needs)
        left -= section.length


def _look(stream: Readable, needs: Needs) -> None:
    for part, data in DumpScanner(stream).pieces():
        if part is Part.STATEMENT:
            needs.look(data)


class _Bounded:
    """The first bytes of a stream."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream = stream
        self._left = limit

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def _named(text: bytes) -> str:
    parts = split_qualified(text)
    return decode(parts[0]) if parts else "?"
