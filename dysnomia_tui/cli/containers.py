"""``dysnomia-containers``: what there is in all containers, and one operation on all of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dysnomia_tui.cli.choosing import newest
from dysnomia_tui.cli.common import (
    Parser,
    Usage,
    add_change,
    add_general,
    load,
    open_engine,
    run,
    wants_json,
    write_error,
)
from dysnomia_tui.cli.names import plain_name
from dysnomia_tui.cli.output import say, write_json, write_lines
from dysnomia_tui.engine.errors import EngineError, Exit, Unknown

if TYPE_CHECKING:
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.engine import Engine
    from dysnomia_tui.engine.inventory import Inventory
    from dysnomia_tui.engine.plan import Plan
    from dysnomia_tui.engine.views import ComponentView, ContainerView, JobView

PROG = "dysnomia-containers"

_WARNING = """\
This operation will restore the state of all mutable components deployed to the
specified containers! What is live now is kept as a guard where the kind of
state allows it, and can be brought back with undo. Maybe you prefer to restore
the state of individual components.
"""


def parser() -> Parser:
    found = Parser(PROG, "Manage all components deployed to a set of containers.")
    what = found.add_mutually_exclusive_group()
    what.add_argument("--query-containers", action="store_true", help="the containers there are")
    what.add_argument("--query-available-components", action="store_true", help="components that can be deployed")
    what.add_argument("--query-activated-components", action="store_true", help="components that are deployed")
    what.add_argument("-o", "--operation", metavar="OPERATION", help="run it on all activated components")
    what.add_argument("--deploy", action="store_true", help="activate what is available, deactivate what no longer is")
    what.add_argument("--snapshot", action="store_true", help="snapshot all activated components")
    what.add_argument("--restore", action="store_true", help="restore the last generation of all activated components")
    what.add_argument("--collect-garbage", action="store_true", help="delete the state of all deactivated components")
    found.add_argument("-C", "--container", metavar="CONTAINER", help="only this container")
    found.add_argument("-y", dest="yes", action="store_true", help="do not ask before --restore")
    found.add_argument("--scheduled", action="store_true", help="--snapshot: a timer asked for it, not a person")
    add_change(found)
    add_general(found)
    return found


def main() -> int:
    """Entry point. Returns the exit code."""
    return run(PROG, lambda: _main(parser().parse_args()), as_json=wants_json(sys.argv[1:]))


def _main(args: argparse.Namespace) -> int:
    queries: dict[str, Callable[[Settings, str], Iterable[str]]] = {
        "query_containers": query_containers,
        "query_available_components": query_available,
        "query_activated_components": query_activated,
    }
    changes: dict[str, Callable[[Engine, argparse.Namespace], int]] = {
        "deploy": _deploy,
        "snapshot": _snapshot,
        "restore": _restore,
        "collect_garbage": _collect_garbage,
        "operation": _operation,
    }
    query = next((name for name in queries if getattr(args, name)), None)
    change = next((name for name in changes if getattr(args, name)), None)
    if query is None and change is None:
        raise Usage("no action specified", "give --query-containers, --snapshot, --restore … (see --help)")
    settings = load(args.statedir)
    if query is not None:
        found = list(queries[query](settings, _only(args)))
        if args.json:
            write_json(found)
        else:
            write_lines(found)
        return Exit.OK
    engine = open_engine(settings)
    assert change is not None
    return changes[change](engine, args)


def _only(args: argparse.Namespace) -> str:
    return plain_name(args.container, os.environ) if args.container else ""


def _containers(engine: Engine, only: str) -> list[ContainerView]:
    """The configured containers (asked for, or all). Raises Unknown where the one asked for is not there."""
    found = [view for view in engine.overview().containers if not only or view.name == only]
    if only and not found:
        raise Unknown(f"No container configuration found for: {only}")
    return found


def _components(engine: Engine, only: str, wanted: Callable[[ComponentView], bool]) -> list[ComponentView]:
    return [view for container in _containers(engine, only) for view in container.components if wanted(view)]


def query_containers(settings: Settings, only: str) -> Iterator[str]:
    """Names of the configured containers."""
    return (name for name in _inventory(settings).containers if not only or name == only)


def query_available(settings: Settings, only: str) -> Iterator[str]:
    """``container/component`` of what stands on the components path."""
    return (str(key) for key in _inventory(settings).components if not only or key.container == only)


def query_activated(settings: Settings, only: str) -> Iterator[str]:
    """``container/component`` of what is marked active in the store."""
    from dysnomia_store.store import Store

    summaries = Store(settings.statedir).summaries()
    return (str(key) for key in sorted(summaries) if summaries[key].active and (not only or key.container == only))


def _inventory(settings: Settings) -> Inventory:
    """What is configured; what of it cannot be read is said, and the rest is there."""
    from dysnomia_tui.engine.inventory import read_inventory

    inventory = read_inventory(settings.containers_path, settings.components_path)
    for problem in inventory.problems:
        say(f"warning: {problem}")
    return inventory


def _holding(engine: Engine, args: argparse.Namespace, activity: str) -> list[ComponentView]:
    """Activated components whose type has an activity; the others have nothing to do."""
    return _components(engine, _only(args), lambda view: view.active and activity in view.can)


def _snapshot(engine: Engine, args: argparse.Namespace) -> int:
    from dysnomia_store.model import Reason

    reason = Reason.SCHEDULED if args.scheduled else Reason.MANUAL
    views = _holding(engine, args, "snapshot")
    return _each(engine, args, [(view.key, _planner_snapshot(engine, view.key, reason, args)) for view in views])


def _planner_snapshot(
    engine: Engine, key: ComponentKey, reason: object, args: argparse.Namespace
) -> Callable[[], Plan]:
    from dysnomia_store.model import Reason

    assert isinstance(reason, Reason)
    return lambda: engine.plan_snapshot([key], reason=reason, text=args.reason)


def _restore(engine: Engine, args: argparse.Namespace) -> int:
    views = [view for view in _holding(engine, args, "restore") if view.newest is not None]
    if not args.dry_run and not args.yes and not _confirmed():
        say("Not executing the restore operations!")
        if args.json:
            write_error(Exit.REFUSED, "not confirmed: give -y")
        return Exit.REFUSED
    return _each(engine, args, [(view.key, _planner_restore(engine, view, args)) for view in views])


def _planner_restore(engine: Engine, view: ComponentView, args: argparse.Namespace) -> Callable[[], Plan]:
    def plan() -> Plan:
        return engine.plan_restore(view.key, newest(engine, view.key).number, text=args.reason)

    return plan


def _confirmed() -> bool:
    """Ask, as Dysnomia does. Nobody to ask is a no."""
    if not sys.stdin.isatty():
        say(f"{PROG}: --restore asks first, and there is no terminal to ask on; give -y")
        return False
    sys.stderr.write(_WARNING + "\nAre you sure you want to proceed? [n] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "y"


def _collect_garbage(engine: Engine, args: argparse.Namespace) -> int:
    views = _components(engine, _only(args), lambda view: view.garbage)
    return _each(engine, args, [(view.key, _planner(engine, view.key, "collect-garbage")) for view in views])


def _operation(engine: Engine, args: argparse.Namespace) -> int:
    from dysnomia_tui.cli.dysnomia import OPERATIONS

    if args.operation not in OPERATIONS:
        raise Usage(f"there is no operation {args.operation!r}", f"give one of {', '.join(OPERATIONS)}")
    if args.operation == "snapshot":
        return _snapshot(engine, args)
    if args.operation == "restore":
        return _restore(engine, args)
    if args.operation in ("check", "verify"):
        raise Usage(f"{args.operation} is about one component", "use dysnomia, or dysnomia-snapshots --check")
    views = _components(engine, _only(args), lambda view: view.active)
    return _each(engine, args, [(view.key, _planner(engine, view.key, args.operation)) for view in views])


def _deploy(engine: Engine, args: argparse.Namespace) -> int:
    available = set(query_available(engine.settings, _only(args)))
    views = _components(engine, _only(args), lambda _: True)
    work = [
        (view.key, _planner(engine, view.key, "deactivate"))
        for view in views
        if view.active and str(view.key) not in available
    ]
    work += [
        (view.key, _planner(engine, view.key, "activate"))
        for view in views
        if not view.active and str(view.key) in available
    ]
    return _each(engine, args, work)


def _planner(engine: Engine, key: ComponentKey, activity: str) -> Callable[[], Plan]:
    return lambda: engine.plan_activity(key, activity)


def _each(engine: Engine, args: argparse.Namespace, work: Sequence[tuple[ComponentKey, Callable[[], Plan]]]) -> int:
    """Carry a plan out for each component, one after the other: one that fails is said, and the rest go on."""
    from dysnomia_tui.cli import jobs

    exits: list[Exit] = []
    records: list[dict[str, Any]] = []
    for key, planner in work:
        record: dict[str, Any]
        try:
            plan = planner()
            if args.dry_run:
                record = {"plan": jobs.plan_json(plan)}
                exits.append(jobs.show_plan(plan, as_json=False) if not args.json else jobs.could(plan))
            else:
                job = _one(engine, plan, args)
                record = jobs.report(plan, job)
                exits.append(jobs.exit_of(job))
        except EngineError as error:
            say(f"{key}: {error}")
            exits.append(error.exit)
            record = {"exit": int(error.exit), "error": str(error)}
        records.append({"component": str(key), **record})
    if not work:
        say("there is nothing to do")
    status = jobs.worst(exits)
    if args.json:
        write_json({"exit": int(status), "components": records})
    return status


def _one(engine: Engine, plan: Plan, args: argparse.Namespace) -> JobView:
    from dysnomia_tui.cli import jobs

    jobs.refuse_blocked(plan)
    return jobs.carry_out(engine, plan, why=args.reason, no_wait=args.no_wait)
