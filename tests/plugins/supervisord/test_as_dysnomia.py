"""What Dysnomia's own tests of supervisord-program have, and a machine with Debian's supervisor has not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.supervisord.test_program import Supervised
from tests.plugins.systemd.machine import SystemdMachine
from tests.waiting import wait_until

pytestmark = [pytest.mark.server, pytest.mark.worlds, pytest.mark.xdist_group("systemd")]


def test_without_a_configuration_of_its_client_it_is_found_where_that_looks(systemd: SystemdMachine) -> None:
    """The server of Dysnomia's own tests: its configuration is in a folder of its own, and it listens at the port."""
    home = Path("/var/lib/supervisord")
    systemd.write(
        home / "supervisord.conf",
        "[supervisord]\n[include]\nfiles=conf.d/*\n[inet_http_server]\nport = 127.0.0.1:9001\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
    )
    systemd.run("mkdir", home / "conf.d")
    systemd.run("mv", "/etc/supervisor", "/etc/supervisor.away")
    own = Supervised(systemd)
    own.program("plain", "plain")
    try:
        assert "link its configuration to /etc/supervisord.conf" in own.dysnomia("activate", "plain", status=8)
        run = ("systemd-run", "--quiet", "--unit=own-supervisord", f"--working-directory={home}")
        systemd.run(*run, "supervisord", "-n", "-c", home / "supervisord.conf")
        wait_until(lambda: systemd.run("supervisorctl", "version", check=False).startswith("4"))
        own.dysnomia("activate", "plain")
        assert own.running("plain") == ["root"]
        own.dysnomia("deactivate", "plain")
        assert (own.running("plain"), systemd.run("ls", home / "conf.d")) == ([], "")
    finally:
        systemd.run("systemctl", "stop", "own-supervisord", check=False)
        systemd.run("mv", "/etc/supervisor.away", "/etc/supervisor")
        systemd.run("rm", "-r", home)
