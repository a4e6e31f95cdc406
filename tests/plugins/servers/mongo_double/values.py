"""How MongoDB compares values, and which documents a filter means.

Source: MongoDB's manual, "Comparison/Sort Order" and "Query Predicates".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import bson
from bson import Binary, Code, CodecOptions, DatetimeMS, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import DatetimeConversion
from bson.raw_bson import RawBSONDocument

Key = tuple[Any, ...]
MISSING: Key = (2,)
_EPOCH = datetime(1970, 1, 1)
_LENIENT: Mapping[str, Any] = {
    "unicode_decode_error_handler": "backslashreplace", "datetime_conversion": DatetimeConversion.DATETIME_AUTO
}  # fmt: skip
_WHOLE: CodecOptions[dict[str, Any]] = CodecOptions(dict, **_LENIENT)
_LAZY: CodecOptions[RawBSONDocument] = CodecOptions(RawBSONDocument, **_LENIENT)


def decoded(raw: bytes) -> dict[str, Any]:
    """A document, to look into it: whatever date or text it has."""
    return bson.decode(raw, _WHOLE)


def lazy(raw: bytes) -> RawBSONDocument:
    """The same with what is inside it undecoded."""
    return RawBSONDocument(raw, _LAZY)


def key_of(value: Any, *, fold: bool = False) -> Key:  # noqa: C901  # one line a type
    """What values are sorted and told apart by. ``fold``: strings without case, as a collation of strength 2 does."""
    if isinstance(value, MinKey):
        return (0,)
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return (9, value)
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    if isinstance(value, Code):
        return (12, "", str(value), str(value.scope))
    if isinstance(value, str):
        return (4, value.casefold() if fold else value)
    if isinstance(value, Mapping):
        return (5, tuple((name, key_of(each, fold=fold)) for name, each in value.items()))
    if isinstance(value, list):
        return (6, tuple(key_of(each, fold=fold) for each in value))
    if isinstance(value, bytes):
        return (7, len(value), value.subtype if isinstance(value, Binary) else 0, bytes(value))
    if isinstance(value, ObjectId):
        return (8, value.binary)
    if isinstance(value, datetime):
        return (10, (value.replace(tzinfo=None) - _EPOCH) / timedelta(milliseconds=1))
    if isinstance(value, DatetimeMS):
        return (10, int(value))
    if isinstance(value, Timestamp):
        return (11, value.time, value.inc)
    if isinstance(value, Regex):
        return (11.5, str(value.pattern), value.flags)
    if isinstance(value, MaxKey):
        return (13,)
    if isinstance(value, float) and math.isnan(value):
        return (3, 0, 0)
    return (3, 1, value)


def at(document: Mapping[str, Any], path: str) -> Any:
    """What is under a name with dots; None where nothing is."""
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def matches(document: Mapping[str, Any], wanted: Mapping[str, Any], *, fold: bool = False) -> bool:
    return all(_field(document, path, condition, fold) for path, condition in wanted.items())


_TYPES = {"string": str, "int": int, "object": dict, "array": list, "bool": bool, "date": datetime, "double": float}


def _field(document: Mapping[str, Any], path: str, condition: Any, fold: bool) -> bool:
    value = at(document, path)
    if not isinstance(condition, Mapping) or not all(name.startswith("$") for name in condition) or not condition:
        return key_of(value, fold=fold) == key_of(condition, fold=fold)
    return all(_operator(value, name, operand, fold) for name, operand in condition.items())


def _operator(value: Any, name: str, operand: Any, fold: bool) -> bool:
    if name == "$exists":
        return (value is not None) == bool(operand)
    if name == "$type":
        return isinstance(value, _TYPES[operand])
    if name == "$in":
        return key_of(value, fold=fold) in {key_of(one, fold=fold) for one in operand}
    one, other = key_of(value, fold=fold), key_of(operand, fold=fold)
    if name == "$ne":
        return one != other
    if one[0] != other[0]:
        return False
    return {"$gt": one > other, "$gte": one >= other, "$lt": one < other, "$lte": one <= other, "$eq": one == other}[
        name
    ]


def changed(document: dict[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """A document after an update, of the operators at its top only; or the whole that takes its place."""
    if not any(name.startswith("$") for name in update):
        return {"_id": document.get("_id", update.get("_id")), **{k: v for k, v in update.items() if k != "_id"}}
    result = dict(document)
    for operator, fields in update.items():
        for name, value in fields.items():
            if operator == "$set":
                result[name] = value
            elif operator == "$inc":
                result[name] = result.get(name, 0) + value
            elif operator == "$unset":
                result.pop(name, None)
            else:
                raise ValueError(operator)
    return result
