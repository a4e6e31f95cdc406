"""zstd: the standard library's from Python 3.14, its backport until then. Nothing else imports either."""

from __future__ import annotations

import sys
from collections.abc import Mapping

if sys.version_info >= (3, 14):
    from compression.zstd import (
        CompressionParameter,
        Strategy,
        ZstdCompressor,
        ZstdDecompressor,
        ZstdError,
        ZstdFile,
        compress,
        get_frame_info,
    )
else:
    from backports.zstd import (
        CompressionParameter,
        Strategy,
        ZstdCompressor,
        ZstdDecompressor,
        ZstdError,
        ZstdFile,
        compress,
        get_frame_info,
    )

CHECKED: Mapping[int, int] = {CompressionParameter.checksum_flag: 1}
"""Options that put a checksum behind every frame."""

__all__ = [
    "CHECKED",
    "CompressionParameter",
    "Strategy",
    "ZstdCompressor",
    "ZstdDecompressor",
    "ZstdError",
    "ZstdFile",
    "compress",
    "get_frame_info",
]
