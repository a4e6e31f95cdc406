"""``dysnomia-tui hosts``: many machines by command, through a stand-in for ssh and over a real one."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dysnomia_tui.engine.hosts.calling import control_folder
from tests.e2e.ssh import sshd
from tests.e2e.world import BIN, World

STAND_IN = r"""#!/bin/sh
echo "$*" >> "$0.called"
while [ "$1" != -- ]; do shift; done
case $2 in
    *web1) cat "$0.good"; exit 0;;
    *db1) cat "$0.bad"; exit 2;;
    *slow) exec sleep 60;;
    *loud) exec cat /dev/zero;;
    *bare) echo "sh: 1: dysnomia-tui: not found" >&2; exit 127;;
    *) echo "ssh: connect to host $2 port 22: Connection refused" >&2; exit 255;;
esac
"""
WORKER = r"""#!/bin/sh
echo "$*" >> "$0.called"
while [ "$1" != -- ]; do shift; done
host=$2; shift 2
# Waits until so many have begun as the file says.
echo "+$host" >> "$0.work"
while [ -e "$0.together" ] && [ "$(grep -c '^+' "$0.work")" -lt "$(cat "$0.together")" ]; do :; done
echo "-$host" >> "$0.work"
case $host in
    bad*) echo "job 7 failed" >&2; echo "shop/orders: the disk is full" >&2; exit 3;;
    gone*) echo "ssh: connect to host $host port 22: Connection refused" >&2; exit 255;;
    bare*) echo "sh: 1: dysnomia-containers: not found" >&2; exit 127;;
