"""What an RDB file holds, as sections: one for each type in each database, and one for functions.

The order of keys in a file is that of a hash table and says nothing, so a section's digest is one of a *set* of rows:
the sum of a wide hash of each (2048 bits, as multiset hashes must be wide). Encodings, the file's own header, when
keys were last used, and keys that had expired when the file was made are no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import shake_128
from itertools import chain

from dysnomia_plugins.base import CancelToken, Row, Stored
from dysnomia_plugins.errors import PluginError, Truncated, Unsupported
from dysnomia_plugins.types.redis.rdb import FUNCTION, Head, RdbReader, RdbStream, Readable
from dysnomia_plugins.types.redis.records import COLUMNS, KEYS, show
from dysnomia_plugins.types.redis.values import WITH_FIELDS, Lasting, rows, skip, string_value
from dysnomia_plugins.types.redis.versions import UNKNOWN, Version
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import ContentSink

PREAMBLE = b"redis-database content 1\n"
DIGEST_VERSION = 1
KIND = "keys"
FUNCTIONS, LIBRARIES = "functions", "libraries"
MOST_SECTIONS = 100_000
"""Databases of a file, times the types in them: each is counted by itself."""
_WIDTH = 256
_MODULUS = 1 << (8 * _WIDTH)
_ORDER = ("string", "hash", "list", "set", "zset", "stream", "function")
_DATABASE = re.compile(r"db[0-9]{1,10}")
Which = tuple[int, str]
"""A database and a type."""


@dataclass(slots=True)
class SectionDigester:
    """The rows of one section, counted and summed up."""

    keys: int = 0
    expiring: int = 0
    passing: int = 0
    """Hashes that do not expire, and all of whose fields do."""
    rows: int = 0
    size: int = 0
    _sum: int = 0

    def add(self, batch: Sequence[bytes]) -> None:
        self.rows += len(batch)
        self.size += sum(map(len, batch))
        self._sum += sum([int.from_bytes(shake_128(row).digest(_WIDTH), "little") for row in batch])

    def add_string(self, before: bytes, value: bytes | Iterator[bytes], after: bytes) -> None:
        """The one row of a string; the value may come in pieces."""
        if isinstance(value, bytes):
            self.add((before + value + after,))
            return
        hashed = shake_128()
        for piece in chain((before,), value, (after,)):
            hashed.update(piece)
            self.size += len(piece)
        self.rows += 1
        self._sum += int.from_bytes(hashed.digest(_WIDTH), "little")

    def canonical(self) -> bytes:
        return b"%d rows\n" % self.rows + (self._sum % _MODULUS).to_bytes(_WIDTH, "little")


@dataclass
class Scanned:
    """What a whole file came to."""

    tallies: dict[Which, SectionDigester] = field(default_factory=dict)
    expired: int = 0
    """Keys that had expired when the file was made: neither in the digest nor restored."""
    server: Version = UNKNOWN
    made: int = 0
    """Milliseconds since 1970."""

    def counted(self, head: Head) -> SectionDigester:
        """Where its rows go; the key is counted. Raises Unsupported where there are too many databases."""
        which = (head.database, head.type)
        tally = self.tallies.get(which)
        if tally is None:
            if len(self.tallies) == MOST_SECTIONS:
                raise Unsupported(
                    f"the RDB file holds keys in more than {MOST_SECTIONS:,} databases", "no server has so many"
                )
            tally = self.tallies[which] = SectionDigester()
        tally.keys += 1
        tally.expiring += head.expires is not None
        return tally


def scan(
    source: Readable,
    *,
    now: int | None = None,
    cancel: CancelToken | None = None,
    on_keys: Callable[[int], None] | None = None,
) -> Scanned:
    """Read a whole file.

    Args:
        now: what counts as expired, in milliseconds since 1970; None for when the file says that it was made.
        each: called now and then with how many keys were read.

    Raises Truncated, Damaged, Unsupported, Cancelled.
    """
    reader = RdbReader(RdbStream(source))
    scanned = Scanned()
    for count, head in enumerate(reader.heads(), 1):
        if not count & 0x3FF:
            if cancel is not None:
                cancel.check()
            if on_keys is not None:
                on_keys(count)
        _add(scanned, reader, head, reader.made if now is None else now)
    if not reader.complete:
        raise Truncated("the RDB file ends before its end marker")
    scanned.server = reader.server
    scanned.made = reader.made
    return scanned


def _add(scanned: Scanned, reader: RdbReader, head: Head, now: int) -> None:
    """Count one key, whose value is read or passed over."""
    if head.expires is not None and head.expires <= now:
        scanned.expired += 1
        skip(reader.stream, head)
        return
    if head.code in WITH_FIELDS:
        _add_passing(scanned, reader, head, now)
        return
    tally = scanned.counted(head)
    if head.code == 0:
        tally.add_string(*string_value(reader.stream, head))
    else:
        for batch in rows(reader.stream, head):
            tally.add(batch)


def _add_passing(scanned: Scanned, reader: RdbReader, head: Head, now: int) -> None:
    """A hash whose fields expire: none at all where each of them has."""
    lasting = Lasting()
    batches = rows(reader.stream, head, now, lasting)
    first = next(batches, None)
    if first is None:
        scanned.expired += 1
        return
    tally = scanned.counted(head)
    for batch in chain((first,), batches):
        tally.add(batch)
    tally.passing += head.expires is None and not lasting.fields


def describe(scanned: Scanned, sink: ContentSink) -> None:
    """Write what was found into a sink as sections; of the identity, nothing else is stored."""
    sink.digest_only(PREAMBLE)
    for which in sorted(scanned.tallies, key=lambda one: (one[0], _ORDER.index(one[1]))):
        tally = scanned.tallies[which]
        kind = which[1]
        counts = {} if kind == "function" else {"keys": str(tally.keys), "expiring": str(tally.expiring)}
        if tally.passing:
            counts["passing"] = str(tally.passing)
        sink.begin_section(
            FUNCTIONS if kind == "function" else KIND,
            name_of(which), Form.ROWS, columns=COLUMNS[kind], key=KEYS[kind], attributes=counts,
        )  # fmt: skip
        sink.digest_only(tally.canonical())
        sink.end_section(tally.rows, size=tally.size)


def name_of(which: Which) -> str:
    return LIBRARIES if which[1] == "function" else f"db{which[0]} {which[1]}"


def which_of(section: Section) -> Which:
    """The database and the type a section is of. Raises PluginError where it is none of ours."""
    if section.kind == FUNCTIONS:
        return -1, "function"
    database, _, kind = section.name.partition(" ")
    if section.kind != KIND or kind not in COLUMNS or not _DATABASE.fullmatch(database):
        raise PluginError(f"there is no section {section.kind} {section.name} in a snapshot of Redis")
    return int(database[2:]), kind


@dataclass(frozen=True, slots=True)
class Keys:
    """How many keys a database of a snapshot has."""

    all: int = 0
    expiring: int = 0
    passing: int = 0
    """Hashes that do not expire, and all of whose fields do."""

    @property
    def lasting(self) -> int:
        """Those that do not expire themselves."""
        return self.all - self.expiring


def keys_by_database(sections: Collection[Section]) -> dict[int, Keys]:
    """From the contents index."""
    by_database: dict[int, Keys] = {}
    for section in sections:
        database, kind = which_of(section)
        if kind != "function":
            before = by_database.get(database, Keys())
            by_database[database] = Keys(
                before.all + _said(section, "keys"),
                before.expiring + _said(section, "expiring"),
                before.passing + (_said(section, "passing") if "passing" in section.attributes else 0),
            )
    return by_database


def _said(section: Section, name: str) -> int:
    """A number among a section's attributes. Raises PluginError where there is none."""
    value = section.attributes.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise PluginError(f"the contents index does not say how many {name} {section.name} holds", "check the snapshot")
    return int(value)


