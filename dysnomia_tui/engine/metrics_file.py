"""The file that node_exporter reads metrics from, in a folder that may be another user's."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from dysnomia_base.limits import reason
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.system import folder_at, write_all
from dysnomia_tui.engine.errors import EngineError, Exit


class MetricsNotWritten(EngineError):
    """The metrics are not where they were wanted."""

    exit = Exit.PARTLY


def write_metrics(path: Path, lines: Iterable[str]) -> None:
    """Put the lines into a file that everyone may read; who reads it has the old ones whole, or the new ones.

    The folder is opened part by part and no link is followed: Debian's belongs to ``prometheus``, who could lead root
    elsewhere. Raises MetricsNotWritten.
    """
    text = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    whole = Path(os.path.abspath(path))  # noqa: PTH100 (links are refused, not resolved)
    try:
        with folder_at(str(whole.parent)) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _replace(folder, whole.name, text)
    except PluginError as error:
        raise MetricsNotWritten(f"the metrics were not written to {whole}: {error.message}", error.hint) from error
    except BlockingIOError as error:
        raise MetricsNotWritten(
            f"the metrics were not written to {whole}: another process holds its folder", "try again"
        ) from error
    except OSError as error:
        raise MetricsNotWritten(
            f"the metrics were not written to {whole}: {reason(error)}", "name a file in a folder that is there"
        ) from error


def _replace(folder: int, name: str, text: bytes) -> None:
    """The lock keeps other writers out of the one name beside it; what a killed one left there goes first."""
    new = f".{name}.new"
    try:
        os.unlink(new, dir_fd=folder)
    except FileNotFoundError:
        pass
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, 0o644, dir_fd=folder)
    try:
        os.fchmod(descriptor, 0o644)  # whatever the umask: node_exporter is another user
        write_all(descriptor, text)
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(new, dir_fd=folder)
        raise
    finally:
        os.close(descriptor)
