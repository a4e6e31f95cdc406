"""Records on disk, validated on read by their ``schema``: a field of a wrong type is named.

Only what comes from the disk is checked; the index holds texts that were checked before they went in. Each function
takes a record's bytes, or its JSON, and raises Corrupt (NewerFormat for a later version's) naming ``what``, and
nothing else.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Check, History, Marks, Metadata, Seen
from dysnomia_store.records import codec

if TYPE_CHECKING:
    from dysnomia_store.records import schema

T = TypeVar("T")
Record = bytes | str | codec.Json
_FAULTS = (ValueError, RecursionError)
"""What a conversion ends in: a wrong type, a lone surrogate where no text is wanted; what is nested too deep."""


def _schema() -> ModuleType:
    from dysnomia_store.records import schema  # takes long, and who only asks the index reads no record

    return schema


def shaped(value: Any, shape: type[T], what: str) -> T:
    """JSON values as ``shape``. Raises Corrupt, naming ``what`` and the field."""
    from dysnomia_base.shapes import convert  # as _schema

    try:
        return convert(value, shape)
    except _FAULTS as error:
        raise Corrupt(f"{what} cannot be read: {error}") from None


def _read(record: Record, shape: type[T], what: str, newest: int = codec.FORMAT) -> T:
    return shaped(record if isinstance(record, dict) else codec.load(record, what, newest), shape, what)


def metadata(record: Record, what: str) -> Metadata:
    return codec.metadata_of(cast(codec.Json, _read(record, _schema().Metadata, what, codec.NEWEST)))


def history(record: Record, what: str) -> History:
    """A generation's record. Raises Corrupt."""
    fields = cast(codec.Json, _read(record, _schema().History, what))
    try:
        return codec.history_of(fields)
    except ValueError as error:  # a time, a reason
        raise Corrupt(f"{what} cannot be read: {error}") from None


def seen(record: Record, what: str) -> tuple[int, str, Seen]:
    """(generation, id, what was seen). Raises Corrupt."""
    fields = cast(codec.Json, _read(record, _schema().Seen, what))
    try:
        return codec.seen_of(fields)
    except ValueError as error:
        raise Corrupt(f"{what} cannot be read: {error}") from None


def marks(record: Record, what: str) -> tuple[str, Marks]:
    """The id they were made of, and what they say. Raises Corrupt."""
    fields = cast(codec.Json, _read(record, _schema().Marks, what))
    try:
        return fields["id"], codec.marks_of(fields)
    except ValueError as error:
        raise Corrupt(f"{what} cannot be read: {error}") from None


def check(record: Record, what: str) -> Check:
    """The result of a check. Raises Corrupt."""
    fields = cast(codec.Json, _read(record, _schema().Check, what))
    try:
        return codec.check_of(fields)
    except ValueError as error:
        raise Corrupt(f"{what} cannot be read: {error}") from None


def noted(record: Record, what: str) -> schema.Noted:
    return cast("schema.Noted", _read(record, _schema().Noted, what))


def store_id(record: Record, what: str) -> str:
    """A store's own name. Raises Corrupt.

    Read by every command, and so without the schema. It goes into the names of what jobs make on a server, so it is 32
    hex digits and nothing else."""
    value = (record if isinstance(record, dict) else codec.load(record, what, codec.NEWEST)).get("id")
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{32}", value):
        raise Corrupt(f"{what} cannot be read: its id is not 32 hex digits")
    return value


def collection(record: Record, what: str) -> schema.Collection:
    return cast("schema.Collection", _read(record, _schema().Collection, what))


def holding(record: Record, what: str) -> schema.Holding:
    return cast("schema.Holding", _read(record, _schema().Holding, what))
