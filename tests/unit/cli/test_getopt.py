"""Command lines are read as getopt(1) reads them: compared with the program itself."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_tui.cli.shared.getopt import BadOption, as_getopt
from tests.plugins.servers.common import missing

WORDS = st.sampled_from(
    [
        *("-o", "-oact", "-c", "-Ex", "-E", "-Ec", "--operation", "--op", "--op=a b", "--operation=", "--env", "--e=1"),
        *("--environment", "--c", "--com", "--component", "--command=x", "-", "stray", "a b", "", "--no", "-x"),
    ]
)
ASK_FOR_A_VALUE = ("-o", "-c", "-Ec", "--operation", "--op", "--com", "--component")
END = st.sampled_from([[], ["--"], ["--", "-x", "--", "stray"]])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(add_help=False)
    made.add_argument("-o", "--operation")
    made.add_argument("-c", "--component")
    made.add_argument("--command")
    made.add_argument("-E", "--environment", action="store_true")
    made.add_argument("words", nargs="*")
    return made


def by_getopt(words: list[str]) -> tuple[dict[str, str | None], list[str]] | None:
    """The last value of each option and the operands, or None where it complains."""
    argv = ["getopt", "-n", "x", "-o", "o:c:E", "-l", "operation:,component:,command:,environment", "--", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    found: dict[str, str | None] = {}
    parts = shlex.split(done.stdout)
    names = {"-o": "operation", "-c": "component", "-E": "environment"}
    while (word := parts.pop(0)) != "--":
        name = names.get(word, word[2:])
        found[name] = None if name == "environment" else parts.pop(0)
    return found, parts


def by_us(words: list[str]) -> tuple[dict[str, str | None], list[str]] | None:
    try:
        args = parser().parse_args(as_getopt(parser(), words))
    except BadOption:
        return None
    found = {name: getattr(args, name) for name in ("operation", "component", "command")}
    given_ones: dict[str, str | None] = {name: value for name, value in found.items() if value is not None}
    return given_ones | ({"environment": None} if args.environment else {}), args.words


@settings(max_examples=200, deadline=None)
@given(words=st.lists(WORDS, max_size=5), end=END)
def test_as_getopt_does(words: list[str], end: list[str]) -> None:
    words = [*words, *([] if words and words[-1] in ASK_FOR_A_VALUE else end)]
    if shutil.which("getopt") is None:
        missing("getopt", "apt-get install util-linux")
    assert by_us(words) == by_getopt(words)


def test_options_of_dysnomias_come_first_when_one_is_cut_short() -> None:
    made = argparse.ArgumentParser()
    made.add_argument("--shell", action="store_true")
    made.add_argument("--scheduled", action="store_true")
    assert as_getopt(made, ["--s"], ["--shell"]) == ["--shell"]
    with pytest.raises(BadOption, match="ambiguous"):
        as_getopt(made, ["--s"])


def test_options_of_ours_are_not_cut_short() -> None:
    """``--yes`` would be ``--yes-untrusted``."""
    made = argparse.ArgumentParser()
    made.add_argument("--restore", action="store_true")
    made.add_argument("--yes-untrusted", action="store_true")
    assert as_getopt(made, ["--rest"], ["--restore"]) == ["--restore"]
    with pytest.raises(BadOption, match="there is no option '--yes'"):
        as_getopt(made, ["--yes"], ["--restore"])


def test_the_end_of_the_options_is_no_value() -> None:
    for words in (["--component=--"], ["-c", "--"], ["--component", "--"]):
        with pytest.raises(BadOption, match="--component"):
            as_getopt(parser(), words)
