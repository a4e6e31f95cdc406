"""The files a case begins with, the call, and what is seen afterwards."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CASES = HERE / "cases"
FACTS = HERE / "facts"
MODULES = HERE / "modules"
ROOT = "@T@"
"""Stands for the case's own folder, in calls and in what is seen."""
SEEN = ("snapshots", "generations", "checksums", "activated", "garbage")
"""Dysnomia's own folders of a store: ours stand beside, and are none of its business."""
LIMIT = 120


@dataclass(frozen=True)
class Case:
    """One call. Every string may hold ``@T@``, and ``@one@`` for the id of the snapshot whose content is "one"."""

    name: str
    run: tuple[str, ...]
    world: str
    first: tuple[tuple[str, ...], ...] = ()
    """Calls before it, whose outcome is not looked at."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Besides the world's; an empty value takes a variable away."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Besides the world's."""
    stdin: str = ""
    terminal: bool = False
    """Standard input, output and error are a terminal."""
    root: bool = False
    """Needs root."""
    cwd: str = "."
    differs: str = ""
    """The difference (of differences.toml) that explains why our outcome is another."""
    ours: Mapping[str, Any] = field(default_factory=dict)
    """What of our outcome is another: ``stdout``, ``exit`` (0 or "not 0"), ``files`` (path -> content, "" for gone)."""


@dataclass(frozen=True)
class Seen:
    """What a call did."""

    exit: int
    stdout: str
    files: Mapping[str, str]
    stderr: str = ""


def read_cases(path: Path) -> Iterator[Case]:
    for said in tomllib.loads(path.read_text("utf-8"))["case"]:
        run = tuple(said.pop("run"))
        first = tuple(tuple(call) for call in said.pop("first", ()))
        yield Case(**said, run=run, first=first)


def worlds() -> Mapping[str, Any]:
    found: Mapping[str, Any] = tomllib.loads((HERE / "worlds.toml").read_text("utf-8"))
    return found


def snapshot_id(content: str) -> str:
    """The id that the module ``jar`` gives a file's content."""
    return hashlib.sha256(content.encode()).hexdigest()


class Machine:
    """A folder with a case's files in it, and the environment that leads there and nowhere else."""

    def __init__(self, root: Path, case: Case, path: Sequence[Path], extra: Mapping[str, str]) -> None:
        self.root = root
        self.case = case
        self._world = worlds()[case.world]
        self._path = path
        self._extra = extra
        self._build()

    def text(self, text: str) -> str:
        text = re.sub(r"@([a-z]+)@", lambda found: snapshot_id(f"{found[1]}\n"), text)
        return text.replace(ROOT, str(self.root))

    def _build(self) -> None:
        for name, content in self._world.get("files", {}).items():
            self._write(name, content)
        for name, target in self._world.get("links", {}).items():
            path = self.root / self.text(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(self.text(target))
        for key, contents in self._world.get("generations", {}).items():
            for number, content in enumerate(contents, 1):
                self._generation(key, number, content)
        for name in self._world.get("gone", ()):
            (self.root / self.text(name)).unlink()
        for name, content in self.case.files.items():
            self._write(name, content)

    def _write(self, name: str, content: str) -> None:
        path = self.root / self.text(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("@module "):
            path.write_bytes((MODULES / content.split()[1]).read_bytes())
            path.chmod(0o755)
        else:
            path.write_text(self.text(content))

    def _generation(self, key: str, number: int, content: str) -> None:
        name = snapshot_id(content)
        self._write(f"state/snapshots/{key}/{name}/jar", content)
        digest = hashlib.sha256(f".\n./jar\n\n{content}".encode()).hexdigest()
        self._write(f"state/checksums/{key}/{name}", f"sha256:{digest}")
        link = self.root / "state/generations" / key / str(number)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../../snapshots/{key}/{name}")

    @property
    def environment(self) -> dict[str, str]:
        root = self.root
        variables = {
            "HOME": f"{root}/home",
            "PATH": os.pathsep.join((*map(str, self._path), "/usr/bin", "/bin", "/usr/sbin", "/sbin")),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
            "DYSNOMIA_STATEDIR": f"{root}/state",
            "DYSNOMIA_CONTAINERS_PATH": f"{root}/etc/containers",
            "DYSNOMIA_COMPONENTS_PATH": f"{root}/etc/components",
            "DYSNOMIA_MODULES_PATH": f"{root}/modules",
            "DYSNOMIA_PROPERTIES": f"{root}/etc/properties",
            **self._extra,
        }
        variables |= {name: self.text(value) for name, value in self.case.env.items()}
        return {name: value for name, value in variables.items() if value}

    def call(self, argv: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        words = [self.text(word) for word in argv]
        program = next((str(one / words[0]) for one in self._path if (one / words[0]).exists()), words[0])
        return subprocess.run(
            [program, *words[1:]], env=self.environment, cwd=self.root / self.case.cwd, input=stdin,
            capture_output=True, text=True, check=False, timeout=LIMIT,
        )  # fmt: skip

    def call_in_terminal(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """The same on a terminal, of whose screen nothing is looked at."""
        words = [self.text(word) for word in argv]
        program = next((str(one / words[0]) for one in self._path if (one / words[0]).exists()), words[0])
        ours, theirs = pty.openpty()
        child = subprocess.Popen(
            [program, *words[1:]], env=self.environment, cwd=self.root / self.case.cwd,
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        return subprocess.CompletedProcess(argv, child.wait(LIMIT), "", shown.decode("utf-8", "replace"))

    def observe(self) -> Seen:
        """Carry the case out."""
        for argv in self.case.first:
            self.call(argv)
        done = self.call_in_terminal(self.case.run) if self.case.terminal else self.call(self.case.run, self.case.stdin)
        return Seen(done.returncode, done.stdout.replace(str(self.root), ROOT), self.files(), done.stderr)

    def files(self) -> dict[str, str]:
        """Files and links of Dysnomia's folders of the store, of the live state and of what calls write."""
        found: dict[str, str] = {}
        for top in (*(f"state/{name}" for name in SEEN), "live", "incoming", "out"):
            for path in sorted((self.root / top).rglob("*")):
                name = path.relative_to(self.root).as_posix()
                if path.is_symlink():
                    found[name] = f"-> {os.readlink(path)}"
                elif path.is_file():
                    found[name] = path.read_text("utf-8", "backslashreplace").replace(str(self.root), ROOT)
        return found
