"""The generated parts of docs/: the key table from the registry of actions, the example from its file.

``python -m tests.readme`` writes them again; a test fails where they are stale.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
DIFFERENCES = ROOT / "tests" / "compat" / "differences.toml"
EXAMPLE = ROOT / "tests" / "examples" / "textfile.py"
PROJECT = ROOT / "tests" / "examples" / "pyproject.toml"


def key_table() -> str:
    """The keys, as the registry has them; the action's name is what ``config.toml`` remaps by."""
    from dysnomia_tui.app.actions.registry import ACTIONS, key_name

    rows = ["| keys | action | where | what it does |", "| --- | --- | --- | --- |"]
    for action in ACTIONS:
        keys = " ".join(f"`{key_name(key)}`" for key in action.keys)
        cells = (keys, action.id, action.scope, action.help)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def example() -> str:
    """The example plugin."""
    return f"```python\n{EXAMPLE.read_text('utf-8').rstrip()}\n```"


def differences() -> str:
    """Where our commands do something else than Dysnomia's, as the compatibility suite has it."""
    rows = ["| Dysnomia 0.10.2 | here |", "| --- | --- |"]
    for said in tomllib.loads(DIFFERENCES.read_text("utf-8")).values():
        rows.append(f"| {said['theirs']} | {said['ours']} |".replace("||", "\\|\\|"))
    return "\n".join(rows)


def applications() -> str:
    """Which applications are recognised, from the table."""
    from dysnomia_tui.engine.applications.table import entries

    rows = [
        "| application | recognised by | what belongs to it | known from | tried |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in entries().values():
        files = "<br>".join(f"`{path}`" for where in one.where for path in where.files)
        where = one.where[-1]
        parts = {"folders": ["folders"] if where.folders else [], "database": ["database"] if where.database else []}
        order = ", then ".join(part for kind in one.order for part in parts[kind])
        stopped = f"; stopped by `{' '.join(where.before[:2])} …`" if where.before else ""
        tried = "yes, in the tests" if one.tested else "no: recognised from its documentation, not run here"
        rows.append(f"| {one.title} | {files} | {order}{stopped} | [its documentation]({one.source}) | {tried} |")
    return "\n".join(rows)


def project() -> str:
    """The example's project file."""
    return f"```toml\n{PROJECT.read_text('utf-8').rstrip()}\n```"


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "keys": ("keys.md", key_table),
    "differences": ("differences.md", differences),
    "applications": ("applications.md", applications),
    "plugin": ("plugins.md", example),
    "project": ("plugins.md", project),
}
"""Each generated part: the page it is on, and what makes it."""


def page(name: str) -> Path:
    """The page of docs/ with that file name."""
    return DOCS / name


def generated(name: str, text: str) -> str:
    """``text``, which is the page called ``name``, with its generated parts made anew."""
    for part, (home, make) in PARTS.items():
        if home == name:
            text = replaced(text, part, make())
    return text


def replaced(text: str, name: str, content: str) -> str:
    """``text`` with ``content`` between the marks called ``name``. Raises ValueError where they are not there."""
    made, count = re.subn(
        rf"(<!-- {name}:[^\n]*-->\n).*?(<!-- /{name} -->)",
        lambda found: f"{found[1]}{content}\n{found[2]}",
        text,
        flags=re.DOTALL,
    )
    if count != 1:
        raise ValueError(f"the page has {count} parts called {name!r}")
    return made


def main() -> None:
    for name in sorted({home for home, _ in PARTS.values()}):
        page(name).write_text(generated(name, page(name).read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
