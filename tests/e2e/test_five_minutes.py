"""The page "from nothing to a monitored server in five minutes", followed by its own commands on a booted systemd.

What differs from a fresh Debian: the packages are there already, and pip has its wheels in a folder, for the machine
has no network."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.packaging import CONSTRAINTS, PIP, ROOT, run
from tests.plugins.systemd.machine import SystemdMachine

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]
PAGE = ROOT / "docs" / "monitored.md"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WHEELS = "/var/tmp/wheels"


@dataclass
class Block:
    """Commands of the page, and lines that they have to write."""

    script: str
    lines: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        """What the last command exits with, in the words of its comment."""
        said = re.search(r"# exits with (\d)", self.script)
        return int(said[1]) if said else 0

    def is_written(self, out: str) -> bool:
        """Whether the lines are there, in order; ``…`` stands for anything."""
        patterns = ["[^\n]*".join(map(re.escape, line.split("…"))) for line in self.lines]
        return re.search("^" + "[^\n]*\n(?:[^\n]*\n)*?".join(patterns), out, re.MULTILINE) is not None


def blocks() -> Iterator[Block]:
    block: Block | None = None
    for kind, text in re.findall(r"^```(sh|text)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        if kind == "text":
            assert block is not None
            block.lines = text.splitlines()
            continue
        if block is not None:
            yield block
        block = Block(text)
    assert block is not None
    yield block


def test_every_block_of_the_page_is_read() -> None:
    assert PAGE.read_text("utf-8").count("\n```\n") == sum(1 + bool(one.lines) for one in blocks())


def test_lines_that_are_not_written_are_noticed() -> None:
    block = Block("", ["ok  shop/orders …; 1 generation", "alarm …"])
    good = "OK\nok  shop/orders  3M; 1 generation\n\nalarm x\n"
    assert Block("", ["ok  shop/orders …; 1 generation", "alarm …"]).is_written(good)
    for bad in (
        "",
        good.replace("orders", "other"),
        good.replace("alarm", "a"),
        "alarm x\nok  shop/orders ; 1 generation\n",
    ):
        assert not block.is_written(bad)


def test_the_page_is_followed_to_its_end(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    run([*PIP, "wheel", "--constraint", str(CONSTRAINTS), "--wheel-dir", str(wheels), str(ROOT), "hatchling==1.33.0"])
    with SystemdMachine() as machine:
        machine.run("rm", "-rf", "/etc/dysnomia", "/etc/dysnomia-tui", "/var/state/dysnomia", "/opt/dysnomia-tui")
        machine.run("sh", "-c", "rm -f /usr/local/bin/dysnomia*")
        machine.run("mkdir", "-p", WHEELS)
        packed = subprocess.run(["tar", "-C", wheels, "-c", "."], check=True, capture_output=True).stdout
        subprocess.run(machine.command("tar", "-C", WHEELS, "-x"), input=packed, check=True)
        machine.write("/usr/local/sbin/apt-get", '#!/bin/sh\necho "$@" >> /srv/asked-of-apt\n', 0o755)
        python = getattr(sys, "_base_executable", sys.executable)
        machine.write("/usr/local/bin/python3", f'#!/bin/sh\nexec {python} "$@"\n', 0o755)
        environment = {
            "PATH": PATH,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": WHEELS,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        for block in blocks():
            words = ["env", "-C", str(ROOT), "bash", "-e", "-o", "pipefail", "-c", block.script]
            done = subprocess.run(
                machine.command(*words), env={**environment, "HOME": "/root", "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=280,
            )  # fmt: skip
            assert done.returncode == block.status, f"{block.script}\n{done.stdout}\n{done.stderr}"
            assert block.is_written(done.stdout), f"{block.script}\n{done.stdout}\n{done.stderr}"
        metrics = machine.root("/var/lib/prometheus/node-exporter/dysnomia.prom").read_text()
        assert 'dysnomia_component_level{container="shop",component="orders",type="sqlite-database"} 0' in metrics
        (asked,) = machine.root("/srv/asked-of-apt").read_text().splitlines()
        for package in asked.split()[2:]:
            machine.run("apt-cache", "show", package)
