"""``dysnomia-snapshots --gc``: a collection by a number to keep or by config.toml's retention; a dry run names all."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dysnomia_base.plurals import plural
from dysnomia_store.records.rules import DURATION, RULES, SIZE, TAG
from dysnomia_tui.cli.shared.heard import heard
from dysnomia_tui.cli.shared.output import jsonable, say, size, visible, write_json, write_line
from dysnomia_tui.cli.shared.parser import Usage, load, open_engine
from dysnomia_tui.cli.shared.selection import no_empty_name
from dysnomia_tui.engine.errors import Exit, Stale, Unknown

if TYPE_CHECKING:
    from dysnomia_store.model import Generation
    from dysnomia_store.names import ComponentKey
    from dysnomia_store.records.retention import GcPlan, Policy
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.engine import Engine

KEEP = 1
"""Generations that are kept of each component where nothing else is said, as Dysnomia has it."""


def collect(args: argparse.Namespace) -> int:
    """Review, and carry the review out; with ``--dry-run`` print it.

    Raises Usage for options that exclude each other."""
    no_empty_name(args, "container", "component")
    if args.keep is not None and args.keep < 0:
        raise Usage(f"--keep must be 0 or more, not {args.keep}")
    rules = _rules(args)
    if (args.keep is not None) + args.policy + args.planned + bool(rules) > 1:
        raise Usage("--keep, --keep-…, --policy and --planned cannot be combined", "give only one of them")
    if args.review and not args.policy:
        raise Usage("--review goes with --policy")
    if args.planned and (args.container or args.component):
        raise Usage("--planned applies the whole collection that waits", "omit -C and -c")
    if args.now and args.trash:
        raise Usage("--now and --trash cannot be combined", "give only one of them")
    if args.scheduled and not _says_what_to_keep(args, rules):
        raise Usage("--scheduled does not say what to keep", "add --policy (config.toml's retention), or --keep N")
    settings = load(args.statedir)
    with heard(settings, "collect", scheduled=args.scheduled and not args.dry_run) as hearing:
        return hearing.ended(_collect(args, settings, rules))


def _collect(args: argparse.Namespace, settings: Settings, rules: dict[str, Any]) -> Exit:
    if args.planned:
        return _apply_planned(args, settings)
    keys = _keys(args)
    if not _says_what_to_keep(args, rules):
        _refuse_retention(settings, keys)
    free_now = args.now or not (args.trash or settings.grace_set)
    engine = open_engine(settings)
    review = engine.gc_review(keys, _policy(settings, keys, args, rules))
    empty = not review.dropped and not review.snapshots and not review.broken_links
    if args.dry_run:
        return _dry_run(engine, review, args, empty=empty, free_now=free_now)
    if args.review or (args.policy and args.scheduled and settings.collect_mode == "review"):
        return _let_wait(engine, review, args)
    if empty:
        say("nothing to remove")
        if args.json:
            write_json({"exit": 0, "job": None, "plan": None})
        return Exit.OK
    return _carry_out(engine, review, args, free_now=free_now)


def _says_what_to_keep(args: argparse.Namespace, rules: Mapping[str, Any]) -> bool:
    return args.keep is not None or args.policy or args.planned or bool(rules)


def _refuse_retention(settings: Settings, keys: Sequence[ComponentKey]) -> None:
    """Raises Usage where config.toml says what is to be kept: ``--gc`` alone, as Dysnomia has it, would keep one."""
    key = next((key for key in keys if not settings.component(key.container, key.component).policy.empty), None)
    if key is not None:
        raise Usage(
            f"--gc alone keeps {KEEP} generation of each component, and config.toml has a retention for {key}",
            f"add --policy to keep what it says, or --keep {KEEP}",
        )


def _carry_out(engine: Engine, review: GcPlan, args: argparse.Namespace, *, free_now: bool) -> Exit:
    from dysnomia_tui.cli.shared.jobs import settle

    plan = engine.plan_gc(review, now=free_now, text=args.reason)
    status = settle(engine, plan, why=args.reason, dry_run=False, no_wait=args.no_wait, as_json=args.json)
    if status is Exit.OK:
        for line in review.dropped:
            say(f"Removing old generation symlink: {line.key}/{line.number}")
        for snapshot in review.snapshots:
            say(f"Removing old snapshot: {snapshot.key}/{snapshot.id}")
    return status


def _let_wait(engine: Engine, review: GcPlan, args: argparse.Namespace) -> Exit:
    """Let a review wait for a person."""
    planned = engine.let_wait(review)
    if planned is None:
        say("nothing to remove, and no collection waits")
    else:
        count = len(planned.review.dropped)
        what = f"{plural(count, 'generation')}, {size(planned.review.freed)}"
        say(f"{what}: the collection waits for a person since {planned.made:%Y-%m-%d %H:%M} UTC")
        say(
            "to see it: X in dysnomia-tui, or dysnomia-snapshots --gc --planned --dry-run (without --dry-run: apply it)"
        )
    if args.json:
        made = planned.made if planned is not None else None
        write_json({"exit": 0, "job": None, "plan": None, "waiting": made})
    return Exit.OK


def _apply_planned(args: argparse.Namespace, settings: Settings) -> Exit:
    """Apply the collection that waits, and nothing else. Raises Unknown, Stale."""
    engine = open_engine(settings)
    planned = engine.planned_collection()
    if planned is None:
        raise Unknown("no collection waits", "to plan one: dysnomia-snapshots --gc --policy --review")
    if planned.stale:
        hint = "to plan it again: dysnomia-snapshots --gc --policy --review"
        raise Stale(f"the collection of {planned.made:%Y-%m-%d %H:%M} UTC is out of date: {planned.stale}", hint)
    free_now = args.now or not (args.trash or settings.grace_set)
    if args.dry_run:
        return _dry_run(engine, planned.review, args, empty=False, free_now=free_now)
    return _carry_out(engine, planned.review, args, free_now=free_now)


def _keys(args: argparse.Namespace) -> Sequence[ComponentKey]:
    """The components of the store that are asked for: none where the store has none of that name."""
    from dysnomia_store.store import Store
    from dysnomia_tui.cli.snapshots.command import store_folder, wanted

    container, component = wanted(args)
    stored = Store(store_folder(args)).keys()
    keys = [
        key
        for key in stored
        if (not container or key.container == container) and (not component or key.component == component)
    ]
    if not keys and (container or component):
        say(f"the store has no {container or '*'}/{component or '*'}")
    return keys


def _rules(args: argparse.Namespace) -> dict[str, Any]:
    """The rules that the command line names, by their field in ``Policy``. Raises Usage for a value out of range."""
    from dysnomia_base.durations import parse_keeping
    from dysnomia_base.sizes import parse_size

    rules: dict[str, Any] = {}
    for rule in RULES:
        value = getattr(args, f"keep_{rule.name}")
        if value is None:
            continue
        if rule.takes in (DURATION, SIZE):
            try:
                rules[rule.name] = (parse_keeping if rule.takes == DURATION else parse_size)(value)
            except ValueError as error:
                raise Usage(f"{rule.option}: {error}") from error
        elif rule.takes == TAG:
            rules[rule.name] = tuple(value)
        elif value < 0:
            raise Usage(f"{rule.option} must be 0 or more, not {value}")
        elif value:
            rules[rule.name] = value
    return rules


def _policy(
    settings: Settings, keys: Sequence[ComponentKey], args: argparse.Namespace, rules: dict[str, Any]
) -> Policy | None:
    """What to keep; None for each component's own policy. Raises Usage where none of them has one."""
    from dysnomia_store.records.retention import Policy

    if not args.policy:
        if rules:
            return Policy(**rules)
        return Policy(last=KEEP if args.keep is None else args.keep, nothing=args.keep == 0)
    without = [key for key in keys if settings.component(key.container, key.component).policy.empty]
    if keys and len(without) == len(keys):
        raise Usage(
            f"no retention is configured for {', '.join(map(str, keys))}",
            'write [components."CONTAINER/COMPONENT".retention] in config.toml',
        )
    for key in without:
        say(f"warning: no retention is configured for {key}: all its generations are kept")
    return None


