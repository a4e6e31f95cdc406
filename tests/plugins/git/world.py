"""The conformance world of git: one bare repository in a folder, read and changed with git itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.git.plugin import GitRepository
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.fileset.world import tree
from tests.plugins.git.changes import CHANGES, EMPTY_TREE, ENVIRONMENT, commit, git, seed

NAME = "it's a repo.git"
WRITER = r"""
n=0
export GIT_DIR="$3"
while :; do
  c=$(git commit-tree "$4" -m "number $n" </dev/null)
  git push -q "$1" "$c:refs/heads/log/$n" 2>/dev/null && echo $n >>"$2"
  n=$((n+1))
done
"""
"""Pushes a branch of its own a number, each by a client and a server process of its own."""


class GitWriter(ProgramWriter):
    """A number is logged when ``git push`` has ended with 0."""

    def __init__(self, repository: Path, log: Path) -> None:
        clone = log.with_name(log.name + ".git")
        git(clone, "init", "--quiet", "--bare")
        git(clone, "hash-object", "-t", "tree", "-w", "--stdin")
        argv = ["bash", "-c", WRITER, "writer", str(repository), str(log), str(clone), EMPTY_TREE]
        super().__init__(log, argv, env=ENVIRONMENT)


class GitWorld(World):
    """A repository with a name that needs quoting, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.plugin = GitRepository()
        self.folder = folder
        self.base = folder / "git repositories"
        initial = folder / "component" / "git-repositories"
        initial.mkdir(parents=True)
        source = folder / "source.git"
        git(source, "init", "--quiet", "--bare", "--initial-branch=main")
        git(source, "hash-object", "-t", "tree", "-w", "--stdin")
        commit(source, "main", "begin", b"begin\n")
        git(source, "bundle", "create", "--quiet", str(initial / "begin.bundle"), "--all")
        key = ComponentKey.of("git", NAME)
        self.component = Component(key, initial.parent, {"type": "git-repository", "gitBaseDir": str(self.base)})

    @property
    def live(self) -> Path:
        return self.base / NAME

    def at(self, place: Place | None) -> Path:
        return Path(place.name) if place else self.live

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def seed(self) -> None:
        seed(self.live)
        git(self.live, "hash-object", "-t", "tree", "-w", "--stdin")

    def whole(self, place: Place | None = None) -> object:
        """References and the objects they lead to, as git lists them, and everything that is not git's own."""
        path = self.at(place)
        if not path.exists():
            return None
        refs = git(path, "for-each-ref", "--format=%(objectname) %(objecttype) %(symref) %(refname)")
        found = git(path, "rev-list", "--objects", "--all", "--no-object-names")
        git(path, "fsck", "--connectivity-only", "--no-dangling")
        own = ("objects", "refs", "packed-refs", "info", "HEAD")
        beside = [(name, tree(path / name)) for name in sorted(os.listdir(path)) if name not in own]
        info = [(name, tree(path / "info" / name)) for name in _names(path / "info") if name != "refs"]
        head = (path / "HEAD").read_bytes()
        return refs, sorted(found.split("\n")), head, path.stat().st_mode, beside, info

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        return f"{name}: {CHANGES[name](self.live, random)}"

    def touch(self) -> str:
        git(self.live, "pack-refs", "--all")
        git(self.live, "hash-object", "-w", "--stdin", stdin=b"nobody needs this")
        git(self.live, "update-ref", "refs/heads/once", "refs/tags/light^{commit}")
        git(self.live, "update-ref", "-d", "refs/heads/once")
        git(self.live, "gc", "--quiet")
        git(self.live, "commit-graph", "write", "--reachable")
        git(self.live, "update-server-info")
        os.utime(self.live / "description", ns=(1, 1700000000 * 10**9))
        return "references packed, an object that nobody needs, a branch that came and went, gc, commit graph, times"

    def grow(self, size: int) -> None:
        random = Random(1)
        entries = b""
        for number in range(8):
            big = self.folder / "big"
            with big.open("wb") as file:
                for _ in range((size >> 20) // 8 + 1):
                    file.write(random.randbytes(1 << 20))
            blob = git(self.live, "-c", "core.compression=0", "hash-object", "-w", str(big))
            entries += f"100644 blob {blob}\tbig {number}\n".encode()
            big.unlink()
        made = git(self.live, "commit-tree", git(self.live, "mktree", stdin=entries), "-m", "big")
        git(self.live, "update-ref", "refs/heads/big", made)

    def some_sections(self) -> tuple[str, ...]:
        return ("list:refs", "file:hooks/post-receive")

    def part(self, place: Place | None = None) -> object:
        path = self.at(place)
        hook = path / "hooks/post-receive"
        return git(path, "for-each-ref"), hook.read_bytes(), hook.stat().st_mode

    def spoil(self, place: Place) -> None:
        git(Path(place.name), "update-ref", "-d", "refs/tags/light")

    def writer(self, log: Path) -> Writer:
        return GitWriter(self.live, log)

    def written(self, place: Place | None = None) -> set[int]:
        found = git(self.at(place), "for-each-ref", "--format=%(refname)", "refs/heads/log")
        return {int(line.rpartition("/")[2]) for line in found.split("\n") if line}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.live.with_name("away")
        self.live.rename(away)
        try:
            yield
        finally:
            away.rename(self.live)


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.is_dir() else []
