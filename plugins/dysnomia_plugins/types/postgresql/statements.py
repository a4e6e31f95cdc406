"""What a load does with each statement of a dump: most go through as they are; some are left out, some wrapped."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.sqldump.names import decode
from dysnomia_plugins.types.postgresql.names import split_qualified
from dysnomia_plugins.types.postgresql.sessions import NO_PATH, OWN_MONEY, OWN_PATH, set_money
from dysnomia_plugins.types.postgresql.surroundings import ABSENT, DROP_PLPGSQL

NEWER_SETTINGS = {b"SET transaction_timeout = 0;": 17}
"""What newer clients write at the start of a dump, and older servers do not know."""
OF_CLIENTS_ONLY = frozenset(
    {
        *("big5", "win950", "windows950", "gbk", "win936", "windows936", "uhc", "win949", "windows949", "gb18030"),
        *("sjis", "mskanji", "shiftjis", "win932", "windows932", "johab", "shiftjis2004"),
    }
)
"""Encodings in which a byte of a character may be a quote or a backslash: no database has one, and psql would cut the
dump elsewhere than we do."""

_ALTER_TABLE = re.compile(rb"ALTER TABLE (?:ONLY )?")
_ADDED = re.compile(rb"\s*ADD CONSTRAINT\s+")
_COMMENT = re.compile(rb"COMMENT ON CONSTRAINT\s+")
_ON = re.compile(rb"\s*ON\s+")
_REFRESH = re.compile(rb"REFRESH MATERIALIZED VIEW (?:CONCURRENTLY )?")
_NOT_REFRESHED = re.compile(rb"dysnomia-not-refreshed (\d+) (.*)\Z", re.DOTALL)
_TRIED = b"""DO %(quote)s
BEGIN
  %(statement)s
EXCEPTION WHEN OTHERS THEN
  IF SQLSTATE OPERATOR(pg_catalog.~) '^(53|57|58|XX)' THEN RAISE; END IF;
  PERFORM pg_catalog.set_config('dysnomia.not_refreshed', SQLERRM, false);
END %(quote)s;
SELECT pg_catalog.concat('dysnomia-not-refreshed %(number)d ',
    pg_catalog.replace(pg_catalog.current_setting('dysnomia.not_refreshed'), pg_catalog.chr(10), ' '))
  WHERE pg_catalog.current_setting('dysnomia.not_refreshed', true) OPERATOR(pg_catalog.<>) '';
SELECT pg_catalog.set_config('dysnomia.not_refreshed', '', false);
"""
"""A statement that may fail, but for want of room or of a server (classes 53, 57 and 58) or a fault of the server's."""
_RUNS = re.compile(
    rb"REFRESH MATERIALIZED VIEW |CREATE (?:UNIQUE )?INDEX "
    rb"|ALTER TABLE [^;]*?\n    ADD CONSTRAINT [^;]*? (?:CHECK|EXCLUDE) "
)
"""What runs functions of the database while it is loaded."""
_ENCODING = re.compile(
    rb"SET\s+(?:SESSION\s+|LOCAL\s+)?(?:client_encoding\s*(?:=|TO)|NAMES)\s*'?([A-Za-z0-9_ -]*)'?\s*;\Z", re.IGNORECASE
)
_NO_PATH = b"SELECT pg_catalog.set_config('search_path', '', false);"


