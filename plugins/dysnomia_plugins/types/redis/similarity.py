"""Which of two RDB files a third one is nearer to, by a sample of their rows."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import BinaryIO, NamedTuple

from dysnomia_plugins.types.redis.rdb import RdbReader, RdbStream
from dysnomia_plugins.types.redis.values import rows

_SAMPLE = 16 << 20
"""Bytes of a file whose rows are all looked at; of larger ones a part, the same in each."""


class Likeness(NamedTuple):
    """How a file is like two others, though clients may have written since."""

    nearer: bool
    """It has more in common with the first than with the second. One that has nothing of the first has not."""
    lost: bool
    """It lacks some of the second."""


def compared(now: BinaryIO, one: BinaryIO, other: BinaryIO) -> Likeness:
    rate = max(1, max(os.fstat(file.fileno()).st_size for file in (now, one, other)) // _SAMPLE)
    here, first, second = (_sample(file, rate) for file in (now, one, other))
    nearer = len(here ^ first) <= len(here ^ second) and (bool(here & first) or not first)
    return Likeness(nearer, lost=not second <= here)


def _sample(source: BinaryIO, rate: int) -> set[int]:
    sample = set()
    reader = RdbReader(RdbStream(source))
    for head in reader.heads():
        for batch in rows(reader.stream, head):
            for row in batch:
                hashed = int.from_bytes(blake2b(b"%d " % head.database + row, digest_size=8).digest())
                if hashed % rate == 0:
                    sample.add(hashed)
    return sample
