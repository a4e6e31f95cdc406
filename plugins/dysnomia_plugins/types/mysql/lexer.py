"""Where a statement of a dump ends: the client's quoting (``client/mysql.cc``, ``add_line``), resumable at any byte.

``'…'`` and ``"…"`` with backslashes (none where ``sql_mode`` has NO_BACKSLASH_ESCAPES), ``` `…` ```, ``-- `` and
``#`` comments, ``/* */`` that do not nest. What stands in ``/*!50003 … */`` and ``/*M! … */`` is code.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SINGLE, _DOUBLE = rb"'[^'\\]*+(?:\\.[^'\\]*+)*+'", rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_COMMENT = rb"/\*(?!!|M!)[^*]*+(?:\*(?!/)[^*]*+)*+\*/"
_DASHES = rb"--(?=[ \t\r\n\f\x00])[^\n]*+\n"
STRING = re.compile(_SINGLE, re.DOTALL)
QUOTED = re.compile(
    rb"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'|\"[^\"\\]*+(?:(?:\\.|\"\")[^\"\\]*+)*+\"|`(?:[^`]|``)*+`", re.DOTALL
)
"""A string or a name in quotes, in one statement."""
INSERT = re.compile(
    rb"(?:INSERT|REPLACE)(?: IGNORE)? INTO (`(?:[^`]|``)*+`)\s*+"
    rb"(\((?:\s*+(?:`(?:[^`]|``)*+`|\w++)\s*+,?)*+\))?\s*+VALUES?\s*+(?=\()",
    re.IGNORECASE,
)
"""The head of an INSERT as dumps have it: the table, and the columns where they are named."""
INSERT_LIMIT = 1 << 19
"""No head of an INSERT is longer: 4,096 columns of 64 characters."""

_PLAIN = rb"[^'\"`()#/\-\\;]++"
_ROW = (
    rb"\((?:" + _PLAIN + rb"|" + _SINGLE + rb"|" + _DOUBLE + rb"|-(?!-)|/(?!\*)|"
    rb"\((?:" + _PLAIN + rb"|" + _SINGLE + rb"|" + _DOUBLE + rb"|\([^'\"()]*+\))*+\))*+\)"
)
ROW = re.compile(_ROW, re.DOTALL)
_NEXT_ROW = re.compile(rb"\s*+" + _ROW + rb"\s*+([,;])", re.DOTALL)


@lru_cache(maxsize=64)
def within(delimiter: bytes, escapes: bool) -> re.Pattern[bytes]:
    """Matches from anywhere outside of quotes up to the delimiter, to what is open at the end, or to the end.

    It never takes what may turn out to be something else once more is there."""
    first, rest = delimiter[:1], delimiter[1:]
    strings = (_SINGLE, _DOUBLE) if escapes else (rb"'[^']*+'", rb'"[^"]*+"')
    special = re.escape(first + b"'\"`#/-")
    parts = [
        rb"[^" + special + rb"]++",
        *strings,
        rb"`[^`]*+`",
        rb"#[^\n]*+\n",
        _DASHES,
        _COMMENT,
        rb"-(?=[^-])",
        rb"-(?=-[^ \t\r\n\f\x00])",
        rb"/(?=[^*])",
        rb"/(?=\*(?:!|M!))",
    ]
    if rest:
        parts.append(re.escape(first) + rb"(?=(?s:.{" + str(len(rest)).encode() + rb"}))(?!" + re.escape(rest) + rb")")
    return re.compile(rb"(?:" + rb"|".join(parts) + rb")*+", re.DOTALL)


def plain_rows(data: bytes) -> int | None:
    """How many rows whole lines of an INSERT hold, one a line, by counting alone; None where they must be read.

    ``data`` starts with a row and ends with a line; a semicolon can only be at its end. Exact where strings are in
    single quotes only and hold no raw line end, as mariadb-dump writes them."""
    if b"),(" in data:
        return None
    lines = data.count(b"\n")
    if data.count(b"),\n") + data.endswith(b");\n") < lines:
        return None
    bare = data.replace(b"\\\\", b"").replace(b"\\'", b"") if b"\\" in data else data
    return lines if bare.count(b"'") % 2 == 0 else None


def rows_from(data: bytes, position: int) -> tuple[int, int, bool]:
    """The rows that stand at ``position``, each with what follows it: the position after the last whole one, how many
    they are, and whether a semicolon ended them. Every byte is looked at."""
    rows = 0
    match = _NEXT_ROW.match
    while token := match(data, position):
        rows += 1
        position = token.end()
        if data[position - 1] == 0x3B:
            return position, rows, True
    return position, rows, False
