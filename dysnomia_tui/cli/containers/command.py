"""``dysnomia-containers``: what there is in all containers, and one operation on all of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.heard import Heard, heard, refuse_empty
from dysnomia_tui.cli.shared.names import plain_name
from dysnomia_tui.cli.shared.output import say, write_json, write_line, write_lines, write_pieces
from dysnomia_tui.cli.shared.parser import (
    Parser,
    Usage,
    add_change,
    add_general,
    add_stray,
    add_yes_untrusted,
    load,
    open_engine,
    run,
    wants_json,
    write_error,
)
from dysnomia_tui.cli.shared.selection import newest, no_empty_name
from dysnomia_tui.engine.errors import Exit, Unknown

if TYPE_CHECKING:
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.cli.shared.batch import BatchItem
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine import Inventory
    from dysnomia_tui.engine.engine import Engine
    from dysnomia_tui.engine.plans.plan import Plan

PROG = "dysnomia-containers"
THEIRS = (
    "--query-containers", "--query-available-components", "--query-activated-components", "--generate-expr",
    "--generate-dot", "--operation", "--deploy", "--snapshot", "--restore", "--collect-garbage", "--container",
    "--help", "--version",
)  # fmt: skip

_WARNING = """\
All activated components of the containers named (or of all) would be restored,
each to its last generation. Of what is live now a guard is kept where the kind
of state allows it, and undo brings it back. To restore single components may
be what you want.

