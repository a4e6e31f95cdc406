"""``dysnomia -o put-back``: which rows or files of a generation are to be in live again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.parser import Usage

if TYPE_CHECKING:
    from dysnomia_tui.engine import RowsAsked


def check(args: argparse.Namespace) -> None:
    """Raises Usage where it is not said of what."""
    if args.generation is None:
        raise Usage("put-back: no generation specified", "name it with --generation")
    if not args.section:
        raise Usage("put-back: no section specified", "name it with --section: --section table:orders")
    if len(args.section) != 1 and (args.row or args.rows):
        raise Usage("put-back takes the rows of one section", "name it with --section: --section table:orders")


def rows_asked(args: argparse.Namespace) -> list[RowsAsked]:
    """Rows of a section, or sections that are whole (files). Raises Usage, OSError."""
    from dysnomia_tui.engine import RowsAsked

    if not (args.row or args.rows):
        keys: tuple[tuple[str, ...], ...] = () if args.lacking else ((),)
        return [RowsAsked(section, keys, lacking=args.lacking) for section in dict.fromkeys(args.section)]
    texts = (*args.row, *(_lines(args.rows) if args.rows else ()))
    return [RowsAsked(args.section[0], texts=tuple(dict.fromkeys(texts)), lacking=args.lacking)]


def _lines(name: str) -> list[str]:
    """The keys of a file, one a line; empty lines are none. A key may hold what else ends a line for Unicode."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise Usage(f"{name} is not UTF-8", "write one key per line, as UTF-8") from None
    return [line for line in text.replace("\r\n", "\n").split("\n") if line]
