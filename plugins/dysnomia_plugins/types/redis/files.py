"""Writing private files of the job's own, durable on leaving."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dysnomia_base.limits import reason
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.durable import make_durable


@contextmanager
def writing(path: Path, *, durable: bool = True) -> Iterator[Callable[[bytes], object]]:
    """Write a new private file in the job's own folder. Raises PluginError where it cannot be written."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=1 << 20) as file:
            yield file.write
        if durable:
            make_durable(path)
    except OSError as error:
        raise PluginError(f"{path} cannot be written ({reason(error)})") from error
