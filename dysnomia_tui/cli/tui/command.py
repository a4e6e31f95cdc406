"""``dysnomia-tui``: opens the terminal interface; its sub-commands answer without one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.output import jsonable, say, visible, write_json, write_line, write_lines
from dysnomia_tui.cli.shared.parser import (
    EXITS,
    Parser,
    Usage,
    add_general,
    load,
    open_engine,
    path_option,
    require_folder,
    run,
    wants_json,
)
from dysnomia_tui.cli.shared.selection import component
from dysnomia_tui.cli.tui.module import call_module
from dysnomia_tui.cli.tui.options import (
    COMMANDS,
    split_place,
    with_times,
)
from dysnomia_tui.engine.errors import Exit

if TYPE_CHECKING:
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.records import Opening

PROG = "dysnomia-tui"


class SubParser(Parser):
    """A sub-command's parser: takes the general options after the sub-command's name as well as before it."""

    def __init__(self, *, prog: str, description: str = "", **_: object) -> None:
        super().__init__(prog, description)
        self.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="write one JSON document")
        self.add_argument(
            "--statedir", type=path_option, metavar="DIR", default=argparse.SUPPRESS, help="the snapshot store"
        )


def parser(words: Collection[str] = COMMANDS) -> Parser:
    """``words``: of a command line. Of the sub-commands only those among them are made: making one takes a millisecond
    or more, and a command is called by timers and monitors."""
    result = Parser(
        PROG,
        "See, snapshot, compare, restore and clear the state on this machine.",
        epilog=f"where to open, instead of COMMAND: shop/orders, shop/orders@14:05, shop/orders@9, shop@-2h\n\n{EXITS}",
    )
    result.add_argument("--read-only", action="store_true", help="nothing can be changed")
    add_general(result)
    commands = result.add_subparsers(dest="command", metavar="COMMAND", parser_class=SubParser)
    for name, (text, add) in COMMANDS.items():
        if name in words:
            add(commands.add_parser(name, help=text))
    return result


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The command line as it is meant. Raises Usage."""
    if not {"-h", "--help"}.intersection(words):
        with suppress(Usage):
            return parser(words).parse_args(words)
    return parser().parse_args(words)  # its help and its complaint name all sub-commands


def main() -> int:
    """Entry point. Returns the exit code."""
    words, place = split_place(sys.argv[1:])
    return run(PROG, lambda: _main(parsed(with_times(words)), place), as_json=wants_json(words))


def _main(args: argparse.Namespace, place: str) -> int:
    commands: dict[str | None, Callable[[argparse.Namespace], int]] = {
        None: lambda args: _open(args, place),
        "demo": _demo,
        "plugins": _imported("plugins", "plugins"),
        "config": _imported("config_show", "config_show"),
        "status": _imported("status", "status"),
        "look": _imported("look", "look"),
        "schedule": _imported("schedule", "schedule"),
        "notify": _imported("notify", "notify"),
        "verify": _imported("verify", "verify"),
        "jobs": _jobs,
        "cancel": _cancel,
        "undo": _undo,
        "group": _imported("group", "group"),
        "applications": _imported("applications", "applications"),
        "hosts": _imported("hosts", "hosts"),
        "mark": _imported("mark", "mark"),
        "trust": _imported("mark", "trust"),
        "optimise": _optimise,
        "ansible": _imported("ansible", "ansible"),
        "install-modules": _imported("install_modules", "install_modules"),
        "module": lambda args: call_module(args.words),
        "timeline": _timeline,
    }
    return commands[args.command](args)


def _imported(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    """What a sub-command does, imported when it is called."""

    def call(args: argparse.Namespace) -> int:
        return int(getattr(import_module(f"dysnomia_tui.cli.tui.{module}"), name)(args))

    return call


def _open(args: argparse.Namespace, place: str) -> int:
    return run_app(load(args.statedir), read_only=args.read_only, place=place)


def run_app(settings: Settings, *, read_only: bool, place: str = "", opening: Opening | None = None) -> int:
    """The only way from here to Textual. Raises Usage where standard output is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Usage(
            "standard output is not a terminal", "in scripts use dysnomia, dysnomia-snapshots, dysnomia-containers"
        )
    if place:
        from dysnomia_tui.cli.tui.place import opening_at

        opening = opening_at(place, settings)
    from dysnomia_tui.app.app import run as open_app

    return open_app(settings, read_only=read_only, opening=opening)


def _demo(args: argparse.Namespace) -> int:
    from dysnomia_tui.demo import build, place

    if args.prepare is not None and args.place:
        raise Usage("--prepare opens nothing, so it takes no link", "leave one of the two out")
    if args.prepare is not None:
        build.make(args.prepare, reset=args.reset, say=say)
        if args.json:
            write_json(place.environment(args.prepare))
        else:
            write_lines(f"{name}={value}" for name, value in place.environment(args.prepare).items())
        return Exit.OK
    folder = place.default_folder()
    build.make(folder, reset=args.reset, say=say)
    return run_app(place.settings(folder), read_only=args.read_only, place=args.place)


def _jobs(args: argparse.Namespace) -> int:
    from dysnomia_tui.engine import check_readable

    settings = load(args.statedir)
    require_folder(settings.statedir)
    check_readable(settings.statedir)
    jobs = open_engine(settings, read_only=True).jobs(args.limit)
    if args.json:
        write_json(list(jobs))
        return Exit.OK
    for job in jobs:
        when = job.created.strftime("%Y-%m-%d %H:%M:%SZ")
        write_line(visible(f"{job.id:>5}  {when}  {job.state:<11}  {job.title}  {job.message}").rstrip())
    return Exit.OK


def _cancel(args: argparse.Namespace) -> int:
    engine = open_engine(load(args.statedir))
    job = engine.job(args.job)
    asked = not job.state.ended
    if asked:
        engine.cancel(args.job)
        say(f"cancel requested for job {job.id} ({job.title}); see when it ends: dysnomia-tui jobs")
    else:
        say(f"job {job.id} has already ended: {job.state}")
    if args.json:
        write_json({"job": job.id, "asked": asked, "state": job.state})
    return Exit.OK


def _undo(args: argparse.Namespace) -> int:
    from dysnomia_tui.cli.shared.jobs import settle

    engine = open_engine(load(args.statedir))
    if args.forget:
        aside = engine.forget(args.job)
        say(f"job {args.job} cannot be undone any more; what it set aside is yours to remove: {aside}")
        return Exit.OK
    plan = engine.plan_undo(args.job)
    return settle(engine, plan, why=args.reason, dry_run=args.dry_run, no_wait=args.no_wait, as_json=args.json)


def _optimise(args: argparse.Namespace) -> int:
    from dysnomia_tui.cli.shared.jobs import settle

    engine = open_engine(load(args.statedir))
    plan = engine.plan_optimise([component(args.component)] if args.component is not None else None)
    return settle(engine, plan, why=args.reason, dry_run=args.dry_run, no_wait=args.no_wait, as_json=args.json)


def _timeline(args: argparse.Namespace) -> int:
    key = component(args.component) if args.component is not None else None
    engine = open_engine(load(args.statedir), read_only=True)
    if args.verified and args.json:
        write_json([jsonable(one) | {"key": str(one.key)} for one in engine.proofs(key)])
    elif args.verified:
        write_lines(engine.proofs_text(key))
    elif args.json:
        write_json(list(engine.audit_entries(key)))
    else:
        write_lines(engine.timeline(key).splitlines())
    return Exit.OK
