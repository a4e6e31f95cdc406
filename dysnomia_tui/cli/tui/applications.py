"""``dysnomia-tui applications``: applications that are installed here, each as the group that it would be."""

from __future__ import annotations

import argparse

from dysnomia_tui.cli.shared.jobs import settle
from dysnomia_tui.cli.shared.output import visible, write_json, write_line
from dysnomia_tui.cli.shared.parser import Usage, load, open_engine
from dysnomia_tui.engine.errors import Exit, Unanswered, Unknown
from dysnomia_tui.engine.records import Application


def applications(args: argparse.Namespace) -> int:
    """List them, show what one would be, or adopt it. Raises Usage, Unknown, Unanswered."""
    if (args.adopt or args.dry_run) and args.name is None:
        raise Usage("no application was named", "see dysnomia-tui applications")
    engine = open_engine(load(args.statedir), read_only=not args.adopt)
    discovered = engine.discovered()
    if discovered.problem:
        raise Unanswered(discovered.problem, "try again when the machine is less busy")
    applications_here = discovered.applications
    if args.name is None:
        return _list(applications_here, as_json=args.json)
    chosen = next((one for one in applications_here if one.name == args.name), None)
    if chosen is None:
        names = ", ".join(one.name for one in applications_here) or "none"
        raise Unknown(f"no application {args.name!r} is to be adopted here", f"found: {names}")
    if not args.adopt and not args.dry_run:
        return _list([chosen], as_json=args.json)
    plan = engine.plan_adopt_application(chosen)
    return settle(engine, plan, why=args.reason, dry_run=args.dry_run, no_wait=args.no_wait, as_json=args.json)


def _list(applications_here: list[Application] | tuple[Application, ...], *, as_json: bool) -> int:
    if as_json:
        write_json(list(applications_here))
        return Exit.OK
    for one in applications_here:
        for line in lines(one):
            write_line(visible(line))
    return Exit.OK


def lines(application: Application) -> list[str]:
    """What there is to say of one."""
    how = "tested" if application.tested else "from its documentation, not tested"
    shown = [f"{application.name}: {application.title} ({how}), by {application.config}"]
    for part in application.parts:
        state = "configured" if part.configured else part.type
        shown.append(f"  {part.key}  {state}  {part.detail}".rstrip())
    shown += [
        f"  {name}: {' '.join(argv)}"
        for name, argv in (("before", application.before), ("after", application.after))
        if argv
    ]
    shown += [f"  note: {text}" for text in application.notes]
    shown += [f"  not to be adopted: {text}" for text in application.problems]
    return [*shown, f"  source: {application.source}"]
