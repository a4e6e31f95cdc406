"""``dysnomia-snapshots``: query, check, compare, collect and import snapshots, under Dysnomia's own name and options.

The queries read the store's folders and nothing else: they import neither the engine nor a plugin.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dysnomia_store.records.rules import COUNT, RULES, TAG
from dysnomia_tui.cli.shared.names import plain_name
from dysnomia_tui.cli.shared.output import say, write_json, write_line, write_lines
from dysnomia_tui.cli.shared.parser import (
    Parser,
    Usage,
    add_change,
    add_general,
    load,
    open_engine,
    pass_over,
    require_folder,
    run,
    wants_json,
)
from dysnomia_tui.engine.errors import Exit, Unknown

if TYPE_CHECKING:
    from dysnomia_store.names import ComponentKey
    from dysnomia_store.store import Store

PROG = "dysnomia-snapshots"
THEIRS = (
    "--print-missing", "--query-latest", "--query-all", "--check", "--gc", "--import", "--resolve", "--container",
    "--component", "--keep", "--help", "--version",
)  # fmt: skip


class Line(NamedTuple):
    """One generation, as the queries list it."""

    container: str
    component: str
    generation: int
    id: str

    @property
    def path(self) -> str:
        """As Dysnomia writes it: ``container/component/id``."""
        return f"{self.container}/{self.component}/{self.id}"


def parser() -> Parser:
    result = Parser(PROG, "Manage the store of snapshots.", theirs=THEIRS)

    result.add_action("--query-latest", "the paths of each component's latest snapshot")
    result.add_action("--query-all", "the paths of the snapshots of all generations")
    result.add_action("--print-missing", "those of PATH… that are not in the store")
    result.add_action("--resolve", "PATH… as absolute paths")
    result.add_action(
        "--gc", "remove older generations; what they alone held is freed at once, unless config.toml has a grace"
    )
    result.add_action("--import", "move the snapshot folders PATH… in; or take an archive in")
    result.add_action("--export", "write the generations of ID… to a FILE, for --import")
    result.add_argument("--diff", nargs=2, metavar=("A", "B"), help="compare generations A and B, or one with 'live'")
    result.add_argument(
        "--find", metavar="TEXT", help="rows, lines and names of files with TEXT; COLUMN=VALUE; !TEXT for the others"
    )
    result.add_argument(
        "--history-of", metavar="TEXT", help="what became of a section, or of the row with this key, newest first"
    )
    result.add_argument(
        "--section", default="", metavar="KIND:NAME", help="--find, --history-of: only in this (table:orders)"
    )
    result.add_argument("--generation", type=int, metavar="N", help="--find: in this generation (default: the newest)")
    result.add_argument(
        "paths", nargs="*", metavar="PATH", help="container/component/id; a folder or archive for --import"
    )
    result.add_argument(
        "--check",
        action="store_true",
        help="read every byte and compare; 7 if any is corrupt (alone: with --query-all)",
    )
    result.add_argument("-c", "--component", metavar="COMPONENT", help="only this component")
    result.add_argument("-C", "--container", metavar="CONTAINER", help="only this container")
    result.add_argument("--in", dest="within", metavar="CONTAINER/COMPONENT", help="both in one: --in shop/orders")
    add_policy(result)
    result.add_argument("--scheduled", action="store_true", help="--gc, --check: a timer asked for it, not a person")
    result.add_argument("--rows", action="store_true", help="--diff: the rows and lines as well")
    result.add_argument("--sql", action="store_true", help="--diff: as SQL (sqlite3, psql, mariadb) that makes B of A")
    result.add_argument("--jsonl", action="store_true", help="--diff: each row that differs as an object on a line")
    result.add_argument("--reverse", action="store_true", help="--diff: from B to A")
    add_change(result)
    add_general(result)
    return result


def add_policy(group: Parser) -> None:
    """What ``--gc`` keeps, and where the rest goes."""
    group.add_argument(
        "--keep", type=int, metavar="NUM", help="--gc: generations to keep of each (default: 1; 0: none)"
    )
    for rule in RULES:
        group.add_argument(
            rule.option,
            type=int if rule.takes == COUNT else str,
            action="append" if rule.takes == TAG else "store",
            metavar="N" if rule.takes == COUNT else rule.takes.upper(),
            help=f"--gc: {rule.help}; several rules add up",
        )
    group.add_argument("--policy", action="store_true", help="--gc: keep what config.toml's retention says instead")
    group.add_argument(
        "--review", action="store_true", help="--gc --policy: plan it, and let it wait for a person to apply it"
    )
    group.add_argument("--planned", action="store_true", help="--gc: apply the collection that waits")
    group.add_argument("--now", action="store_true", help="--gc: free at once, whatever grace is configured")
    group.add_argument("--trash", action="store_true", help="--gc: into the trash, from which it can be brought back")


def main() -> int:
    """Entry point. Returns the exit code."""
    return run(PROG, lambda: _main(parser().read()), as_json=wants_json(sys.argv[1:]))


def _main(args: argparse.Namespace) -> int:
    _take_within(args)
    action = _action(args)
    if args.check and not action.startswith("query-"):
        raise Usage("--check goes with --query-all and --query-latest", "alone it means --query-all --check")
    if action not in ("print-missing", "resolve", "import", "export"):
        pass_over(PROG, args.paths, action)
    if action.startswith("query-"):
        return _query(args, latest=action == "query-latest")
    if action in ("print-missing", "resolve"):
        return _paths(args, resolve=action == "resolve")
    if action == "gc":
        from dysnomia_tui.cli.snapshots.gc import collect

        return collect(args)
    if action == "import":
        return _import(args)
    if action == "export":
        from dysnomia_tui.cli.snapshots.archive import export

        return export(args, wanted(args))
    if action == "diff":
        from dysnomia_tui.cli.snapshots.diff import compare

        return compare(args)
    if action in ("find", "history_of"):
        from dysnomia_tui.cli.snapshots import finding

        return finding.find(args) if action == "find" else finding.history(args)
    raise Usage("no operation specified", "give --query-latest, --query-all, --gc, --diff … (see --help)")


def _take_within(args: argparse.Namespace) -> None:
    """``--in`` is ``-C`` and ``-c`` in one word. Raises Usage."""
    if args.within is None:
        return
    if args.container or args.component:
        raise Usage("--in and -C or -c cannot be combined", "give the component once")
    container, slash, component = args.within.rpartition("/")
    if not slash or "/" in container or not container or not component:
        raise Usage(f"{args.within!r} is not the name of a component", "write CONTAINER/COMPONENT")
    args.container, args.component = container, component


def _action(args: argparse.Namespace) -> str:
    """What is to be done. Raises Usage where options do not go together."""
    action = args.action or ("query-all" if args.check else "")
    asked = [name for name in ("diff", "find", "history_of") if getattr(args, name) is not None]
    if len(asked) + bool(action) > 1:
        names = [f"--{name.replace('_', '-')}" for name in (*asked, *([action] if action else []))]
        raise Usage(f"{' and '.join(names)} cannot be combined", "give only one of them")
    action = action or (asked[0] if asked else "")
    if args.section and action not in ("find", "history_of"):
        raise Usage("--section goes with --find and --history-of")
    if (args.sql or args.jsonl or args.reverse) and action != "diff":
        raise Usage("--sql, --jsonl and --reverse go with --diff")
    if args.generation is not None and action != "find":
        raise Usage("--generation goes with --find")
    if args.scheduled and action != "gc" and not args.check:
        raise Usage("--scheduled goes with --gc and --check")
    return action


def wanted(args: argparse.Namespace) -> tuple[str, str]:
    """The container and component asked for, ``""`` where any will do. Raises NameRejected."""
    from dysnomia_store.names import validate_name

    container = plain_name(args.container, os.environ) if args.container else ""
    component = plain_name(args.component, os.environ) if args.component else ""
    if container:
        validate_name(container, "container")
    if component:
        validate_name(component, "component")
    return container, component


def store_folder(args: argparse.Namespace) -> Path:
    """Where the store is; it need not be there yet. Raises Usage where something else is."""
    statedir = load(args.statedir).statedir
    require_folder(statedir)
    return statedir


def lines(statedir: Path, container: str, component: str, *, latest: bool) -> Iterator[Line]:
    """The generations in the store, by component and then by number. Broken links are left out, with a warning."""
    from dysnomia_store import Layout, all_generations, latest_generations

    links = latest_generations if latest else all_generations
    for key, number, snapshot in links(Layout(statedir), container or None, component or None):
        if not snapshot:
            say(f"WARNING: generation {number} of {key} is a broken link: its snapshot is missing")
            continue
        yield Line(key.container, key.component, number, snapshot)


def _query(args: argparse.Namespace, *, latest: bool) -> int:
    if args.check:
        return _query_checked(args, latest=latest)
    statedir = store_folder(args)
    paths = lines(statedir, *wanted(args), latest=latest)
    if args.json:
        from dysnomia_tui.cli.snapshots.told import documents

        write_json(documents(statedir, paths))
    else:
        write_lines(line.path for line in paths)
    return Exit.OK


def _query_checked(args: argparse.Namespace, *, latest: bool) -> int:
    from dysnomia_store import Layout, all_generations
    from dysnomia_store.store import Store
    from dysnomia_tui.cli.shared.heard import heard
    from dysnomia_tui.cli.shared.selection import nothing_of

    container, component = wanted(args)
    if (container or component) and not any(
        all_generations(Layout(store_folder(args)), container or None, component or None)
    ):
        # Of nothing all is well: a script whose component is called otherwise now would never hear of it.
        raise nothing_of(container, component)
    if not args.scheduled:
        statedir = store_folder(args)
        selected = lines(statedir, *wanted(args), latest=latest)
        return _checked(Store(statedir), selected, lambda: _why_unrecorded(args), as_json=args.json)
    settings = load(args.statedir)
    with heard(settings, "check", scheduled=not args.dry_run) as hearing:
        from dysnomia_tui.cli.snapshots.check import check_by_jobs

        paths = lines(store_folder(args), *wanted(args), latest=latest)
        return hearing.ended(check_by_jobs(args, settings, paths, hearing))


def _why_unrecorded(args: argparse.Namespace) -> str:
    """Why nothing may be written into the store, if so."""
    return "--dry-run" if args.dry_run else open_engine(load(args.statedir)).read_only


def _checked(store: Store, lines: Iterable[Line], refused: Callable[[], str], *, as_json: bool) -> int:
    """Check each snapshot, say what is wrong by name, and go on. A frame that several share is read once.

    Damage is recorded, for all that share it: what is stored later must not. What is well is not. ``refused``: why
    nothing may be written there, asked where something is damaged."""
    from dysnomia_store import Proofs
    from dysnomia_store.errors import StoreError
    from dysnomia_store.model import Check, CheckResult
    from dysnomia_store.names import ComponentKey

    results: dict[str, Check] = {}
    proofs = Proofs()
    records, bad, unrecorded = [], 0, ""
    damaged = False
    for line in lines:
        if not as_json:
            write_line(line.path)
        if line.path not in results:
            key = ComponentKey(line.container, line.component)
            results[line.path] = outcome = store.check(key, line.id, proofs=proofs)
            if outcome.result is CheckResult.CORRUPT:
                if not damaged:
                    damaged, unrecorded = True, refused()
                try:
                    if not unrecorded:
                        results[line.path] = store.record_damage(key, line.id, outcome, proofs)
                except StoreError as error:
                    unrecorded = str(error)
            bad += _say_check(line, results[line.path])
        check = results[line.path]
        records.append(line._asdict() | {"path": line.path, "check": check.result.value, "text": check.text})
    if as_json:
        write_json(records)
    if unrecorded:
        say(f"WARNING: what is damaged was not recorded, so that later snapshots may share it: {unrecorded}")
    unverifiable = sum(check.result is CheckResult.UNVERIFIABLE for check in results.values())
    say(f"{len(results)} checked: {len(results) - bad - unverifiable} ok, {bad} bad, {unverifiable} unverifiable")
    return Exit.CORRUPT if bad else Exit.OK


def _say_check(line: Line, check: object) -> bool:
    """Say what a check found, unless all is well. Returns whether the snapshot is bad."""
    from dysnomia_store.model import Check, CheckResult

    assert isinstance(check, Check)
    detail = f": {check.text}" if check.text else ""
    if check.result is CheckResult.OK:
        return False
    if check.result is CheckResult.UNVERIFIABLE:
        say(f"WARNING: {line.path} cannot be verified{detail}")
        return False
    say(f"{check.result.value}: {line.path}{detail}")
    return True


def _paths(args: argparse.Namespace, *, resolve: bool) -> int:
    root = store_folder(args) / "snapshots"
    relative = [_valid_path(path) for path in args.paths]
    if resolve:
        result = [str(root / path) for path in relative]
    else:
        result = [path for path in relative if not os.path.lexists(root / path)]
    if args.json:
        write_json(result)
    else:
        write_lines(result)
    return Exit.OK


def _valid_path(path: str) -> str:
    """A relative snapshot path whose three parts are names. Raises Usage, NameRejected."""
    from dysnomia_store.names import ComponentKey, validate_name

    parts = path.rstrip("/").split("/")
    if len(parts) != 3:
        raise Usage(f"{path!r} is not a snapshot path", "write container/component/id")
    ComponentKey.of(parts[0], parts[1])
    validate_name(parts[2], "snapshot id")
    return "/".join(parts)


def one_component(args: argparse.Namespace) -> ComponentKey:
    """The component that has to be named with -C and -c. Raises Usage where one of the two is missing."""
    from dysnomia_store.names import ComponentKey

    container, component = wanted(args)
    if not container:
        raise Usage("no container specified", "name it with -C, or both with --in CONTAINER/COMPONENT")
    if not component:
        raise Usage("no component specified", "name it with -c, or both with --in CONTAINER/COMPONENT")
    return ComponentKey(container, component)


def _import(args: argparse.Namespace) -> int:
    from dysnomia_tui.cli.shared.jobs import settle

    if len(args.paths) == 1 and not (args.container or args.component) and os.path.isfile(args.paths[0]):  # noqa: PTH113
        from dysnomia_tui.cli.snapshots.archive import import_archive

        return import_archive(args, Path(args.paths[0]))
    key = one_component(args)
    folders = [Path(os.path.abspath(path)) for path in args.paths]  # noqa: PTH100 (a link at the end is refused later)
    if not folders:
        return Exit.OK
    for folder in folders:
        if not folder.is_dir():
            hint = "an archive is imported alone, without -C and -c" if folder.is_file() else ""
            raise Unknown(f"{folder} is not a folder with a snapshot", hint)
    engine = open_engine(load(args.statedir))
    plan = engine.plan_import(key, folders, move=True)
    return settle(engine, plan, why=args.reason, dry_run=args.dry_run, no_wait=args.no_wait, as_json=args.json)