@dataclass
class Statements:
    """The rules of one load, and what it left out by them."""

    major: int
    """Of the server that it is loaded into."""
    superuser: bool
    money: str = ""
    """The ``lc_monetary`` that values are written with; ``""`` where that is the database's own."""
    partial: bool = False
    """Only some sections are loaded."""
    left_out: list[str] = field(default_factory=list)
    """In words, for the log."""
    encoding: str = "UTF8"
    not_refreshed: list[str] = field(default_factory=list)
    """Materialized views without contents, and why, in words."""
    _foreign: set[tuple[bytes, bytes]] = field(default_factory=set)
    _views: list[str] = field(default_factory=list)
    _without_plpgsql: bool = False
    _without_path: bool = False
    """Whether the dump has emptied the search path: then it names everything in full."""

    @property
    def own_path(self) -> bytes:
        """Sets the search path to the database's own."""
        return OWN_PATH

    def opening(self) -> bytes:
        """What goes ahead of the dump."""
        return b""

    def ending(self) -> bytes:
        """What comes after it."""
        return b""

    def instead(self, statement: bytes) -> bytes:
        """What is run for it.

        A dump has the contents of a materialized view as the statement that makes them anew, from tables that may have
        changed since, or from another server: where that fails, the view has none, as a dump of it would have none."""
        if self._without_plpgsql or not (head := _REFRESH.match(statement)):
            return statement
        qualified = split_qualified(statement[head.end() :])
        self._views.append(decode(qualified[0]) if qualified else "?")
        quote = b"$dysnomia$"
        while quote in statement:
            quote = quote[:-1] + b"_$"
        return _TRIED % {b"quote": quote, b"statement": statement, b"number": len(self._views) - 1}

    def heard(self, line: bytes) -> None:
        """What the server printed."""
        if match := _NOT_REFRESHED.match(line):
            name, reason = self._views[int(match[1])], decode(match[2])
            self.not_refreshed.append(
                f"the materialized view {name} could not be filled ({reason}) and has no contents: REFRESH MATERIALIZED"
                f" VIEW {name} once it can"
            )

    def waits(self, statement: bytes) -> bool:
        """Whether it is run after all the others."""
        del statement
        return False

    def skips(self, statement: bytes) -> bool:
        """Whether it is not loaded. Raises NotSafe for what no dump may hold."""
        if statement.startswith(b"SET") and (match := _ENCODING.match(statement)):
            self._note_encoding(match[1].decode("ascii"))
        self._without_path = self._without_path or statement == _NO_PATH
        self._without_plpgsql = self._without_plpgsql or statement == DROP_PLPGSQL.encode()
        if self.major < NEWER_SETTINGS.get(statement, 0):
            return True
        if statement.decode("ascii", "replace") in ABSENT[1:] and not self.superuser:
            self.left_out.append(f"{statement.decode()} (only a superuser may)")
            return True
        return self.partial and self._skips_of_part(statement)

    def _note_encoding(self, name: str) -> None:
        if re.sub(r"[^a-z0-9]", "", name.lower()) in OF_CLIENTS_ONLY:
            raise NotSafe(f"the dump has the encoding {name}, which no database can have", "it is not loaded")
        self.encoding = name

    def _skips_of_part(self, statement: bytes) -> bool:
        """Foreign keys, and what is said of them: what they refer to may be missing. Contents of materialized views:
        what they are made from may be."""
        if name := foreign_key(statement):
            self._foreign.add(name)
            self.left_out.append(f"the foreign key {decode(name[0])} on {decode(name[1])}")
            return True
        if commented(statement) in self._foreign:
            return True
        if head := _REFRESH.match(statement):
            qualified = split_qualified(statement[head.end() :])
            self.left_out.append(f"the contents of the materialized view {decode(qualified[0]) if qualified else '?'}")
            return True
        return False

    def before(self, statement: bytes, *, standard: bool) -> bytes:
        """What goes ahead of it: what runs functions of the database does so under its own settings."""
        del standard
        if not _RUNS.match(statement):
            return b""
        own_money = OWN_MONEY if self.money and _REFRESH.match(statement) else b""
        return (self.own_path if self._without_path else b"") + own_money

    def after(self, statement: bytes) -> bytes:
        if not _RUNS.match(statement):
            return b""
        return b"\n" + self.after_rows() + (set_money(self.money) if _REFRESH.match(statement) else b"")

    def before_rows(self, *, standard: bool) -> bytes:
        """Ahead of a COPY: checks, domains and generated columns may call functions that trust the search path."""
        del standard
        return self.own_path if self._without_path else b""

    def after_rows(self) -> bytes:
        return NO_PATH if self._without_path else b""


def foreign_key(statement: bytes) -> tuple[bytes, bytes] | None:
    """The constraint's and the table's name where ``statement`` adds a foreign key."""
    head = _ALTER_TABLE.match(statement)
    table = split_qualified(statement[head.end() :]) if head else None
    added = _ADDED.match(table[1]) if table else None
    constraint = split_qualified(table[1][added.end() :]) if table and added else None
    if table is None or constraint is None or not constraint[1].lstrip().startswith(b"FOREIGN KEY"):
        return None
    return constraint[0], table[0]


def commented(statement: bytes) -> tuple[bytes, bytes] | None:
    """The constraint's and the table's name where ``statement`` is a comment on a constraint."""
    head = _COMMENT.match(statement)
    constraint = split_qualified(statement[head.end() :]) if head else None
    on = _ON.match(constraint[1]) if constraint else None
    table = split_qualified(constraint[1][on.end() :]) if constraint and on else None
    return (constraint[0], table[0]) if constraint and table else None
