"""What must not be seen: secrets, and control characters that would speak to a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dysnomia_base.escape import visible
from dysnomia_plugins.base import PropertyValue

HIDDEN = "•••"
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|password|secret|token|credential|private_?key|api_?key", re.IGNORECASE
)
_SHORTEST = 4
"""A shorter value is not taken out of lines: it would tear holes into every word."""


def is_secret(name: str) -> bool:
    """Whether a property of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def shown(properties: Mapping[str, PropertyValue]) -> Mapping[str, str]:
    """Properties ready to show: arrays joined, secrets hidden."""
    return {name: HIDDEN if is_secret(name) else _joined(value) for name, value in properties.items()}


def secrets_of(properties: Mapping[str, PropertyValue]) -> tuple[str, ...]:
    """The secret texts among the properties."""
    found: list[str] = []
    for name, value in properties.items():
        if is_secret(name):
            found.extend([value] if isinstance(value, str) else value)
    return tuple(secret for secret in found if len(secret) >= _SHORTEST)


class Redactor:
    """Takes secrets and control characters out of whatever goes into events, audit and messages."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = tuple(sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True))

    def text(self, text: str) -> str:
        return visible(self.hide(text))

    def hide(self, text: str) -> str:
        """Without secrets, and with whatever else is in it."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def clean(self, value: Any) -> Any:
        """The same for JSON values, all the way down."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self.clean(one) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean(one) for one in value]
        return value


def _joined(value: PropertyValue) -> str:
    return value if isinstance(value, str) else " ".join(value)
