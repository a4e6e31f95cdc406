"""Programs on this machine that serve repositories, by how they were started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Svnserve:
    """A ``svnserve`` that runs."""

    pid: int
    who: str
    root: str
    """What it serves (``-r``); ``/`` where it was not told."""

    def __str__(self) -> str:
        return f"svnserve (pid {self.pid}, {self.who})"


def svnserves() -> Iterator[Svnserve]:
    """Every one that can be seen."""
    for process in psutil.process_iter(["pid", "name", "username", "cmdline"]):
        if process.info["name"] != "svnserve":
            continue
        root = root_of(process.info["cmdline"] or [])
        yield Svnserve(process.info["pid"], process.info["username"] or "?", root)


def root_of(line: list[str]) -> str:
    """The root that a command line names: ``-r X``, ``-rX``, ``--root X``, ``--root=X``."""
    words = iter(line[1:])
    for word in words:
        if word in ("-r", "--root"):
            return os.path.realpath(next(words, "/"))
        if word.startswith("--root="):
            return os.path.realpath(word.removeprefix("--root="))
        if word.startswith("-r") and not word.startswith("--") and len(word) > 2:
            return os.path.realpath(word[2:])
    return "/"


def serving(path: str) -> list[Svnserve]:
    """Those that serve a repository."""
    return [one for one in svnserves() if one.root == path or path.startswith(one.root.rstrip("/") + "/")]
