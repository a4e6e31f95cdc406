"""A public function that raises says so in its docstring ("Raise", "Raises"), or the method that it overrides does."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.matrix import ROOT

PACKAGES = {
    "dysnomia_tui": ROOT / "dysnomia_tui",
    "dysnomia_plugins": ROOT / "plugins" / "dysnomia_plugins",
    "dysnomia_store": ROOT / "store" / "dysnomia_store",
    "dysnomia_base": ROOT / "store" / "dysnomia_base",
}
FOR_OTHERS = ROOT / "dysnomia_tui" / "share"
"""Files for other programs, run where this one cannot be imported."""
SAID = re.compile(r"\bRaises?\b")
OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def raises(function: ast.AST, caught: frozenset[str] = frozenset()) -> Iterator[ast.expr]:
    """What leaves a function that it raises anew: neither what it raises again or catches itself, nor what functions
    inside of it raise."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, OWN_SCOPE):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None and not _is_again(node.exc):
            if _name_of(node.exc) not in caught:
                yield node.exc
        elif isinstance(node, ast.Try):
            yield from raises(ast.Module(node.body, []), caught | _caught_by(node))
            for handler in node.handlers:
                yield from raises(handler, caught)
            yield from raises(ast.Module([*node.orelse, *node.finalbody], []), caught)
        else:
            yield from raises(node, caught)


def _caught_by(block: ast.Try) -> frozenset[str]:
    types = [handler.type for handler in block.handlers if handler.type is not None]
    named = [name for type_ in types for name in (type_.elts if isinstance(type_, ast.Tuple) else [type_])]
    return frozenset(map(ast.unparse, named))


def _name_of(raised: ast.expr) -> str:
    return ast.unparse(raised.func if isinstance(raised, ast.Call) else raised)


def _is_again(raised: ast.expr) -> bool:
    """Whether it is an error that was caught, or a method that a subclass has to give."""
    name = raised.func if isinstance(raised, ast.Call) else raised
    if isinstance(name, ast.Name) and name.id in ("NotImplementedError", "AssertionError"):
        return True
    return isinstance(raised, ast.Name) and not raised.id[:1].isupper()


def public_functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Functions and methods by their qualified names, without those that are private or inside of another."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_") or node.name == "__init__":
                yield f"{prefix}{node.name}", node
        elif not isinstance(node, OWN_SCOPE):
            yield from public_functions(node, prefix)


def documented(module: str, name: str) -> str:
    """The docstring of a function, an inherited one where it has none; of ``__init__`` the class's as well."""
    value: object = import_module(module)
    owner: object = None
    for part in name.split("."):
        owner, value = value, inspect.getattr_static(value, part)
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    own = getattr(value, "__doc__", None) or ""
    if not own and isinstance(owner, type):
        own = next((doc for base in owner.__mro__[1:] if (doc := _doc_of(base, name.rpartition(".")[2]))), "")
    return f"{own}\n{owner.__doc__ or ''}" if name.endswith("__init__") else own


def _doc_of(base: type, name: str) -> str:
    return getattr(base.__dict__.get(name), "__doc__", None) or ""


def silent() -> Iterator[str]:
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            if FOR_OTHERS in path.parents:
                continue
            names = [package, *path.relative_to(folder).with_suffix("").parts]
            module = ".".join(names[:-1] if names[-1] == "__init__" else names)
            for name, function in public_functions(ast.parse(path.read_text("utf-8"))):
                names_raised = sorted({_name_of(error) for error in raises(function)})
                docstring = documented(module, name)
                if names_raised and not SAID.search(docstring):
                    yield f"{_shown(path)}: {name} raises {', '.join(names_raised)}"
                for raised in names_raised:
                    if not _is_said(getattr(import_module(module), raised, None), docstring):
                        yield f"{_shown(path)}: {name} raises {raised}, and its docstring names neither it nor a base"


def _is_said(error: object, docstring: str) -> bool:
    """Whether an error, or one that it is a kind of, is named; what is not the name of a class here counts as said."""
    if not isinstance(error, type):
        return True
    return any(base.__name__ in docstring for base in error.__mro__ if base not in (Exception, BaseException, object))


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_public_function_that_raises_says_so() -> None:
    assert list(silent()) == []
