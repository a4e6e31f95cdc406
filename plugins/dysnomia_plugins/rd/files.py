"""Writing private files: durable on leaving, or made durable while something else goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dysnomia_plugins.durable import make_durable
from dysnomia_plugins.errors import PluginError


@contextmanager
def writing(path: Path, *, durable: bool = True) -> Iterator[Callable[[bytes], object]]:
    """Write a new private file. Raises PluginError where it cannot be written."""
    with _explained(path):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=1 << 20) as file:
            yield file.write
        if durable:
            make_durable(path)


@contextmanager
def syncing(path: Path) -> Iterator[None]:
    """Make a file durable while the body runs, which need not wait for the disk. Raises PluginError."""
    failure: list[OSError] = []

    def work() -> None:
        try:
            make_durable(path)
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="sync")
    thread.start()
    try:
        yield
    finally:
        thread.join()
    with _explained(path):
        if failure:
            raise failure[0]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PluginError(f"{path} cannot be written ({error.strerror})", "set redisCopiesDir") from error
