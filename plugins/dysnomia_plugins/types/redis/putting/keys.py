"""Which keys are put back: by database and name, whatever type each has in the snapshot and in live."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from dysnomia_plugins.base import PutRow, Stored, WholeAsked
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.redis import contents
from dysnomia_plugins.types.redis.putting.live import LiveKeys
from dysnomia_plugins.types.redis.putting.payload import Value, made, value_of
from dysnomia_plugins.types.redis.rdb import Head, RdbReader, RdbStream
from dysnomia_plugins.types.redis.records import text
from dysnomia_plugins.types.redis.values import rows, skip
from dysnomia_store.errors import NotFound
from dysnomia_store.model import Form, Section

MOST = 10_000
LARGEST = 64 << 20
"""Bytes of all values of one job: they are held in memory here, and by the server until its transaction ends."""
Name = tuple[int, bytes]
"""A database, and a key in it."""


def key_of(shown: str) -> bytes:
    """The bytes of a key as it is shown (``records.text``)."""
    if shown.startswith("\\x"):
        try:
            name = bytes.fromhex(shown[2:])
            name.decode("utf-8")
        except UnicodeDecodeError:
            return name
        except ValueError:
            pass
    return shown.encode("utf-8", "surrogateescape")


def database_of(section: str) -> int:
    """The database that ``keys:db0 string``, or ``db0 string``, is of. Raises NotSafe, NotFound."""
    kind, colon, _name = section.partition(":")
    if (kind if colon else "") == contents.FUNCTIONS or section == contents.LIBRARIES:
        raise NotSafe("functions are not put back one by one", "restore the generation, or load the library by hand")
    return _which(section)[0]


def _which(section: str) -> contents.Which:
    """The database and the type. Raises NotFound where no snapshot of Redis has such a section."""
    kind, colon, name = section.partition(":")
    try:
        return contents.which_of(_section(name if colon and kind == contents.KIND else section))
    except PluginError:
        raise NotFound(
            f"there is no section {section} in a snapshot of Redis", "see the list of its sections"
        ) from None


def _section(name: str) -> Section:
    return Section(contents.KIND, name, Form.ROWS, 0, "")


@dataclass
class StoredKeys:
    """What a snapshot has under some names."""

    values: dict[Name, Value] = field(default_factory=dict)
    payloads: dict[Name, bytes] = field(default_factory=dict)


def read_stored(stored: Stored, names: Collection[Name], *, payloads: bool = False) -> StoredKeys:
    """Read these keys, in one pass. Raises Corrupt, PluginError; NotSafe where they are too large for one job."""
    stored_keys, wanted, size = StoredKeys(), set(names), 0
    with stored.open() as source:
        reader = RdbReader(RdbStream(source))
        for head in reader.heads():
            if (head.database, head.key) not in wanted or _passed(head, reader):
                skip(reader.stream, head)
                continue
            kept = io.BytesIO()
            reader.stream.mark()
            reader.stream.copy_from_mark(kept.write)
            value = value_of(head, rows(reader.stream, head, reader.made))
            reader.stream.stop()
            stored_keys.values[head.database, head.key] = value
            size += kept.tell()
            if size > LARGEST:
                raise NotSafe(
                    f"these keys hold more than {LARGEST >> 20} MiB, and that is the most for one job",
                    "put them back in parts",
                )
            if payloads:
                stored_keys.payloads[head.database, head.key] = made(head.code, kept.getvalue(), reader.format.version)
    return stored_keys


def _passed(head: Head, reader: RdbReader) -> bool:
    return head.type == "function" or (head.expires is not None and head.expires <= reader.made)


def names_in(stored: Stored, section: str) -> Iterator[Name]:
    """Of every key that a snapshot has in a section."""
    wanted = _which(section)
    with stored.open() as source:
        reader = RdbReader(RdbStream(source))
        for head in reader.heads():
            if (head.database, head.type) == wanted and not _passed(head, reader):
                yield head.database, head.key
            skip(reader.stream, head)


def chosen(live: LiveKeys, stored: Stored, asked: Sequence[WholeAsked]) -> list[PutRow]:
    """What is put back, a row a key. Raises NotFound for a key that neither side has, NotSafe, Corrupt, PluginError."""
    names: dict[Name, bool] = {}
    for one in asked:
        database = database_of(one.section)
        if one.key:
            names.setdefault((database, key_of(one.key[0])), True)
            continue
        for name in names_in(stored, one.section):
            if not one.lacking or not live.has(name):
                names.setdefault(name, True)
            if len(names) > MOST:
                raise NotSafe(f"more than {MOST:,} keys are the most for one job", "put them back in parts")
        if not one.lacking:
            names |= dict.fromkeys(live.names_in(database, one.section.rpartition(" ")[2], MOST), True)
    stored_keys = read_stored(stored, names)
    exact = all(one.exact for one in asked)
    return [_row(live, name, stored_keys.values.get(name), exact=exact) for name in names]


def _row(live: LiveKeys, name: Name, value: Value | None, *, exact: bool) -> PutRow:
    database, key = name
    kind = value.kind if value is not None else live.kind(name)
    if not kind and not exact:
        raise NotFound(
            f"neither the generation nor live has the key {text(key)} in database {database}",
            "read the comparison again (f5)",
        )
    section = _section(contents.name_of((database, kind or "string")))
    return PutRow(section, (text(key),), None if value is None else value.to_raw())


def name_of(row: PutRow) -> Name:
    """The database and the key that a row is of."""
    return contents.which_of(row.section)[0], key_of(row.key[0])
