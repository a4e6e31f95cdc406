"""A machine of its own for a test: configuration, store and live state in one folder, and the commands run on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.measured import measured

BIN = Path(sys.executable).parent
MODULES = Path(__file__).parent / "modules"


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class World:
    """The folder, and the environment that leads to it and to nothing else of this machine's."""

    root: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    bin: Path = BIN
    """Where the commands are: those of another environment, for a package installed there."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.root / "home"),
            "PATH": f"{self.bin}:{os.defpath}",
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "XDG_DATA_HOME": str(self.root / "data"),
            "DYSNOMIA_STATEDIR": str(self.root / "state"),
            "DYSNOMIA_CONTAINERS_PATH": str(self.root / "containers"),
            "DYSNOMIA_COMPONENTS_PATH": str(self.root / "components"),
            "DYSNOMIA_MODULES_PATH": str(MODULES),
            **measured(),
            **self.extra,
        }

    @property
    def state(self) -> Path:
        return self.root / "state"

    def container(self, name: str, **properties: str) -> None:
        """Write a container's file."""
        path = self.root / "containers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f'{key}="{value}"\n' for key, value in properties.items()))

    def component(self, key: str, file: str, text: str) -> None:
        """Write a file of the component ``container/component``."""
        path = self.root / "components" / key / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self, *argv: str, through: Sequence[str] = (), **options: Any) -> subprocess.Popen[str]:
        """Start a command and do not wait for it. ``through``: the words of a program that becomes it."""
        return subprocess.Popen(
            [*through, str(self.bin / argv[0]), *argv[1:]],
            env=self.environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *argv: str, status: int | None = 0, stdin: str | None = None, through: Sequence[str] = ()) -> Done:
        """Run a command to its end; ``status`` is what it has to exit with (None: anything). ``through``: the words of
        a program that becomes it.

        Fails where a traceback was shown, whatever the status."""
        done = subprocess.run(
            [*through, str(self.bin / argv[0]), *argv[1:]],
            env=self.environment,
            cwd=self.root,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if status is not None:
            assert done.returncode == status, f"{argv} exits with {done.returncode}: {done.stdout}{done.stderr}"
        return Done(done.returncode, done.stdout, done.stderr)

    def jobs(self) -> list[dict[str, Any]]:
        """The jobs there are, as the command tells."""
        found: list[dict[str, Any]] = self.run("dysnomia-tui", "jobs", "--json").json
        return found
