"""The schema of each record on disk, validated on read: a field of a wrong type is named.

Only what comes from the disk is checked; the index holds texts that were checked before they went in. Each function
takes a record's bytes, or its JSON, and raises Corrupt (NewerFormat for a later version's) naming ``what``, and
nothing else.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Protocol, TypedDict, TypeVar, cast, get_origin, get_type_hints

import msgspec

from dysnomia_base.shapes import convert
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Check, History, Marks, Metadata, Reason, Seen
from dysnomia_store.records import codec

T = TypeVar("T")
Record = bytes | str | codec.Json
FAULTS = (ValueError, RecursionError)
"""What a conversion ends in: a wrong type, a lone surrogate where no text is wanted; what is nested too deep."""

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 62))]
"""Bytes, rows, numbers: what SQLite can hold, with room to add them up."""
Signed = Annotated[int, msgspec.Meta(ge=-(1 << 62), le=(1 << 62))]
StoreId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
"""It goes into the names of what jobs make on a server, so it is nothing else."""


class Described(TypedDict):
    """Of a snapshot's metadata, all but its manifest."""

    id: str
    type: str
    content_size: Count
    stored_size: Count
    digest: str
    digest_version: Count
    complete: bool | None
    sections: Count | None
    rows: Count | None
    tool_versions: dict[str, str]
    host: str
    surroundings: dict[str, Any]
    origin: str
    outline: NotRequired[str]


class _Metadata(Described):
    files: list[tuple[str, Count, str]]


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
    id: str
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


class Noted(TypedDict):
    """The first line of what a dump noted for the next one."""

    id: str
    type: str
    digest_version: Count
    read: str


class _Store(TypedDict):
    id: StoreId


class Collection(TypedDict):
    """``collection.json`` of the trash."""

    container: str
    component: str
    collected: str
    freed_on: str
    who: str
    job: str
    why: str
    sizes: dict[str, Count]


class Holding(TypedDict):
    """What a lock's file says of its holder."""

    who: str
    job: str
    doing: str
    pid: Count
    since: str


class AboutSnapshot(TypedDict, total=False):
    """What an artefact's footer repeats of its snapshot."""

    component: str
    type: str
    digest_version: Count


Frames = list[tuple[Count, Count]]
"""Of each frame its stored size, and the size of its content or the number of its lines."""
ArtefactFooter = TypedDict(
    "ArtefactFooter",
    {
        "dysnomia-artefact": Literal[1],
        "name": NotRequired[str],
        "digest": str,
        "content_size": Count,
        "rows": Count | None,
        "sections": Count | None,
        "stored": str,
        "about": AboutSnapshot,
        "frames": Frames,
    },
)


class FolderFrames(TypedDict):
    digests: str
    sizes: list[Count]


FolderFooter = TypedDict(
    "FolderFooter",
    {
        "dysnomia-artefact": Literal[2],
        "name": NotRequired[str],
        "digest": str,
        "content_size": Count,
        "rows": Count | None,
        "sections": Count | None,
        "about": AboutSnapshot,
        "frames": FolderFrames,
    },
)
IndexFooter = TypedDict(
    "IndexFooter", {"dysnomia-contents": Literal[1], "frames": Frames, "amendments": tuple[Count, Count]}
)
Amendment = tuple[str, str, list[str]]
"""Kind and name of a section, and its key."""
_AMENDMENT = msgspec.json.Decoder(Amendment)


class SectionAbout(TypedDict):
    """The second part of an index's line."""

    form: str
    size: Count
    digest: str
    rows: Count | None
    artefact: NotRequired[str]
    columns: NotRequired[list[str]]
    key: NotRequired[list[str]]
    attributes: NotRequired[dict[str, str]]


SectionLine = tuple[tuple[str, str], SectionAbout, tuple[Count | None, Count | None]]
_SECTION = msgspec.json.Decoder(SectionLine)


class MetadataInBrief(Protocol):
    """Of a snapshot's metadata, what is kept of it beside its text."""

    @property
    def id(self) -> str: ...

    @property
    def content_size(self) -> int: ...

    @property
    def stored_size(self) -> int: ...

    @property
    def complete(self) -> bool | None: ...

    @property
    def sections(self) -> int | None: ...


def _exactly(shape: type, newest: int, **other: Any) -> type[msgspec.Struct]:
    """A record as its schema has it, with no field that this does not name. ``other``: types for some of its fields."""
    fields: list[tuple[str, Any, Any]] = [("format", Annotated[int, msgspec.Meta(ge=1, le=newest)], codec.FORMAT)]
    for name, hint in get_type_hints(shape, include_extras=True).items():
        optional = get_origin(hint) is NotRequired
        kind = other.get(name, hint.__args__[0] if optional else hint)
        fields.append((name, kind, None if optional else msgspec.NODEFAULT))
    return msgspec.defstruct(shape.__name__, fields, forbid_unknown_fields=True, kw_only=True)


