"""``dysnomia-tui verify --due``: restore drills, one generation after the other, for as long as there is time."""

from __future__ import annotations

import argparse
import time

from dysnomia_base.durations import parse_duration
from dysnomia_base.plurals import plural
from dysnomia_tui.cli.shared.batch import BatchItem, BatchOptions, JobBatch
from dysnomia_tui.cli.shared.heard import Heard, heard, refuse_empty
from dysnomia_tui.cli.shared.jobs import worst
from dysnomia_tui.cli.shared.output import say, write_json
from dysnomia_tui.cli.shared.parser import Usage, load, open_engine
from dysnomia_tui.cli.shared.selection import component, nothing_of
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.records import Drill


def verify(args: argparse.Namespace) -> int:
    """Verify those that are due until the time is up; what is left is begun with next time.

    Returns 0 where all that were tried are good; else what they failed at, or PARTLY.

    Raises Usage for a duration that is none."""
    try:
        within = parse_duration(args.within).total_seconds()
    except ValueError as error:
        raise Usage(f"--within: {error}") from error
    settings = load(args.statedir)
    scheduled = args.scheduled and not args.dry_run
    with heard(settings, "verify", scheduled=scheduled, about=args.component or "") as hearing:
        return hearing.ended(_verify(args, settings, within, hearing))


def _verify(args: argparse.Namespace, settings: Settings, within: float, hearing: Heard) -> int:
    engine = open_engine(settings, read_only=args.dry_run)
    key = component(args.component) if args.component is not None else None
    if key is not None and not engine.links(key.container, key.component):
        raise nothing_of(key.container, key.component)
    drills = engine.drills([key] if key is not None else None)
    crew = JobBatch(engine, BatchOptions(1, args.reason, args.no_wait, args.dry_run, args.json))
    end = time.monotonic() + within
    tried = 0
    for drill in drills:
        if (tried and time.monotonic() >= end) or Exit.CANCELLED in crew.exits:
            break
        tried += 1
        crew.carry_out([_item(engine, drill)])
    left = len(drills) - tried
    if left:
        say(f"{plural(tried, 'generation')} tried within {args.within}; the next time goes on with {left} more")
    elif not drills:
        if args.scheduled:
            refuse_empty(settings)
        say("there is no generation that could be verified")
    status = worst(crew.exits)
    hearing.batch(crew.records)
    if args.json:
        write_json({"exit": int(status), "left": left, "generations": crew.records})
    return status


def _item(engine: Engine, drill: Drill) -> BatchItem:
    before = "never before" if drill.proved is None else f"last on {drill.proved:%Y-%m-%d}"
    if drill.suspicious:
        before += f"; the newest, which is suspicious: {drill.suspicious}"
    return BatchItem(
        drill.key,
        lambda: engine.plan_verify(drill.key, drill.number),
        f"generation {drill.number} of {drill.key} ({before})",
    )