# --- rows of a stored file ------------------------------------------------------------------------------------------


def raw_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """The canonical bytes of each row of a section, in batches."""
    wanted = which_of(section)
    with stored.open() as source:
        reader = RdbReader(RdbStream(source))
        waiting: list[bytes] = []
        size = 0
        for head in reader.heads():
            if (head.database, head.type) != wanted or (head.expires is not None and head.expires <= reader.made):
                skip(reader.stream, head)
                continue
            for batch in rows(reader.stream, head, reader.made):
                waiting += batch
                size += sum(map(len, batch))
                if len(waiting) >= 512 or size >= 1 << 20:
                    yield waiting
                    waiting, size = [], 0
        if waiting:
            yield waiting


def parse_row(section: Section, raw: bytes) -> Row:
    """One row as cells to show."""
    kind = which_of(section)[1]
    cells = show(kind, raw)
    places = {name: place for place, name in enumerate(COLUMNS[kind])}
    return Row(tuple(cells[places[name]] for name in KEYS[kind]), cells)


# --- a part of a file as a file -------------------------------------------------------------------------------------


def cut(source: Readable, write: Callable[[bytes], object], wanted: Collection[Which]) -> None:
    """Write a file that holds only some databases' types, each key in its own bytes."""
    reader = RdbReader(RdbStream(source), marking=True)
    chosen = -1
    begun = False
    for head in reader.heads():
        if not begun:
            about = (_aux(name, reader) for name in (b"redis-ver", b"valkey-ver", b"ctime"))
            write(reader.magic + b"".join(about))
            begun = True
        if (head.database, head.type) in wanted:
            if head.code != FUNCTION and head.database != chosen:
                chosen = head.database
                write(b"\xfe\x80" + chosen.to_bytes(4, "big"))
            reader.stream.copy_from_mark(write)
        else:
            reader.stream.stop()
        skip(reader.stream, head)
    if not begun:
        write(reader.magic)
    write(b"\xff" + (bytes(8) if reader.format.version >= 5 else b""))  # eight zeros: no checksum


def _aux(name: bytes, reader: RdbReader) -> bytes:
    value = reader.about.get(name.decode(), "").encode()[:63]
    return b"\xfa" + bytes([len(name)]) + name + bytes([len(value)]) + value if value else b""
