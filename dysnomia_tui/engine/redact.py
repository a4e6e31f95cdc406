"""What must not be seen: secrets, and control characters that would speak to a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dysnomia_base import secrets
from dysnomia_base.escape import visible
from dysnomia_base.secrets import HIDDEN, is_secret, secrets_of

if TYPE_CHECKING:
    from dysnomia_plugins.base import PropertyValue

__all__ = ["HIDDEN", "Redactor", "is_secret", "secrets_of", "shown", "visible"]


def shown(properties: Mapping[str, PropertyValue]) -> Mapping[str, str]:
    """Properties ready to show: arrays joined, secrets hidden."""
    return {name: secrets.shown(name, _joined(value)) for name, value in properties.items()}


class Redactor(secrets.Redactor):
    """Takes secrets and control characters out of whatever goes into events, audit and messages."""

    def text(self, text: str) -> str:
        return visible(self.hide(text))

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
