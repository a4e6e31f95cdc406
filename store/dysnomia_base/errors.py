"""What every error of ours has: words for the operator, and the way out."""

from __future__ import annotations


class DysnomiaError(Exception):
    """The base of every error that is meant for a person; each layer has its own below it.

    ``message`` says what is wrong and where; ``hint`` says what to do, and may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}: {hint}" if hint else message)
        self.message = message
        self.hint = hint
