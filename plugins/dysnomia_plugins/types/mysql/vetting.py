"""What a dump of one schema may hold: the second wall, behind the account that a dump is loaded by.

``SET`` is read whole: each assignment is to a variable of the session or of the user, and takes a plain value. A dump
that is not trusted is read more closely: rows of literals only, no engine that reaches out, no file's place.
"""

from __future__ import annotations

import re

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.sqldump.names import decode
from dysnomia_plugins.types.mysql.created import SCHEMA, Created, created
from dysnomia_plugins.types.mysql.lexer import QUOTED
from dysnomia_plugins.types.mysql.names import NAME, unquoted

HINT = "it was not made by mariadb-dump for one schema, and is not loaded"
_WRAPPING = re.compile(rb"/\*M?!\d*\s*|\*/\s*")
_SCOPE = rb"(?:SESSION\s+|LOCAL\s+|@@(?:SESSION\s*\.\s*|LOCAL\s*\.\s*)?)?"
_VARIABLE = _SCOPE + rb"(?!(?:GLOBAL|PERSIST\w*|PASSWORD|ROLE|STATEMENT|DEFAULT)\b)[A-Za-z_]\w*+(?!\s*\.)"
_VALUE = (
    rb"(?:[-+]?\d[\w.]*+|'[^'\\]*+'|\"[^\"\\]*+\"|@@(?:SESSION\s*\.\s*|LOCAL\s*\.\s*|GLOBAL\s*\.\s*)?\w++|@\w++"
    rb"|[A-Za-z_]\w*+(?!\s*\()|CONCAT\(\s*@@sql_mode\s*,\s*(?:_utf8\s*)?'[^'\\]*+'\s*\))"
)
_ASSIGNMENT = rb"(?:@\w++|" + _VARIABLE + rb")\s*:?=\s*" + _VALUE
_CHARSET = rb"(?:NAMES|CHARACTER\s+SET|CHARSET)\s+'?\w++'?(?:\s+COLLATE\s+'?\w++'?)?"
_ONE = rb"(?:" + _ASSIGNMENT + rb"|" + _CHARSET + rb")"
_SET = re.compile(rb"SET\s+" + _ONE + rb"(?:\s*,\s*" + _ONE + rb")*+\s*\Z", re.IGNORECASE)
_ALLOWED = re.compile(
    rb"(?:DROP\s+(?:TABLE|VIEW|SEQUENCE|TRIGGER|EVENT|FUNCTION|PROCEDURE|PACKAGE(?:\s+BODY)?)\s+IF\s+EXISTS\s+`(?:[^`]|``)*+`\s*\Z"
    rb"|ALTER\s+TABLE\s+`(?:[^`]|``)*+`\s(?!.*\b(?:RENAME|EXCHANGE|DIRECTORY|CONNECTION)\b)"
    rb"|DO\s+SETVAL\(`(?:[^`]|``)*+`\s*,\s*-?\d+\s*(?:,\s*\d+\s*)*\)\s*\Z"
    rb"|(?:INSERT|REPLACE)\s+(?:IGNORE\s+)?INTO\s+`(?:[^`]|``)*+`\s"
    rb"|COMMIT\s*\Z|START\s+TRANSACTION\s*\Z|BEGIN\s*\Z)",
    re.IGNORECASE | re.DOTALL,
)
_KEYS = re.compile(rb"ALTER\s+TABLE\s+`(?:[^`]|``)*+`\s+(?:DISABLE|ENABLE)\s+KEYS\s*\Z", re.IGNORECASE)
SKIPPED = re.compile(
    rb"LOCK\s+TABLES\s|UNLOCK\s+TABLES\b|SET\s+@@GLOBAL\s*\.\s*GTID_PURGED\s*=\s*(?:'[^']*'\s*)*\Z|\Z", re.IGNORECASE
)
"""What is not sent. The schema is nobody else's, and a locked table keeps a sequence in its defaults out of reach."""
_MULTIBYTE = re.compile(rb"\b(?:big5|cp932|gbk|gb18030|sjis|ucs2|utf16\w*|utf32)\b", re.IGNORECASE)
"""In these a backslash or a quote may be the second half of a character: nobody can tell where a string ends."""
_CLIENT_CHARSET = re.compile(rb"\b(?:NAMES|SET\s+CHARACTER\s+SET|CHARSET|character_set_client)\b", re.IGNORECASE)
_ENGINE = re.compile(rb"\bENGINE\s*=?\s*(\w+)", re.IGNORECASE)
_ENGINES = frozenset(
    {b"innodb", b"myisam", b"aria", b"memory", b"heap", b"mrg_myisam", b"archive", b"csv", b"blackhole", b"sequence"}
    | {b"rocksdb"}
)
_REACHES_OUT = re.compile(rb"\b(?:(?:DATA|INDEX)\s+DIRECTORY|CONNECTION\b|UNION\s*=|SELECT\b)", re.IGNORECASE)
_FLAT = re.compile(
    rb"(?:\s*+\((?:[^'\"`()#/\-\\;]++|'[^'\\]*+(?:\\.[^'\\]*+)*+'|\"[^\"\\]*+(?:\\.[^\"\\]*+)*+\"|-(?!-)|/(?!\*))*+\)"
    rb"\s*+[,;])*+\s*\Z",
    re.DOTALL,
)
_DEFINER = re.compile(rb"DEFINER\s*=\s*(" + NAME + rb")(?:@(" + NAME + rb"))?", re.IGNORECASE)


