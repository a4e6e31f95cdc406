"""Which product and version a server is, and which versions of RDB files each of them loads.

Redis to 7.2 and Valkey to 8 share one format. From there on each has its own: Redis from 7.4 on its versions from 12,
Valkey from 9 on its versions from 80, with a first word of its own. Neither loads the other's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

REDIS, VALKEY = "redis", "valkey"
TITLES: Mapping[str, str] = {REDIS: "Redis", VALKEY: "Valkey"}
SHARED = 11
"""The last version of RDB files that both have."""
NEWEST: Mapping[str, int] = {REDIS: 12, VALKEY: 80}
"""The newest that is read here, of each."""
_WRITTEN = (((7, 4), 12), ((7, 2), 11), ((7, 0), 10), ((5, 0), 9))
"""What Redis writes, and loads at the most, from which series on."""
_MAGIC = re.compile(rb"(REDIS|VALKEY)(\d+)")


@dataclass(frozen=True, slots=True)
class Version:
    """Of a server, or of a program."""

    product: str
    number: str

    @classmethod
    def of(cls, fields: Mapping[str, str], separator: str) -> Version:
        """From the fields that name it: ``valkey_version`` of INFO, ``valkey-ver`` of a file; Redis' own otherwise,
        which Valkey has as well, for clients that know nothing else."""
        word = "version" if separator == "_" else "ver"
        if number := fields.get(f"{VALKEY}{separator}{word}"):
            return cls(VALKEY, number)
        return cls(REDIS, fields.get(f"{REDIS}{separator}{word}", ""))

    @property
    def series(self) -> tuple[int, ...]:
        """Major and minor version."""
        return tuple(int(part) for part in self.number.split(".")[:2] if part.isdigit())

    def same_series(self, other: Version) -> bool:
        return (self.product, self.series) == (other.product, other.series)

    def __str__(self) -> str:
        return f"{TITLES[self.product]} {self.number}".rstrip()


UNKNOWN = Version(REDIS, "")
"""Of what does not say it."""


@dataclass(frozen=True, slots=True)
class Format:
    """Of an RDB file: its first nine bytes."""

    product: str
    version: int

    @classmethod
    def of(cls, magic: bytes) -> Format | None:
        """None for what is no RDB file."""
        match = _MAGIC.fullmatch(magic)
        return cls(match[1].decode().lower(), int(match[2])) if match else None

    @property
    def is_read(self) -> bool:
        """Whether it is read here."""
        first = 1 if self.product == REDIS else NEWEST[VALKEY]
        return first <= self.version <= NEWEST[self.product]

    def loads_in(self, server: Version) -> bool:
        """Whether a server of that version loads such a file; True where nobody here can tell."""
        if not server.series:
            return True
        if server.product == VALKEY:
            return self.version <= SHARED or (self.product == VALKEY and server.series >= (9, 0))
        newest = next((version for since, version in _WRITTEN if server.series >= since), 0)
        return self.product == REDIS and (self.version <= newest or server.series > (8, 2))

    def __str__(self) -> str:
        return f"version {self.version} of {TITLES[self.product]}'s"
