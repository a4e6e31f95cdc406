"""Parts of a stored dump, one after the other, as one readable: what a partial load reads."""

from __future__ import annotations

from collections.abc import Iterator

from dysnomia_plugins.base import Stored
from dysnomia_plugins.toolkit.sqldump.reader import chunks

READ = 1 << 20


def stored_range(stored: Stored, artefact: str, offset: int, length: int) -> Iterator[bytes]:
    """One part, in pieces of about a MiB. Raises Corrupt."""
    if length > 0:
        with stored.open_range(artefact, offset, length) as stream:
            yield from chunks(stream, READ)


class PiecesReader:
    """Pieces as one readable. They must not be empty."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int, /) -> bytes:
        """The next piece, as large as it is whatever ``size`` is."""
        return next(self._pieces, b"")
