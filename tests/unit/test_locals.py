"""Variables are called what they hold: a match, a reply, a path, and not "found" or "said"."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.matrix import ROOT

EMPTY = frozenset({"found", "said", "there", "told", "mine"})
ROOMS = ("dysnomia_tui", "plugins/dysnomia_plugins", "store")
FOR_OTHERS = ROOT / "dysnomia_tui" / "share"
"""Files for other programs."""


def empty_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of variables and parameters of functions; one whose type is called ``Found`` may be called so."""
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    seen: dict[tuple[int, str], None] = {}
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.AnnAssign) and "Found" in ast.unparse(node.annotation):
                continue
            if isinstance(node, ast.arg) and node.arg in EMPTY:
                if node.annotation is None or "Found" not in ast.unparse(node.annotation):
                    seen[node.lineno, node.arg] = None
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in EMPTY:
                seen[node.lineno, node.id] = None
    yield from seen


def test_no_variable_has_an_empty_name() -> None:
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if FOR_OTHERS not in path.parents]
    assert [
        f"{path.relative_to(ROOT)}:{line}: {name}: call it what it holds"
        for path in files
        for line, name in empty_names(ast.parse(path.read_text("utf-8")))
    ] == []


@pytest.mark.parametrize(
    "text",
    ["found = 1", "for said in x: pass", "lambda told: told", "with open(x) as there: pass", "[mine for mine in x]"],
)
def test_one_is_seen(text: str) -> None:
    assert len(list(empty_names(ast.parse(f"def f(x):\n    {text}")))) == 1


def test_what_was_found_may_be_called_so() -> None:
    assert list(empty_names(ast.parse("def f(found: Sequence[Found]):\n    pass"))) == []
