"""Names and literals of PostgreSQL: quoted for SQL, read from SQL, and what a name may be."""

from __future__ import annotations

import re

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.sqldump.names import decode_as, encode, in_quotes

MAX_BYTES = 63
"""NAMEDATALEN - 1: the server cuts longer names silently, onto another one."""

_IDENTIFIER = re.compile(rb'\s*(?:"((?:[^"]|"")*)"|([A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*))\s*', re.DOTALL)


def identifier(name: str) -> str:
    """Quoted for SQL, whatever it holds. Raises NotSafe for a NUL, which no identifier can hold."""
    return in_quotes(name, '"')


def literal(text: str) -> str:
    """A string literal that means the same whatever ``standard_conforming_strings`` is.

    Raises NotSafe for a NUL byte."""
    if "\0" in text:
        raise NotSafe(f"{text!r} holds a NUL byte")
    escaped = text.replace("'", "''").replace("\\", "\\\\")
    return f" E'{escaped}'" if "\\" in text else f"'{escaped}'"


def check_database(name: str) -> str:
    """Return ``name`` if a database can be called so. Raises NotSafe."""
    size = len(encode(name))
    if not name or "\0" in name:
        raise NotSafe(f"{name!r} is not a valid database name")
    if size > MAX_BYTES:
        raise NotSafe(
            f"the name {name!r} is {size} bytes long",
            f"PostgreSQL would cut it at {MAX_BYTES} bytes, onto another database: choose a shorter one",
        )
    return name


def identifiers(text: bytes, codec: str = "utf-8") -> tuple[str, ...]:
    """The names of a list as SQL has it: ``a, "B c", d``. What is not a list of names gives an empty tuple."""
    names: list[str] = []
    position = 0
    while position < len(text):
        match = _IDENTIFIER.match(text, position)
        if match is None:
            return ()
        quoted, plain = match.groups()
        names.append(decode_as(quoted.replace(b'""', b'"') if quoted is not None else plain, codec))
        position = match.end()
        if position < len(text):
            if text[position : position + 1] != b",":
                return ()
            position += 1
    return tuple(names)


def split_qualified(text: bytes) -> tuple[bytes, bytes] | None:
    """``schema.name`` as SQL has it at the start of ``text``, and the rest. None where there is no such name."""
    position = 0
    while True:
        match = _IDENTIFIER.match(text, position)
        if match is None:
            return None
        position = match.end()
        if text[position : position + 1] != b".":
            return text[:position].strip(), text[position:]
        position += 1
