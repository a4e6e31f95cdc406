"""One frame as a file of its own: an independent zstd frame, and behind it a skippable one that says what it is.

The trailer (RFC 8878, section 3.1.2: magic 0x184D2A5E and payload size, little endian) holds ``DYSFRAME``, the sizes of
content and of the compressed bytes, the sha256 of the content, which is the frame's name, and a seal: the sha256 of
all before it. So a frame is recognised by its last bytes, and proved by hashing what is stored; it need not be
decompressed for either. Any zstd reader passes over it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct

from dysnomia_base.records import dataclass
from dysnomia_store.content.frames import MOST_FRAME, decompress_frame
from dysnomia_store.content.zstandard import ZstdError

_MAGIC = 0x184D2A5E
_OURS = b"DYSFRAME"
_HEAD = struct.Struct("<II8sII32s")
_SEAL = hashlib.sha256().digest_size
TRAILER = _HEAD.size + _SEAL
LARGEST = 2 * MOST_FRAME + TRAILER
"""No file of a frame is larger."""
SUFFIX = ".zst"


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """What a trailer says."""

    content: int
    stored: int
    """Bytes of the file without the trailer."""
    digest: bytes


def seal(content: memoryview | bytes, digest: bytes, body: bytes) -> bytes:
    """The trailer of a frame of some content."""
    head = _HEAD.pack(_MAGIC, TRAILER - 8, _OURS, len(content), len(body), digest)
    whole = hashlib.sha256(body)
    whole.update(head)
    return head + whole.digest()


def explain(tail: bytes) -> FrameInfo | None:
    """What the end of a file says of it; None where that is no trailer of ours."""
    if len(tail) < TRAILER:
        return None
    magic, size, ours, content, stored, digest = _HEAD.unpack_from(tail, len(tail) - TRAILER)
    if (magic, size, ours) != (_MAGIC, TRAILER - 8, _OURS):
        return None
    return FrameInfo(content, stored, digest)


def size_if_whole(descriptor: int, digest: bytes, content: int) -> int | None:
    """The size of a frame's file, where its last bytes say that it is this one and complete; else None.

    Raises OSError."""
    at = os.fstat(descriptor)
    if not stat.S_ISREG(at.st_mode) or not TRAILER < at.st_size <= LARGEST:
        return None
    trailer = explain(os.pread(descriptor, TRAILER, at.st_size - TRAILER))
    return at.st_size if trailer == FrameInfo(content, at.st_size - TRAILER, digest) else None


def prove(data: bytes, digest: bytes, content: int) -> None:
    """Compare a frame's file with its seal; nothing is decompressed. Raises ZstdError, saying what is wrong."""
    trailer = explain(data)
    if trailer is None:
        raise ZstdError("it does not end as a frame does")
    if trailer != FrameInfo(content, len(data) - TRAILER, digest):
        raise ZstdError("it is another frame, or cut short")
    view = memoryview(data)
    if hashlib.sha256(view[:-_SEAL]).digest() != data[-_SEAL:]:
        raise ZstdError("its bytes changed")


def decode(data: bytes, digest: bytes, content: int) -> bytes:
    """The content of a frame's file, hashed. Raises ZstdError where it is not the one with this digest."""
    if len(data) <= TRAILER:
        raise ZstdError("it is cut short")
    decoded = decompress_frame(data[:-TRAILER], content)
    if hashlib.sha256(decoded).digest() != digest:
        raise ZstdError("it holds other content than was stored")
    return decoded