_SHORT = 4000
"""Bytes of a record in which no number has more digits than Python reads."""


@cache
def _exact_metadata() -> msgspec.json.Decoder[Any]:
    """Made when it is first used: most commands read few records, and it takes a millisecond."""
    return msgspec.json.Decoder(_exactly(_Metadata, codec.NEWEST))


@cache
def _exact_history() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_exactly(_History, codec.FORMAT, delta=_exactly(_Delta, codec.FORMAT) | None))


def shaped(value: Any, shape: type[T], what: str) -> T:
    """JSON values as ``shape``. Raises Corrupt, naming ``what`` and the field."""
    try:
        return convert(value, shape)
    except FAULTS as error:
        raise Corrupt(f"{what} cannot be read: {error}") from None


def section(line: bytes) -> SectionLine:
    """A line of a contents index. Raises Corrupt."""
    return cast(SectionLine, _line(line, _SECTION))


def amendment(line: bytes) -> Amendment:
    """A line of an index's last frame. Raises Corrupt."""
    return cast(Amendment, _line(line, _AMENDMENT))


def _line(line: bytes, decoder: msgspec.json.Decoder[Any]) -> object:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # a name of bytes that are not UTF-8 is no JSON for msgspec, and is for us; what is none is named below
    try:
        return convert(json.loads(line), decoder.type)
    except FAULTS as error:
        raise Corrupt(f"it cannot be read: {error}") from None


def _read(record: Record, shape: type[T], what: str, newest: int = codec.FORMAT) -> T:
    return shaped(record if isinstance(record, dict) else codec.load(record, what, newest), shape, what)


def metadata(record: Record, what: str) -> Metadata:
    return codec.metadata_of(cast(codec.Json, _read(record, _Metadata, what, codec.NEWEST)))


def history(record: Record, what: str) -> History:
    """A generation's record. Raises Corrupt."""
    fields = cast(codec.Json, _read(record, _History, what))
    try:
        return codec.history_of(fields)
    except ValueError as error:  # a time, a reason
        raise Corrupt(f"{what} cannot be read: {error}") from None


def metadata_in_brief(record: bytes, what: str) -> MetadataInBrief:
    """What the catalog keeps of a metadata record, which is read as ``metadata`` does. Raises Corrupt."""
    return _quick(record, _exact_metadata()) or metadata(record, what)


def history_in_brief(record: bytes, what: str) -> tuple[int, str, datetime]:
    """Number, id and time of a history record, which is read as ``history`` does. Raises Corrupt."""
    fields = _quick(record, _exact_history())
    if fields is not None:
        try:
            codec.moment(fields.end)
            Reason(fields.reason)
            return fields.number, fields.id, codec.moment(fields.as_of)
        except ValueError:
            pass  # said in words below
    whole = history(record, what)
    return whole.number, whole.id, whole.as_of


def _quick(record: bytes, decoder: msgspec.json.Decoder[Any]) -> Any | None:
    """A short record that holds what its schema names and nothing else, decoded in a third of the time.

    None for all others, good or bad: what is not plain JSON for each of the two parsers alike, or not looked at by
    this one, is the other's to read."""
    if len(record) > _SHORT or not record.isascii() or record.count(b"[") + record.count(b"{") > codec.MOST_DEPTH:
        return None
    try:
        return decoder.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def seen(record: Record, what: str) -> tuple[int, str, Seen]:
    """(generation, id, what was seen). Raises Corrupt."""
    fields = cast(codec.Json, _read(record, _Seen, what))
    try:
        return codec.seen_of(fields)
    except ValueError as error:
        raise Corrupt(f"{what} cannot be read: {error}") from None


def marks(record: Record, what: str) -> tuple[str, Marks]:
    """The id they were made of, and what they say. Raises Corrupt."""
    fields = cast(codec.Json, _read(record, _Marks, what))
    try:
        return fields["id"], codec.marks_of(fields)
    except ValueError as error:
        raise Corrupt(f"{what} cannot be read: {error}") from None


def check(record: Record, what: str) -> Check:
    """The result of a check. Raises Corrupt."""
    fields = cast(codec.Json, _read(record, _Check, what))
    try:
        return codec.check_of(fields)
    except ValueError as error:
        raise Corrupt(f"{what} cannot be read: {error}") from None


def noted(record: Record, what: str) -> Noted:
    return _read(record, Noted, what)


def store_id(record: Record, what: str) -> str:
    return _read(record, _Store, what, codec.NEWEST)["id"]


def collection(record: Record, what: str) -> Collection:
    return _read(record, Collection, what)


def holding(record: Record, what: str) -> Holding:
    return _read(record, Holding, what)
