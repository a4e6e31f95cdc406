"""What an operator types, with a configuration and a store of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class Operator:
    """Root, on a machine where nothing is configured yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config" / "dysnomia-tui" / "config.toml"
        self.config.parent.mkdir(parents=True)
        self.config.write_text('labels = ["OWN"]')  # without a newline at its end
        self.said: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DYSNOMIA_")}
        bin_ = Path(sys.executable).parent
        return {
            **kept,
            "PATH": f"{bin_}:{kept['PATH']}",
            "HOME": str(self.root),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "DYSNOMIA_STATEDIR": str(self.root / "state"),
            "DYSNOMIA_CONTAINERS_PATH": str(self.root / "containers"),
            "DYSNOMIA_COMPONENTS_PATH": str(self.root / "components"),
        }

    def run(self, *words: str) -> str:
        """Standard output of a command that has to succeed; what it said on both is kept."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False, timeout=300)
        self.said.append(done.stdout + done.stderr)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def all_found(self, config: Path) -> list[dict[str, Any]]:
        """The applications that were recognised by a file."""
        found: list[dict[str, Any]] = json.loads(self.run("dysnomia-tui", "applications", "--json"))
        return [one for one in found if one["config"] == str(config)]

    def found(self, config: Path) -> dict[str, Any]:
        (one,) = self.all_found(config)
        return one

    def mentions(self, secret: str) -> list[str]:
        """Where a secret is, in files and in what was said; not in snapshots, which hold what the database has."""
        texts = {str(index): text for index, text in enumerate(self.said)}
        for path in self.root.rglob("*"):
            if (
                path.is_file()
                and not path.is_symlink()
                and "frames" not in path.parts
                and "snapshots" not in path.parts
            ):
                texts[str(path)] = path.read_bytes().decode("utf-8", "replace")
        return [name for name, text in texts.items() if secret in text]
