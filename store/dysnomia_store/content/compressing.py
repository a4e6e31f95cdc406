"""How a frame is compressed: at a level that was asked for, or in that of two quick ways which makes it smaller."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from dysnomia_store.content.zstandard import CHECKED, CompressionParameter, Strategy, ZstdCompressor

Compress = Callable[[bytes | memoryview], bytes]

_USUAL: Mapping[int, int] = {CompressionParameter.compression_level: 2, CompressionParameter.hash_log: 17}
"""Of a sample shop's rows 0.5 % larger than level 3, in 0.78 x the processor time."""
_FEW_MATCHES: Mapping[int, int] = {
    CompressionParameter.compression_level: 1,
    CompressionParameter.strategy: Strategy.fast,
    CompressionParameter.min_match: 7,
    CompressionParameter.hash_log: 9,
}
"""For rows of hashes, keys and encoded bytes: each short match that a larger table finds there costs more than the
literals that it stands for. 7 % smaller than the usual way, in 0.55 x its time; written text: 30 % larger."""
_SAMPLE = 8 << 10
"""Bytes from the middle of a frame that are compressed in both ways: 5 to 8 % of the time that the frame takes. With
32 KiB it was 15 to 25 %, and what came out was as large (rows, sources, programs, a tree of files: 0.99 to 1.01 x)."""
_LEAST_GAIN = 0.03
"""The sample has to be smaller by this part: what cannot be compressed is in parts of many frames, and both ways are
equal on it. Rows of hashes gain 4.5 % and more on such a sample, written text loses; others gain 2 % by chance."""


def frame_compressor(level: int | None) -> Compress:
    """A function that makes one checked frame of some content. Each thread keeps compressors of its own.

    The frame depends on nothing but the content and the level.

    Args:
        level: of zstd; None for the default: one of two quick ways, chosen by a sample of the content.
    """
    own = threading.local()

    def compress(content: bytes | memoryview) -> bytes:
        if not hasattr(own, "compress"):
            own.compress = _smaller() if level is None else _one({CompressionParameter.compression_level: level})
        frame: bytes = own.compress(content)
        return frame

    return compress


def _smaller() -> Compress:
    few, usual = _one(_FEW_MATCHES), _one(_USUAL)

    def compress(content: bytes | memoryview) -> bytes:
        start = max(0, len(content) - _SAMPLE) // 2
        sample = memoryview(content)[start : start + _SAMPLE]
        return (few if len(few(sample)) < (1 - _LEAST_GAIN) * len(usual(sample)) else usual)(content)

    return compress


def _one(options: Mapping[int, int]) -> Compress:
    compressor = ZstdCompressor(options={**options, **CHECKED})

    def compress(content: bytes | memoryview) -> bytes:
        frame: bytes = compressor.compress(content, ZstdCompressor.FLUSH_FRAME)
        return frame

    return compress