def plain(statement: bytes) -> bytes:
    """The head of a statement without its delimiter, and with what stands in executable comments as the code it is."""
    return _WRAPPING.sub(b" ", statement[:4096]).strip(b" \t\r\n;")


def check(statement: bytes, database: bytes) -> Created | None:
    """What a statement creates, if it does. Raises NotSafe where it is none of a dump of one schema."""
    text = plain(statement)
    made = created(statement)
    if made is not None and made.schema and made.schema != decode(database):
        raise _refused(text)
    if made is None and not _ALLOWED.match(text) and not _SET.match(plain_whole(statement)):
        raise _refused(text)
    return made


def plain_whole(statement: bytes) -> bytes:
    """The same for the whole statement."""
    return _WRAPPING.sub(b" ", statement).strip(b" \t\r\n;")


def check_closely(statement: bytes, made: Created | None) -> None:
    """More for a dump that is not trusted. Raises NotSafe."""
    text = plain_whole(statement)
    bare = QUOTED.sub(b"''", text)
    if made is None:
        if text[:3].upper() == b"SET":
            if _CLIENT_CHARSET.search(text) and _MULTIBYTE.search(text):
                raise NotSafe(
                    "the dump changes to a character set in which the end of a string is ambiguous"
                    f" ({_said(text)!r}), and it is not trusted",
                    "inspect the dump, then trust it: dysnomia-tui trust",
                )
        elif text[:6].upper() in (b"INSERT", b"REPLAC") or (text[:5].upper() == b"ALTER" and not _KEYS.match(text)):
            raise _refused(text)
    elif made.kind == SCHEMA:
        engines = {engine.lower() for engine in _ENGINE.findall(bare)}
        if engines - _ENGINES or _REACHES_OUT.search(bare):
            raise NotSafe(
                f"table {made.name} of a dump that is not trusted refers outside of its schema ({_said(text)!r})",
                "inspect the dump, then trust it: dysnomia-tui trust",
            )
    if made is None and b"\\" in bare:
        raise _refused(text)


def check_rows(data: bytes) -> None:
    """Rows of a dump that is not trusted are literals. Raises NotSafe."""
    if not _FLAT.match(data):
        raise NotSafe("rows of a dump that is not trusted hold more than plain values", HINT)


def definer(made: Created) -> tuple[str, str] | None:
    """Whom a statement makes the definer; None where it does not say."""
    match = _DEFINER.match(made.definer)
    if match is None or match[1].upper() == b"CURRENT_USER":
        return None
    return unquoted(match[1]), unquoted(match[2]) if match[2] else ""


def with_definer(statement: bytes, clause: bytes) -> bytes:
    """The statement with another DEFINER clause; none where it is empty."""
    return _DEFINER.sub(lambda _: clause.strip(), statement, count=1)


def _said(text: bytes) -> str:
    return text[:60].decode("utf-8", "replace")


def _refused(text: bytes) -> NotSafe:
    return NotSafe(f"the dump holds a statement that is not of one schema ({_said(text)!r})", HINT)
