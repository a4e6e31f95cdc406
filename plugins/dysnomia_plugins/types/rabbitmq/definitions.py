"""What a virtual host is made of, as definitions: a line of JSON each, in a file that RabbitMQ's own tools read.

Each definition is an object with the fields that ``rabbitmqctl export_definitions`` gives it, without the virtual
host's name: a copy under another name is the same state. Lines are sorted, each in one way, for snapshot ids rest on
that. Names that are no text stand as base64 in a field with ``64`` behind its name.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.rabbitmq.arguments import ARGUMENTS, EXACT, as_table, canonical

ARTEFACT = "definitions.json"
SECTION = "definitions"
"""The kind of each section; its name is that of what it holds."""
MOST_BYTES = 256 << 20
"""A server holds definitions in memory, and so do we."""
OPERATOR = "operator_policy"
Json = Any
Object = dict[str, Json]
Key = tuple[bytes, ...]
Check = Callable[[Json], bool]


def _text(value: Json) -> bool:
    return isinstance(value, str)


def _object(value: Json) -> bool:
    return isinstance(value, dict)


def _yes_or_no(value: Json) -> bool:
    return isinstance(value, bool)


def _whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _texts(value: Json) -> bool:
    return isinstance(value, list) and len(value) <= 200 and all(isinstance(one, str) for one in value)


def _one_of(*values: Json) -> Check:
    return lambda value: type(value) in map(type, values) and value in values


def _hash(value: Json) -> bool:
    try:
        return isinstance(value, str) and len(b64decode(value, validate=True)) < 1000
    except ValueError:
        return False


def _anything(value: Json) -> bool:
    return True


_APPLY = _one_of("all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams")


def _policy(value: Json) -> bool:
    checks = {"pattern": _text, "apply-to": _APPLY, "definition": _object, "priority": _whole}
    return isinstance(value, dict) and set(value) == set(checks) and all(checks[one](value[one]) for one in checks)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of definition."""

    name: str
    """As the server's node is asked for it."""
    title: str
    """The name of its section."""
    group: str
    """The list of the file that it is in."""
    key: tuple[str, ...]
    """The fields that it is known by."""
    fields: Mapping[str, Check]
    arguments: bool = False
    masked: bool = False
    """Whether it is kept and no part of the state: see ``USERS``."""

    def key_of(self, one: Object) -> Key:
        """What tells it from all others of the kind. Raises KeyError, ValueError."""
        key = tuple(name_of(one, name) for name in self.key)
        return (*key, canonical(one)) if self.name == "binding" else key


VHOST = Kind("vhost", "virtual host", "vhosts", (), {"metadata": _object, "limits": _object})
USERS = Kind(
    "user", "users", "users", ("name",),
    {"password_hash": _hash, "tags": _texts, "limits": _object, "hashing_algorithm": _one_of(
        "rabbit_password_hashing_sha256", "rabbit_password_hashing_sha512", "rabbit_password_hashing_md5")},
    masked=True,
)  # fmt: skip
"""Of the server, and of all its virtual hosts: who has permissions in this one is kept, to be made where he is lacking;
his password is no state of this virtual host."""
_CONFIGURED = {"configure": _text, "write": _text, "read": _text}
PERMISSIONS = Kind("permission", "permissions", "permissions", ("user",), _CONFIGURED)
TOPICS = Kind(
    "topic_permission", "topic permissions", "topic_permissions", ("user", "exchange"), {"write": _text, "read": _text}
)
PARAMETERS = Kind("parameter", "parameters", "parameters", ("component", "name"), {"value": _anything})
OPERATOR_POLICIES = Kind(
    OPERATOR, "operator policies", "parameters", ("name",), {"component": _one_of(OPERATOR), "value": _policy}
)
POLICIES = Kind(
    "policy", "policies", "policies", ("name",),
    {"pattern": _text, "apply-to": _APPLY, "definition": _object, "priority": _whole},
)  # fmt: skip
_LASTING = {"durable": _one_of(True), "auto_delete": _one_of(False)}
QUEUES = Kind("queue", "queues", "queues", ("name",), _LASTING, arguments=True)
EXCHANGES = Kind(
    "exchange", "exchanges", "exchanges", ("name",), {**_LASTING, "type": _text, "internal": _yes_or_no}, arguments=True
)
BINDINGS = Kind(
    "binding", "bindings", "bindings", ("source", "routing_key", "destination_type", "destination"),
    {"destination_type": _one_of("queue", "exchange")}, arguments=True,
)  # fmt: skip
KINDS = (
    VHOST, USERS, PERMISSIONS, TOPICS, PARAMETERS, OPERATOR_POLICIES, POLICIES, QUEUES, EXCHANGES, BINDINGS,
)  # fmt: skip
"""In the order of the file."""
BY_TITLE = {kind.title: kind for kind in KINDS}


