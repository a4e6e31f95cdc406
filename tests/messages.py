"""Every sentence that an operator can read, with its place: ``python -m tests.messages [ROOM]``.

Found in the source by position: what is given to an error, a finding, a plan's step or warning, the log of a job, the
help of an option or an action, a notice of the app. f-strings show their fields as ``{…}``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("store", "plugins", "dysnomia_tui")
SPOKEN = frozenset({
    "say", "log", "Finding", "warn", "block", "Step", "notify", "Usage", "refuse", "plain", "add_argument", "_a",
    "Action", "Alarm", "Probe", "add", "note", "error", "Outcome",
})  # fmt: skip
"""Calls besides raising, whose texts are shown."""
ENDINGS = (
    "Error", "Safe", "Rejected", "Missing", "Stale", "Unknown", "Refused", "Understood", "Fault", "Archive", "Way",
    "Locked", "Database", "Found", "Usage",
)  # fmt: skip
"""How the names of our errors end, where one is made to be raised elsewhere. What is raised at once always counts."""


@dataclass(frozen=True, slots=True)
class Message:
    """One text, and where it is written."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def messages(root: Path = ROOT, rooms: tuple[str, ...] = ROOMS) -> Iterator[Message]:
    """All of them, file by file."""
    for room in rooms:
        for path in sorted((root / room).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            raised = {id(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and (id(node) in raised or _shows(node)):
                    for value in (*node.args, *(keyword.value for keyword in node.keywords)):
                        text = _text(value)
                        if " " in text.strip():
                            yield Message(path.relative_to(root), value.lineno, text)


def _shows(call: ast.Call) -> bool:
    called = call.func
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return name in SPOKEN or (name[:1].isupper() and name.endswith(ENDINGS))


def _text(value: ast.expr) -> str:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in value.values)
    return ""


def main() -> None:
    for message in messages(rooms=tuple(sys.argv[1:]) or ROOMS):
        print(message)


if __name__ == "__main__":
    main()
