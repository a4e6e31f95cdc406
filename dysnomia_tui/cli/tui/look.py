"""``dysnomia-tui look``: ask the servers of containers with ``components=*`` what they hold, and keep it."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator

from dysnomia_base.plurals import plural
from dysnomia_tui.cli.shared.output import jsonable, visible, write_json, write_lines
from dysnomia_tui.cli.shared.parser import load, open_engine
from dysnomia_tui.engine.errors import Exit, ReadOnly, Unknown
from dysnomia_tui.engine.records import ContainerView, Health


def look(args: argparse.Namespace) -> int:
    """Exit 0 where all answered, else that of a server that is not there. Raises Unknown, ReadOnly."""
    engine = open_engine(load(args.statedir))
    if engine.read_only:
        raise ReadOnly(f"no server was asked: {engine.read_only}", "what it holds is kept in the state directory")
    every = [one.name for one in engine.overview().containers if one.look is not None]
    for name in args.container:
        if name not in every:
            raise Unknown(f"no container {name!r} has components=*", f"these have: {', '.join(every) or 'none'}")
    wanted: Collection[str] = args.container or every
    problems = engine.look_at_servers(wanted, accept=args.accept)
    views = [one for one in engine.overview().containers if one.name in wanted]
    if args.json:
        write_json([jsonable(one.look) for one in views])
    else:
        write_lines(visible(line) for view in views for line in _lines(view, problems.get(view.name, "")))
    return Exit.UNAVAILABLE if problems else Exit.OK


def _lines(view: ContainerView, problem: str) -> Iterator[str]:
    assert view.look is not None
    if problem:
        known = f"; known of {view.look.at:%Y-%m-%d %H:%M} UTC" if view.look.at is not None else ""
        yield f"{view.name}: what it holds is not known: {problem}{known}"
    else:
        remark = f"; {view.look.remark}" if view.look.remark else ""
        yield f"{view.name}: {plural(view.look.components, 'component')}{remark}"
    for one in view.components:
        word = "dropped" if one.dropped else "new" if one.health is Health.NEVER else ""
        yield f"  {one.key}" + (f"  ({word})" if word else "")
