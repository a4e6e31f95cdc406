"""A configuration that cannot be used."""

from __future__ import annotations


class SettingsError(Exception):
    """``message`` names file, line and fault; ``hint`` names the way out, and may be empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}: {hint}" if hint else message)
        self.message = message
        self.hint = hint
