"""The line of a terminal that moves: how far something has come, taken away again before anything else is written."""

from __future__ import annotations

import sys
from typing import Self

from dysnomia_tui.cli.shared.output import visible, write_message

_TAKEN_AWAY = "\r\x1b[K"
_WIDEST = 100


class MovingLine:
    """On standard error, where that is a terminal. As a context manager it is gone afterwards."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self._is_shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.end()

    def show(self, text: str) -> None:
        """Write ``text`` in place of what stands there."""
        if self.live and text:
            write_message(f"{_TAKEN_AWAY}  {visible(text)[:_WIDEST]}")
            self._is_shown = True

    def end(self) -> None:
        """Take it away."""
        if self._is_shown:
            write_message(_TAKEN_AWAY)
            self._is_shown = False
