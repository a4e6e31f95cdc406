"""Names of containers, components and snapshots, validated where they enter."""

from __future__ import annotations

from typing import Self

from dysnomia_base.records import dataclass
from dysnomia_store.errors import NameRejected

MAX_NAME_BYTES = 255


def validate_name(name: str, what: str) -> str:
    """Return ``name`` if it is allowed as one path component of the store.

    Refused: empty, ``/``, a leading ``.`` or ``-``, control characters, more than 255 bytes.

    Args:
        name: the name as it came from outside (surrogate escapes stand for bytes that are not UTF-8).
        what: what it names, for the message: ``container``, ``component``, ``snapshot id``.

    Raises:
        NameRejected: with the reason.
    """
    if not name:
        raise NameRejected(name, what, "it is empty")
    if "/" in name:
        raise NameRejected(name, what, "it holds a slash")
    if name[0] in ".-":
        raise NameRejected(name, what, f"it starts with {name[0]!r}")
    if not name.isprintable() and any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in name):
        raise NameRejected(name, what, "it holds a control character")
    if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
        raise NameRejected(name, what, f"it is longer than {MAX_NAME_BYTES} bytes")
    return name


@dataclass(frozen=True, slots=True)
class ComponentKey:
    """Which component: its container's name and its own."""

    container: str
    component: str

    @classmethod
    def of(cls, container: str, component: str) -> Self:
        """Make a key of two names from outside. Raises NameRejected."""
        return cls(validate_name(container, "container"), validate_name(component, "component"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``container/component``. Raises NameRejected."""
        container, _, component = text.partition("/")
        return cls.of(container, component)

    def __lt__(self, other: ComponentKey) -> bool:
        return (self.container, self.component) < (other.container, other.component)

    def __str__(self) -> str:
        return f"{self.container}/{self.component}"
