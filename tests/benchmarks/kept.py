"""What daily generations of Redis and of a Subversion repository cost on disk, against restic and borg.

Neither server can be asked for what changed alone: each dump is read whole, and what the days before had is linked.
Sizes do not depend on what else the machine does. By name only: it is about the shape of these dumps, and no promise.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from tests.benchmarks.generations import DAYS, Others, on_disk
from tests.benchmarks.measure import Figure, Part, shell
from tests.e2e.world import World
from tests.plugins.servers.redis import RedisServer

KEYS, CHANGED_KEYS, BLOCK = 500_000, 5_000, 5_000
FILES, COMMITS = 400, 20
"""Of Python's own library; commits a day, each of one file."""


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError or CalledProcessError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench.", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        return [*_redis(folder / "r"), *_subversion(folder / "v")]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _redis(folder: Path) -> Iterator[Figure]:
    random = Random(1)
    others, world = _begin(folder)
    dump = folder / "dump.rdb"
    with RedisServer() as server:
        world.container("redis", type="redis-database", redisSocket=str(server.socket))
        world.component("redis/bench", "README", "")
        with server.client() as client:
            for start in range(0, KEYS, BLOCK):
                client.many(_key(number, random) for number in range(start, start + BLOCK))
        for day in range(DAYS):
            if day:
                with server.client() as client:
                    client.many(_key(random.randrange(KEYS), random) for _ in range(CHANGED_KEYS))
            world.run("dysnomia", "-o", "snapshot", "-C", "redis", "-c", "bench")
            shell(f"redis-cli -s {server.socket} --rdb {dump} 2>/dev/null")
            others.restic(dump)
            others.borg(dump, day)
    yield from on_disk(f"{DAYS} daily generations in Redis", world, others, float("inf"))


def _key(number: int, random: Random) -> tuple[object, ...]:
    return ("SET", f"session:{number}", f"customer {number % 9973} since 2024 {random.randbytes(60).hex()}")


def _subversion(folder: Path) -> Iterator[Figure]:
    """Modules of Python's library come in, then lines are added to some of them, a commit each."""
    random = Random(1)
    others, world = _begin(folder)
    repositories, checkout, dump = folder / "repositories", folder / "checkout", folder / "dump.svn"
    repositories.mkdir()
    run("svnadmin", "create", repositories / "bench")
    world.container("svn", type="subversion-repository", svnBaseDir=str(repositories))
    world.component("svn/bench", "README", "")
    run("svn", "checkout", "-q", f"file://{repositories}/bench", checkout)
    modules = sorted(Path(subprocess.__file__).parent.glob("**/*.py"))[:FILES]
    for number, module in enumerate(modules):
        shutil.copy(module, checkout / f"{number}.py")
    run("svn", "add", "-q", *(checkout / f"{number}.py" for number in range(len(modules))))
    run("svn", "commit", "-q", "-m", "all", checkout)
    for day in range(DAYS):
        for commit in range(COMMITS if day else 0):
            changed = checkout / f"{random.randrange(len(modules))}.py"
            changed.write_text(changed.read_text() + f"# {day} {commit} {random.randbytes(300).hex()}\n")
            run("svn", "commit", "-q", "-m", f"change {day} {commit}", changed)
        world.run("dysnomia", "-o", "snapshot", "-C", "svn", "-c", "bench")
        shell(f"svnadmin dump -q {repositories}/bench >{dump}")
        others.restic(dump)
        others.borg(dump, day)
    yield from on_disk(f"{DAYS} daily generations in Subversion", world, others, float("inf"))


def _begin(folder: Path) -> tuple[Others, World]:
    folder.mkdir()
    others = Others(folder)
    others.start()
    return others, World(folder / "world")


def run(*argv: str | Path) -> None:
    """One step of the making. Raises CalledProcessError."""
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


PARTS = (Part("kept", measure, order=21, by_name=True),)
