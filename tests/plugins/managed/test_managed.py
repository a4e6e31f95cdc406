"""The type managed-process on real process managers: by command, as an operator or Disnix calls it.

``nixproc-generate-config`` needs nixpkgs, which cannot be had here: what stands in for it makes of the same call a
folder of the same shape.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugins.deployed import Components
from tests.plugins.systemd.machine import SystemdMachine
from tests.thorough import seldom
from tests.waiting import wait_until

column = "managed-process"
server = ("systemctl", "--version")
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]

LOOP = "#!/bin/bash -e\nwhile true; do echo Loop forever...; sleep 1; done\n"
GENERATOR = """#!/bin/sh
# nixproc-generate-config --process-manager M [--state-dir D ...] --no-out-link FILE.json: prints the folder it made
echo "$*" > /run/generator-was-called
[ "$1" = --process-manager ] || exit 1
manager=$2
for file; do :; done
program=$(sed 's/.*"process": "\\([^"]*\\)".*/\\1/' "$file")
name=$(basename "$program")
[ "$name" != none ] || { echo "error: attribute 'process' is missing" >&2; exit 1; }
out=/srv/generated/$name-$manager
mkdir -p "$out"
case $manager in
    systemd)
        mkdir -p "$out/etc/systemd/system"
        printf '[Service]\\nExecStart=%s\\n' "$program" > "$out/etc/systemd/system/$name.service" ;;
    supervisord)
        mkdir -p "$out/conf.d"
        printf '[program:%s]\\ncommand=%s\\nstartsecs=0\\n' "$name" "$program" > "$out/conf.d/$name.conf" ;;
    disnix)
        mkdir -p "$out/etc/dysnomia/process" "$out/bin"
        printf '#!/bin/sh\\nexec daemon --unsafe --pidfile /run/%s.pid -- %s\\n' "$name" "$program" > "$out/bin/start"
        chmod +x "$out/bin/start"
        printf 'process=%s/bin/start\\npidFile=/run/%s.pid\\n' "$out" "$name" > "$out/etc/dysnomia/process/$name" ;;
esac
echo "$out"
"""


class Managed(Components):
    """Components of one container, with a process manager."""

    def __init__(self, machine: SystemdMachine, manager: str, more: str = "") -> None:
        super().__init__(machine, f"managed-{manager}", f"type=managed-process\nprocessManager={manager}\n{more}")
        machine.write("/usr/bin/nixproc-generate-config", GENERATOR, 0o755)

    def process(self, name: str, script: str = LOOP) -> Path:
        program = str(self.path(name) / "bin" / name)
        return self.make(name, **{f"./{name}.json": json.dumps({"process": program}) + "\n", f"bin/{name}": script})


@pytest.mark.parametrize("manager", seldom(["systemd", "supervisord", "disnix"], "systemd"))
def test_a_service_is_put_into_service_and_taken_out_again(systemd: SystemdMachine, manager: str) -> None:
    """Dysnomia's own story, with each process manager whose type is here."""
    managed = Managed(systemd, manager, "stateDir=/srv/var\nlogDir=/srv/log\n")
    if manager == "supervisord":
        systemd.run("systemctl", "start", "supervisor")
        wait_until(lambda: systemd.run("supervisorctl", "version", check=False).startswith("4"))
    name = f"by{manager}"
    path = managed.process(name)
    managed.dysnomia("activate", name)
    wait_until(lambda: managed.running(name))
    assert systemd.run("cat", "/run/generator-was-called").split() == [
        "--process-manager", manager, "--state-dir", "/srv/var", "--log-dir", "/srv/log", "--no-out-link",
        f"{path}/{name}.json",
    ]  # fmt: skip
    told = managed.told(name)
    assert told["own"]["word"] in ("active", "running")
    assert not told["own"]["broken"]
    assert told["condition"]["status"]["facts"][-1]["text"].endswith(f" of /srv/generated/{name}-{manager}")
    managed.dysnomia("deactivate", name)
    assert managed.running(name) == []
    managed.dysnomia("deactivate", name)
    if manager == "supervisord":
        systemd.run("systemctl", "stop", "supervisor")


def test_after_a_reboot_it_is_generated_again(systemd: SystemdMachine) -> None:
    """What is in ``/run`` is gone then, while the units are there still."""
    managed = Managed(systemd, "systemd")
    managed.process("rebooted")
    managed.dysnomia("activate", "rebooted")
    systemd.run("rm", "-r", "/run/dysnomia-tui/managed", "/run/generator-was-called")
    assert "activate it again" in managed.told("rebooted")["own"]["detail"]
    managed.dysnomia("deactivate", "rebooted")
    assert systemd.run("cat", "/run/generator-was-called")
    assert managed.running("rebooted") == []


@pytest.mark.worlds
def test_a_failed_activation_leaves_nothing(systemd: SystemdMachine) -> None:
    managed = Managed(systemd, "systemd")
    managed.process("broken", "#!/bin/sh\nexit 3\n")
    assert "broken.service did not start" in managed.dysnomia("activate", "broken", status=1)
    assert "broken.service" not in systemd.run("systemctl", "list-unit-files")
    managed.process("none")
    assert "attribute 'process' is missing" in managed.dysnomia("activate", "none", status=1)
    assert "managed-systemd" not in managed.active()


def test_lock_and_unlock_allow_as_dysnomia_does(systemd: SystemdMachine) -> None:
    managed = Managed(systemd, "systemd")
    managed.process("locked")
    systemd.run("rm", "-f", "/run/generator-was-called")
    managed.dysnomia("lock", "locked")
    managed.dysnomia("unlock", "locked")
    assert systemd.run("ls", "/run/generator-was-called", check=False) == "", "nothing is generated for them"


@pytest.mark.parametrize(
    ("manager", "why", "status"), [("upstart", "is 'upstart'", 2), ("launchd", "the type launchd-daemon", 1)]
)
def test_a_process_manager_that_is_not_known_is_named(
    systemd: SystemdMachine, manager: str, why: str, status: int
) -> None:
    managed = Managed(systemd, manager)
    managed.process("strange")
    said = managed.dysnomia("activate", "strange", status=status)
    assert why in said
    assert "supervisord, systemd" in said, "those that there are"
