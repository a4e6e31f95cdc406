"""The server as Debian installs it, under its systemd unit, with nothing configured but the type."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.servers.common import missing
from tests.plugins.systemd.machine import SystemdMachine

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]
BIN = Path(sys.executable).parent
FOLDER = Path("/srv/directory")
ENVIRONMENT: dict[str, Any] = {
    "DYSNOMIA_CONTAINERS_PATH": f"{FOLDER}/containers",
    "DYSNOMIA_COMPONENTS_PATH": f"{FOLDER}/components",
    "DYSNOMIA_STATEDIR": f"{FOLDER}/state",
    "HOME": str(FOLDER),
}
CONFIG = Path("/etc/ldap/slapd.d/cn=config/olcDatabase={1}mdb.ldif")


def suffix() -> str:
    """What Debian's package called the database of this machine."""
    if not CONFIG.exists():
        missing("OpenLDAP", "apt-get install slapd ldap-utils")
    lines = CONFIG.read_text().splitlines()
    return next(line.partition(": ")[2] for line in lines if line.startswith("olcSuffix: "))


@pytest.mark.worlds
def test_a_restore_stops_and_starts_the_unit(systemd: SystemdMachine) -> None:
    base = suffix()
    systemd.write(FOLDER / "containers" / "ldap", "type=openldap-directory\n")
    systemd.write(FOLDER / "components" / "ldap" / base / "readme", "")

    def run(program: str, *words: str) -> str:
        return systemd.run(BIN / program, *words, **ENVIRONMENT)

    def search() -> str:
        return systemd.run("ldapsearch", "-x", "-LLL", "-H", "ldapi:///", "-b", base, "dn")

    names = ("-C", "ldap", "-c", base)
    systemd.run("systemctl", "start", "slapd")
    try:
        before = search()
        run("dysnomia", "-o", "snapshot", *names)
        systemd.run("systemctl", "stop", "slapd")
        entry = f"dn: ou=new,{base}\nobjectClass: organizationalUnit\nou: new\n"
        systemd.write(FOLDER / "new.ldif", entry)
        as_server = ("setpriv", "--reuid=openldap", "--regid=openldap", "--clear-groups")
        systemd.run(*as_server, "slapadd", "-F", "/etc/ldap/slapd.d", "-l", FOLDER / "new.ldif")
        systemd.run("systemctl", "start", "slapd")
        assert "ou=new" in search()
        was = systemd.run("systemctl", "show", "-p", "MainPID,ActiveEnterTimestampMonotonic", "slapd")
        plan = run("dysnomia", "-o", "restore", *names, "--generation", "1", "--dry-run")
        assert "systemctl stop and start slapd.service" in plan
        run("dysnomia", "-o", "restore", *names, "--generation", "1", "--yes")
        assert search() == before
        assert systemd.run("systemctl", "show", "-p", "MainPID,ActiveEnterTimestampMonotonic", "slapd") != was
        assert systemd.run("systemctl", "is-active", "slapd").strip() == "active"
        status = json.loads(run("dysnomia-tui", "status", "--json"))
        assert f"ldap/{base}" in json.dumps(status)
        owner = systemd.run("stat", "-c", "%U:%G %a", "/var/lib/ldap", "/var/lib/ldap/data.mdb")
        assert owner.splitlines() == ["openldap:openldap 755", "openldap:openldap 600"]
    finally:
        systemd.run("systemctl", "stop", "slapd")


def test_a_unit_that_serves_others_is_not_stopped_for_it(systemd: SystemdMachine) -> None:
    """A server that the database's owner has started from a unit of many, as cron is."""
    base = suffix()
    systemd.write(FOLDER / "containers" / "ldap", "type=openldap-directory\n")
    systemd.write(FOLDER / "components" / "ldap" / base / "readme", "")
    systemd.run("systemctl", "stop", "slapd")
    server = "slapd -d 0 -h ldapi:/// -u openldap -g openldap -F /etc/ldap/slapd.d"
    waits = "until ldapsearch -x -H ldapi:/// -s base >/dev/null 2>&1; do sleep 0.05; done"
    systemd.run("systemd-run", "--unit=many", "--collect", "sh", "-c", f"{server} & wait")
    try:
        systemd.run("timeout", "60", "sh", "-c", waits)
        names = ("-C", "ldap", "-c", base)
        systemd.run(BIN / "dysnomia", "-o", "snapshot", *names, **ENVIRONMENT)
        plan = systemd.run(
            BIN / "dysnomia", "-o", "restore", *names, "--dry-run", check=False, **ENVIRONMENT
        )  # fmt: skip
        assert "how it is stopped is not known" in plan
        assert "many.service" not in plan
        assert systemd.run("systemctl", "is-active", "many").strip() == "active"
    finally:
        systemd.run("systemctl", "stop", "many")