esac
"""
GOOD = {"level": "ok", "components": [{"key": "shop/orders", "level": "ok", "health": "ok", "age": 7200.0,
                                       "stored_size": 1 << 20}]}  # fmt: skip
BAD = {"level": "critical", "components": [{"key": "a/b\u001b[2J\u202e", "level": "critical", "health": "FAILED"}]}


@pytest.fixture
def world(tmp_path: Path) -> World:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(STAND_IN)
    (folder / "ssh").chmod(0o755)
    (folder / "ssh.good").write_text(json.dumps(GOOD))
    (folder / "ssh.bad").write_text(json.dumps(BAD))
    return World(tmp_path, extra={"PATH": f"{folder}:{BIN}:{os.defpath}", "XDG_RUNTIME_DIR": str(tmp_path)})


def configure(world: World, text: str) -> None:
    path = world.root / "config" / "dysnomia-tui" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def hosts(*names: str) -> str:
    return "".join(f'[hosts.{name}]\naddress = "ops@{name}"\nlabels = ["all"]\n' for name in names)


def test_the_worst_comes_first_and_each_says_why(world: World) -> None:
    configure(world, hosts("web1", "db1", "slow", "loud", "bare", "gone"))
    done = world.run("dysnomia-tui", "hosts", "--timeout", "2", status=2)
    lines = done.lines
    assert lines[0].split() == ["HOST", "STATE", "NEWEST", "GOOD", "COMP", "STORED", "JOBS", "FIRST"]
    assert [line.split()[0] for line in lines[1:-1]] == ["bare", "db1", "gone", "loud", "slow", "web1"]
    assert lines[-1] == "6 hosts, 5 need a person"
    by_name = {line.split()[0]: line for line in lines[1:-1]}
    assert "CRITICAL" in by_name["db1"]
    assert "FAILED" in by_name["db1"]
    assert "no answer within 2 s" in by_name["slow"]
    assert "too long" in by_name["loud"]
    assert "Connection refused" in by_name["gone"]
    assert "it has no program" in by_name["bare"]
    assert by_name["web1"].split()[1:6] == ["ok", "2h", "1", "1.0M", "-"]
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    called = (world.root / "bin" / "ssh.called").read_text()
    assert "-o BatchMode=yes" in called
    assert "-- ops@web1 dysnomia-tui status --json" in called
    assert world.run("dysnomia-tui", "hosts", "web1").lines[-1] == "1 host, 0 need a person"
    told = world.run("dysnomia-tui", "hosts", "--json", "all", "--timeout", "2", status=2).json["hosts"]
    assert {one["host"]: one["level"] for one in told}["web1"] == "ok"


def test_what_is_wrong_is_said_before_anybody_is_asked(world: World) -> None:
    done = world.run("dysnomia-tui", "hosts", status=None)
    assert (done.status, "no hosts are configured" in done.err) == (2, True)
    configure(world, hosts("web1") + '[hosts.bad]\naddress = "-oProxyCommand=touch /tmp/x"\n')
    done = world.run("dysnomia-tui", "hosts", "--list")
    assert "ssh would not take that for a host" in done.err
    assert done.lines == ["web1  ops@web1  all"]
    assert "no host and no label 'web9'" in world.run("dysnomia-tui", "hosts", "web9", status=None).err
    assert not (world.root / "bin" / "ssh.called").exists()


def test_hosts_of_an_ssh_configuration_and_of_an_inventory(world: World) -> None:
    (world.root / "ssh").write_text("Host web1 db1 *.example.org !no\n  User ops\nHost=gone # a note\nMatch all\n")
    inventory = world.root / "inventory"
    inventory.write_text("")
    program = world.root / "bin" / "ansible-inventory"
    program.write_text('#!/bin/sh\necho \'{"web": {"hosts": ["web1", "web2"]}}\'\n')
    program.chmod(0o755)
    configure(world, f'ssh_hosts = "{world.root}/ssh"\nansible_inventory = "{inventory}"\n')
    assert world.run("dysnomia-tui", "hosts", "--list").lines == [
        "db1  db1", "gone  gone", "web1  web1  web", "web2  web2  web",
    ]  # fmt: skip
    inventory.chmod(0o666)
    if os.geteuid() == 0:
        assert "is not obeyed" in world.run("dysnomia-tui", "hosts", "--list", status=None).err
    inventory.chmod(0o644)
    program.write_text("#!/bin/sh\nexit 4\n")
    assert "ansible-inventory cannot read" in world.run("dysnomia-tui", "hosts", status=None).err


def worker(world: World, text: str) -> None:
    (world.root / "bin" / "ssh").write_text(WORKER)
    configure(world, text)


def host(name: str, *labels: str) -> str:
    return f"[hosts.{name}]\nlabels = {json.dumps(labels)}\n"


def worked_on(world: World) -> list[str]:
    """Who has begun (``+``) and ended (``-``), in order."""
    path = world.root / "bin" / "ssh.work"
    return path.read_text().split() if path.exists() else []


GROUPS = (
    host("a1", "web") + host("a2", "web") + host("bad1", "web") + host("b1", "databases") + host("p1", "web", "PROD")
)


def test_work_goes_one_group_after_the_other_and_prod_comes_last(world: World) -> None:
    worker(world, GROUPS.replace("bad1", "a3"))
    done = world.run("dysnomia-tui", "hosts", "--run", "snapshot")
    assert done.lines == [f"{name}: snapshot done" for name in ("b1", "a1", "a2", "a3", "p1")]
    assert worked_on(world) == [f"{sign}{name}" for name in ("b1", "a1", "a2", "a3", "p1") for sign in "+-"]
    called = (world.root / "bin" / "ssh.called").read_text()
    assert "-o BatchMode=yes" in called
    assert "-- p1 dysnomia-containers --snapshot" in called
    world.run("dysnomia-tui", "hosts", "--run", "verify", "databases")
    assert (world.root / "bin" / "ssh.called").read_text().endswith("-- b1 dysnomia-tui verify --due --within 1h\n")


@pytest.mark.parametrize("serial", [1, 3, 4])
def test_so_many_at_a_time_as_serial_says(world: World, serial: int) -> None:
    worker(world, "".join(host(name, "web") for name in ("a", "b", "c", "d")))
    (world.root / "bin" / "ssh.together").write_text(str(serial))  # each waits until so many have begun
    world.run("dysnomia-tui", "hosts", "--run", "snapshot", "--serial", str(serial))
    signs = [line[0] for line in worked_on(world)]
    assert "".join(signs).startswith("+" * serial + "-")
    assert max(signs[:at].count("+") - signs[:at].count("-") for at in range(9)) == serial


def test_work_ends_at_the_first_failure(world: World) -> None:
    worker(world, GROUPS)
    done = world.run("dysnomia-tui", "hosts", "--run", "snapshot", status=3)
    assert done.lines == [
        "b1: snapshot done", "a1: snapshot done", "a2: snapshot done", "bad1: shop/orders: the disk is full",
        "p1: not begun: it failed on bad1",
    ]  # fmt: skip
    assert "+p1" not in worked_on(world)
    told = world.run("dysnomia-tui", "hosts", "--run", "snapshot", "--json", "bad1", "p1", status=1).json["hosts"]
    assert told == [
        {"host": "bad1", "begun": True, "status": 3, "problem": "shop/orders: the disk is full"},
        {"host": "p1", "begun": False, "status": 0, "problem": "not begun: it failed on bad1"},
    ]


@pytest.mark.parametrize(
    ("percentage", "begun"), [("0", "bad c"), ("49", "bad c"), ("50", "bad c bare gone"), ("100", "bad c bare gone z")]
)
def test_so_many_of_a_batch_may_fail(world: World, percentage: str, begun: str) -> None:
    """Batches of two, by name: of bad and c one fails, both of bare and gone."""
    names = ("bad", "bare", "c", "gone", "z")
    worker(world, host("bad", "1") + host("c", "1") + host("bare", "2") + host("gone", "2") + host("z", "3"))
    words = ("dysnomia-tui", "hosts", "--run", "snapshot", "--serial", "2", "--max-fail-percentage", percentage)
    done = world.run(*words, status=3)
    called = sorted(line[1:] for line in worked_on(world) if line[0] == "+")
    assert called == sorted(begun.split()), done.out
    assert sorted(line.partition(":")[0] for line in done.lines) == sorted(names), "each has its line"


def test_what_is_no_number_of_hosts_is_refused_before_anybody_is_asked(world: World) -> None:
    worker(world, GROUPS)
    for words, said in (
        (["--run", "snapshot", "--serial", "0"], "--serial must be 1 or more"),
        (["--run", "snapshot", "--max-fail-percentage", "101"], "--max-fail-percentage must be 0 to 100"),
        (["--run", "snapshot", "--max-fail-percentage", "-1"], "--max-fail-percentage must be 0 to 100"),
        (["--run", "restore"], "invalid choice: 'restore'"),
        (["--serial", "2"], "--serial goes with --run"),
        (["--max-fail-percentage", "0"], "--max-fail-percentage goes with --run"),
        (["--dry-run"], "--dry-run goes with --run"),
        (["--at-once", "0"], "--at-once must be 1 to 200"),
        (["--timeout", "0"], "--timeout must be 1 to 600 seconds"),
        (["--list", "--run", "snapshot"], "--list asks nobody"),
        (["--screen", "--run", "snapshot"], "not allowed with argument"),
        (["--screen", "--json"], "--screen and --json cannot be combined"),
        (["--run", "snapshot", "--yes"], "unrecognized arguments: --yes"),
    ):
        assert said in world.run("dysnomia-tui", "hosts", *words, status=2).err
    done = world.run("dysnomia-tui", "--read-only", "hosts", "--run", "snapshot", status=6)
    assert "--run snapshot was not begun: read-only" in done.err
    assert worked_on(world) == []


def test_what_would_be_called_is_written_and_nobody_is_called(world: World) -> None:
    worker(world, GROUPS + '[hosts.s1]\ncommand = "sudo -n dysnomia-tui"\nlabels = ["web"]\n')
    words = ("hosts", "--run", "snapshot", "--dry-run", "web")
    lines = world.run("dysnomia-tui", "--read-only", *words).lines
    assert lines[0] == "a1: would run dysnomia-containers --snapshot"
    assert lines[-2:] == [
        "s1: would run sudo -n dysnomia-containers --snapshot", "p1: would run dysnomia-containers --snapshot",
    ]  # fmt: skip
    told = world.run("dysnomia-tui", *words, "--json").json["hosts"]
    assert [f"{one['host']}: would run {one['command']}" for one in told] == lines
    assert worked_on(world) == []
    configure(world, '[hosts.odd]\ncommand = "/opt/wrapper"\n')
    refused = world.run("dysnomia-tui", "hosts", "--run", "snapshot", status=1)
    assert "odd: host odd: its command '/opt/wrapper' does not end with dysnomia-tui" in refused.out


def test_work_over_a_real_ssh_is_done_there_and_its_failure_is_told(world: World) -> None:
    there = World(world.root / "there")
    for folder in ("live", "home"):
        (there.root / folder).mkdir(parents=True)
    there.container("sqlite", type="sqlite-database", sqliteDir=str(there.root / "live"))
    there.component("sqlite/orders", "orders.sql", "")
    live = there.root / "live" / "orders"
    with closing(sqlite3.connect(live)) as db:
        db.execute("CREATE TABLE orders (id)")
    there.run("dysnomia-containers", "--deploy")
    with sshd(there.environment) as machine:
        real = shutil.which("ssh", path=os.defpath)
        # Its own options come first, which count: no connection is kept.
        words = " ".join(f"'{word}'" for word in (*machine.options, "-o", "ControlPath=none"))
        (world.root / "bin" / "ssh").write_text(f'#!/bin/sh\nexec {real} {words} "$@"\n')
        configure(
            world, f'[hosts.there]\naddress = "{machine.user}@127.0.0.1"\nport = {machine.port}\n'
            f'command = "{BIN}/dysnomia-tui"\n',
        )  # fmt: skip
        assert world.run("dysnomia-tui", "hosts", "--run", "snapshot").lines == ["there: snapshot done"]
        assert len(there.run("dysnomia-snapshots", "--query-all").lines) == 1
        assert world.run("dysnomia-tui", "hosts", "--run", "verify").lines == ["there: verify done"]
        (told,) = world.run("dysnomia-tui", "hosts", "--json").json["hosts"]
        assert (told["level"], told["components"]) == ("ok", 1)
        live.unlink()
        (told,) = world.run("dysnomia-tui", "hosts", "--run", "snapshot", "--json", status=1).json["hosts"]
        assert told["begun"]
        assert "sqlite/orders" in told["problem"] or str(live) in told["problem"], told
        assert (
            world.run("dysnomia-tui", "hosts", "--json", status=2).json["hosts"][0]["first"] == "sqlite/orders FAILED"
        )


def test_over_a_real_ssh_the_connection_is_kept_for_the_next_look(world: World) -> None:
    there = World(world.root / "there")
    there.root.mkdir()
    there.container("sqlite", type="sqlite-database", sqliteDir=str(there.root))
    with sshd(there.environment) as machine:
        real = shutil.which("ssh", path=os.defpath)
        words = " ".join(f"'{word}'" for word in machine.options)
        (world.root / "bin" / "ssh").write_text(f'#!/bin/sh\nexec {real} {words} "$@"\n')
        configure(
            world, f'[hosts.there]\naddress = "{machine.user}@127.0.0.1"\nport = {machine.port}\n'
            f'command = "{BIN}/dysnomia-tui"\n',
        )  # fmt: skip
        (told,) = world.run("dysnomia-tui", "hosts", "--json").json["hosts"]
        assert (told["level"], told["problem"], told["components"]) == ("ok", "", 0)
    # It takes no new connections any more; the one that is kept goes on.
    try:
        assert world.run("dysnomia-tui", "hosts").lines[-1] == "1 host, 0 need a person"
    finally:
        folder = control_folder(world.environment)
        control = ("-o", f"ControlPath={folder}/%C", "-p", str(machine.port), "-O", "exit")
        world.run(str(world.root / "bin" / "ssh"), *control, "--", f"{machine.user}@127.0.0.1")
    assert "NO ANSWER" in world.run("dysnomia-tui", "hosts", status=2).out
