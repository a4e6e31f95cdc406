"""The options of the sub-commands that have many.

Apart from what the sub-commands do: the parser of ``dysnomia-tui`` is made at each start, and what one of them needs of
the engine is needed by that one alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from dysnomia_tui.cli.shared.parser import add_change, add_yes_untrusted, path_option


def add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--openmetrics", action="store_true", help="write metrics, for node_exporter's textfile folder")
    parser.add_argument(
        "--metrics",
        type=path_option,
        metavar="FILE",
        help="put metrics into this file besides, in place of those before",
    )
    add_scheduled(parser)


def add_scheduled(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scheduled", action="store_true", help="a timer asked for it: tell what is new to who [notify] names"
    )


def add_look(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("container", nargs="*", metavar="CONTAINER", help="these only")
    parser.add_argument("--accept", action="store_true", help="what is not there was removed on purpose, however much")


def add_notify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--test", action="store_true", help="send a test message every way")


def add_schedule(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="write and start the timers of [schedule] in config.toml")
    what.add_argument("--remove", action="store_true", help="stop and remove what --write has written")
    what.add_argument("--cron", action="store_true", help="write lines for a crontab instead")
    what.add_argument("--print", action="store_true", help="write the unit files to standard output")
    parser.add_argument(
        "--dir", type=path_option, metavar="DIR", help="where units are (for root: /etc/systemd/system)"
    )


def add_mark(parser: argparse.ArgumentParser) -> None:
    _add_generation(parser)
    pin = parser.add_mutually_exclusive_group()
    pin.add_argument("--pin", metavar="WHY", help="never collect it")
    pin.add_argument("--unpin", action="store_true", help="take all pins off that operators put there")
    parser.add_argument("--until", metavar="WHEN", help="--pin: only so long (30d; or 2027-01-31T12:00, in UTC)")
    verdict = parser.add_mutually_exclusive_group()
    verdict.add_argument("--good", action="store_true", help="known good")
    verdict.add_argument("--bad", action="store_true", help="known bad")
    verdict.add_argument("--no-verdict", action="store_true", help="neither good nor bad")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="put a tag on it (repeat)")
    parser.add_argument("--untag", action="append", default=[], metavar="TAG", help="take a tag off it (repeat)")
    parser.add_argument("--note", metavar="TEXT", help="write a note on it; an empty one takes the note off")
    add_change(parser)


def add_trust(parser: argparse.ArgumentParser) -> None:
    _add_generation(parser)
    parser.add_argument("--withdraw", action="store_true", help="do not trust it any more")
    add_change(parser)


def _add_generation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("component", metavar="CONTAINER/COMPONENT")
    parser.add_argument("generation", type=int, metavar="N")


def with_times(words: Sequence[str]) -> list[str]:
    """The same command line where argparse does not take a time as ``-2h`` after ``--at`` for an option."""
    result: list[str] = []
    for word in words:
        if result and result[-1] == "--at" and word[:1] == "-" and word[1:2].isdigit():
            result[-1] = f"--at={word}"
        else:
            result.append(word)
    return result


def split_place(words: Sequence[str]) -> tuple[list[str], str]:
    """The command line without its place, and the place; ``""`` where it has none, or calls a sub-command."""
    for at, word in enumerate(words):
        if word.startswith("-") or (at and words[at - 1] == "--statedir"):
            continue
        if "/" not in word and "@" not in word:
            break  # a sub-command
        return [*words[:at], *words[at + 1 :]], word
    return [*words], ""


def add_group(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="GROUP", help="of config.toml; or a container")
    parser.add_argument(
        "action", nargs="?", default="show", choices=["show", "snapshot", "restore", "undo"],
        help="show where each component was (the default), snapshot all, restore all to a time, undo the last restore",
    )  # fmt: skip
    parser.add_argument("--at", default="", metavar="TIME", help="show, restore: 14:05, 'yesterday 14:05', -2h")
    add_yes_untrusted(parser)
    add_change(parser)


def add_applications(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="this one only: what would be written for it")
    parser.add_argument("--adopt", action="store_true", help="write its components and its group")
    add_change(parser)


def add_hosts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", nargs="*", metavar="HOST", help="these only, by name or label")
    parser.add_argument("--list", action="store_true", help="which there are; nobody is asked")
    parser.add_argument("--connect", action="store_true", help="connect to each first: ssh may ask for passwords then")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--screen", action="store_true", help="open the screen of hosts (M in the app)")
    what.add_argument(
        "--run", choices=["snapshot", "verify"], help="snapshot everything, or verify what is due, on each of them"
    )
    parser.add_argument("--serial", type=int, metavar="N", help="--run: N hosts at a time (default: 1)")
    parser.add_argument(
        "--max-fail-percentage", type=int, metavar="P",
        help="--run: stop after a batch in which more than P %% failed (default: 0)",
    )  # fmt: skip
    parser.add_argument("-n", "--dry-run", action="store_true", help="--run: write what would be called, and where")
    parser.add_argument("--at-once", type=int, default=20, metavar="N", help="ask N at the same time (default: 20)")
    parser.add_argument("--timeout", type=int, default=15, metavar="S", help="seconds for each (default: 15)")


def add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("component", nargs="?", metavar="CONTAINER/COMPONENT", help="of this one only")
    add_scheduled(parser)
    parser.add_argument("--due", action="store_true", required=True, help="those whose turn it is, one after the other")
    parser.add_argument(
        "--within", default="1h", metavar="DURATION", help="begin none after this time (default: 1h), as 30m, 4h, 1d"
    )
    add_change(parser)


def _add_nothing(parser: argparse.ArgumentParser) -> None:
    """A sub-command with the general options alone."""


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("place", nargs="?", default="", metavar="LINK", help="where to open: sqlite/orders@14:05, shop")
    parser.add_argument("--reset", action="store_true", help="throw the demo away and make it anew")
    parser.add_argument("--prepare", type=path_option, metavar="DIR", help="make it in DIR and exit")


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["show"])


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most N (default: 20)")


def _add_cancel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB")


def _add_undo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB")
    parser.add_argument(
        "--forget", action="store_true",
        help="undo nothing, and never: what the job set aside is yours to remove, and its alarm ends",
    )  # fmt: skip
    add_change(parser)


def _add_optimise(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("component", nargs="?", metavar="CONTAINER/COMPONENT", help="of this one only")
    add_change(parser)


def _add_install_modules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=path_option, metavar="DIR", help="a prefix: libexec/dysnomia and share/dysnomia in it"
    )


def _add_module(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="TYPE ACTIVITY COMPONENT CONTAINER")


def _add_timeline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("component", nargs="?", metavar="CONTAINER/COMPONENT")
    parser.add_argument("--verified", action="store_true", help="when and how each generation was proved instead")


COMMANDS: Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "demo": ("open a demo store, made on first use", _add_demo),
    "plugins": ("the types that are known here, where each comes from and what it needs", _add_nothing),
    "config": ("the configuration in force", _add_config),
    "status": ("whether someone has to act: exit 0 ok, 1 warning, 2 critical", add_status),
    "look": ("ask the servers of containers with components=* what they hold", add_look),
    "schedule": ("timers of systemd that snapshot, collect and check", add_schedule),
    "notify": ("who is told what happens while nobody watches", add_notify),
    "verify": ("prove generations that are due by restoring them into a scratch place", add_verify),
    "jobs": ("what runs, and what has ended", _add_jobs),
    "cancel": ("ask a job to stop", _add_cancel),
    "undo": ("undo a restore or a collection", _add_undo),
    "group": ("an application: snapshot, restore to a time and undo all of it", add_group),
    "applications": ("what is installed here, as groups that could be adopted", add_applications),
    "hosts": ("the status of other machines, over your own ssh", add_hosts),
    "mark": ("say of a generation that it is pinned, known good or bad, tagged …", add_mark),
    "trust": ("load an imported generation as one that was made here", add_trust),
    "optimise": ("let stored generations share what they have in common", _add_optimise),
    "ansible": ("where its Ansible collection is, for ANSIBLE_COLLECTIONS_PATH", _add_nothing),
    "install-modules": ("lay down what bash Dysnomia and its modules call of ours", _add_install_modules),
    "module": ("one activity of a type of ours, as install-modules writes it", _add_module),
    "timeline": ("what was done, as a timeline in UTC", _add_timeline),
}
"""The sub-commands: what the help says of each, and what adds its options."""
