"""A zstd file that explains itself: a skippable frame at its end, which every zstd reader passes over.

A small one at its start says that the other belongs to it, so that a file cut between two frames is known to be cut.

Layout (RFC 8878, section 3.1.2): magic 0x184D2A5E and payload size, 4 bytes each, little endian; then our payload: a
zstd frame of JSON, its size in 4 bytes, and 8 bytes that say whose it is, so that the frame is found from the end.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from dysnomia_store.content.zstandard import CHECKED, CompressionParameter, ZstdDecompressor, ZstdError, compress
from dysnomia_store.errors import Corrupt
from dysnomia_store.records import codec, schema
from dysnomia_store.records.typed import shaped

T = TypeVar("T")

ARTEFACT = 1
FOLDER = 2
CONTENTS = 1
"""Versions of an artefact's (a file, a folder of frames) and of a contents index."""
_MAGIC = 0x184D2A5E
_HEAD = struct.Struct("<II")
_TAIL = struct.Struct("<I8s")
_OURS = b"DYSNOMIA"
OPENING = _HEAD.pack(_MAGIC, len(_OURS)) + _OURS
"""The magic bytes at the start."""
_MOST = 1 << 28
"""A footer larger than 256 MiB (some 10 TB of content) is not believed."""
_LEAST_FRAME = 12
"""Bytes of the smallest frame: a footer names no more than so fit in the file before it."""
_EACH = 48
"""Characters that a frame takes in the footer at the most."""
MOST_FOLDER = 32 << 20
"""Characters of the footer of a folder: some 450,000 frames."""
_BESIDES = 1 << 16
"""Characters, lists and objects that it may hold besides."""


def encode(about: Mapping[str, Any]) -> bytes:
    """The frame that says ``about`` (JSON values)."""
    options: Mapping[int, int] = {CompressionParameter.compression_level: 3, **CHECKED}
    body = compress(json.dumps(about, separators=(",", ":")).encode(), options=options)
    payload = body + _TAIL.pack(len(body), _OURS)
    return _HEAD.pack(_MAGIC, len(payload)) + payload


def artefact(file: BinaryIO, path: Path) -> tuple[schema.ArtefactFooter, int] | None:
    """The footer of an artefact, as ``_read`` has it."""
    return _read(file, path, "dysnomia-artefact", ARTEFACT, schema.ArtefactFooter)


def folder(file: BinaryIO, path: Path) -> schema.FolderFooter | None:
    """The footer of a folder of frames, which is a file of its own; None where that is none. Raises as ``_read``."""
    record = _read(file, path, "dysnomia-artefact", FOLDER, schema.FolderFooter, MOST_FOLDER)
    return None if record is None or record[1] != 0 else record[0]


def contents(file: BinaryIO, path: Path) -> tuple[schema.IndexFooter, int] | None:
    """The footer of a contents index, as ``_read`` has it."""
    return _read(file, path, "dysnomia-contents", CONTENTS, schema.IndexFooter)


def _read(file: BinaryIO, path: Path, version: str, newest: int, shape: type[T], most: int = 0) -> tuple[T, int] | None:
    """Parse the footer of a file, and where it starts; None where there is none of ours.

    Raises Corrupt where there is one and it is damaged, or where the start says that there should be one; NewerFormat
    where its ``version`` is a later one. It holds no more characters than the frames before it need, or ``most``.
    """
    end = os.fstat(file.fileno()).st_size
    opened = os.pread(file.fileno(), len(OPENING), 0) == OPENING
    tail = os.pread(file.fileno(), _TAIL.size, end - _TAIL.size) if end > len(OPENING) + _TAIL.size else b""
    if not tail.endswith(_OURS):
        if opened:
            raise Corrupt(f"{path} is damaged: it was cut short")
        return None
    size, _ = _TAIL.unpack(tail)
    start = end - _TAIL.size - size - _HEAD.size
    if start < 0 or size > _MOST:
        raise Corrupt(f"{path} is damaged: its footer does not fit in it")
    if os.pread(file.fileno(), _HEAD.size, start) != _HEAD.pack(_MAGIC, size + _TAIL.size):
        raise Corrupt(f"{path} is damaged: its footer does not start where it should")
    try:
        decoder = ZstdDecompressor()
        frames = start // _LEAST_FRAME
        text = decoder.decompress(
            os.pread(file.fileno(), size, start + _HEAD.size), most or min(_MOST, frames * _EACH + _BESIDES)
        )
        if text.count(b"[") + text.count(b"{") > frames + _BESIDES:
            raise ValueError("it names more frames than fit in the file")
    except (ZstdError, ValueError) as error:
        raise Corrupt(f"{path} is damaged: its footer cannot be read ({error})") from error
    if not decoder.eof:
        raise Corrupt(f"{path} is damaged: its footer is cut short")
    about = codec.load(text, f"{path} is damaged: its footer")
    codec.check_format({"format": about.get(version)}, f"{path}: its footer", newest)
    return shaped(about, shape, f"{path} is damaged: its footer"), start
