"""What every session of ours sets for itself, whatever a server, a database or a role has set for it.

Settings on the command line of a session (``PGOPTIONS``) take precedence over ``postgresql.conf``, ``ALTER DATABASE``,
``ALTER ROLE`` and ``ALTER ROLE … IN DATABASE``. Four kinds of session differ in what they need:

- ``ASK``: questions and commands of ours. Names are those of ``pg_catalog`` alone.
- ``DUMP``: pg_dump. The same state gives the same bytes; what a client could set to shape them is fixed.
- ``LOAD``: psql with a dump. What the text *means* is fixed; what functions, checks and materialized views depend on
  (time zone, date style, search path, text search) is the database's own.
- ``PLAIN``: the operator's own SQL. Nothing but what would break it off.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

_ALWAYS: Mapping[str, str] = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "tcp_user_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "client_min_messages": "warning",
    "exit_on_error": "off",
    "role": "none",
}
_SINCE: Mapping[int, Mapping[str, str]] = {
    # A backend whose client was killed ends within a second, even while it waits for a lock.
    14: {"idle_session_timeout": "0", "client_connection_check_interval": "1000"},
    17: {"transaction_timeout": "0"},
}
_MEANING: Mapping[str, str] = {
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "xmloption": "content",
    "quote_all_identifiers": "off",  # the options of a text search dictionary are stored as they are printed
    "default_tablespace": "",
    "default_table_access_method": "heap",
    "jit": "off",  # changes no result; a query of many catalogs takes seconds to compile, where costs are set low
}
_PRINTED: Mapping[str, str] = {
    "bytea_output": "hex",
    "TimeZone": "UTC",
    "DateStyle": "ISO,MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    "synchronize_seqscans": "off",
    "row_security": "on",  # pg_dump turns it off itself: then a policy is an error, and never fewer rows
    "xmlbinary": "base64",
}
_BY_SUPERUSERS: Mapping[str, str] = {
    "session_replication_role": "origin",
    "lo_compat_privileges": "off",
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
    "lc_messages": "C",
}
"""What only a superuser may set, and so cannot stand in the options of everyone's sessions."""
TEMPORARY = "temp_file_limit"
"""What breaks a session off that sorts an index, or many rows of the catalogs, in temporary files; a superuser's to
set, too."""
_NEWER_MINORS: Mapping[str, str] = {"restrict_nonsystem_relation_kind": ""}
"""Came with a minor release: set where the server knows it."""

WAITS = "synchronous_commit"
"""Whether a commit waits for the disk, and for a standby. Of a load each statement is one: with a thousand tables it is
half of the time. What is lost in a crash of the server is the end of it, and a load that has not ended is dropped. What
comes after a whole one (ANALYZE, the swap) waits, and the disk has then all that was written before."""
MONEY = "lc_monetary"
"""What a value of type money means depends on it; a dump of ours is written with ``C``."""
ASSUMED = 14
"""The major version that is assumed of a server before it told us: the oldest that is still maintained."""


class Session(enum.Enum):
    """What a session is for."""

    ASK = enum.auto()
    DUMP = enum.auto()
    LOAD = enum.auto()
    PLAIN = enum.auto()


WATCHES = "client_connection_check_interval"
"""What a server on some systems (no Linux) cannot be asked for."""


def options(session: Session, major: int, *, superuser: bool = False, watches: bool = True) -> str:
    """The value of ``PGOPTIONS``. ``watches``: whether the server can see that its client is gone."""
    settings = dict(_ALWAYS)
    for since, newer in _SINCE.items():
        if major >= since:
            settings |= newer
    if session is not Session.PLAIN:
        settings |= _MEANING
    if session in (Session.ASK, Session.DUMP):
        settings |= _PRINTED
    if session is Session.ASK:
        settings["search_path"] = "pg_catalog"
    if superuser:
        settings[TEMPORARY] = "-1"
    if superuser and session in (Session.DUMP, Session.LOAD):
        settings |= _BY_SUPERUSERS
    if not watches:
        settings.pop(WATCHES, None)
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def _escaped(value: str) -> str:
    """As the server splits its options (``pg_split_opts``)."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def printed() -> str:
    """Statements after which values are printed as in a dump, whatever the session began with."""
    values = {name: value for name, value in _PRINTED.items() if name != "row_security"}
    return "".join(f"SET {name} = {_quoted(value)};\n" for name, value in values.items())


def _quoted(value: str) -> str:
    return ", ".join(f"'{part}'" for part in value.split(","))


def opening(own: Mapping[str, str], *, money: str) -> str:
    """The statements that a load begins with.

    Args:
        own: the database's own settings that a user may change, by name: they count, and not those of the role that
            happens to load it.
        money: the ``lc_monetary`` that values of the dump are written with; ``""`` where that is the database's own.
    """
    from dysnomia_plugins.types.postgresql.names import literal

    ours = (_ALWAYS, _MEANING, *_SINCE.values())
    fixed = {name.lower() for names in ours for name in names} | {"client_encoding", "session_authorization", WAITS}
    wanted = {name: value for name, value in own.items() if name.lower() not in fixed} | dict(_NEWER_MINORS)
    values = ", ".join(f"({literal(name)}, {literal(value)})" for name, value in wanted.items())
    lines = [
        f"SET {WAITS} = off;",
        "SELECT pg_catalog.set_config(s.name, v.value, false) FROM pg_catalog.pg_settings s,"
        f" (VALUES {values}) v(name, value)"
        " WHERE pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) pg_catalog.lower(v.name)"
        " AND s.context OPERATOR(pg_catalog.=) 'user';",
        # Functions under a CHECK or a materialized view may trust the search path; built-in names still come first.
        "SELECT pg_catalog.set_config('dysnomia.search_path', pg_catalog.concat_ws(', ', 'pg_catalog',"
        " nullif(pg_catalog.current_setting('search_path'), '')), false);",
        "SELECT pg_catalog.set_config('dysnomia.lc_monetary', pg_catalog.current_setting('lc_monetary'), false);",
    ]
    if money:
        lines.append(f"SET {MONEY} = {literal(money)};")
    return "\n".join(lines) + "\n"


OWN_PATH = b"SELECT pg_catalog.set_config('search_path', pg_catalog.current_setting('dysnomia.search_path'), false);\n"
"""Before what runs functions of the database."""
NO_PATH = b"SELECT pg_catalog.set_config('search_path', '', false);\n"
"""After it: as the dump has set it."""
OWN_MONEY = b"SELECT pg_catalog.set_config('lc_monetary', pg_catalog.current_setting('dysnomia.lc_monetary'), false);\n"


def set_money(money: str) -> bytes:
    """Values of type money are those of the dump again."""
    return f"SET {MONEY} = '{money}';\n".encode() if money else b""
