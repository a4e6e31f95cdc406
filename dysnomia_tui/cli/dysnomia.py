"""``dysnomia``: one operation on one component, under Dysnomia's own name and options."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.heard import heard
from dysnomia_tui.cli.shared.names import given_path, is_path, plain_name
from dysnomia_tui.cli.shared.output import say, write_json
from dysnomia_tui.cli.shared.parser import (
    Given,
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
)
from dysnomia_tui.cli.shared.selection import asked, last
from dysnomia_tui.engine.errors import Exit, Unknown

if TYPE_CHECKING:
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.engine import Engine
    from dysnomia_tui.engine.plans.plan import Plan

PROG = "dysnomia"
OPERATIONS = (
    "activate",
    "deactivate",
    "lock",
    "unlock",
    "snapshot",
    "restore",
    "put-back",
    "collect-garbage",
    "verify",
    "check",
    "export",
)
THEIRS = (
    "--operation", "--component", "--container", "--shell", "--command", "--environment", "--type", "--help",
    "--version",
)  # fmt: skip


def parser() -> Parser:
    result = Parser(PROG, "Snapshot, restore, activate, deactivate or collect one component.", theirs=THEIRS)
    result.add_argument(
        "-o", "--operation", metavar="OPERATION", help=f"one of {', '.join(OPERATIONS)}; or one that a module has"
    )
    result.add_argument("-c", "--component", metavar="COMPONENT", help="name of (or path to) a component")
    result.add_argument(
        "-C", "--container", metavar="CONTAINER", help="name of (or path to) a container's configuration"
    )
    result.add_argument(
        "-t", "--type", default="", metavar="TYPE",
        help="the type, where no configuration names one: a name, a path to a module, or to a package of one",
    )  # fmt: skip
    result.add_argument(
        "-E", "--environment", action="store_true", help="the container's properties are this environment (with -t)"
    )
    result.add_argument(
        "--shell", action="store_true", help="open a shell with the container's properties as variables"
    )
    result.add_argument("--command", default="", metavar="COMMANDS", help="--shell: run these in it, and end")
    result.add_argument(
        "--generation",
        type=int,
        metavar="N",
        help="restore, verify, check, export: this one (default: the last); put-back: from this one",
    )
    result.add_argument(
        "--as", dest="name", action=Given, default="", metavar="NAME", help="restore: into a copy called NAME"
    )
    result.add_argument(
        "--into", action=Given, default="", metavar="CONTAINER",
        help="restore: a copy in this other container of the same type (name of or path to its configuration)",
    )  # fmt: skip
    result.add_argument(
        "--section", action="append", default=[], metavar="KIND:NAME",
        help="restore --as: only these sections (repeat); export: this one; put-back: this one, or files (repeat)",
    )  # fmt: skip
    _add_rows(result)
    result.add_argument(
        "--to", action=Given, default="", metavar="DIR", help="export: into this new folder, not to standard output"
    )
    add_yes_untrusted(result)
    result.add_argument("-y", "--yes", action="store_true", help="for scripts that say it everywhere: nothing is asked")
    result.add_argument(
        "--scheduled", action="store_true", help="snapshot: note that a timer asked for it, not a person"
    )
    add_change(result)
    add_general(result)
    add_stray(result)
    return result


def _add_rows(result: Parser) -> None:
    """The options that say which rows or files are put back."""
    result.add_argument(
        "--row", action="append", default=[], metavar="KEY",
        help="put-back: the row with this primary key (repeat); cells of one with several columns by commas",
    )  # fmt: skip
    result.add_argument(
        "--rows", action=Given, default="", metavar="FILE", help="put-back: a key a line; - is standard input"
    )
    result.add_argument(
        "--lacking",
        action="store_true",
        help="put-back: every row (or file below a folder) that the generation has and live has not",
    )


def main() -> int:
    """Entry point. Returns the exit code."""
    return run(PROG, lambda: _main(parser().read()), as_json=wants_json(sys.argv[1:]))


def _main(args: argparse.Namespace) -> int:
    _check(args)
    settings, key = locate(load(args.statedir), args)
    scheduled = args.scheduled and not args.dry_run
    with heard(settings, "snapshot", scheduled=scheduled, about=str(key)) as hearing:
        return hearing.ended(_perform(settings, key, args))


def _perform(settings: Settings, key: ComponentKey, args: argparse.Namespace) -> int:
    engine = open_engine(settings, dry_run=args.dry_run)
    if args.shell:
        from dysnomia_tui.cli.shell import run_shell

        run_shell(engine.session(key), args.command)
    if args.operation == "export":
        from dysnomia_tui.cli.export import export

        return export(engine, key, args)
    idle = _idle(engine, key, args)
    if idle:
        say(f"{args.operation} {key}: nothing to do, {idle}")
        if args.json:
            write_json({"exit": 0, "job": None, "plan": None})
        return Exit.OK
    from dysnomia_tui.cli.shared.jobs import settle

    plan = _plan(engine, key, args)
    return settle(
        engine, plan, why=args.reason, dry_run=args.dry_run, no_wait=args.no_wait, as_json=args.json,
        yes_untrusted=args.yes_untrusted,
    )  # fmt: skip


def _check(args: argparse.Namespace) -> None:
    if not args.operation and not args.shell:
        raise Usage("no operation specified", f"give one with -o: {', '.join(OPERATIONS)}")
    if args.environment and not args.type:
        raise Usage("no type specified", "with --environment, name it with --type")
    if not args.container and not args.environment:
        raise Usage("no container specified", "name it with -C, or give --type and --environment")
    if not args.component:
        raise Usage("no component specified", "name it with -c")
    if args.command and not args.shell:
        raise Usage("--command goes with --shell")
    for option, given, operations in (
        ("--generation", args.generation is not None, ("restore", "verify", "check", "export", "put-back")),
        ("--as", args.name, ("restore",)),
        ("--into", args.into, ("restore",)),
        ("--section", args.section, ("restore", "export", "put-back")),
        ("--row", args.row, ("put-back",)),
        ("--rows", args.rows, ("put-back",)),
        ("--lacking", args.lacking, ("put-back",)),
        ("--to", args.to, ("export",)),
        ("--yes-untrusted", args.yes_untrusted, ("restore",)),
        ("--scheduled", args.scheduled, ("snapshot",)),
    ):
        if given and args.operation not in operations:
            raise Usage(f"{option} goes with {' or '.join(operations)}")
    if args.section and not args.name and not args.into and args.operation == "restore":
        raise Usage("--section restores into a copy", "name it with --as")
    if args.operation == "put-back":
        from dysnomia_tui.cli.put_back import check

        check(args)


def locate(settings: Settings, args: argparse.Namespace) -> tuple[Settings, ComponentKey]:
    """The component's key, and settings in which container and component are as the arguments give them.

    Raises Unknown where no configuration names the component or its container."""
    from dysnomia_store.names import ComponentKey

    type_name = os.path.abspath(args.type) if is_path(args.type) else args.type  # noqa: PTH100 (no link is followed)
    container = args.container or type_name
    path = given_path(args.component)
    component = plain_name(str(path), os.environ) if path is not None else args.component
    key = ComponentKey.of(plain_name(container, os.environ), component)
    settings = _with_container(settings, key.container, container, type_name, environment=args.environment)
    if args.into and given_path(args.into) is not None:
        settings = _with_container(settings, plain_name(args.into, os.environ), args.into, "", environment=False)
    if path is not None and path.parent.parent not in _markers(settings):
        if not path.parent.is_dir():
            raise Unknown(f"no component configuration found for: {args.component}")
        settings = replace(settings, given_components={str(key): path})
    return settings, key


def _markers(settings: Settings) -> list[object]:
    """Folders of the store whose files stand for the component of that name, as bash Dysnomia hands them about."""
    store = settings.statedir.resolve()
    return [store / "activated", store / "garbage"]


def _with_container(
    settings: Settings, name: str, argument: str, type_name: str, *, environment: bool
) -> Settings:  # fmt: skip
    """Settings with the container that is given by path, by the environment, or with a type for its file."""
    from dysnomia_tui.config.model import GivenContainer

    if environment:
        given = {**settings.given_containers, name: GivenContainer(None, type_name)}
        return replace(settings, given_containers=given)
    file = given_path(argument)
    if file is None and type_name:
        file = next((path for folder in settings.containers_path if (path := folder / name).is_file()), None)
    elif file is None:
        return settings
    if file is None or not file.is_file():
        raise Unknown(f"no container configuration found for: {argument}")
    return replace(settings, given_containers={**settings.given_containers, name: GivenContainer(file, type_name)})


def _idle(engine: Engine, key: ComponentKey, args: argparse.Namespace) -> str:
    """Why there is nothing to do, where nothing was asked for that Dysnomia does not know."""
    if args.operation in ("verify", "check") or args.generation is not None or args.name or args.into:
        return ""
    return engine.nothing_to_do(key, args.operation)


def _plan(engine: Engine, key: ComponentKey, args: argparse.Namespace) -> Plan:
    from dysnomia_store.model import Reason
    from dysnomia_tui.engine.engine import RestoreTarget

    if args.operation == "snapshot":
        reason = Reason.SCHEDULED if args.scheduled else Reason.MANUAL
        return engine.plan_snapshot([key], reason=reason, text=args.reason)
    if args.operation == "restore":
        kind = "sections" if args.section else "copy" if args.name or args.into else "replace"
        container = plain_name(args.into, os.environ) if args.into else ""
        name = args.name or (key.component if container else "")
        target = RestoreTarget(kind, name, tuple(args.section), container)
        return engine.plan_restore(key, asked(engine, key, args.generation).number, target, text=args.reason)
    if args.operation == "put-back":
        from dysnomia_tui.cli.put_back import rows_asked

        return engine.plan_put_back(key, args.generation, rows_asked(args), text=args.reason)
    if args.operation == "verify":
        return engine.plan_verify(key, asked(engine, key, args.generation).number)
    if args.operation == "check":
        # A check leaves no broken link out: it is there to find them.
        number = last(engine, key).number if args.generation is None else args.generation
        return engine.plan_check(key, [number])
    return engine.plan_activity(key, args.operation)
