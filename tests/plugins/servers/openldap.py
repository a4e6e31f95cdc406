"""An OpenLDAP server for the tests: its configuration as a file or a folder, its database, and its own clients."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from tests.plugins.servers.common import missing, server_user
from tests.waiting import wait_until

SCHEMAS = ("core", "cosine", "inetorgperson", "nis")
PASSWORD = "secret of the administrator"
TEMPLATE = """{includes}
modulepath /usr/lib/ldap
moduleload back_mdb
{modules}
pidfile {home}/pid
argsfile {home}/args
{settings}
database config
{before}
database mdb
maxsize 2147483648
suffix "{suffix}"
rootdn "cn=admin,{suffix}"
rootpw "{password}"
directory "{folder}"
index objectClass eq
index uid eq
{overlays}
"""


class SlapdServer:
    """One server in a short folder of its own, on a socket; stopped and started by two programs in that folder.

    Args:
        tree: its configuration is a folder (``slapd.d``), as Debian has it; else one file.
        modules, settings, before, overlays: more lines of its configuration.
        user: whom it runs as.
    """

    def __init__(
        self,
        suffix: str,
        *,
        tree: bool = True,
        modules: str = "moduleload syncprov",
        settings: str = "",
        before: Callable[[Path], str] = lambda home: "",
        overlays: str = "overlay syncprov",
        user: pwd.struct_passwd | None = None,
    ) -> None:
        if shutil.which("slapd", path="/usr/sbin:/usr/bin") is None:
            missing("OpenLDAP", "apt-get install slapd ldap-utils")
        self.suffix = suffix
        self.user = user or server_user("openldap")
        self.home = Path(tempfile.mkdtemp(prefix="ld.", dir="/tmp"))
        self.home.chmod(0o755)
        self.folder = self.home / "data"
        self.folder.mkdir(mode=0o700)
        (self.home / "run").mkdir()
        self.fields = {
            "includes": "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in SCHEMAS),
            "home": str(self.home / "run"), "suffix": suffix, "password": PASSWORD, "modules": modules,
            "settings": settings, "before": before(self.home), "overlays": overlays,
        }  # fmt: skip
        self.conf = self.home / "slapd.conf"
        self.conf.write_text(TEMPLATE.format(**self.fields, folder=self.folder))
        more = [self.home / name for name in ("log", "below") if f"{self.home}/{name}" in self.fields["before"]]
        for path in more:
            path.mkdir()
        for path in (self.folder, self.home / "run", *more):
            self.give(path)
        self.tree = self.home / "slapd.d" if tree else None
        if self.tree is not None:
            self.tree.mkdir()
            self.give(self.tree)
            self.slapadd(b"", None, "-q")  # it converts a configuration only where the database is there
            self.run("slaptest", "-f", self.conf, "-F", self.tree)
            for path in self.folder.iterdir():
                path.unlink()
        where = f"-F '{self.tree}'" if self.tree else f"-f '{self.conf}'"
        start = f"exec /usr/sbin/slapd -h {self.uri} {where}" + (
            f" -u {self.user.pw_name} -g {self.user.pw_gid}" if os.geteuid() == 0 else ""
        )
        stop = f"kill -INT $(cat '{self.home}/run/pid'); while [ -e '{self.home}/run/pid' ]; do sleep 0.02; done"
        for name, line in (("start", start), ("stop", stop)):
            (self.home / name).write_text(f"#!/bin/sh\n{line}\n")
            (self.home / name).chmod(0o755)

    def give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    @property
    def uri(self) -> str:
        return f"ldapi://{quote(f'{self.home}/run/s', safe='')}"

    @property
    def properties(self) -> Mapping[str, str | tuple[str, ...]]:
        """Of a container on it."""
        return {
            "type": "openldap-directory", "ldapConfig": str(self.tree or self.conf),
            "ldapStop": (str(self.home / "stop"),), "ldapStart": (str(self.home / "start"),),
        }  # fmt: skip

    def run(self, *argv: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> bytes:
        """As the server's user: what it prints."""
        become = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        done = subprocess.run(
            [f"/usr/sbin/{argv[0]}", *argv[1:]], input=stdin, capture_output=True, check=False, cwd=cwd or self.home,
            **(become if os.geteuid() == 0 else {}),
        )  # type: ignore[call-overload]  # fmt: skip
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-1500:]
        out: bytes = done.stdout
        return out

    # The server.

    @property
    def pid(self) -> int:
        try:
            return int((self.home / "run" / "pid").read_text())
        except (OSError, ValueError):
            return 0

    @property
    def running(self) -> bool:
        return bool(self.pid) and Path(f"/proc/{self.pid}").exists()

    def start(self) -> None:
        subprocess.run([self.home / "start"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.ready()

    def stop(self) -> None:
        if self.running:
            subprocess.run([self.home / "stop"], check=True)

    def ready(self) -> None:
        wait_until(self._answers)

    def _answers(self) -> bool:
        argv = ["ldapsearch", "-x", "-H", self.uri, "-b", "", "-s", "base", "1.1"]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def remove(self) -> None:
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    # Its clients.

    def client(self, program: str, *words: str, stdin: str | bytes = "") -> bytes:
        """As the administrator of the database."""
        self.ready()
        argv = [program, "-x", "-H", self.uri, "-D", f"cn=admin,{self.suffix}", "-w", PASSWORD, *words]
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(argv, input=data, capture_output=True, check=False)
        assert done.returncode == 0, (words, data[:500], done.stderr.decode(errors="replace"))
        return done.stdout

    def modify(self, ldif: str | bytes) -> None:
        """Changes, as LDIF; an entry alone is added."""
        self.client("ldapmodify", "-a", "-M", stdin=ldif)

    def slapcat(self, folder: Path | None = None) -> list[bytes]:
        """The entries of a place as OpenLDAP's own program has them, less what it notes of synchronisation, sorted."""
        place = folder or self.folder
        if not stat.S_ISDIR(_mode(place)) or not (place / "data.mdb").exists():
            return []
        found = self.run("slapcat", "-g", "-o", "ldif-wrap=no", "-f", self.on("."), "-n", self.number, cwd=place)
        entries = [entry for entry in found.split(b"\n\n") if entry.strip()]
        return sorted(b"\n".join(x for x in e.split(b"\n") if not x.startswith(b"contextCSN:")) for e in entries)

    @property
    def number(self) -> str:
        return str(1 + self.fields["before"].count("database "))

    def on(self, folder: str) -> Path:
        """A configuration of the same database in another folder."""
        path = self.home / "elsewhere.conf"
        path.write_text(TEMPLATE.format(**self.fields, folder=folder))
        return path

    def slapadd(self, ldif: bytes, folder: Path | None = None, *words: str) -> None:
        self.run("slapadd", *words, "-f", self.on("."), "-n", self.number, stdin=ldif, cwd=folder or self.folder)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0
