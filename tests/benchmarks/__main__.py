"""``python -m tests.benchmarks [part …] [--readme]``: the figures, each with its limit measured in the same run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from tests.benchmarks import difference, hanging, mariadb, postgres, redis, scale, screen
from tests.benchmarks.measure import Figure, table


def _large_store() -> Sequence[Figure]:
    with scale.large_store() as state:
        return [*scale.listing(state), *scale.planning(state), *screen.measure(state)]


PARTS: dict[str, Callable[[], Sequence[Figure]]] = {
    "postgres": postgres.measure,
    "mariadb": mariadb.measure,
    "redis": redis.measure,
    "store": _large_store,
    "check": scale.checking,
    "diff": difference.measure,
    "hanging": hanging.measure,
}


def main() -> int:
    """Measure, print, and return 1 where a figure is over its limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    for name in args.parts or PARTS:
        print(f"measuring {name}…", file=sys.stderr, flush=True)
        figures.extend(PARTS[name]())
    print(table(figures))
    if args.readme:
        from tests.readme import README, replaced

        README.write_text(replaced(README.read_text("utf-8"), "bench", table(figures)), "utf-8")
    return 0 if all(figure.held for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
