"""The example plugin through the conformance suite: its world, and the class that runs every case in it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from dysnomia_plugins.base import Component, Place
from dysnomia_store.names import ComponentKey
from tests.examples.textfile import TextFile
from tests.plugins.conformance.cases import Conformance
from tests.plugins.conformance.world import World, Writer

SEED = b"before\n# one\nroses are red\n# two\nviolets are blue\n\n# one\n\xff\x00 not text\n# log\n"
PIECES = {"a byte": b"x", "a blank": b" ", "a tab": b"\t", "CR": b"\r", "NUL": b"\0", "not UTF-8": b"\xfe"}
LOG_WRITER = """
import fcntl, os, sys
path, log = sys.argv[1:]
out = open(log, "a", buffering=1)
n = 0
while True:
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not os.path.exists(path) or os.stat(path).st_ino != os.fstat(file.fileno()).st_ino:
            continue
        file.write(b"n=%d\\n" % n)
        file.flush()
        os.fsync(file.fileno())
    out.write(f"{n}\\n")
    n += 1
"""


class LineWriter(Writer):
    """Appends numbers to the live file; one is in the log when it is on disk."""

    def __init__(self, path: Path, log: Path) -> None:
        self._log = log
        log.touch()
        self._process = subprocess.Popen([sys.executable, "-c", LOG_WRITER, str(path), str(log)])

    def acknowledged(self) -> set[int]:
        return {int(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")}

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class TextWorld(World):
    """One file in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.plugin = TextFile()
        (folder / "initial").mkdir(parents=True)
        (folder / "initial" / "initial.txt").write_text("hello\n")
        (folder / "live").mkdir()
        self.component = Component(ComponentKey("texts", "poem"), folder / "initial", {"folder": str(folder / "live")})
        self.live = folder / "live" / "poem.txt"

    def close(self) -> None:
        self.live.unlink(missing_ok=True)

    def _path(self, place: Place | None) -> Path:
        return self.live if place is None else Path(place.name)

    def seed(self) -> None:
        self.live.write_bytes(SEED)

    def whole(self, place: Place | None = None) -> object:
        path = self._path(place)
        return path.read_bytes() if path.exists() else None

    def changes(self) -> Sequence[str]:
        lines = ("first line", "last line", "middle line", "drop a line", "twice", "no newline", "a title", "a chapter")
        return (*lines, *PIECES)

    def change(self, name: str, random: Random) -> str:
        lines = self.live.read_bytes().splitlines(keepends=True)
        at = random.randrange(len(lines))
        new = b"line %d\n" % random.randrange(10**9)
        match name:
            case "first line":
                lines.insert(0, new)
            case "last line":
                lines.append(b"\n" + new)
            case "middle line":
                lines.insert(at, new)
            case "drop a line":
                lines.pop(at)
            case "twice":
                lines.insert(at, lines[at])
            case "no newline":
                lines.append(new.rstrip())
            case "a title" | "a chapter":
                lines.insert(at if name == "a title" else len(lines), b"\n# " + new)
            case _:
                piece = {"a blank": b" ", "a tab": b"\t", "CR": b"\r", "NUL": b"\0", "not UTF-8": b"\xfe"}.get(
                    name, b"x"
                )
                lines[at] = piece + lines[at]
        self.live.write_bytes(b"".join(lines))
        return f"{name} at {at}"

    def touch(self) -> str:
        os.utime(self.live, (1, 1))
        return "another mtime"

    def grow(self, size: int) -> None:
        line = b"x" * 1023 + b"\n"
        with self.live.open("ab") as file:
            for _ in range(size // (1024 * len(line)) + 1):
                file.write(line * 1024)

    def some_sections(self) -> tuple[str, ...]:
        return ("chapter:one", "chapter:two")

    def part(self, place: Place | None = None) -> object:
        """The two chapters; in a copy of those sections there is nothing else."""
        text = self._path(place).read_bytes()
        first, second = text.index(b"# one"), text.index(b"# two")
        end = text.find(b"# one", second)
        return text[first : end if end >= 0 else len(text)]

    def spoil(self, place: Place) -> None:
        with self._path(place).open("ab") as file:
            file.write(b"!")

    def writer(self, log: Path) -> Writer:
        return LineWriter(self.live, log)

    def written(self, place: Place | None = None) -> set[int]:
        lines = self._path(place).read_bytes().splitlines()
        return {int(line[2:]) for line in lines if line.startswith(b"n=")}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.live.parent.with_name("away")
        self.live.parent.rename(away)
        try:
            yield
        finally:
            away.rename(self.live.parent)


class TestTextFile(Conformance):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with TextWorld(tmp_path / "world") as world:
            yield world
