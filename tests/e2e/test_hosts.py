"""``dysnomia-tui hosts``: many machines by command, through a stand-in for ssh and over a real one."""

from __future__ import annotations

import json
import os
import shutil
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