def _dry_run(engine: Engine, review: GcPlan, args: argparse.Namespace, *, empty: bool, free_now: bool) -> Exit:
    from dysnomia_tui.cli.shared.jobs import could, plan_json, plan_lines

    plan = None if empty else engine.plan_gc(review, now=free_now, text=args.reason)
    keys = sorted({line.key for line in review.lines})
    known = {(one.key, one.number): one for key in keys for one in engine.generations(key)}
    if args.json:
        write_json({"plan": plan_json(plan) if plan else None, "review": review_json(review, known)})
    else:
        for text in review_lines(review, known):
            write_line(visible(text))
        for text in plan_lines(plan) if plan else ():
            write_line(visible(text))
    if plan is None:
        say("nothing to remove")
        return Exit.OK
    return could(plan)


Known = Mapping[tuple["ComponentKey", int], "Generation"]


def review_lines(review: GcPlan, known: Known) -> Iterator[str]:
    """A line a generation (kept or not, of what time, by which rule), a line each for what else goes, and the bytes."""
    for line in review.lines:
        what = "KEEP  " if line.keep else "DELETE"
        generation = known.get((line.key, line.number))
        yield f"{what}  {line.key} {line.number}  {_as_of(generation)}  {'; '.join(line.rules)}"
    for snapshot in review.snapshots:
        if snapshot.orphan:
            yield f"DELETE  {snapshot.key} {snapshot.id}  orphan: no generation points at it"
    for key, name in review.broken_links:
        yield f"DELETE  {key} {name}  broken link: its snapshot is missing"
    yield f"{len(review.snapshots)} snapshots, {review.freed:,} bytes ({size(review.freed)})"


def _as_of(generation: Generation | None) -> str:
    if generation is None:
        return "?"
    return f"{'≈' if generation.as_of_estimated else ''}{generation.as_of:%Y-%m-%d %H:%M:%S}Z"


def review_json(review: GcPlan, known: Known) -> dict[str, Any]:
    """The same as records."""
    generations = []
    for line in review.lines:
        generation = known.get((line.key, line.number))
        generations.append(
            {
                "component": str(line.key),
                "number": line.number,
                "id": line.id,
                "keep": line.keep,
                "rules": list(line.rules),
                "as_of": jsonable(generation.as_of) if generation else None,
                "as_of_estimated": generation.as_of_estimated if generation else None,
                "stored_size": line.stored_size,
            }
        )
    return {
        "generations": generations,
        "snapshots": [
            {"component": str(one.key), "id": one.id, "stored_size": one.stored_size, "orphan": one.orphan}
            for one in review.snapshots
        ],
        "broken_links": [{"component": str(key), "name": name} for key, name in review.broken_links],
        "freed": review.freed,
    }
