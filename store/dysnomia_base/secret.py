"""A value that must not be seen: it is handed about hidden, and read by name where it is used."""

from __future__ import annotations

HIDDEN = "•••"


class Secret:
    """A secret text of the configuration. As text, in a record or in JSON it is ``•••``."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for whoever it is meant for."""
        return self._text

    def __str__(self) -> str:
        return HIDDEN

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)
