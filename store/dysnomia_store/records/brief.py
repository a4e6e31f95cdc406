"""What the catalog keeps of a record, read by one parser: a cold look at a store reads hundreds of thousands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any, NotRequired, Protocol, get_origin, get_type_hints

import msgspec

from dysnomia_store.model import Reason
from dysnomia_store.records import codec, schema, typed


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

    @property
    def lacks(self) -> Sequence[str] | None: ...


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
    return msgspec.json.Decoder(_exactly(schema.Metadata, codec.NEWEST))


@cache
def _exact_history() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(
        _exactly(schema.History, codec.FORMAT, delta=_exactly(schema.Delta, codec.FORMAT) | None)
    )


def metadata_in_brief(record: bytes, what: str) -> MetadataInBrief:
    """What the catalog keeps of a metadata record, which is read as ``metadata`` does. Raises Corrupt."""
    return _quick(record, _exact_metadata()) or typed.metadata(record, what)


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
    whole = typed.history(record, what)
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
