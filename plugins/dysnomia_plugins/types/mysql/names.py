"""Names and literals of MariaDB: quoted for SQL, read from SQL, and what a name may be."""

from __future__ import annotations

import re

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.sqldump.names import decode, in_quotes

MAX_CHARACTERS = 64
SYSTEM = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
KEPT = "dysnomia_kept"
"""A table in a schema that is not live: the text of its events, which must not run there, and a swap's notes."""

NAME = rb"(?:`(?:[^`]|``)*+`|\"(?:[^\"]|\"\")*+\"|[0-9A-Za-z_$\x80-\xff]++)"
"""A name as SQL has it, for regular expressions."""


def identifier(name: str) -> str:
    """Quoted for SQL, whatever it holds. Raises NotSafe for a NUL, which no identifier can hold."""
    return in_quotes(name, "`")


def literal(text: str) -> str:
    """A string literal. Our sessions never have NO_BACKSLASH_ESCAPES."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def pattern(database: str) -> str:
    """A schema's name where a GRANT takes a pattern."""
    return database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")


def blob(data: bytes) -> str:
    """Any bytes, as a literal."""
    return f"X'{data.hex()}'"


def unquoted(name: bytes) -> str:
    """A name as SQL has it, without its quotes."""
    quote = name[:1]
    return decode(name[1:-1].replace(quote * 2, quote) if quote in (b"`", b'"') else name)


def names_in(text: bytes) -> tuple[str, ...]:
    """All backquoted names in ``text``, in order."""
    return tuple(unquoted(name) for name in re.findall(rb"`(?:[^`]|``)*+`", text))


def check_database(name: str) -> str:
    """Return ``name`` if a schema of an operator's can be called so. Raises NotSafe."""
    if not name or "\0" in name or name.endswith(" ") or any(ord(char) > 0xFFFF for char in name):
        raise NotSafe(f"{name!r} cannot be the name of a database")
    if len(name) > MAX_CHARACTERS:
        raise NotSafe(f"the name {name!r} has more than {MAX_CHARACTERS} characters", "choose a shorter one")
    if name.lower() in SYSTEM:
        raise NotSafe(f"{name} is a system database of the server", "choose another name")
    return name
