"""The conformance world of Subversion: one repository in a folder, read and changed with its own clients."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.subversion.plugin import SubversionRepository
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.fileset.world import tree
from tests.plugins.subversion.changes import CHANGES, ENVIRONMENT, run, seed, svn, url_of

NAME = "it's a repo"
DUMP = b"""SVN-fs-dump-format-version: 2

UUID: 11111111-2222-3333-4444-555555555555

Revision-number: 0
Prop-content-length: 56
Content-length: 56

K 8
svn:date
V 27
2026-01-02T03:04:05.678901Z
PROPS-END

Revision-number: 1
Prop-content-length: 57
Content-length: 57

K 10
svn:author
V 5
alice
K 7
svn:log
V 5
begin
PROPS-END

Node-path: trunk
Node-kind: dir
Node-action: add
Prop-content-length: 10
Content-length: 10

PROPS-END


"""
WRITER = r"""
n=0
while :; do
  svn mkdir -q --non-interactive -m "number $n" "$1/log/$n" 2>/dev/null && echo $n >>"$2"
  n=$((n+1))
done
"""


class SvnWriter(ProgramWriter):
    """Makes a folder a commit, each by a client of its own; a number is logged when ``svn`` has ended with 0."""

    def __init__(self, url: str, log: Path) -> None:
        super().__init__(log, ["bash", "-c", WRITER, "writer", url, str(log)], env=ENVIRONMENT)


class SubversionWorld(World):
    """A repository with a name that needs quoting, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.plugin = SubversionRepository()
        self.folder = folder
        self.base = folder / "svn repositories"
        initial = folder / "component" / "subversion-repositories"
        initial.mkdir(parents=True)
        (initial / "begin.dump").write_bytes(DUMP)
        key = ComponentKey.of("subversion", NAME)
        properties = {"type": "subversion-repository", "svnBaseDir": str(self.base)}
        self.component = Component(key, initial.parent, properties)

    @property
    def live(self) -> Path:
        return self.base / NAME

    def at(self, place: Place | None) -> Path:
        return Path(place.name) if place else self.live

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def seed(self) -> None:
        seed(self.live)

    def whole(self, place: Place | None = None) -> object:
        """The dump as Subversion writes it, the lock files as they are, and everything beside ``db`` and ``locks``."""
        path = self.at(place)
        if not path.exists():
            return None
        dump = run("svnadmin", "dump", "-q", str(path))
        locks = run("svnadmin", "lslocks", str(path)).decode().split("Path: ")
        raw = sorted(file.read_bytes() for file in (path / "db/locks").rglob("*") if file.is_file())
        dates = sorted(line for content in raw for line in content.split(b"\n") if line.startswith(b"20"))
        beside = [(name, tree(path / name)) for name in sorted(os.listdir(path)) if name not in ("db", "locks")]
        return dump, sorted(lock.strip() for lock in locks), dates, path.stat().st_mode, beside

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        return f"{name}: {CHANGES[name](self.live, random)}"

    def touch(self) -> str:
        run("svnadmin", "pack", "-q", str(self.live))
        run("svnadmin", "verify", "-q", str(self.live))
        run("svnadmin", "hotcopy", "-q", str(self.live), str(self.folder / "hotcopy"))
        (self.live / "db/rep-cache.db").unlink(missing_ok=True)
        svn("lock", "-m", "for a moment", url_of(self.live, "trunk/once.txt"))
        svn("unlock", url_of(self.live, "trunk/once.txt"))
        for path in (self.live / "hooks").iterdir():
            os.utime(path, ns=(1, 1700000000 * 10**9), follow_symlinks=False)
        (self.live / "db/transactions/7-z.txn").mkdir()
        return "pack, verify, hotcopy, no rep-cache, a lock that came and went, times, a dead transaction"

    def grow(self, size: int) -> None:
        big = self.folder / "big"
        big.mkdir()
        block = Random(1).randbytes(1 << 20)
        for number in range(4):
            with (big / f"{number}.bin").open("wb") as file:
                for at in range((size >> 20) // 4 + 1):
                    file.write(block[at:] + block[:at])
        svn("import", "-q", "--no-auto-props", "-m", "big", str(big), url_of(self.live, "big"))

    def some_sections(self) -> tuple[str, ...]:
        return ("history:revisions", "file:hooks/post-commit")

    def part(self, place: Place | None = None) -> object:
        path = self.at(place)
        hook = path / "hooks/post-commit"
        return run("svnadmin", "dump", "-q", str(path)), hook.read_bytes(), hook.stat().st_mode

    def spoil(self, place: Place) -> None:
        run("svnadmin", "setrevprop", "-r", "2", place.name, "svn:log", "/dev/null")

    def writer(self, log: Path) -> Writer:
        return SvnWriter(url_of(self.live), log)

    def written(self, place: Place | None = None) -> set[int]:
        found = svn("list", url_of(self.at(place), "log")).decode()
        return {int(line.rstrip("/")) for line in found.splitlines()}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.live.with_name("away")
        self.live.rename(away)
        try:
            yield
        finally:
            away.rename(self.live)
