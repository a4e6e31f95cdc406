"""The many small files of a tree, read a folder's worth at a time.

What is done for each of them is what a first snapshot costs: here it is little more than the system's own calls. All
that needs a closer look (another name of a file, extended attributes, holes, what is large, what changes while it is
read, what cannot be read) is left to the walk, which opens it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dysnomia_plugins.toolkit.guarded.system import read_xattrs
from dysnomia_plugins.toolkit.trees.batch import ENCODING, PLAIN, Batch
from dysnomia_plugins.toolkit.trees.known import Noting, file_key
from dysnomia_plugins.toolkit.trees.walk import READING, Owners

_KIND, _REGULAR = 0o170000, 0o100000


@dataclass
class PlainFiles:
    """Takes small files into a batch (a ``walk.Taker``)."""

    batch: Batch
    flush: Callable[[], None]
    """Called where the batch is full."""
    noting: Noting | None = None
    """What is told of each file, for the next dump."""
    settled: float = 0.0
    """What changed last before this time shows every change since; what is later is left."""
    taken: int = 0
    _owners: Owners = field(default_factory=Owners)

    def take(self, prefix: str, folder: int, entries: Sequence[tuple[str, bool]], at: int) -> int:
        """See ``walk.Taker``. Raises OSError, naming the entry that cannot be read."""
        above = prefix.encode(ENCODING, "surrogateescape")
        open_at, fstat, close = os.open, os.fstat, os.close
        add, noting, settled, owners = self.batch.add_plain, self.noting, self.settled, self._owners
        for here in range(at, len(entries)):
            entry, regular = entries[here]
            if not regular:
                break
            try:
                descriptor = open_at(entry, READING, dir_fd=folder)
            except OSError:
                break
            try:
                seen = fstat(descriptor)
                size = seen.st_size
                if (
                    size > PLAIN
                    or seen.st_mode & _KIND != _REGULAR
                    or seen.st_nlink != 1
                    or seen.st_ctime > settled
                    or size > seen.st_blocks * 512
                    or read_xattrs(descriptor)
                ):
                    break
                data = _read_all(descriptor, size)
                after = fstat(descriptor)
            except OSError as error:
                error.filename = entry
                raise
            finally:
                close(descriptor)
            if (
                len(data) != size
                or after.st_size != size
                or after.st_mtime_ns != seen.st_mtime_ns
                or after.st_ctime_ns != seen.st_ctime_ns
            ):
                break
            encoded = above + entry.encode(ENCODING, "surrogateescape")
            full = add(prefix + entry, encoded, seen, data, owners)
            if full is None:
                break
            if noting is not None:
                noting.read(file_key(encoded, seen), seen.st_ctime_ns)
            if full:
                self.flush()
        else:
            here = len(entries)
        self.taken += here - at
        return here


def _read_all(descriptor: int, size: int) -> bytes:
    """The content, one byte more where it has grown; it may be less than there is."""
    return os.pread(descriptor, size + 1, 0)
