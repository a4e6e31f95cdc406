"""``dysnomia-tui plugins``: the types known here, where each comes from, and whether what it needs is installed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.output import visible, write_json, write_line
from dysnomia_tui.cli.shared.parser import load
from dysnomia_tui.engine.errors import Exit

if TYPE_CHECKING:
    from dysnomia_tui.engine import TypeView


def plugins(args: argparse.Namespace) -> int:
    """Types that cannot be used are listed too, and say why."""
    from dysnomia_tui.engine import Machine, types

    known = types(Machine(load(args.statedir)).registry)
    if args.json:
        write_json([_record(one) for one in known])
        return Exit.OK
    name = max((len(one.type) for one in known), default=0)
    title = max((len(one.title) for one in known), default=0)
    origin = max((len(one.origin) for one in known if not one.origin.startswith("/")), default=0)
    for one in known:
        line = f"{one.type:<{name}}  {one.title:<{title}}  {one.origin:<{origin}}  {needs(one)}"
        write_line(visible(line.rstrip()))
    return Exit.OK


def needs(view: TypeView) -> str:
    """What it needs, and what of it is missing: ``psql, pg_dump``."""
    if view.problem:
        return f"CANNOT BE USED: {view.problem}"
    if view.missing:
        names = ", ".join(tool.name for tool in view.missing)
        return f"MISSING {names}: apt-get install {' '.join(view.missing_packages)}"
    return f"needs {', '.join(tool.name for tool in view.tools)}: installed" if view.tools else "needs nothing more"


def _record(view: TypeView) -> dict[str, object]:
    return {
        "type": view.type,
        "title": view.title,
        "from": view.origin,
        "module": view.module,
        "state": view.holds_state,
        "activities": list(view.activities),
        "tools": [{"name": tool.name, "path": tool.path, "package": tool.package} for tool in view.tools],
        "missing_packages": list(view.missing_packages),
        "problem": view.problem,
    }
