"""Directory entries as LDIF: cut into records, looked into, shown without secrets.

Source: RFC 2849, and what ``slapcat`` of OpenLDAP 2.5 writes. Records are handled as the bytes they are.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from dysnomia_plugins.errors import PluginError

MAX_RECORD = 64 << 20
"""Bytes of one entry, which is held in memory."""
_CHUNK = 1 << 18
_BLANK = re.compile(rb"\n(?:\r?\n)+")
_WRAP = re.compile(rb"\r?\n ")
_INCLUDE = re.compile(rb"^include\s*:", re.IGNORECASE | re.MULTILINE)
SECRET = frozenset(
    {
        "authpassword", "clearpassword", "cleartextpassword", "ds-pwp-account-secret", "goauthpassword", "krb5key",
        "krbextradata", "krbprincipalkey", "ntpassword", "oathsecret", "olcrootpw", "pwdhistory",
        "radiustunnelpassword", "sambalmpassword", "sambantpassword", "sambapasswordhistory", "unicodepwd",
        "userpassword", "userpkcs12",
    }
)  # fmt: skip
"""Attributes whose values are shown nowhere: passwords, their hashes, keys."""
HIDDEN = "(hidden)"
NOISE = b"contextCSN"
"""Written by the overlay syncprov at a checkpoint or when the server stops, and found anew from the entries when it
starts: two states that differ in nothing else are the same."""


class BadLdif(PluginError):
    """What is no LDIF of a directory's entries."""


class Record(NamedTuple):
    """One entry."""

    dn: str
    stored: bytes
    """As it is written, its blank line included."""

    @property
    def canonical(self) -> bytes:
        """What counts for the digest."""
        if NOISE not in self.stored:
            return self.stored
        lines = (line for line in logical_lines(self.stored) if attribute_of(line) != "contextcsn")
        return b"".join(line + b"\n" for line in (*lines, b""))


def records(stream: BinaryIO) -> Iterator[Record]:
    """The entries of a stream. Raises BadLdif for what is none, or is too long."""
    rest = b""
    while chunk := stream.read(_CHUNK):
        rest += chunk
        end = max(rest.rfind(b"\n\n") + 2, rest.rfind(b"\n\r\n") + 3)
        if end < 3:
            if len(rest) > MAX_RECORD:
                raise BadLdif(f"the LDIF holds an entry of more than {MAX_RECORD >> 20} MiB", "this is not handled")
            continue
        whole, rest = rest[:end], rest[end:]
        yield from _cut(whole)
    if rest.strip():
        yield from _cut(rest.rstrip(b"\n") + b"\n\n")


def _cut(piece: bytes) -> Iterator[Record]:
    for text in _BLANK.split(piece) if b"\r" in piece else piece.split(b"\n\n"):
        end = text.find(b"\n")
        if text.startswith(b"dn: ") and end > 0 and text[end + 1 : end + 2] != b" ":
            # The usual one is not looked into any further.
            yield Record(text[4:end].decode("utf-8", "surrogateescape").rstrip("\r"), text + b"\n\n")
        elif text.strip():
            record = _record(text.lstrip(b"\n") + b"\n\n")
            if record is not None:
                yield record


def _record(text: bytes) -> Record | None:
    """None where there are only comments and the version."""
    lines = [line for line in logical_lines(text) if not line.lower().startswith(b"version:")]
    if not lines:
        return None
    if b":" not in lines[0] or attribute_of(lines[0]) != "dn":
        raise BadLdif(
            f"an entry of the LDIF begins with {attribute_of(lines[0])[:40]!r}, not with its name (dn)",
            "nothing was loaded",
        )
    return Record(value_of(lines[0]).decode("utf-8", "surrogateescape"), text)


def logical_lines(text: bytes) -> list[bytes]:
    """Lines without comments, those that were wrapped as one."""
    lines: list[bytes] = []
    for line in text.split(b"\n"):
        line = line.removesuffix(b"\r")
        if line.startswith(b" ") and lines:
            lines[-1] += line[1:]
        elif line:
            lines.append(line)
    return [line for line in lines if not line.startswith(b"#")]


def attribute_of(line: bytes) -> str:
    """The attribute's name in small letters, without options (``userPassword;x-a``)."""
    return line.partition(b":")[0].partition(b";")[0].strip().decode("ascii", "backslashreplace").lower()


def value_of(line: bytes) -> bytes:
    """The value, decoded. Raises BadLdif for one that is to be read from elsewhere, or is no Base64."""
    rest = line.partition(b":")[2]
    if rest.startswith(b"<"):
        raise BadLdif("the LDIF names a file or address to be read for a value", "write the value itself there")
    if not rest.startswith(b":"):
        return rest.lstrip(b" ")
    try:
        return base64.b64decode(rest[1:].strip(), validate=True)
    except (ValueError, binascii.Error) as error:
        raise BadLdif(f"a value of {attribute_of(line)} in the LDIF is not Base64", "nothing was loaded") from error


def refuse_urls(record: Record) -> None:
    """OpenLDAP's programs would read the file that such a value names, with their own rights; and a whole file of
    entries that an ``include`` names (``ldif_read_record``). Raises BadLdif."""
    text = _WRAP.sub(b"", record.stored) if b"\n " in record.stored else record.stored
    if b":<" not in text and b"include" not in text.lower():
        return
    if _INCLUDE.search(record.stored) or _INCLUDE.search(text):
        raise BadLdif(f"the LDIF names another file to be read (include) at {record.dn!r}", "put its entries there")
    if b":<" in text:
        for line in logical_lines(record.stored):
            if line.partition(b":")[2].startswith(b"<"):
                value_of(line)


def shown(line: bytes) -> str:
    """A line for the screen: Base64 of a text as that text, secrets hidden."""
    name, colon, rest = line.partition(b":")
    label = name.decode("utf-8", "backslashreplace")
    if colon and attribute_of(line) in SECRET:
        return f"{label}: {HIDDEN}"
    if not rest.startswith(b":"):
        return line.decode("utf-8", "backslashreplace")
    try:
        text = base64.b64decode(rest[1:].strip(), validate=True).decode("utf-8")
    except (ValueError, binascii.Error):
        return line.decode("utf-8", "backslashreplace")
    if not text or not text.replace(" ", "x").isprintable():
        return line.decode("utf-8", "backslashreplace")
    return f"{label}: {text}"


def parent_of(dn: str) -> str:
    """The name of the entry above; ``""`` where there is none. A comma that is escaped ends no part."""
    escaped = False
    for at, char in enumerate(dn):
        if char == "," and not escaped:
            return dn[at + 1 :].lstrip(" ")
        escaped = char == "\\" and not escaped
    return ""


def folded(dn: str) -> str:
    """A name as it is compared: without case, and without spaces around its commas and equals signs."""
    return re.sub(r"\s*([,=])\s*", r"\1", dn.strip()).casefold()