def named(field_name: str, raw: bytes) -> Object:
    """A field that holds a name of a server's."""
    try:
        return {field_name: raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {f"{field_name}64": b64encode(raw).decode("ascii")}


def name_of(one: Object, field_name: str) -> bytes:
    """What such a field holds. Raises KeyError, ValueError."""
    if field_name in one:
        return str(one[field_name]).encode("utf-8")
    return b64decode(one[f"{field_name}64"], validate=True)


@dataclass
class Document:
    """All definitions, by kind and key."""

    of: dict[str, dict[Key, Object]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for kind in KINDS:
            self.of.setdefault(kind.name, {})

    def add(self, kind: Kind, one: Object) -> None:
        """Raises NotSafe where it is there already."""
        key = kind.key_of(one)
        if key in self.of[kind.name]:
            raise NotSafe(f"one of the {kind.title} is there twice: {in_words(kind, one)}", _REFUSED)
        self.of[kind.name][key] = one

    def lines(self, kind: Kind) -> list[bytes]:
        """Those of a kind, sorted."""
        return [to_line(one) for _, one in sorted(self.of[kind.name].items())]

    def keys(self) -> set[tuple[str, Key]]:
        return {(name, key) for name, ones in self.of.items() for key in ones}

    def groups(self) -> Iterator[tuple[str, list[tuple[Kind, list[bytes]]]]]:
        """The lists of the file, that have any, each with its kinds and their lines."""
        for group in dict.fromkeys(kind.group for kind in KINDS):
            kinds = [(kind, self.lines(kind)) for kind in KINDS if kind.group == group and self.of[kind.name]]
            if kinds:
                yield group, kinds


def to_line(one: Object) -> bytes:
    """Without its end."""
    return json.dumps(one, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def opening(group: str, *, first: bool) -> bytes:
    """What stands before a list of the file."""
    return f'{"{" if first else ","}"{group}":[\n'.encode()


CLOSING, END = b"]\n", b"}\n"


def separated(lines: list[bytes], *, last: bool) -> Iterator[bytes]:
    """Lines as they stand in a list; ``last``: no others follow in it."""
    for at, line in enumerate(lines):
        yield line + (b"\n" if last and at == len(lines) - 1 else b",\n")


def pieces(document: Document) -> Iterator[bytes]:
    """The file."""
    for number, (group, kinds) in enumerate(document.groups()):
        yield opening(group, first=not number)
        for at, (_, lines) in enumerate(kinds):
            yield from separated(lines, last=at == len(kinds) - 1)
        yield CLOSING
    yield END


_REFUSED = "nothing was changed; was it made by another tool, or a newer version?"


def parse(stream: BinaryIO) -> Document:
    """The definitions of a file of ours. Raises NotSafe for anything that this type does not write."""
    content = stream.read(MOST_BYTES + 1)
    document = read(content)
    if b"".join(pieces(document)) != content:
        raise NotSafe(f"{ARTEFACT} is not written as this type writes it", _REFUSED)
    return document


def read(content: bytes) -> Document:
    """The definitions of one virtual host, however they are written. Raises NotSafe."""
    if len(content) > MOST_BYTES:
        raise NotSafe(f"{ARTEFACT} has more than {MOST_BYTES:,} bytes", _REFUSED)
    try:
        groups = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise NotSafe(f"{ARTEFACT} is not JSON, or ends too soon", _REFUSED) from None
    if not isinstance(groups, dict) or not all(isinstance(ones, list) for ones in groups.values()):
        raise NotSafe(f"{ARTEFACT} has no lists of definitions", _REFUSED)
    document = Document()
    for group, ones in groups.items():
        for one in ones:
            kind = _kind_of(group, one)
            check(kind, one)
            document.add(kind, one)
    if not document.of[VHOST.name]:
        raise NotSafe(f"{ARTEFACT} does not describe the virtual host itself", _REFUSED)
    return document


def _no_number(text: str) -> None:
    raise ValueError(text)


def _kind_of(group: str, one: Json) -> Kind:
    kinds = [kind for kind in KINDS if kind.group == group]
    if not kinds or not isinstance(one, dict):
        raise NotSafe(f"{ARTEFACT} has {group!r}, which is not known", _REFUSED)
    is_operator = len(kinds) > 1 and one.get("component") == OPERATOR
    return kinds[1] if is_operator else kinds[0]


def check(kind: Kind, one: Object) -> None:
    """Raises NotSafe for what is no definition of that kind."""
    wanted = dict(kind.fields)
    for name in kind.key:
        if name not in wanted:
            wanted[name if name in one else f"{name}64"] = _text
    if kind.arguments:
        wanted[ARGUMENTS] = _object
        if EXACT in one:
            wanted[EXACT] = lambda value: isinstance(value, list)
    for name in (*wanted, *one):
        if name not in one or name not in wanted or not wanted[name](one[name]):
            raise NotSafe(f"one of the {kind.title} has no valid {name}: {in_words(kind, one)}", _REFUSED)
    try:
        kind.key_of(one)
        if kind.arguments:
            as_table(one)
        to_line(one)
    except (PluginError, KeyError, ValueError):
        raise NotSafe(f"one of the {kind.title} cannot be read: {in_words(kind, one)}", _REFUSED) from None
    if kind is VHOST:
        _check_metadata(one["metadata"])


METADATA = ("description", "default_queue_type")


def _check_metadata(metadata: Object) -> None:
    for name, value in metadata.items():
        if not (name in METADATA and isinstance(value, str)) and not (name == "tags" and _texts(value)):
            raise NotSafe(f"the virtual host has metadata that is not known: {name}", _REFUSED)


def in_words(kind: Kind, one: Object) -> str:
    """What a definition is called, for messages."""
    values = (one.get(name, one.get(f"{name}64", "")) for name in kind.key)
    return " ".join(str(value) for value in values)[:200]


def names(kind: Kind, ones: Iterable[Object], most: int = 5) -> str:
    """``a, b, c, …``"""
    texts = [in_words(kind, one) or "''" for one in ones]
    return ", ".join(texts[:most]) + (", …" if len(texts) > most else "")
