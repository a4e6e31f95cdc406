"""Snapshot and load of a git repository of 5,000 commits, against its own bundle and a clone of that."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component
from dysnomia_plugins.types.git.plugin import GitRepository
from dysnomia_store.names import ComponentKey
from tests.benchmarks.alone import Alone
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, shell

COMMITS, FILES = 5_000, 400
NAME = "bench.git"


def measure() -> Sequence[Figure]:
    """The figures. Raises CalledProcessError where git fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        live = folder / "live" / NAME
        shell(f"git init --quiet --bare --initial-branch=main {live}")
        argv = ["git", "-C", str(live), "fast-import", "--quiet"]
        subprocess.run(argv, input=b"".join(_commits()), check=True)
        return _measure(live, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _commits() -> Iterator[bytes]:
    """Each writes one of the files anew, half of it of random bytes."""
    random = Random(1)
    for number in range(COMMITS):
        data = random.randbytes(2000).hex().encode()[:3000] + random.randbytes(1000)
        yield b"commit refs/heads/main\ncommitter a <a@b> %d +0000\ndata 1\nx\n" % (1_700_000_000 + number)
        yield b"M 644 inline d%d/f%d\ndata %d\n%s\n" % (number % 20, number % FILES, len(data), data)


def _measure(live: Path, folder: Path) -> Sequence[Figure]:
    properties = {"type": "git-repository", "gitBaseDir": str(live.parent)}
    work = Alone(folder, GitRepository(), Component(ComponentKey.of("git", NAME), folder / "component", properties))
    bundle, clone = folder / "own.bundle", folder / "own.git"

    def own_load() -> float:
        taken = shell(f"git clone --quiet --mirror {bundle} {clone}")
        shutil.rmtree(clone)
        return taken

    ours, theirs = in_turns(work.snapshot, lambda: shell(f"git -C {live} bundle create --quiet {bundle} --all"))
    figures = [ratio(f"snapshot, git, {COMMITS:,} commits", ours, "git bundle create --all", theirs, 1.25)]
    ours, theirs = in_turns(work.load, own_load)
    return [*figures, ratio("restore, same, beside live and checked", ours, "git clone --mirror", theirs, 1.25)]


PARTS = (Part("git", measure, order=17, by_name=True),)
