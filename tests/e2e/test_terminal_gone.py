"""The terminal around the app: given back by whatever ends the app, and never outlived by it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pseudo import DRAWN, Pseudo, pseudo_terminal
from tests.e2e.terminal import alive
from tests.e2e.world import BIN, World
from tests.thorough import seldom
from tests.waiting import wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

APP = str(BIN / "dysnomia-tui")
SHOWN = b"nothing needs you"
"""The store was read: the app takes keys."""
A_SECOND = 1.0
LOADED = 9.0
"""What a loaded machine may take on top before the test fails."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    (tmp_path / "live").mkdir()
    (tmp_path / "home").mkdir()
    return world


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_ends_it_gives_the_terminal_back(world: World, number: signal.Signals) -> None:
    with pseudo_terminal([APP], world.environment) as window:
        window.wait_for(SHOWN)
        os.kill(window.pid, number)
        wait_until(lambda: window.ended)
        assert window.status == -number, "whoever waits for it sees the signal"
        wait_until(lambda: not window.modes_left_on(), 5)


def test_a_signal_ends_it_where_the_terminal_takes_in_nothing(world: World) -> None:
    """Ctrl-S, a stopped tmux: the app waits for its own writes to end, and must not be waited for."""
    with pseudo_terminal([APP], world.environment, reads=False) as window:
        wait_until(lambda: os.read(window.master, 1))
        os.kill(window.pid, signal.SIGTERM)
        wait_until(lambda: window.ended, 10)
        assert window.status in (-signal.SIGTERM, 128 + signal.SIGTERM)


HOLDERS = {
    "directly": ("exec {app}", ()),
    "SIGHUP ignored": ("exec {app}", (signal.SIGHUP,)),
    "under make": ("exec make -f {folder}/Makefile open", ()),
    "under make, SIGHUP ignored": ("exec make -f {folder}/Makefile open", (signal.SIGHUP,)),
    "under sudo": ("exec sudo -n -E env PATH=$PATH {app}", ()),
    "under sudo, SIGHUP ignored": ("exec sudo -n -E env PATH=$PATH {app}", (signal.SIGHUP,)),
    "from a shell": ("{app}; true", ()),
}


@pytest.mark.parametrize("holder", seldom(HOLDERS, "under sudo, SIGHUP ignored", "from a shell"))
def test_it_ends_within_a_second_when_its_terminal_is_gone(world: World, holder: str, tmp_path: Path) -> None:
    command, ignored = HOLDERS[holder]
    if "sudo" in command and shutil.which("sudo") is None:
        assert "CI" not in os.environ, "sudo is missing"
        pytest.skip("sudo is missing")
    own = tmp_path / "app"
    own.write_text(
        f'#!/bin/sh\necho $$ > {tmp_path}/pid.new && mv {tmp_path}/pid.new {tmp_path}/pid\nexec {APP} "$@"\n'
    )
    own.chmod(0o755)
    (tmp_path / "Makefile").write_text(f"open:\n\t@{own}\n")
    line = command.format(app=own, folder=tmp_path)
    with pseudo_terminal(["/bin/sh", "-c", line], world.environment, ignored=ignored) as window:
        window.wait_for(SHOWN)
        program = int((tmp_path / "pid").read_text())
        window.close()
        wait_until(lambda: not alive(program), A_SECOND + LOADED)


@pytest.fixture
def opened(world: World) -> Iterator[Pseudo]:
    with pseudo_terminal([APP], world.environment) as window:
        window.wait_for(SHOWN)
        yield window


def test_bytes_that_are_no_text_and_sequences_that_are_no_keys_do_not_end_it(opened: Pseudo) -> None:
    for odd in (
        b"\xe9\xff\xc3",
        b"\x1b[9:1u",
        b"\x1b[99999999999999999999u",
        b"\x1b[2012000~",
        b"\x1b[<0;99999999999;1M",
    ):
        opened.send(odd)
    before = len(opened.output)
    opened.send(b"?")
    opened.wait_for(b"Keys that work here", after=before)
    assert not opened.ended


def test_a_second_sigcont_changes_nothing(opened: Pseudo) -> None:
    """The modes to go back to are those from before the first."""
    before = len(opened.output)
    os.kill(opened.pid, signal.SIGCONT)
    opened.wait_for(DRAWN, after=before)
    opened.send(b"q")
    wait_until(lambda: opened.ended)
    assert opened.status == 0
    wait_until(lambda: not opened.modes_left_on(), 5)


@pytest.fixture
def in_client(world: World) -> Iterator[Pseudo]:
    """The app, stepped aside for the client of a database."""
    key = ("-C", "sqlite", "-c", "orders")
    world.container("sqlite", type="sqlite-database", sqliteDir=str(world.root / "live"))
    world.component("sqlite/orders", "sqlite-databases/orders.sql", "CREATE TABLE items (id INTEGER);")
    world.run("dysnomia", "-o", "activate", *key)
    with pseudo_terminal([APP], world.environment) as window:
        window.wait_for(b"never snapshotted")
        window.send(b"!")
        window.wait_for(b"sqlite>")
        yield window


def test_ctrl_c_in_the_servers_own_client_does_not_end_the_app(in_client: Pseudo) -> None:
    before = len(in_client.output)
    in_client.send(b"\x03")
    os.kill(in_client.pid, signal.SIGINT)
    in_client.send(b"\n.quit\n")
    in_client.wait_for(DRAWN, after=before)
    in_client.send(b"?")
    in_client.wait_for(b"Keys that work here", after=before)
    assert not in_client.ended


def test_sigterm_in_the_servers_own_client_ends_both(in_client: Pseudo) -> None:
    os.kill(in_client.pid, signal.SIGTERM)
    wait_until(lambda: in_client.ended)
    assert in_client.status == -signal.SIGTERM
    wait_until(lambda: not in_client.modes_left_on(), 5)
