"""A zstd file that explains itself: a skippable frame at its end, which every zstd reader passes over.

Layout (RFC 8878, section 3.1.2): magic 0x184D2A5E and payload size, 4 bytes each, little endian; then our payload: a
zstd frame of JSON, its size in 4 bytes, and 8 bytes that say whose it is, so that the frame is found from the end.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from dysnomia_store.errors import Corrupt
from dysnomia_store.zstandard import CHECKED, CompressionParameter, ZstdDecompressor, ZstdError, compress

_MAGIC = 0x184D2A5E
_HEAD = struct.Struct("<II")
_TAIL = struct.Struct("<I8s")
_OURS = b"DYSNOMIA"
_MOST = 1 << 28
"""A footer larger than 256 MiB (some 10 TB of content) is not believed."""


def encode(about: Mapping[str, Any]) -> bytes:
    """The frame that says ``about`` (JSON values)."""
    options: Mapping[int, int] = {CompressionParameter.compression_level: 3, **CHECKED}
    body = compress(json.dumps(about, separators=(",", ":")).encode(), options=options)
    payload = body + _TAIL.pack(len(body), _OURS)
    return _HEAD.pack(_MAGIC, len(payload)) + payload


def read(file: BinaryIO, path: Path) -> tuple[dict[str, Any], int] | None:
    """What the footer of a file says, and where it starts; None where there is none of ours.

    Raises Corrupt where there is one and it is damaged.
    """
    end = os.fstat(file.fileno()).st_size
    if end < _HEAD.size + _TAIL.size:
        return None
    size, ours = _TAIL.unpack(os.pread(file.fileno(), _TAIL.size, end - _TAIL.size))
    if ours != _OURS:
        return None
    start = end - _TAIL.size - size - _HEAD.size
    if start < 0 or size > _MOST:
        raise Corrupt(f"{path} is damaged: its footer does not fit in it")
    if os.pread(file.fileno(), _HEAD.size, start) != _HEAD.pack(_MAGIC, size + _TAIL.size):
        raise Corrupt(f"{path} is damaged: its footer does not start where it should")
    try:
        decoder = ZstdDecompressor()
        text = decoder.decompress(os.pread(file.fileno(), size, start + _HEAD.size), _MOST)
        about = json.loads(text) if decoder.eof else None
    except (ZstdError, ValueError) as error:
        raise Corrupt(f"{path} is damaged: its footer cannot be read ({error})") from error
    if not isinstance(about, dict):
        raise Corrupt(f"{path} is damaged: its footer is cut short")
    return about, start
