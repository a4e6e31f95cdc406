"""Components of a type that only deploys, made and called inside a machine of the tests' own, by command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.plugins.systemd.machine import SystemdMachine

ROOT = Path(__file__).resolve().parents[2]
TELL = """
import json, sys
from dataclasses import asdict
from dysnomia_store.names import ComponentKey
from dysnomia_tui.cli.shared.parser import load
from dysnomia_tui.engine.engine import Engine
engine, key = Engine(load()), ComponentKey(*sys.argv[1:])
own = {}
while key not in own:  # a busy machine may not have asked every component in the time there is
    own = engine.probes(key.container, patient=True)[1]
said = {"condition": asdict(engine.condition(key)), "own": asdict(own[key])}
print(json.dumps(said, default=str))
"""


class Components:
    """Those of one container. ``inside`` is the folder of a component for files that are named without one."""

    def __init__(self, machine: SystemdMachine, container: str, properties: str, inside: str = "") -> None:
        self.machine = machine
        self.container = container
        self._inside = inside
        machine.write(f"/etc/dysnomia/containers/{container}", properties)

    def path(self, name: str) -> Path:
        return Path("/etc/dysnomia/components") / self.container / name

    def make(self, name: str, **files: str) -> Path:
        """A component with files, programs where they begin with ``#!``; a name with ``/`` is a path in it."""
        for file, text in files.items():
            inside = file if "/" in file else f"{self._inside}/{file}"
            self.machine.write(self.path(name) / inside, text, 0o755 if text.startswith("#!") else 0o644)
        return self.path(name)

    def dysnomia(self, operation: str, name: str, *, status: int = 0, container: str = "") -> str:
        """What an operation says; fails unless it ends with ``status``."""
        program = Path(sys.executable).with_name("dysnomia")
        words = (program, "-o", operation, "-C", container or self.container, "-c", name)
        done = self.machine.run("sh", "-c", '"$@" 2>&1; echo "status $?"', "sh", *words)
        assert done.rstrip().endswith(f"status {status}"), done
        return done

    def told(self, name: str) -> dict[str, Any]:
        """What the engine tells of a component: its condition, and its own part of its container's probe."""
        text = self.machine.run(sys.executable, "-c", TELL, self.container, name, cwd=ROOT)
        said: dict[str, Any] = json.loads(text)
        return said

    def there(self, database: str, name: str) -> str:
        return self.machine.run("getent", database, name, check=False).strip()

    def accounts(self, name: str) -> tuple[str, str]:
        """The user and the group of that name."""
        return self.there("passwd", name), self.there("group", name)

    def active(self) -> str:
        """What ``dysnomia-containers`` says is active."""
        program = Path(sys.executable).with_name("dysnomia-containers")
        return self.machine.run(program, "--query-activated-components")

    def running(self, name: str) -> list[str]:
        """The users whose programs in ``bin/`` of a component run, one for each."""
        there = self.machine.run("ps", "-e", "-o", "user:32=,stat=,args=").splitlines()
        return [line.split()[0] for line in there if f"{self.path(name)}/bin/" in line and line.split()[1][0] != "Z"]
