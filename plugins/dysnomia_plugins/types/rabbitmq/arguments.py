"""Arguments of queues, exchanges and bindings: tables of AMQP as JSON, and back.

JSON has fewer types than AMQP. What RabbitMQ itself makes of JSON (rabbit_misc:to_amqp_table) counts as the same: all
whole numbers are one type, so are all others, as in RabbitMQ's own comparison. Where a table holds more (times,
decimals, bytes that are no text, a name twice), it is written a second time, with the types: ``arguments_exact``.
"""

from __future__ import annotations

import json
from typing import Any

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.rabbitmq.terms import Atom, Term, of_bool

ARGUMENTS, EXACT = "arguments", "arguments_exact"
_WHOLE = frozenset({"byte", "short", "signedint", "long", "unsignedbyte", "unsignedshort", "unsignedint"})
_BROKEN = frozenset({"float", "double"})
_OTHERS = frozenset({"longstr", "binary", "bool", "void", "timestamp", "decimal", "table", "array"})
Json = Any


def as_json(table: Term) -> dict[str, Json]:
    """The fields of a definition that say what a table of a server's holds. Raises PluginError."""
    value, plain = _table(table)
    if plain:
        return {ARGUMENTS: value}
    return {ARGUMENTS: value, EXACT: _exact_table(table)}


def as_table(fields: dict[str, Json]) -> Term:
    """The table. Raises PluginError for what none could be."""
    if EXACT in fields:
        return _of_exact_table(fields[EXACT])
    arguments = fields.get(ARGUMENTS, {})
    if not isinstance(arguments, dict):
        raise _none()
    return [(key.encode(), *_typed(value)) for key, value in sorted(arguments.items())]


def canonical(fields: dict[str, Json]) -> bytes:
    """Equal for equal arguments."""
    kept = {name: fields[name] for name in (ARGUMENTS, EXACT) if name in fields}
    return json.dumps(kept, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def _text(raw: bytes) -> tuple[str, bool]:
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace"), False


def _table(table: Term) -> tuple[dict[str, Json], bool]:
    """Its JSON, and whether that says all."""
    fields: dict[str, Json] = {}
    plain = True
    for key, kind, value in sorted(table, key=lambda row: (row[0], repr(row[2]))):  # of a name that is there twice
        name, is_text = _text(key)
        inner, is_plain = _value(str(kind), value)
        plain = plain and is_text and is_plain and name not in fields
        fields[name] = inner
    return fields, plain


def _value(kind: str, value: Term) -> tuple[Json, bool]:
    if kind == "longstr":
        return _text(value)
    if kind in _WHOLE:
        return int(value), True
    if kind in _BROKEN:
        return float(value), isinstance(value, float)
    if kind == "bool":
        return value == "true", True
    if kind == "void":
        return None, True
    if kind == "table":
        return _table(value)
    if kind == "array":
        items = [_value(str(inner), one) for inner, one in value]
        return [one for one, _ in items], all(plain for _, plain in items)
    if kind == "timestamp":
        return int(value), False
    if kind == "decimal":
        return list(value), False
    if kind == "binary":
        return _text(value)[0], False
    raise PluginError(f"an argument of the type {kind} is not known", "report it, with the version of RabbitMQ")


def _exact_table(table: Term) -> Json:
    rows = [[key.decode("latin-1"), *_exact(str(kind), value)] for key, kind, value in table]
    return sorted(rows, key=lambda row: (row[0], row[1], json.dumps(row[2])))


def _exact(kind: str, value: Term) -> list[Json]:
    if kind in _WHOLE:
        return ["long", int(value)]
    if kind in _BROKEN:
        return ["double", float(value)]
    if kind in ("longstr", "binary"):
        return [kind, value.decode("latin-1")]
    if kind == "table":
        return [kind, _exact_table(value)]
    if kind == "array":
        return [kind, [_exact(str(inner), one) for inner, one in value]]
    if kind == "bool":
        return [kind, value == "true"]
    if kind == "void":
        return [kind, None]
    return [kind, list(value) if kind == "decimal" else int(value)]


def _typed(value: Json) -> tuple[Atom, Term]:
    if isinstance(value, bool):
        return Atom("bool"), of_bool(value)
    if isinstance(value, str):
        return Atom("longstr"), value.encode()
    if isinstance(value, int):
        return Atom("long"), _fits(value)
    if isinstance(value, float):
        return Atom("double"), value
    if value is None:
        return Atom("void"), Atom("undefined")
    if isinstance(value, list):
        return Atom("array"), [_typed(one) for one in value]
    return Atom("table"), [(key.encode(), *_typed(one)) for key, one in sorted(value.items())]


def _fits(number: int) -> int:
    if not -(1 << 63) <= number < 1 << 63:
        raise _none()
    return number


def _of_exact_table(rows: Json) -> Term:
    try:
        return [(key.encode("latin-1"), *_of_exact(kind, value)) for key, kind, value in rows]
    except (TypeError, ValueError, AttributeError):
        raise _none() from None


def _of_exact(kind: str, value: Json) -> tuple[Atom, Term]:
    """Raises PluginError, TypeError, ValueError for what none could be."""
    if kind not in _OTHERS and kind not in ("long", "double"):
        raise _none()
    made: Term
    if kind == "table":
        made = _of_exact_table(value)
    elif kind == "array":
        made = [_of_exact(inner, one) for inner, one in value]
    elif kind in ("longstr", "binary"):
        made = value.encode("latin-1")
    elif kind == "bool":
        made = of_bool(bool(value))
    elif kind == "void":
        made = Atom("undefined")
    elif kind == "decimal":
        scale, number = value
        made = (int(scale), int(number))
    else:
        made = float(value) if kind == "double" else _fits(int(value))
    return Atom(kind), made


def _none() -> PluginError:
    return PluginError("arguments of a definition cannot be read", "check the snapshot, or the component's files")
