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


def why_not_written(typed: str) -> str:
    """Why no new file can be written at the path that was typed; ``""`` if it can, as far as can be told."""
    if "\0" in typed:
        return "a path holds no NUL character"
    try:
        path = Path(typed).expanduser()
        if path.exists():
            return f"{path} already exists: it is not overwritten; give another name"
        return "" if path.parent.is_dir() else f"{path.parent} is not a folder"
    except (OSError, ValueError, RuntimeError) as problem:  # RuntimeError: ~name of nobody
        return f"not a path that can be written: {problem}"
