"""The schema of an archive's record, which a stranger may have made: types, lengths and ranges.

What they mean together is looked at by ``format``.
"""

from __future__ import annotations

import json
from typing import Annotated, TypedDict

from msgspec import Meta

from dysnomia_store.errors import Corrupt
from dysnomia_store.records.codec import Json
from dysnomia_store.records.schema import Count, Described
from dysnomia_store.records.typed import shaped

MOST_TEXT = 4096
Text = Annotated[str, Meta(max_length=MOST_TEXT)]
Number = Annotated[int, Meta(ge=1, le=(1 << 62))]
Hex = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Snapshot(TypedDict):
    id: Text
    files: list[tuple[Text, Count, Hex, bool]]
    """Path, size, digest, and whether it may be run."""
    links: list[tuple[Text, Text]]
    folders: list[Text]
    checksum: Text
    metadata: Described | None


class Generation(TypedDict):
    number: Number
    id: Text
    as_of: Text
    reason: Text
    text: Text
    who: Text


class Component(TypedDict):
    container: Text
    component: Text
    snapshots: list[Snapshot]
    generations: list[Generation]


class Record(TypedDict):
    format: int
    store: Annotated[str, Meta(max_length=64)]
    host: Text
    made: Text
    components: list[Component]


def record(document: Json, what: str) -> Record:
    """Raises Corrupt, naming ``what`` and the field."""
    decoded = shaped(document, Record, what)
    try:
        # Of the surrogates only those are text here that stand for the bytes of a name which is not UTF-8.
        json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except ValueError as error:
        raise Corrupt(f"{what} cannot be read: {error}") from None
    return decoded
