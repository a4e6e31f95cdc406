"""JSON values checked against a type, by msgspec, in any number of threads."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")
_first = threading.Lock()


def convert(value: object, shape: type[T]) -> T:
    """A JSON value as ``shape``: a TypedDict, a frozen dataclass, or what typing makes of them.

    Raises ValueError (msgspec's ValidationError says which field), RecursionError for what is nested too deep.

    msgspec works out what a type looks like at its first use and puts it at the type half done, so that a type may
    name itself; a second thread that comes just then reads what is not there yet, and the process dies (0.22,
    SIGSEGV). So the first use of each type is made by one thread."""
    _work_out(cast(Hashable, shape))
    return msgspec.convert(value, shape)


@cache
def _work_out(shape: Hashable) -> None:
    with _first:
        msgspec.json.Decoder(cast(Any, shape))
