"""A real MariaDB server for the tests: in a short temporary folder, as an unprivileged user, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.plugins.services import GUARDED, free_port, missing
from tests.waiting import wait_until

SETTINGS = (
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--sync-frm=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=64M",
    "--innodb-use-native-aio=0",
    "--event-scheduler=ON",
    "--skip-name-resolve",
    "--max-connections=60",
)
OWN = {"information_schema", "mysql", "performance_schema", "sys"}


def mariadb_program(name: str) -> str:
    """Where one of its programs is."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        missing("MariaDB", "apt-get install mariadb-server mariadb-client")
    assert found is not None
    return found


def _roomy() -> str:
    """Where its data goes: in memory where there is room, since each table is a file that is made and removed."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30 else "/tmp"


class MariadbServer:
    """One server on a socket of its own; with ``tcp`` also on 127.0.0.1. Its administrator is ``root``."""

    def __init__(self, *, tcp: bool = False) -> None:
        self._mariadbd = mariadb_program("mariadbd")
        self.client = mariadb_program("mariadb")
        self.dumper = mariadb_program("mariadb-dump")
        install = mariadb_program("mariadb-install-db")
        self.folder = Path(tempfile.mkdtemp(prefix="my.", dir=_roomy()))
        self.tcp_port = free_port() if tcp else 0
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._process: subprocess.Popen[bytes] | None = None
        os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self.folder.chmod(0o755)
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        subprocess.run(
            [install, "--no-defaults", f"--datadir={self.data}", *options],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            user=self._user.pw_uid,
            group=self._user.pw_gid,
            extra_groups=[],
        )

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> str:
        return str(self.folder / "s")

    @property
    def properties(self) -> dict[str, str]:
        """Of a container on it."""
        return {"type": "mysql-database", "mysqlSocket": self.socket}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        network = ["--bind-address=127.0.0.1", f"--port={self.tcp_port}"] if self.tcp_port else ["--skip-networking"]
        arguments = [f"--datadir={self.data}", f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*GUARDED, self._mariadbd, "--no-defaults", *arguments, *network, *SETTINGS],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                user=self._user.pw_uid,
                group=self._user.pw_gid,
                extra_groups=[],
            )
        try:
            wait_until(self._ready)
        except AssertionError:
            self.stop()
            raise
        return self

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text(errors="replace")[-2000:]
        return subprocess.run(self.argv(), input=b"DO 1", capture_output=True, check=False).returncode == 0

    def argv(self, *options: str, user: str = "root", password: str = "") -> list[str]:
        """The mariadb client on it. (These passwords are nobody's secret.)"""
        secret = [f"--password={password}"] if password else []
        first = [self.client, "--no-defaults", f"--user={user}", f"--socket={self.socket}", *secret]
        return [*first, "--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4", *options]

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a crash of the machine: nothing is written any more."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGCONT)
            self._process.send_signal(how)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()

    # Asking it, by its own client.

    def sql(self, text: str, database: str = "", *, check: bool = True, user: str = "root", password: str = "") -> str:
        """Run statements; what they give, a line each row."""
        done = subprocess.run(
            self.argv(*([f"--database={database}"] if database else []), user=user, password=password),
            input=text.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"mariadb: {done.stderr.decode(errors='replace')}\n{text[:2000]}")
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def databases(self) -> set[str]:
        return set(self.sql("SHOW DATABASES").split("\n")) - OWN

    def drop(self, database: str) -> None:
        self.sql("DROP DATABASE IF EXISTS `" + database.replace("`", "``") + "`")

    def locked(self) -> set[str]:
        """The accounts that are locked."""
        found = self.sql(
            "SELECT CONCAT(User, '@', Host) FROM mysql.global_priv"
            " WHERE JSON_VALUE(Priv, '$.account_locked') AND User <> 'mariadb.sys'"
        )
        return set(found.split("\n")) - {""}
