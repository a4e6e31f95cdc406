"""Makes the demo: configuration, databases and folders, and their sixty days of history."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dysnomia_tui.demo import hosts
from dysnomia_tui.demo.place import MARKER, PARTS
from dysnomia_tui.engine.errors import EngineError, Exit

MADE = "made\n"
MAKING = "making\n"

CONFIG = """\
# Of the demo alone. `dysnomia-tui config show` tells which files are in force.
labels = ["DEMO"]

[components."*/*".retention]
last = 5
daily = 7
weekly = 9

[components."sqlite-database/*"]
stale_after = "30h"

[components."fileset/documents"]
stale_after = "3d"

# One application: restored together to a time, in this order.
[groups.shop]
components = ["sqlite-database/orders", "sqlite-database/settings", "fileset/documents"]
"""


class NotADemo(EngineError):
    """A folder that was not made here, and is left alone."""

    exit = Exit.REFUSED


def make(
    folder: Path,
    *,
    reset: bool = False,
    say: Callable[[str], None] = lambda _: None,
    now: datetime | None = None,
    host: str = "demo",
) -> bool:
    """Make the demo in ``folder``, unless it is there.

    Args:
        reset: throw one that is there away first.
        say: told what is going on, in a few lines.
        now: when the sixty days end; the current minute if None.
        host: the host that its snapshots say they were made on.

    Returns whether it was made. Raises NotADemo where the folder holds something else; OSError.
    """
    folder = folder.absolute()
    _there(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder, say):
        return _make(folder, reset, say, (now or datetime.now(UTC)).astimezone(UTC), host)


@contextmanager
def _alone_in(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Two that are started for the first time at once make it once: the second waits for the first, or for its end."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process makes the demo in {folder}: waiting until it is made")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(folder: Path, reset: bool, say: Callable[[str], None], now: datetime, host: str) -> bool:
    existing = _there(folder)
    if existing == MADE and not reset:
        hosts.write_stand_in(folder)
        say(f"the demo is in {folder}")
        return False
    if existing:
        _clear(folder)
    (folder / MARKER).write_text(MAKING, "utf-8")
    say(f"making a demo in {folder}")
    _fill(folder, now.replace(second=0, microsecond=0), host, say)
    hosts.write_stand_in(folder)
    (folder / MARKER).write_text(MADE, "utf-8")
    return True


def _there(folder: Path) -> str:
    """What the marker says; ``""`` for a folder that is empty or not there. Raises NotADemo for any other."""
    try:
        return (folder / MARKER).read_text("utf-8")
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        raise NotADemo(f"{folder} is not a folder", "name another folder") from None
    try:
        empty = not os.listdir(folder)
    except FileNotFoundError:
        return ""
    if not empty:
        raise NotADemo(
            f"{folder} holds something that is not a demo", "name an empty folder, or one that does not exist"
        )
    return ""


def _clear(folder: Path) -> None:
    """Delete what a demo is made of, and nothing else that may lie beside it."""
    for part in PARTS:
        target = folder / part
        if target.is_symlink():
            target.unlink()
        elif target.exists():
            shutil.rmtree(target)


def _fill(folder: Path, now: datetime, host: str, say: Callable[[str], None]) -> None:
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.demo import story
    from dysnomia_tui.demo.chronicle import Chronicle

    containers = {
        "sqlite-database": {"type": "sqlite-database", "sqliteDir": str(folder / "live" / "databases")},
        "fileset": {"type": "fileset", "targetDir": str(folder / "live" / "files")},
    }
    for part in ("live/databases", "live/files", "config/dysnomia-tui"):
        (folder / part).mkdir(parents=True)
    (folder / "config" / "dysnomia-tui" / "config.toml").write_text(CONFIG + hosts.CONFIG, "utf-8")
    for name, properties in containers.items():
        _write(folder / "containers" / name, "".join(f'{key}="{value}"\n' for key, value in properties.items()))
    chronicle = Chronicle.begin(folder / "state", now)
    chronicle.host = host

    def component(key: ComponentKey, file: str, text: str) -> None:
        path = folder / "components" / key.container / key.component
        _write(path / file, text)
        chronicle.know(key, path, containers[key.container])

    for key, schema in story.SCHEMAS.items():
        component(key, f"sqlite-databases/{key.component}.sql", schema)
    for key in (story.DOCUMENTS, story.SITE, story.UPLOADS):
        component(key, ".dysnomia-fileset", f"mkdir {key.component}\n")

    def on_moment(done: int, of: int) -> None:
        if done * 4 // of > (done - 1) * 4 // of:
            say(f"  {100 * done // of}% of sixty days")

    hosts.make(folder, now)
    story.Story(chronicle, folder / "live", now).tell(on_moment)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
