"""What the surroundings of a call may do: nothing that root would regret. Variables, folders and files of others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dysnomia_base.environment import child_environment, search_path
from dysnomia_base.python_child import import_path, python_child
from tests.e2e.world import BIN, World

TELLING = """#!/bin/bash
env | sort
for name in dysnomia-snapshots mytool; do command -v $name || echo "no $name"; done
"""
FAILING = """#!/bin/bash
grep -E '^Sig(Blk|Ign)' /proc/self/status
[ "$1" != snapshot ]
"""
DEAF = """import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
os.execv(sys.argv[1], sys.argv[1:])
"""
"""What some supervisors and thread pools leave to the programs that they start; and what nohup does."""
HEARING = """import os, signal, sys
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""As from a shell, also where the tests run under nohup or in the background of a script."""
HOSTILE = {
    "LD_LIBRARY_PATH": "/odd", "BASH_ENV": "/odd/bashrc", "GIT_DIR": "/odd", "PGHOST": "/odd", "PGOPTIONS": "-c x=y",
    "MYSQL_HOST": "odd", "PYTHONSTARTUP": "/odd.py", "PYTHONUSERBASE": "/odd", "PERL5OPT": "-d", "TAR_OPTIONS": "--odd",
    "BASH_FUNC_cat%%": "() { echo odd; }",
}  # fmt: skip


def world_of(tmp_path: Path, **extra: str) -> World:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "telling").write_text(TELLING)
    (modules / "telling").chmod(0o755)
    world = World(tmp_path, extra={"DYSNOMIA_MODULES_PATH": str(modules), **extra})
    world.container("box", type="telling")
    world.component("box/thing", "file", "")
    return world


def test_variables_that_change_programs_reach_no_module_by_either_way(tmp_path: Path) -> None:
    world = world_of(tmp_path, SITE="north", **HOSTILE)
    for call in (["-C", "box"], ["--type", "telling", "--environment"]):
        said = world.run("dysnomia", "-o", "show", "-c", str(tmp_path / "components/box/thing"), *call)
        names = {line.partition("=")[0] for line in said.lines}
        assert not names & {*HOSTILE}, call
        assert ("SITE" in names) == ("--environment" in call), "of the caller's own, all the rest"


def test_a_modules_path_is_the_callers_less_what_others_may_write(tmp_path: Path) -> None:
    mine, anyones = tmp_path / "mine", tmp_path / "anyones"
    for folder, program in ((mine, "mytool"), (anyones, "odd")):
        folder.mkdir()
        (folder / program).write_text("#!/bin/sh\n")
        (folder / program).chmod(0o755)
    anyones.chmod(0o777)
    world = world_of(tmp_path, PATH=f"{anyones}:.:relative:{mine}:/usr/bin:/bin")
    said = world.run("dysnomia", "-o", "show", "-C", "box", "-c", "thing").lines
    (path,) = [line.removeprefix("PATH=") for line in said if line.startswith("PATH=")]
    folders = path.split(":")
    assert folders[0] == str(anyones if os.geteuid() else mine)
    assert (str(anyones) in folders) == (os.geteuid() != 0)
    assert all(folder.startswith("/") for folder in folders)
    assert str(mine / "mytool") in said
    assert str(BIN / "dysnomia-snapshots") in said, "modules call our commands by name"


def signals_of(lines: Sequence[str]) -> dict[str, int]:
    """What FAILING says of itself: masks by their names; of signals that a program can set (glibc keeps 32 and 33,
    and whoever started the tests may have left them ignored)."""
    settable = sum(1 << number - 1 for number in signal.valid_signals())
    masks = (line.split(":") for line in lines if line.startswith("Sig"))
    return {name: int(mask, 16) & settable for name, mask in masks}


def test_a_service_that_a_module_starts_hears_hangup_and_interrupt(tmp_path: Path) -> None:
    """A job does not end by them; what it starts would ignore them for good: reload by SIGHUP, stop by SIGINT."""
    world = world_of(tmp_path)
    (tmp_path / "modules" / "telling").write_text(FAILING)
    hearing = [sys.executable, "-c", HEARING]
    lines = world.run("dysnomia", "-o", "show", "-C", "box", "-c", "thing", through=hearing).lines
    assert signals_of(lines) == {"SigBlk": 0, "SigIgn": 0}


def test_how_a_child_ended_is_known_whatever_the_caller_did_with_signals(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    (tmp_path / "modules" / "telling").write_text(FAILING)
    component = ["-C", "box", "-c", "thing"]
    deaf = [sys.executable, "-c", DEAF]
    said = world.run("dysnomia", "-o", "show", *component, through=deaf).lines
    signals = signals_of(said)
    assert signals["SigBlk"] == 0, "it can be stopped, and so can its children"
    assert not signals["SigIgn"] >> (signal.SIGCHLD - 1) & 1
    assert signals["SigIgn"] >> (signal.SIGHUP - 1) & 1, "nohup stays in force"
    world.run("dysnomia", "-o", "activate", *component, through=deaf)
    failed = world.run("dysnomia", "-o", "snapshot", *component, through=deaf, status=1)
    assert "status 1" in failed.err
    assert world.run("dysnomia-snapshots", "--query-all").lines == []


@pytest.mark.parametrize(
    "call",
    [["dysnomia-snapshots", "--query-all"], ["dysnomia", "-o", "activate", "-C", "box", "-c", "thing"],
     ["dysnomia-tui", "jobs"], ["dysnomia-tui", "plugins"]],
)  # fmt: skip
def test_nothing_is_imported_from_the_folder_one_stands_in(tmp_path: Path, call: list[str]) -> None:
    world = world_of(tmp_path)
    for name in ("json", "argparse", "subprocess", "dysnomia_tui", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()\n")
    world.run(*call)  # it stands in this folder
    assert not (tmp_path / "imported").exists()


def test_a_python_child_imports_what_we_import_and_nothing_else(tmp_path: Path) -> None:
    for name in ("json", "dysnomia_tui", "usercustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from where one stands')\n")
    code = python_child("dysnomia_tui.cli.tui.command", "print(sys.path, sys.flags.isolated) or main()", "plugins")
    environment = {**child_environment(os.environ), "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(code, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    first = done.stdout.splitlines()[0]
    assert first == f"{list(import_path())} 1"
    assert str(tmp_path) not in first


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone is wary of folders that others may write")
def test_a_folder_of_others_on_our_own_import_path_is_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setattr(sys, "path", [str(tmp_path), "", "relative", *sys.path])
    assert not {str(tmp_path), "", "relative"} & {*import_path()}
    assert str(tmp_path) not in search_path({"PATH": str(tmp_path)}).split(":")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_anothers_home_and_files_are_named_and_left_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    theirs = tmp_path / "theirs"
    config = theirs / ".config" / "dysnomia-tui" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'modules_path = ["{theirs}"]\n')
    (theirs / "echo").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (theirs / "echo").chmod(0o755)
    world = World(tmp_path, extra={"HOME": str(theirs), "XDG_CONFIG_HOME": "", "DYSNOMIA_MODULES_PATH": ""})
    world.container("plain", type="echo")
    world.container("byPath", type=str(theirs / "echo"))
    world.container("theirs", type="echo", other="$(touch " + str(ran) + ")")
    for key in ("plain/thing", "byPath/thing", "theirs/thing"):
        world.component(key, "file", "")
    for folder, _, files in os.walk(theirs):
        for name in ("", *files):
            os.chown(Path(folder, name), 12345, 12345)
    os.chown(tmp_path / "containers" / "theirs", 12345, 12345)
    done = world.run("dysnomia", "-o", "activate", "-C", "plain", "-c", "thing")
    assert f"warning: {config} is left out: {theirs} belongs to user 12345, neither root nor you" in done.err
    for name, file in (("byPath", theirs / "echo"), ("theirs", tmp_path / "containers" / "theirs")):
        refused = world.run("dysnomia", "-o", "activate", "-C", name, "-c", "thing", status=None)
        assert refused.status != 0
        assert f"{file} is left out: " in refused.err
    assert not ran.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_nothing_is_written_into_a_state_directory_of_another(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.state.mkdir()
    os.chown(world.state, 12345, 12345)
    refused = world.run("dysnomia", "-o", "activate", "-C", "box", "-c", "thing", status=6)
    assert f"the state directory is not safe to write: {world.state} belongs to user 12345" in refused.err
    assert list(world.state.iterdir()) == []
    assert world.run("dysnomia-snapshots", "--query-all").lines == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take /proc away")
def test_where_proc_is_not_mounted_that_is_said(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    without = ["unshare", "--mount", "--propagation=private", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]
    said = world.run("dysnomia", "-o", "activate", "-C", "box", "-c", "thing", through=without, status=1)
    assert "no job can run here: /proc is not mounted: mount -t proc" in said.err
    world.container("files", type="fileset", targetDir=str(tmp_path / "srv"))
    world.component("files/site", ".dysnomia-fileset", "mkdir data\n")
    for operation in ("activate", "snapshot"):
        world.run("dysnomia", "-o", operation, "-C", "files", "-c", "site")
    said = world.run("dysnomia", "-o", "restore", "-C", "files", "-c", "site", through=without, status=8)
    assert "/proc is not mounted: mount -t proc" in said.err, "it was: the process that asks failed (status 1)"
    world.run("dysnomia-snapshots", "--query-all", through=without)
