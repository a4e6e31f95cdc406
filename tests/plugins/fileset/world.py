"""The conformance world of filesets: two folders of files, read and changed with plain system calls."""

from __future__ import annotations

import os
import random as randomness
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place, PropertyValue
from dysnomia_plugins.toolkit.filesets.plugin import FilesetState
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import RowsAsked
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.fileset.changes import CHANGES, ROOT, all_below

SPEC = "mkdir data\nmkdir data/inner\nmkdir more/uploads\n"
ROOTS = ("data", "more/uploads")
LOG = "data/log"
ODD = os.fsdecode(b"not \xff\xfe utf-8 \x1b[31m\nline")
WRITER = """
import os, sys
path, log = sys.argv[1:]
out = open(log, "a", buffering=1)
n = 0
while True:
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, b"%d\\n" % n)
        finally:
            os.close(file)
        out.write(f"{n}\\n")
    except FileNotFoundError:
        pass
    n += 1
"""


class FileWriter(ProgramWriter):
    """Appends to a log file that it opens anew for each line; a number is logged when ``write`` has returned."""

    def __init__(self, path: str, log: Path) -> None:
        super().__init__(log, [sys.executable, "-c", WRITER, path, str(log)])


def fileset_component(folder: Path, target: Path, spec: str = SPEC, **properties: PropertyValue) -> Component:
    """A component in ``folder`` whose target folder is ``target``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".dysnomia-fileset").write_text(spec)
    (folder / ".dysnomia-targetdir").write_text(f"{target}\n")
    return Component(ComponentKey.of("files", folder.name), folder, {"type": "fileset", **properties})


class FilesetWorld(World):
    """A target folder in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.plugin: FilesetState = Fileset()
        self.folder = folder
        self.target = folder / "srv"
        self.component = fileset_component(folder / "component", self.target)

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name: str, place: Place | None = None) -> Path:
        return Path(place.name if place else self.target, name)

    def seed(self) -> None:
        make_tree(self.path("data"))
        make_tree(self.path("more/uploads"), seed=2)
        self.path(LOG).write_text("")
        inner = self.path("data/inner")
        inner.mkdir()
        (inner / "one.txt").write_text("one\ntwo\n")
        (inner / "blob").write_bytes(bytes(range(256)))

    def whole(self, place: Place | None = None) -> object:
        found = [tree(self.path(root, place)) for root in ROOTS]
        return None if all(one is None for one in found) else found

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        root = self.path(random.choice(ROOTS))
        return f"{name}: {CHANGES[name](root, random)}"

    def touch(self) -> str:
        for path in all_below(self.path("data")):
            os.utime(path, ns=(1, 1700000000 * 10**9 + 17), follow_symlinks=False)
        sparse = self.path("data/sparse")
        content = sparse.read_bytes()
        with sparse.open("r+b") as file:
            file.write(content)
        (self.path("data") / "new").write_text("gone at once")
        (self.path("data") / "new").unlink()
        self.path("data").with_name("elsewhere").write_text("in no folder of the fileset")
        return "times, zeros for a hole, a file made and deleted, a file beside the folders"

    def grow(self, size: int) -> None:
        block = randomness.Random(1).randbytes(1 << 20)
        for number in range(4):
            with self.path(f"data/big{number}").open("wb") as file:
                for _ in range((size >> 20) // 4 + 1):
                    file.write(block)

    def some_sections(self) -> tuple[str, ...]:
        return ("file:data/notes.txt", "folder:data/inner", "hard link:data/second name")

    def part(self, place: Place | None = None) -> object:
        notes, second = self.path("data/notes.txt", place), self.path("data/second name", place)
        assert notes.stat().st_ino != second.stat().st_ino
        seen = notes.stat()
        return notes.read_bytes(), seen.st_mode, seen.st_uid, second.read_bytes(), tree(self.path("data/inner", place))

    def spoil(self, place: Place) -> None:
        self.path("data/notes.txt", place).write_text("spoiled\n")

    def lose(self) -> Sequence[RowsAsked]:
        """Gone, changed, came, one file with two names, and a folder that became a file."""
        data = self.path("data")
        for name in ("sub", "came"):
            if (data / name).is_dir():
                shutil.rmtree(data / name)
        (data / "sub").write_text("a file now")
        (data / "notes.txt").write_text("changed")
        (data / "empty").unlink(missing_ok=True)
        (data / "first name").write_text("changed")
        (data / "came" / "deep").mkdir(parents=True)
        (data / "came" / "deep" / "file").write_text("new")
        (data / "inner").chmod(0o700)
        folders = [f"folder:data/{name}" for name in ("sub", "came", "inner")]
        files = [f"file:data/{name}" for name in ("notes.txt", "empty", "first name")]
        return [RowsAsked(name, ((),)) for name in (*folders, *files)]

    def writer(self, log: Path) -> Writer:
        return FileWriter(str(self.path(LOG)), log)

    def written(self, place: Place | None = None) -> set[int]:
        return {int(line) for line in self.path(LOG, place).read_text().splitlines()}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.target.with_name("away")
        self.target.rename(away)
        try:
            yield
        finally:
            away.rename(self.target)


def make_tree(folder: Path, seed: int = 1) -> None:
    """One of everything that a file system can hold, deterministic but for times."""
    random = Random(seed)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("first\nsecond\nthird\n")
    (folder / "empty").write_text("")
    (folder / "binary").write_bytes(random.randbytes(5000))
    (folder / "block").write_bytes(random.randbytes(200_000))
    with (folder / "sparse").open("wb") as file:
        file.seek(3 << 20)
        file.write(b"in the middle")
        file.truncate(7 << 20)
    (folder / "first name").write_text("one file, two names")
    os.link(folder / "first name", folder / "second name")
    (folder / "sub").mkdir()
    (folder / "sub" / "empty folder").mkdir()
    (folder / "sub" / ODD).write_text("odd")
    (folder / "sub" / ("n" * 255)).write_text("long")
    (folder / "link").symlink_to("notes.txt")
    (folder / "dangling").symlink_to("/nowhere/" + "x" * 200)
    os.mkfifo(folder / "pipe")
    (folder / "notes.txt").chmod(0o640)
    (folder / "binary").chmod(0o4755)
    (folder / "sub").chmod(0o2750)
    os.setxattr(folder / "notes.txt", "user.origin", b"here=there")
    os.setxattr(folder / "sub", "user.binary", bytes(range(32)))
    if ROOT:
        os.chown(folder / "empty", 1234, 4321)
        os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))


def tree(folder: Path) -> object:
    """Everything below a folder that is state, to be compared with ``==``; None where there is none."""
    if not os.path.lexists(folder):
        return None
    inodes: dict[tuple[int, int], str] = {}
    found: list[object] = []
    for path in (folder, *all_below(folder)):
        seen = path.lstat()
        name = os.fsencode(path.relative_to(folder))
        same = inodes.setdefault((seen.st_dev, seen.st_ino), os.fsdecode(name))
        content: object = None
        if stat.S_ISREG(seen.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(seen.st_mode):
            content = os.readlink(path)
        elif stat.S_ISCHR(seen.st_mode):
            content = seen.st_rdev
        xattrs = {
            key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
        }
        found.append((name, same, oct(seen.st_mode), seen.st_uid, seen.st_gid, content, xattrs))
    return found
