"""``python -m tests.benchmarks [part …] [--readme]``: the figures, each with its limit measured in the same run.

A part is found by standing in the ``PARTS`` of a module in this folder.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pkgutil import iter_modules

import tests.benchmarks
from tests.benchmarks.measure import Figure, Part, conditions, table


def found_parts() -> dict[str, Part]:
    """Every part by name, in their order."""
    names_here = (one.name for one in iter_modules(tests.benchmarks.__path__) if one.name != "__main__")
    modules = [import_module(f"{tests.benchmarks.__name__}.{name}") for name in names_here]
    parts = sorted((part for module in modules for part in getattr(module, "PARTS", ())), key=lambda part: part.order)
    names = {part.name: part for part in parts}
    if len(names) != len(parts):
        raise ValueError("two parts of one name")
    return names


def main() -> int:
    """Measure, print, and return 1 where a figure is over its limit."""
    parts = found_parts()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    usual = [name for name, part in parts.items() if not part.by_name]
    by_name = ", ".join(sorted(set(parts) - set(usual)))
    text = f"of {', '.join(parts)} (default: all, less what takes long: {by_name})"
    parser.add_argument("parts", nargs="*", metavar="part", help=text)
    parser.add_argument("--readme", action="store_true", help="write the table into docs/figures.md, of all parts")
    args = parser.parse_args()
    unknown = set(args.parts) - set(parts)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if args.readme and args.parts:
        parser.error("docs/figures.md shows all parts: name none")
    about = conditions()
    figures: list[Figure] = []
    for name in args.parts or usual:
        print(f"measuring {name}…", file=sys.stderr, flush=True)
        measured = parts[name].measure()
        print(table(measured), file=sys.stderr, flush=True)  # of a run that is broken off, this much is known
        figures.extend(measured)
    print(about, table(figures), sep="\n\n")
    if args.readme:
        _write_readme(f"{about}\n\n{table(figures)}")
    return 0 if all(figure.held for figure in figures) else 1


def _write_readme(text: str) -> None:
    from tests.readme import page, replaced

    page("figures.md").write_text(replaced(page("figures.md").read_text("utf-8"), "bench", text), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
