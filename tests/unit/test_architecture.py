"""ARCHITECTURE.md names files that are there, and the contracts hold every room that it does not call public."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.matrix import ROOT

MAP = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
BASES = (
    "", "dysnomia_tui", "dysnomia_tui/engine", "dysnomia_tui/app", "dysnomia_tui/cli", "plugins/dysnomia_plugins",
    "store", "store/dysnomia_store", "dysnomia_tui/cli/shared",
)  # fmt: skip
"""Below which a short path may be, where nothing before it in its cell says where."""
STATE = re.compile(
    r"^(frames|cache|listed|planned|notify|jobs|staging|snapshots|tmp)/|^(config\.toml|.*\.jsonl|plan\.json|request\.json)$"
)
"""What is below a state directory, or in a folder of configuration."""
TYPES = ROOT / "plugins" / "dysnomia_plugins" / "types"
PLACEHOLDER = re.compile(r"<[a-z]+>")
LISTED = re.compile(r"`([^`]+)` \(((?:[^()]|\([^()]*\))*)\)")
"""A folder, and the modules of it that are named in parentheses."""
CODE = re.compile(r"`([^`]+)`")
PATH = re.compile(r"[A-Za-z0-9_.<>*/-]+")
ENGINE, STORE = ROOT / "dysnomia_tui" / "engine", ROOT / "store" / "dysnomia_store"


def cells() -> Iterator[str]:
    """The cells of all tables, and the paragraphs."""
    for line in MAP.splitlines():
        yield from line.strip("|").split(" | ") if line.startswith("|") else [line]


def named(cell: str) -> Iterator[str]:
    """Paths and modules of ours that a cell names, in their order."""
    for word in CODE.findall(cell):
        if not PATH.fullmatch(word) or STATE.search(word):
            continue
        if "/" in word or word.endswith((".py", ".md", ".toml")):
            yield word
        elif re.fullmatch(r"(dysnomia_\w+|engine)(\.\w+)+", word):
            yield word.replace(".", "/")


def at(path: str, folders: list[Path]) -> Path | None:
    """What a short path means: beside what was named before it in its cell, or below one of the usual folders."""
    for pattern in (PLACEHOLDER.sub("*", path).rstrip("/"), f"{PLACEHOLDER.sub('*', path)}.py"):
        for folder in folders:
            place: Path | None = next(folder.glob(f"*/{pattern}" if folder == TYPES else pattern), None)
            if place is not None:
                return place
    return None


def missing(cell: str) -> Iterator[str]:
    """What a cell names and is not there."""
    before: list[Path] = []
    for path in named(cell):
        place = at(path, [*before, *(ROOT / base for base in BASES), TYPES])
        if place is None:
            yield path
        else:
            before.insert(0, place if place.is_dir() else place.parent)
    for path, inside in LISTED.findall(cell):
        folder = at(path.replace(".", "/"), [ROOT / base for base in BASES])
        if folder is None or not folder.is_dir():
            continue
        for module in re.findall(r"`([a-z_.]+)`", inside):
            if at(module.removeprefix("engine.").replace(".", "/"), [folder, TYPES]) is None:
                yield f"{module} in {path}"


def test_every_path_that_the_map_names_is_there() -> None:
    assert sum(len(list(named(cell))) for cell in cells()) > 150
    assert [f"{path} (in: {cell.strip()[:60]}…)" for cell in cells() for path in missing(cell)] == []


@pytest.mark.parametrize(
    "cell",
    [
        "`engine/operations/restart.py`",
        "`config/toml.py`, `modell.py`",
        "`engine/hosts` (`inventory`: which; `call`: ssh)",
    ],
)
def test_a_path_that_is_not_there_is_missed(cell: str) -> None:
    assert len(list(missing(cell))) == 1


def test_rooms_that_are_not_public_are_protected() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    protected = {module for contract in contracts for module in contract.get("protected_modules", ())}
    for package, folder, public in (
        ("dysnomia_tui.engine", ENGINE, {"plans"}),
        ("dysnomia_store", STORE, {"migrations", "records"}),
    ):
        rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
        assert {f"{package}.{room}" for room in rooms - public} - protected == set()


TOP = {
    "pyproject.toml", "dysnomia_tui", "plugins", "store", "tests", "screenshots", "docs", "Makefile", "LICENSE",
    "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md",
}  # fmt: skip


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no repository, so nobody knows what is kept of this folder")
def test_nothing_else_stands_at_the_top() -> None:
    """A store that a command made here by mistake, say."""
    kept = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {path.partition("/")[0] for path in kept.split("\0") if path}
    assert {name for name in top if not name.startswith(".")} == TOP
