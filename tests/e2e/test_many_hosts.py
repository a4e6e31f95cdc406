"""The morning check: twelve machines over real ssh, one of them down, one with a failed dump, which is restored from
the screen of hosts. Each is an sshd in a network namespace with an address of its own; on loopback where there can be
none."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from dysnomia_tui.engine.hosts.calling import control_folder
from tests.e2e.ssh import network, sshd
from tests.e2e.terminal import terminal
from tests.e2e.test_story import Session
from tests.e2e.world import BIN, World
from tests.plugins.servers.common import free_port

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]
DOWN, FAILED = "h07", "h03"


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[World]:
    """The operator's machine, whose ssh configuration names twelve others."""
    (tmp_path / "bin").mkdir()
    extra = {"PATH": f"{tmp_path / 'bin'}:{BIN}:{os.defpath}", "XDG_RUNTIME_DIR": str(tmp_path)}
    world = World(tmp_path, extra=extra)
    config = tmp_path / "ssh_config"
    lines = []
    with ExitStack() as running:
        for number in range(1, 13):
            name = f"h{number:02}"
            there = World(tmp_path / name)
            there.root.mkdir()
            (there.root / "live").mkdir()
            there.container("sqlite", type="sqlite-database", sqliteDir=str(there.root / "live"))
            where = running.enter_context(network(number))
            if name == DOWN:
                lines.append(f"Host {name}\n  HostName {where.address}\n  Port {free_port()}\n")
                continue
            machine = running.enter_context(sshd(there.environment, where))
            lines.append(
                f"Host {name}\n  HostName {machine.address}\n  Port {machine.port}\n  User {machine.user}\n"
                f"  IdentityFile {machine.folder}/key\n  UserKnownHostsFile {machine.folder}/known\n"
                "  IdentitiesOnly yes\n  StrictHostKeyChecking yes\n"
            )
        config.write_text("".join(lines))
        real = shutil.which("ssh", path=os.defpath)
        (tmp_path / "bin" / "ssh").write_text(f'#!/bin/sh\nexec {real} -F {config} "$@"\n')
        (tmp_path / "bin" / "ssh").chmod(0o755)
        own = tmp_path / "config" / "dysnomia-tui"
        own.mkdir(parents=True)
        (own / "config.toml").write_text(f'ssh_hosts = "{config}"\n[hosts.h01]\nlabels = ["PROD"]\n')
        yield world
        for number in range(1, 13):
            kept = ("-o", f"ControlPath={control_folder(world.environment)}/%C", "-O", "exit")
            world.run(str(tmp_path / "bin" / "ssh"), *kept, f"h{number:02}", status=None)


@pytest.mark.worlds
def test_morning_check(machines: World) -> None:
    there = World(machines.root / FAILED)
    there.component("sqlite/orders", "sqlite-databases/orders.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY);\n")
    live = there.root / "live" / "orders"
    there.run("dysnomia-containers", "--deploy")
    with closing(sqlite3.connect(live)) as db, db:
        db.execute("INSERT INTO orders VALUES (42)")
    there.run("dysnomia-containers", "--snapshot")
    live.unlink()
    there.run("dysnomia-containers", "--snapshot", status=None)

    with terminal(110, 30) as screen:
        session = Session(screen, machines)
        screen.start([str(BIN / "dysnomia-tui"), "hosts", "--screen"], machines.environment)
        seen = screen.wait_for("12 hosts, 2 need a person ─", "sqlite/orders FAILED", "Connection refused")
        lines = [line for line in seen.splitlines() if " h0" in line or " h1" in line]
        assert [next(word for word in line.split() if word.startswith("h")) for line in lines][:3] == [
            FAILED,
            DOWN,
            "h01",
        ]
        screen.press("g", "Enter")  # the worst is first
        screen.wait_for("Generation ", "sqlite/orders", "FAILED")
        screen.press("2", "r")
        screen.wait_for("Would restore", "generation 1")
        screen.press("Enter")
        session.confirm()
        screen.until(live.exists)
        screen.wait_for("● done")
        with closing(sqlite3.connect(live)) as db:
            assert db.execute("SELECT id FROM orders").fetchall() == [(42,)]
        screen.press("Escape")
        screen.wait_for("Generation ", "2 orders")
        screen.press("q")
        screen.wait_for("12 hosts, 1 needs a person")
        screen.press("/")
        screen.type("h12")
        screen.press("Enter", "Space", "s")
        session.confirm()
        screen.wait_for("snapshot has ended")
