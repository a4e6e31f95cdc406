"""``dysnomia-addusers``, ``-delusers``, ``-addgroups``, ``-delgroups``: the accounts that a component describes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.output import say, write_json, write_line
from dysnomia_tui.cli.shared.parser import Parser, Usage, add_version, load, run, wants_json
from dysnomia_tui.engine.errors import Exit, ReadOnly, Unknown

if TYPE_CHECKING:
    from dysnomia_plugins.toolkit.accounts import Step

THEIRS = ("--help", "--version")


def add_users() -> int:
    return _command("dysnomia-addusers", "Create the users that a component describes.", _plan_add_users)


def delete_users() -> int:
    return _command("dysnomia-delusers", "Remove the users that a component describes.", _plan_delete_users)


def add_groups() -> int:
    return _command("dysnomia-addgroups", "Create the groups that a component describes.", _plan_add_groups)


def delete_groups() -> int:
    return _command("dysnomia-delgroups", "Remove the groups that a component describes.", _plan_delete_groups)


COMMANDS: Mapping[str, Callable[[], int]] = {
    "dysnomia-addusers": add_users,
    "dysnomia-delusers": delete_users,
    "dysnomia-addgroups": add_groups,
    "dysnomia-delgroups": delete_groups,
}


def parser(prog: str, text: str) -> Parser:
    result = Parser(prog, text, theirs=THEIRS)
    result.add_argument("path", nargs="*", metavar="PATH", help="a component's folder, or one file that describes one")
    result.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    result.add_argument("--json", action="store_true", help="write what was done as one JSON document")
    add_version(result)
    return result


def _command(prog: str, text: str, plan: Callable[[Path], Sequence[Step]]) -> int:
    return run(prog, lambda: _main(parser(prog, text).read(), plan), as_json=wants_json(sys.argv[1:]))


def _main(args: argparse.Namespace, plan: Callable[[Path], Sequence[Step]]) -> int:
    from dysnomia_plugins.toolkit.accounts import carry_out
    from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
    from dysnomia_tui.engine import translated

    if not args.path:
        raise Usage("no path specified", "name a component's folder, or a file that describes an account")
    for word in args.path[1:]:
        say(f"ignoring unexpected argument {word!r}")
    path = Path(args.path[0])
    if not path.exists():
        raise Unknown(f"the path: {path} is not valid")
    with translated():
        steps = plan(path)
        if args.dry_run:
            for step in steps:
                write_line(f"would {step.text}" if step.changes else step.text)
            return Exit.OK
        _refuse_read_only(steps)
        changed = carry_out(steps, ProcessRunner(NeverCancelled()), say)
    if args.json:
        write_json({"exit": 0, "done": [step.text for step in changed]})
    return Exit.OK


def _refuse_read_only(steps: Sequence[Step]) -> None:
    if load().read_only and any(step.changes for step in steps):
        raise ReadOnly("no account was changed: config.toml says read_only", "changes are refused here")


def _plan_add_users(path: Path) -> Sequence[Step]:
    from dysnomia_plugins.toolkit import accounts

    return accounts.plan_add_users(accounts.read_users(path))


def _plan_delete_users(path: Path) -> Sequence[Step]:
    from dysnomia_plugins.toolkit import accounts

    return accounts.plan_delete_users(accounts.read_users(path, removing=True))


def _plan_add_groups(path: Path) -> Sequence[Step]:
    from dysnomia_plugins.toolkit import accounts

    return accounts.plan_add_groups(accounts.read_groups(path))


def _plan_delete_groups(path: Path) -> Sequence[Step]:
    from dysnomia_plugins.toolkit import accounts

    return accounts.plan_delete_groups(accounts.read_groups(path, removing=True))
