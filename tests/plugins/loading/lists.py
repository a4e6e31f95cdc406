"""Every list that a type of state has to be in, and which of them forgot one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

TYPES = Path("plugins/dysnomia_plugins/types")
_TYPE = re.compile(r"^    type(?:: ClassVar\[str\])? = \"([a-z0-9-]+)\"$", re.MULTILINE)
_COLUMN = re.compile(r"^    column = \"([^\",]+)|^column = \"([^\",]+)", re.MULTILINE)


def types_in(root: Path) -> dict[str, str]:
    """The types whose code is under ``types/``: the module of each, by type."""
    found = {}
    for path in sorted((root / TYPES).rglob("*.py")):
        for name in _TYPE.findall(path.read_text("utf-8")):
            relative = path.relative_to(root / "plugins").with_suffix("")
            found[name] = ".".join(relative.parts)
    return found


def forgotten(root: Path) -> Iterator[str]:
    """What is missing for each type, in words: the file of the list, and the type."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    points = project["project"]["entry-points"]["dysnomia.plugins"]
    table = (root / "docs" / "configuration.md").read_text("utf-8")
    columns = set(_columns(root))
    independent = next(
        contract["modules"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "independence"
    )
    if independent != ["dysnomia_plugins.types.*"]:
        yield "pyproject.toml: the independence contract does not hold for every type"
    for name, module in types_in(root).items():
        if not points.get(name, "").startswith(f"{module.split('.plugin')[0]}"):
            yield f"pyproject.toml: no entry point for {name}"
        if f"`{name}`" not in table:
            yield f"docs/configuration.md: {name} is not in the table of types"
        if name not in columns and name not in STATELESS:
            yield f"tests/plugins: no conformance class has the column {name}"


STATELESS = frozenset({"echo", "wrapper"})
"""Types that hold no state of their own: no conformance suite, so no column in the matrix."""


def _columns(root: Path) -> Iterator[str]:
    for path in (root / "tests" / "plugins").rglob("test_*.py"):
        for inside, outside in _COLUMN.findall(path.read_text("utf-8")):
            yield inside or outside
