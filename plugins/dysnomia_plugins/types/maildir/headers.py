"""Which mail a message is: its subject, sender and date, as its first bytes say it.

Whoever sent it may have written anything there. Nothing is trusted: little is read, broken encodings give what can be
read of them, and each part is short. What a terminal would not draw plainly is made visible by whoever shows it.
"""

from __future__ import annotations

import re
import zlib
from binascii import Error as BadBase64
from collections.abc import Iterator, Mapping
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import parsedate_to_datetime

from dysnomia_base.escape import visible

HEAD = 16 << 10
"""Bytes of a message that are looked at."""
SUBJECT, FROM, DATE = "subject", "from", "date"
NAMES = (SUBJECT, FROM, DATE)
_LONGEST = {SUBJECT: 120, FROM: 60, DATE: 40}
_MOST_ENCODED = 2000
"""Bytes of a header's value that are decoded."""
_GZIP = b"\x1f\x8b"
_WORDS = re.compile(r"[ \t\r\n]+")
_NEVER = re.compile(r"[\x00-\x1f\x7f]+")
_CHARSETS = {"unknown-8bit": "latin-1", "x-unknown": "latin-1", "default": "latin-1"}


def about(head: bytes) -> Mapping[str, str]:
    """Of a message's first bytes; without what it does not say."""
    if head.startswith(_GZIP):
        head = _unpacked(head)
    parts: dict[str, str] = {}
    for name, value in _headers(head[:HEAD]):
        if name in _LONGEST and name not in parts and (text := _short(name, value)):
            parts[name] = text
    return {name: parts[name] for name in NAMES if name in parts}


def in_words(parts: Mapping[str, str]) -> str:
    """``Invoice 4711, Anna <anna@example.org>, 2026-11-03 09:12 +0100``."""
    return ", ".join(parts[name] for name in NAMES if name in parts)


def _headers(head: bytes) -> Iterator[tuple[str, bytes]]:
    """Name, in small letters, and unfolded value."""
    name, parts = "", list[bytes]()
    for line in head.split(b"\n"):
        line = line.removesuffix(b"\r")
        if line[:1] in (b" ", b"\t") and name:
            parts.append(line)
            continue
        if name:
            yield name, b" ".join(parts)[:_MOST_ENCODED]
        first, colon, rest = line.partition(b":")
        if not line:
            return
        name = first.strip().lower().decode("ascii", "replace") if colon and len(first) < 80 else ""
        parts = [rest]
    if name:
        yield name, b" ".join(parts)[:_MOST_ENCODED]


def _short(name: str, value: bytes) -> str:
    text = _decoded(value)
    if name == DATE:
        text = _date(text)
    text = visible(" ".join(_NEVER.sub(" ", text).split()))
    most = _LONGEST[name]
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _decoded(value: bytes) -> str:
    try:
        raw = value.decode("utf-8")
    except UnicodeDecodeError:
        raw = value.decode("latin-1")
    if "=?" not in raw:
        return raw
    try:
        parts = decode_header(_WORDS.sub(" ", raw))
    except (HeaderParseError, BadBase64, ValueError, LookupError):
        return raw
    return "".join(_of_charset(part, charset) for part, charset in parts)


def _of_charset(part: bytes | str, charset: str | None) -> str:
    if isinstance(part, str):
        return part
    name = (charset or "").lower()
    for codec in (_CHARSETS.get(name, name), "utf-8"):
        try:
            return part.decode(codec or "ascii", "strict" if codec == "utf-8" else "replace")
        except (LookupError, ValueError, TypeError):
            continue
    return part.decode("latin-1")


def _date(text: str) -> str:
    try:
        when = parsedate_to_datetime(text.strip())
        return when.strftime("%Y-%m-%d %H:%M %z").strip()
    except (ValueError, TypeError, IndexError, OverflowError):
        return text


def _unpacked(head: bytes) -> bytes:
    """Of one that the mail server has compressed, as Dovecot's plugin zlib does."""
    try:
        return zlib.decompressobj(47).decompress(head, HEAD)
    except zlib.error:
        return b""
