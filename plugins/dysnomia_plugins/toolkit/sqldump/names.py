"""Names in SQL: as bytes and as text, quoted, and what a place of a job is called on a server."""

from __future__ import annotations

import re
from hashlib import sha256

from dysnomia_plugins.base import Place, Purpose
from dysnomia_plugins.errors import NotSafe

_SUFFIXES = {Purpose.BESIDE: "", Purpose.ASIDE: "_aside", Purpose.SCRATCH: "_scratch"}


def encode(name: str) -> bytes:
    """The bytes of a name (surrogate escapes stand for bytes that are not UTF-8)."""
    return name.encode("utf-8", "surrogateescape")


def decode(name: bytes) -> str:
    """A name for the screen and back again (see ``encode``)."""
    return name.decode("utf-8", "surrogateescape")


def decode_as(name: bytes, codec: str) -> str:
    """A name in another encoding. What is none in that encoding is taken as ``decode`` takes it."""
    try:
        return name.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return decode(name)


def in_quotes(name: str, quote: str) -> str:
    """Quoted for SQL, whatever it holds. Raises NotSafe for a NUL, which no identifier can hold."""
    if "\0" in name:
        raise NotSafe(f"{name!r} holds a NUL byte")
    return quote + name.replace(quote, quote * 2) + quote


_MADE = re.compile(r"dysnomia_[0-9a-f]{8}_[0-9a-z_]+", re.IGNORECASE)


def made_by_job(name: str) -> bool:
    """Whether a database's name is one that a job gives (``job_place``), in any store."""
    return _MADE.fullmatch(name) is not None


def job_place(tag: str, purpose: Purpose, most: int) -> Place:
    """The place of a job on a server whose names have ``most`` characters: the tag itself, or its digest where it is
    too long."""
    name = f"dysnomia_{tag}"
    if len(name) + max(map(len, _SUFFIXES.values())) > most:
        name = f"dysnomia_{tag[:8]}_{sha256(tag.encode()).hexdigest()[:32]}"
    return Place(name + _SUFFIXES[purpose])
