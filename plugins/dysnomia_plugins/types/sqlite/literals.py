"""Values as SQL literals that every version of SQLite reads back as exactly these values."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from dysnomia_plugins.errors import Unsupported
from dysnomia_plugins.types.sqlite.cells import Value

_PLAIN = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f\ufeff]*\Z")
"""Texts that stand in a script as they are. The sqlite3 program ends a line at a carriage return too, and a statement
at a NUL; a byte order mark is nothing to it at the start of a file."""
_EXACT_DIGITS = 15
_CHUNK = 52


def literal(value: Value, codec: str = "utf-8") -> str:
    """One cell, as the reader gives it. ``codec``: of the database's encoding.

    Raises Unsupported for a text that no statement can write."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, bytearray):
        return _text(value, codec)
    return _real(value) if isinstance(value, float) else str(value)


def _text(value: bytearray, codec: str) -> str:
    try:
        text = value.decode(codec)
    except UnicodeDecodeError:
        if codec != "utf-8":
            raise Unsupported("a text that is not valid UTF-16 cannot be written in SQL") from None
        text = "\0"
    if _PLAIN.match(text):
        return "'" + text.replace("'", "''") + "'"
    return f"CAST(X'{value.hex()}' AS TEXT)"


def _real(value: float) -> str:
    """A fraction of whole numbers: how SQLite reads decimals is not exact in each version, dividing by a power of two
    is. Decimals that are the value itself, with few digits, are read alike by all."""
    if math.isinf(value):
        return "9e999" if value > 0 else "-9e999"
    short = repr(value)
    digits = Decimal(short)
    if len(digits.as_tuple().digits) <= _EXACT_DIGITS and digits == Decimal(value) and "e" not in short:
        return short
    mantissa, exponent = math.frexp(value)
    text = f"CAST({int(mantissa * (1 << 53))} AS REAL)"
    exponent -= 53
    while exponent:
        step = max(-_CHUNK, min(_CHUNK, exponent))
        text += f"*{1 << step}" if step > 0 else f"/{1 << -step}"
        exponent -= step
    return f"({text})"
