"""Files that the app writes for the operator."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, text: str) -> int:
    """Write a new file that only its owner can read; the bytes written.

    Raises:
        OSError: also where there is a file of that name already: nothing is ever overwritten.
    """
    data = text.encode("utf-8", "surrogateescape")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return len(data)
