"""Rows of a dump that may have a key, by looking for its text in their bytes: much quicker than parsing each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+\Z")
"""Cells that stand in a dump as they are shown, unless somebody escaped what needs no escape."""


def rows_with(batches: Iterable[Sequence[bytes]], key: Sequence[str], usual: bytes) -> Iterator[Sequence[bytes]]:
    """Of the rows of a dump of text, those that may have these cells; all of them where a cell may be written in other
    bytes than it shows.

    ``usual``: what stands after a backslash for something that is not plain. A row with any other escape is one that
    may: it can say anything with it."""
    unusual = re.compile(rb"(?<!\\)(?:\\\\)*\\[^\\" + re.escape(usual) + rb"]").search
    plain = [cell for cell in key if _PLAIN.match(cell)]
    if not plain:
        yield from batches
        return
    needle = max(plain, key=len).encode("ascii")
    for batch in batches:
        matching = [raw for raw in batch if needle in raw or (b"\\" in raw and unusual(raw))]
        if matching:
            yield matching
