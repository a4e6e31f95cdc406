"""``dysnomia``: one operation on one component, under Dysnomia's own name and options."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from dysnomia_tui.cli.choosing import last, newest, numbered
from dysnomia_tui.cli.common import Parser, Usage, add_change, add_general, load, open_engine, run, wants_json
from dysnomia_tui.cli.names import given_path, plain_name
from dysnomia_tui.engine.errors import Unknown

if TYPE_CHECKING:
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.engine import Engine
    from dysnomia_tui.engine.plan import Plan

PROG = "dysnomia"
OPERATIONS = ("activate", "deactivate", "lock", "unlock", "snapshot", "restore", "collect-garbage", "verify", "check")


def parser() -> Parser:
    found = Parser(PROG, "Snapshot, restore, activate, deactivate or collect one component.")
    found.add_argument("-o", "--operation", metavar="OPERATION", help=f"one of {', '.join(OPERATIONS)}")
    found.add_argument("-c", "--component", metavar="COMPONENT", help="name of (or path to) a component")
    found.add_argument(
        "-C", "--container", metavar="CONTAINER", help="name of (or path to) a container's configuration"
    )
    found.add_argument(
        "--generation", type=int, metavar="N", help="restore, verify, check: this one (default: the last)"
    )
    found.add_argument("--as", dest="name", default="", metavar="NAME", help="restore: into a copy called NAME")
    found.add_argument(
        "--section", action="append", default=[], metavar="KIND:NAME", help="restore --as: only these sections (repeat)"
    )
    found.add_argument(
        "--scheduled", action="store_true", help="snapshot: note that a timer asked for it, not a person"
    )
    found.add_argument("--shell", action="store_true", help="open the server's own client on the component")
    add_change(found)
    add_general(found)
    return found


def main() -> int:
    """Entry point. Returns the exit code."""
    return run(PROG, lambda: _main(parser().parse_args()), as_json=wants_json(sys.argv[1:]))


def _main(args: argparse.Namespace) -> int:
    _check(args)
    settings, key = _locate(load(args.statedir), args.container, args.component)
    engine = open_engine(settings)
    if args.shell:
        _shell(engine, key)
    from dysnomia_tui.cli.jobs import settle

    plan = _plan(engine, key, args)
    return settle(engine, plan, why=args.reason, dry_run=args.dry_run, no_wait=args.no_wait, as_json=args.json)


def _check(args: argparse.Namespace) -> None:
    if not args.operation and not args.shell:
        raise Usage("no operation specified", f"give one with -o: {', '.join(OPERATIONS)}")
    if args.operation and args.operation not in OPERATIONS:
        raise Usage(f"there is no operation {args.operation!r}", f"give one of {', '.join(OPERATIONS)}")
    if not args.container:
        raise Usage("no container specified", "name it with -C")
    if not args.component:
        raise Usage("no component specified", "name it with -c")
    if args.generation is not None and args.operation not in ("restore", "verify", "check"):
        raise Usage("--generation goes with restore, verify or check")
    if (args.name or args.section) and args.operation != "restore":
        raise Usage("--as and --section go with restore")
    if args.section and not args.name:
        raise Usage("--section restores into a copy", "name it with --as")
    if args.scheduled and args.operation != "snapshot":
        raise Usage("--scheduled goes with snapshot")


def _locate(settings: Settings, container: str, component: str) -> tuple[Settings, ComponentKey]:
    """The component's key, and the settings on whose search paths it is found."""
    from dysnomia_store.names import ComponentKey

    key = ComponentKey.of(plain_name(container, os.environ), plain_name(component, os.environ))
    config = given_path(container)
    if config is not None:
        if not config.is_file():
            raise Unknown(f"no container configuration found for: {container}")
        if config.name != key.container:
            raise Usage(f"{container} leads to {config}", f"its name would have to be {key.container}")
        settings = replace(settings, containers_path=(config.parent, *settings.containers_path))
    path = given_path(component)
    if path is not None:
        settings = _with_component(settings, key, component)
    return settings, key


def _with_component(settings: Settings, key: ComponentKey, component: str) -> Settings:
    """Settings whose search path holds a component that was given as a path.

    A marker in the store (``activated/``, ``garbage/``) stands for the component of that name, as the bash commands
    hand markers about; any other path has to be laid out as the search path is, ``…/<container>/<component>``.
    """
    path = given_path(component)
    assert path is not None
    store = settings.statedir.resolve()
    if path.parent.parent in (store / "activated", store / "garbage"):
        return settings
    if not path.exists():
        raise Unknown(f"no component configuration found for: {component}")
    if path.name != key.component or path.parent.name != key.container:
        raise Usage(
            f"{component} is not laid out as …/{key.container}/{key.component}",
            "put its folder's parent on DYSNOMIA_COMPONENTS_PATH and give its name",
        )
    return replace(settings, components_path=(path.parent.parent, *settings.components_path))


def _plan(engine: Engine, key: ComponentKey, args: argparse.Namespace) -> Plan:
    from dysnomia_store.model import Reason
    from dysnomia_tui.engine.engine import RestoreTarget

    if args.operation == "snapshot":
        reason = Reason.SCHEDULED if args.scheduled else Reason.MANUAL
        return engine.plan_snapshot([key], reason=reason, text=args.reason)
    if args.operation == "restore":
        kind = "sections" if args.section else "copy" if args.name else "replace"
        target = RestoreTarget(kind, args.name, tuple(args.section))
        return engine.plan_restore(key, _number(engine, key, args.generation), target, text=args.reason)
    if args.operation == "verify":
        return engine.plan_verify(key, _number(engine, key, args.generation))
    if args.operation == "check":
        # A check leaves no broken link out: it is there to find them.
        number = last(engine, key).number if args.generation is None else args.generation
        return engine.plan_check(key, [number])
    return engine.plan_activity(key, args.operation)


def _number(engine: Engine, key: ComponentKey, asked: int | None) -> int:
    """The generation that was asked for; the last that has a snapshot where none was."""
    found = newest(engine, key) if asked is None else numbered(engine, key, asked)
    return found.number


def _shell(engine: Engine, key: ComponentKey) -> NoReturn:
    argv, environment = engine.shell(key)
    try:
        os.execvpe(argv[0], list(argv), {**os.environ, **environment})
    except FileNotFoundError:
        raise Unknown(f"{argv[0]} is not installed") from None
