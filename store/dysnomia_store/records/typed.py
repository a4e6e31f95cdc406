"""The schema of each record on disk, validated on read: a field of a wrong type is named.

Only what comes from the disk is checked; the index holds texts that were checked before they went in.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

import msgspec

from dysnomia_store.errors import Corrupt
from dysnomia_store.records.codec import Json

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 62))]
"""Bytes, rows, numbers: what SQLite can hold, with room to add them up."""
Signed = Annotated[int, msgspec.Meta(ge=-(1 << 62), le=(1 << 62))]


class _Metadata(TypedDict):
    id: str
    type: str
    content_size: Count
    stored_size: Count
    files: list[tuple[str, Count, str]]
    digest: str
    digest_version: Count
    complete: bool | None
    sections: Count | None
    rows: Count | None
    tool_versions: dict[str, str]
    host: str
    surroundings: dict[str, Any]
    origin: str


class _Delta(TypedDict):
    since: Count
    since_id: str
    changed: Count
    added: Count
    removed: Count
    net_rows: Signed | None
    schema: bool


class _History(TypedDict):
    number: Count
    id: str
    as_of: str
    end: str
    reason: str
    text: str
    restored: Count | None
    who: str
    job: str
    delta: _Delta | None
    surroundings: dict[str, Any]
    source: NotRequired[str]


class _Seen(TypedDict):
    number: Count
    id: str
    as_of: str
    job: NotRequired[str]
    who: NotRequired[str]
    surroundings: NotRequired[dict[str, Any]]


class _Pin(TypedDict):
    why: str
    who: str
    at: str
    until: str | None
    held_by: str


class _Marks(TypedDict):
    pins: list[_Pin]
    verdict: Literal["good", "bad"] | None
    tags: list[str]
    note: str


class _Check(TypedDict):
    at: str
    how: str
    result: str
    text: NotRequired[str]
    job: NotRequired[str]


def _checked(record: Json, shape: Any) -> Json:
    try:
        return cast(Json, msgspec.convert(record, shape))
    except (msgspec.ValidationError, RecursionError) as error:
        raise Corrupt(str(error)) from None


def metadata(record: Json) -> Json:
    return _checked(record, _Metadata)


def history(record: Json) -> Json:
    return _checked(record, _History)


def seen(record: Json) -> Json:
    return _checked(record, _Seen)


def marks(record: Json) -> Json:
    return _checked(record, _Marks)


def check(record: Json) -> Json:
    return _checked(record, _Check)
