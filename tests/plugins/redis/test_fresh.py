"""A machine that has seen no restore yet, and nothing set that an operator leaves out: where servers of a job's own
stand is the default, ``/var/lib/dysnomia-redis``, which is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readme import ROOT

pytestmark = [pytest.mark.server, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a mount of its own")]
STORY = """
import os, sys
from pathlib import Path
from random import Random
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver
from tests.plugins.redis.world import RedisWorld
os.umask(0o077)  # as a job has it
folder, copies = Path(sys.argv[1]), Path("/var/lib/dysnomia-redis")
if sys.argv[2] == "left closed":
    copies.mkdir(mode=0o700)
with RedisWorld(folder / "world") as world:
    driver = Driver(world, folder / "store")
    assert "redisCopiesDir" not in world.component.properties
    world.seed()
    then, first = world.whole(), driver.snapshot().generation
    world.change("string", Random(1))
    check = activities.verify(driver.bench(), first.number)
    assert check.result == "ok", check.text
    driver.restore(first.number)
    assert world.whole() == then
    copy = driver.restored_elsewhere(first.number, "copy")
    assert world.whole(copy) == then, "whoever servers run as loads it"
    assert oct(copies.stat().st_mode & 0o777) == "0o711"
"""


@pytest.mark.parametrize("how", ["not there", "left closed"])
def test_everything_works_without_any_setting(tmp_path: Path, how: str) -> None:
    tmp_path.chmod(0o755)
    mounted = ["sh", "-c", 'mount -t tmpfs -o mode=755 tmpfs /var/lib && exec "$@"', "sh"]
    done = subprocess.run(
        ["unshare", "--mount", *mounted, sys.executable, "-c", STORY, str(tmp_path), how],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
