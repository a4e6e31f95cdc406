"""``dysnomia-tui group``: an application snapshotted, restored to a time, and undone as one."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.jobs import settle
from dysnomia_tui.cli.shared.moments import moment
from dysnomia_tui.cli.shared.output import say, visible, write_json, write_line
from dysnomia_tui.cli.shared.parser import Usage, load, open_engine
from dysnomia_tui.engine.errors import Exit, Unknown

if TYPE_CHECKING:
    from dysnomia_tui.engine.engine import Engine
    from dysnomia_tui.engine.plans.plan import Plan


def group(args: argparse.Namespace) -> int:
    """Do it, or show where each component was. Raises Usage."""
    settings = load(args.statedir)
    if args.at and args.action in ("snapshot", "undo"):
        raise Usage("--at goes with restore")
    if args.action == "restore" and not args.at:
        raise Usage("no time was given", "give one with --at, as --at '14:05' or --at -2h")
    when = moment(args.at or "now", settings, "--at")
    engine = open_engine(settings, read_only=args.action == "show", dry_run=args.dry_run)
    if args.action == "show":
        return _show(engine, args, when)
    if not args.dry_run:
        _recover(engine)
    return settle(
        engine, _plan(engine, args, when), why=args.reason, dry_run=args.dry_run, no_wait=args.no_wait,
        as_json=args.json, yes_untrusted=args.yes_untrusted,
    )  # fmt: skip


def _recover(engine: Engine) -> None:
    """What a job left that was killed comes first: a plan is made of what is live then."""
    for job in engine.recover():
        say(f"job {job.id}: {job.title}")
        for event in engine.follow(job.id):
            if event.kind == "result":
                say(f"job {job.id}: {event.data.get('message', '')}")


def _plan(engine: Engine, args: argparse.Namespace, when: datetime) -> Plan:
    if args.action == "snapshot":
        return engine.plan_group_snapshot(args.name, text=args.reason)
    if args.action == "restore":
        return engine.plan_group_restore(args.name, when, text=args.reason)
    return engine.plan_undo(_last_restore(engine, args.name))


def _last_restore(engine: Engine, name: str) -> str:
    """The job that restored the group last. None older, and no undo: either would be a surprise. Raises Unknown."""
    for job in engine.jobs():
        if job.of_whole_group == name and job.details.get("action") != "snapshot":
            if job.undoable and job.details.get("action") == "restore":
                return job.id
            break
    raise Unknown(f"no restore of group {name} is to be undone", "see dysnomia-tui jobs, and undo one by its number")


def _show(engine: Engine, args: argparse.Namespace, when: datetime) -> int:
    members = engine.standing(args.name, when)
    if args.json:
        write_json([
            {
                "component": str(one.key),
                "generation": one.generation.number if one.generation else None,
                "as_of": one.generation.as_of if one.generation else None,
                "newer": one.newer,
                "new": one.new,
            }
            for one in members
        ])  # fmt: skip
        return Exit.OK
    for one in members:
        generation = one.generation
        text = (
            f"generation {generation.number}  {generation.as_of:%Y-%m-%d %H:%M:%SZ}  {one.newer} newer"
            if generation
            else ("not there yet: a restore leaves it as it is" if one.new else "none")
        )
        write_line(visible(f"{one.key}  {text}"))
    return Exit.OK