Are you sure you want to proceed? [n] """


def parser() -> Parser:
    result = Parser(PROG, "Manage all components deployed to a set of containers.", theirs=THEIRS)

    result.add_action("--query-containers", "the containers there are")
    result.add_action("--query-available-components", "components that can be deployed")
    result.add_action("--query-activated-components", "components that are deployed")
    result.add_action("--generate-expr", "a Nix expression of all containers and their properties")
    result.add_action("--generate-dot", "a graph (dot) of the components in their containers")
    result.add_action("--deploy", "activate what is available, deactivate what no longer is")
    result.add_action("--snapshot", "snapshot all activated components")
    result.add_action("--restore", "restore the last generation of all activated components")
    result.add_action("--collect-garbage", "delete the state of all deactivated components")
    result.add_argument(
        "-o", "--operation", dest="action", type=lambda name: f"-o {name}", metavar="OPERATION",
        help="run it on all activated components",
    )  # fmt: skip
    result.add_argument("-C", "--container", metavar="CONTAINER", help="only this container")
    add_yes_untrusted(result)
    result.add_argument("-y", "--yes", dest="yes", action="store_true", help="do not ask before --restore")
    result.add_argument(
        "-j", "--jobs", type=int, default=1, metavar="N", help="run at most so many components at the same time"
    )
    result.add_argument("--scheduled", action="store_true", help="--snapshot: a timer asked for it, not a person")
    add_change(result)
    add_general(result)
    add_stray(result)
    return result


def main() -> int:
    """Entry point. Returns the exit code."""
    return run(PROG, lambda: _main(parser().read()), as_json=wants_json(sys.argv[1:]))


def _main(args: argparse.Namespace) -> int:
    queries: dict[str, Callable[[Settings, str], Iterable[str]]] = {
        "query-containers": query_containers,
        "query-available-components": query_available,
        "query-activated-components": query_activated,
    }
    if not args.action:
        raise Usage("no action specified", "give --query-containers, --snapshot, --restore … (see --help)")
    if args.jobs < 1:
        raise Usage(f"--jobs must be 1 or more, not {args.jobs}")
    settings = load(args.statedir)
    if args.action in queries:
        names = list(queries[args.action](settings, _only(args)))
        if args.json:
            write_json(names)
        else:
            write_lines(names)
        return Exit.OK
    if args.action.startswith("generate-"):
        return _generate(settings, args)
    no_empty_name(args, "container")
    settings = replace(settings, jobs_at_once=max(settings.jobs_at_once, args.jobs))
    only = _only(args)
    with heard(settings, "snapshot", scheduled=_is_scheduled(args), about=only and f"{only}/") as hearing:
        return hearing.ended(_change(settings, args, hearing))


def _is_scheduled(args: argparse.Namespace) -> bool:
    return bool(args.scheduled and not args.dry_run and args.action in ("snapshot", "-o snapshot"))


def _change(settings: Settings, args: argparse.Namespace, hearing: Heard) -> int:
    engine = open_engine(settings, dry_run=args.dry_run)
    if args.action == "restore" and not (args.dry_run or args.yes):
        refused = _refused(args)
        if refused is not None:
            return refused
    unasked = _look(engine, args, hearing)
    phases = _phases(engine, args)
    if not any(phases) and (_only(args) or args.scheduled):
        _known(settings, _only(args), scheduled=args.scheduled)
    return max(_each(engine, args, phases, hearing), unasked)


def _known(settings: Settings, only: str, *, scheduled: bool) -> None:
    """Raises Unknown for a container that is not configured, and where none is; of a timer also where the store is
    empty: to a script nothing to do looks like all is done."""
    configured = sorted(_inventory(settings).containers)
    if not configured:
        raise Unknown("no container is configured", f"looked in {', '.join(map(str, settings.containers_path))}")
    if scheduled:
        refuse_empty(settings)
    if only and only not in configured:
        raise Unknown(f"there is no container {only!r}", f"configured are: {', '.join(configured)}")


def _look(engine: Engine, args: argparse.Namespace, hearing: Heard) -> int:
    """Ask what servers hold: new databases are among the components, dropped ones are not. A snapshot of all of a
    server of which that is not known is none of all of it."""
    only = _only(args)
    problems = engine.look_at_servers({only} if only else None)
    for name, problem in problems.items():
        say(f"warning: {name}: what its server holds is not known: {problem}")
    if args.action not in ("snapshot", "-o snapshot") or not problems:
        return Exit.OK
    hearing.failures.update({f"{name}/": f"what it holds is not known: {why}" for name, why in problems.items()})
    return Exit.UNAVAILABLE


def _only(args: argparse.Namespace) -> str:
    return plain_name(args.container, os.environ) if args.container else ""


def query_containers(settings: Settings, only: str) -> Iterator[str]:
    """Names of the configured containers: all of them, as Dysnomia says them whatever it is restricted to."""
    return iter(_inventory(settings).containers)


def query_available(settings: Settings, only: str) -> Iterator[str]:
    """``container/component`` of each entry on the components path."""
    inventory = _inventory(settings)
    every = (key for key in inventory.components if key not in inventory.gone)
    return (str(key) for key in every if not only or key.container == only)


def query_activated(settings: Settings, only: str) -> Iterator[str]:
    """``container/component`` of what is marked active in the store."""
    from dysnomia_store.store import Store

    summaries = Store(settings.statedir).summaries()
    return (str(key) for key in sorted(summaries) if summaries[key].active and (not only or key.container == only))


def _inventory(settings: Settings) -> Inventory:
    """What is configured; what of it cannot be read is said, and the rest is there."""
    from dysnomia_tui.engine import read_inventory, with_listed

    inventory = with_listed(read_inventory(settings.containers_path, settings.components_path), settings.statedir)
    for problem in inventory.problems:
        say(f"warning: {problem}")
    return inventory


def _generate(settings: Settings, args: argparse.Namespace) -> int:
    from dysnomia_tui.cli.containers.generate import dot, nix_expression, read_machine

    inventory = _inventory(settings)
    for container in inventory.containers.values():
        if container.problem:
            say(f"warning: {container.problem}")
    expression = args.action == "generate-expr"
    text = nix_expression(read_machine(os.environ), inventory) if expression else dot(inventory)
    write_pieces((text,))
    return Exit.USAGE if any(container.unread for container in inventory.containers.values()) else Exit.OK


def _phases(engine: Engine, args: argparse.Namespace) -> Sequence[Sequence[BatchItem]]:
    """What is to be done: each phase begins when the one before has ended."""
    from dysnomia_tui.cli.shared.batch import BatchItem

    def announcement(doing: str, key: ComponentKey) -> str:
        return f"{doing} component: {key.component} in container: {key.container}"

    deployment = engine.deployment(_only(args))
    if args.action == "deploy":
        for key in deployment.left:
            say(f"warning: {key} stays active: nobody deployed it, or what its container has is not known")
        return [
            [
                BatchItem(key, _activity(engine, key, "deactivate"), announcement("Deactivating", key))
                for key in deployment.obsolete
            ],
            [
                BatchItem(key, _activity(engine, key, "activate"), announcement("Activating", key))
                for key in deployment.new
            ],
        ]
    if args.action == "collect-garbage":
        name = "collect-garbage"
        text = "Collecting garbage for"
        return [
            [
                BatchItem(key, _activity(engine, key, name), announcement(text, key), _idle(engine, key, name))
                for key in deployment.garbage
            ]
        ]
    operation = args.action.removeprefix("-o ")
    if operation in ("check", "verify"):
        raise Usage(f"{operation} works on one component at a time", "use dysnomia, or dysnomia-snapshots --check")
    planner = {"snapshot": _snapshot, "restore": _restore}.get(operation)
    if planner and len(deployment.active) > 1 and not args.dry_run:
        engine.expect_many(operation)
    return [
        [
            BatchItem(
                key,
                planner(engine, key, args) if planner else _activity(engine, key, operation),
                idle=_idle(engine, key, operation),
            )
            for key in deployment.active
        ]
    ]


def _idle(engine: Engine, key: ComponentKey, operation: str) -> Callable[[], str]:
    return lambda: engine.nothing_to_do(key, operation)


def _activity(engine: Engine, key: ComponentKey, activity: str) -> Callable[[], Plan]:
    return lambda: engine.plan_activity(key, activity)


def _snapshot(engine: Engine, key: ComponentKey, args: argparse.Namespace) -> Callable[[], Plan]:
    from dysnomia_store.model import Reason

    reason = Reason.SCHEDULED if args.scheduled else Reason.MANUAL
    return lambda: engine.plan_snapshot([key], reason=reason, text=args.reason)


def _restore(engine: Engine, key: ComponentKey, args: argparse.Namespace) -> Callable[[], Plan]:
    return lambda: engine.plan_restore(key, newest(engine, key).number, text=args.reason)


def _refused(args: argparse.Namespace) -> Exit | None:
    """Ask, as Dysnomia does, on standard output; a script may answer. None where the answer is yes; a no is no
    failure, nobody to answer is."""
    out = sys.stderr if args.json else sys.stdout
    out.write(_WARNING)
    out.flush()
    answer = sys.stdin.readline() if sys.stdin is not None else ""
    if answer.rstrip("\n") == "y":
        return None
    status = Exit.OK if answer else Exit.REFUSED
    if args.json:
        write_error(status, "not confirmed: give -y")
    else:
        write_line("Not executing the restore operations!")
    if not answer:
        say(f"{PROG}: --restore needs a confirmation and got none: give -y")
    return status


def _left_out(engine: Engine, args: argparse.Namespace) -> str:
    """Which components an action passes over that takes the active ones alone."""
    waiting = engine.deployment(_only(args)).new
    if args.action in ("deploy", "collect-garbage") or not waiting:
        return ""
    several = len(waiting) > 1
    which = f"{len(waiting):,} components are" if several else f"{waiting[0]} is"
    return f": {which} available and not active: dysnomia-containers --deploy activates {'them' if several else 'it'}"


def _each(
    engine: Engine, args: argparse.Namespace, phases: Sequence[Sequence[BatchItem]], hearing: Heard
) -> int:  # fmt: skip
    from dysnomia_tui.cli.shared import jobs
    from dysnomia_tui.cli.shared.batch import BatchOptions, JobBatch

    how = BatchOptions(args.jobs, args.reason, args.no_wait, args.dry_run, args.json, args.yes_untrusted)
    crew = JobBatch(engine, how)
    for work in phases:
        crew.carry_out(work)
    if not any(phases):
        say("there is nothing to do" + _left_out(engine, args))
    status = jobs.worst(crew.exits)
    hearing.batch(crew.records)
    if args.json:
        write_json({"exit": int(status), "components": crew.records})
    return status
