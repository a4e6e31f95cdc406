"""Which virtual host a component is.

``rabbitmqVhost`` is ``%`` unless it is set: the component's name stands for the virtual host's, with ``%XX`` for what
a component's name cannot have, as in the addresses of AMQP and of the management plugin: ``%2F`` is the virtual host
``/``. Set to another text, that is its name, with the component's for a ``%``: ``rabbitmqVhost=/`` makes a container of
one component.
"""

from __future__ import annotations

import re

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import validate_name

PATTERN = "%"
LONGEST = 255
"""Bytes of a virtual host's name."""
OURS = "dysnomia_"
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_TOKEN = re.compile(rb"(%(?![0-9A-Fa-f]{2}))")
_NOT = re.compile(r"[\x00-\x1f\x7f-\x9f/%]")


def decoded(name: str) -> bytes:
    """The name of the virtual host for which a component's stands."""
    return _unescaped(name.encode("utf-8", "surrogateescape"))


def _unescaped(raw: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), raw)


def has_component(pattern: str) -> bool:
    """Whether the component's name counts."""
    return b"%" in _TOKEN.split((pattern or PATTERN).encode("utf-8", "surrogateescape"))


def encoded(vhost: bytes) -> str | None:
    """The component's name; None where it can have none."""
    try:
        text = vhost.decode("utf-8")
    except UnicodeDecodeError:
        text = "".join(chr(byte) if 0x20 < byte < 0x7F and byte not in b"%/" else f"%{byte:02X}" for byte in vhost)
    else:
        text = _NOT.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), text)
    if text[:1] in (".", "-", " "):
        text = f"%{ord(text[0]):02X}{text[1:]}"
    try:
        name = validate_name(text, "component")
    except NameRejected:
        pass
    else:
        if decoded(name) == vhost:
            return name
    plain = "".join(chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"%{byte:02X}" for byte in vhost)
    try:
        return validate_name(plain, "component")
    except NameRejected:
        return None


def of_component(pattern: str, component: str) -> bytes:
    """The component's virtual host. Raises PluginError."""
    parts = _TOKEN.split((pattern or PATTERN).encode("utf-8", "surrogateescape"))
    vhost = b"".join(decoded(component) if part == b"%" else _unescaped(part) for part in parts)
    if not vhost or len(vhost) > LONGEST:
        raise PluginError(f"{component!r} cannot be the name of a virtual host", "set rabbitmqVhost in the container")
    return vhost


def of_copy(pattern: str, name: str) -> bytes:
    """The virtual host of a copy. Raises NotSafe where it cannot be called so."""
    try:
        validate_name(name, "copy")
    except NameRejected as error:
        raise NotSafe(error.message, error.hint) from error
    return of_component(pattern if has_component(pattern) else PATTERN, name)


def shown(vhost: bytes) -> str:
    return vhost.decode("utf-8", "backslashreplace")
