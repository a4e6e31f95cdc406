"""Building wheels and installing them into environments of their own. The network is asked for the index alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"


def run(argv: list[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def build(source: Path, folder: Path) -> Path:
    """The wheel of a source tree."""
    run([*PIP, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source)])
    (made,) = folder.glob("*.whl")
    return made


def environment_with(folder: Path, *wheels: Path) -> Path:
    """The ``bin`` of a new environment in which there is nothing but the wheels and what they ask for."""
    venv.create(folder, with_pip=False)
    install(folder / "bin", *wheels)
    return folder / "bin"


def copy_of(bin_folder: Path, folder: Path) -> Path:
    """The ``bin`` of a copy of an environment: its commands begin with the path of the copy's Python."""
    shutil.copytree(bin_folder.parent, folder, symlinks=True)
    for path in (folder / "bin").iterdir():
        if not path.is_symlink() and (content := path.read_bytes()).startswith(b"#!"):
            path.write_bytes(content.replace(bytes(bin_folder.parent), bytes(folder)))
    return folder / "bin"


def install(bin_folder: Path, *wheels: Path) -> None:
    """Install wheels into an environment."""
    python = str(bin_folder / "python")
    run([*PIP, "--python", python, "install", "--constraint", str(CONSTRAINTS), *map(str, wheels)])
