"""Regular expressions that are compiled when they are first used.

A short command imports some twenty and uses three; to compile them all takes it longer than to read the jobs of a
store. A test compiles every one: one that is wrong would else be found at its first use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, AnyStr, cast


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As ``re.compile``, later."""
    return cast("re.Pattern[AnyStr]", _Later(text, flags))


class _Later:
    """Has the methods of the compiled pattern, from the first use of each on as attributes of its own."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._given = text, flags

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            value = getattr(re.compile(*self._given), name)
            self.__dict__[name] = value
            return value
