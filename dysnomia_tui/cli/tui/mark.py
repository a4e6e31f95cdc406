"""``dysnomia-tui mark`` and ``trust``: what an operator says of a generation."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dysnomia_base.clock import utc_now
from dysnomia_tui.cli.shared.jobs import settle
from dysnomia_tui.cli.shared.parser import Usage, load, open_engine
from dysnomia_tui.cli.shared.selection import component, numbered

if TYPE_CHECKING:
    from dysnomia_store.model import Marks


def mark(args: argparse.Namespace) -> int:
    """Say it. Raises Usage where nothing is said."""
    key = component(args.component)
    _check(args)
    now = utc_now()
    until = moment(args.until, now) if args.until is not None else None
    engine = open_engine(load(args.statedir))
    seen = numbered(engine, key, args.generation).marks
    plan = engine.plan_mark(key, args.generation, marks_asked(args, seen, now, until), args.reason, seen=seen)
    return settle(engine, plan, why=args.reason, dry_run=args.dry_run, no_wait=args.no_wait, as_json=args.json)


def _check(args: argparse.Namespace) -> None:
    from dysnomia_tui.engine import TRUSTED_TAG

    verdict = args.good or args.bad or args.no_verdict
    if not (args.pin is not None or args.unpin or verdict or args.tag or args.untag or args.note is not None):
        raise Usage("no mark was given", "give --pin, --unpin, --good, --bad, --no-verdict, --tag, --untag or --note")
    if args.until is not None and args.pin is None:
        raise Usage("--until goes with --pin")
    if args.pin is not None and not args.pin.strip():
        raise Usage("--pin needs a reason", "write it after --pin")
    tags = [*args.tag, *args.untag]
    if any(not tag.strip() for tag in tags):
        raise Usage("a tag must not be empty")
    if TRUSTED_TAG in tags:
        raise Usage(f"the tag {TRUSTED_TAG!r} is reserved", "use: dysnomia-tui trust")


def marks_asked(args: argparse.Namespace, seen: Marks, now: datetime, until: datetime | None) -> Marks:
    """The marks with what the options say of them."""
    from dysnomia_store.model import Pin, Verdict

    marks = seen
    if args.pin is not None:
        marks = replace(marks, pins=(*marks.pins, Pin(why=args.pin.strip(), who="", at=now, until=until)))
    if args.unpin:
        marks = replace(marks, pins=tuple(pin for pin in marks.pins if pin.held_by))
    if args.good or args.bad or args.no_verdict:
        marks = replace(marks, verdict=Verdict.GOOD if args.good else Verdict.BAD if args.bad else None)
    kept = [tag for tag in marks.tags if tag not in args.untag]
    marks = replace(marks, tags=(*kept, *(tag for tag in dict.fromkeys(args.tag) if tag not in kept)))
    return marks if args.note is None else replace(marks, note=args.note)


def moment(text: str, now: datetime) -> datetime:
    """``30d`` from now, or a date with or without a time (UTC where no zone is given). Raises Usage."""
    from dysnomia_base.durations import parse_keeping

    try:
        if text[:1].isdigit() and text[-1:].isalpha() and text[-1:] != "Z":
            return now + parse_keeping(text)
        when = datetime.fromisoformat(text)
        when = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Usage(f"{text!r} is not a time", "write 30d, 2w or 2027-01-31T12:00") from None
    if when <= now:
        raise Usage(f"{text} is in the past", "give a time in the future")
    return when


def trust(args: argparse.Namespace) -> int:
    """Let an imported generation be loaded as one that was made here, or no longer."""
    key = component(args.component)
    engine = open_engine(load(args.statedir))
    numbered(engine, key, args.generation)
    plan = engine.plan_trust(key, args.generation, trusted=not args.withdraw)
    return settle(engine, plan, why=args.reason, dry_run=args.dry_run, no_wait=args.no_wait, as_json=args.json)
