"""Real servers for the tests: each in a short temporary folder, as an unprivileged user, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

from tests.waiting import wait_until

POSTGRESQL_FOLDERS = "/usr/lib/postgresql/*/bin/postgres"
GUARDED = ("setpriv", "--pdeathsig", "KILL", "--")
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "wal_level": "logical",
    "max_prepared_transactions": "5",
    "max_connections": "100",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "logging_collector": "off",
    "log_lock_waits": "on",
}


def missing(what: str, remedy: str) -> None:
    """A server that is not installed: a failure where CI says so, a skip elsewhere."""
    text = f"{what} is not installed: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


def postgresql_bin() -> Path:
    """Where the newest PostgreSQL's programs are."""
    found = sorted(Path("/").glob(POSTGRESQL_FOLDERS.lstrip("/")), key=lambda path: int(path.parts[-3]))
    if not found:
        missing("PostgreSQL", "apt-get install postgresql")
    return found[-1].parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PostgresServer:
    """One server on a socket of its own; with ``tcp`` also on 127.0.0.1, where it asks for passwords.

    Runs as ``postgres`` where that user is there and we are root, else as us. Its superuser is called ``postgres``.
    """

    def __init__(self, *, tcp: bool = False) -> None:
        self.bin = postgresql_bin()
        self.folder = Path(tempfile.mkdtemp(prefix="pg.", dir="/tmp"))
        self.tcp_port = free_port() if tcp else 0
        self._user = _server_user()
        self._process: subprocess.Popen[bytes] | None = None
        os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self.folder.chmod(0o755)
        self._as_server(
            [self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            "--locale=C.UTF-8",
        )
        (self.data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        """For its client programs."""
        return {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "PGHOST": str(self.folder),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
        }

    @property
    def properties(self) -> dict[str, str]:
        """Of a container on it."""
        return {"type": "postgresql-database", "postgresqlRuntimeDir": str(self.folder)}

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        settings = dict(SETTINGS)
        if self.tcp_port:
            settings |= {"listen_addresses": "127.0.0.1", "port": str(self.tcp_port)}
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*GUARDED, self.bin / "postgres", "-D", self.data, "-k", self.folder, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
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
        return (
            subprocess.run([self.bin / "pg_isready", "-q"], env=self.client_environment(), check=False).returncode == 0
        )

    def client_environment(self, **more: str) -> dict[str, str]:
        """``environment`` with the port it listens on."""
        return self.environment | ({"PGPORT": str(self.tcp_port)} if self.tcp_port else {}) | more

    def stop(self) -> None:
        """A fast shutdown: sessions are ended, the data is whole."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As a crash of the machine: nothing is written any more."""
        self._end(signal.SIGKILL)
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists():
            pid_file.unlink()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGCONT)
            if how is signal.SIGKILL:
                os.killpg(self._process.pid, how)
            else:
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

    def sql(self, text: str, database: str = "postgres", *, check: bool = True, **env: str) -> str:
        """Run statements with psql; what they give, unaligned."""
        done = subprocess.run(
            [self.bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            input=text.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
            env=self.client_environment(PGDATABASE=database, **env),
        )
        if check and done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def databases(self) -> set[str]:
        return set(self.sql("SELECT datname FROM pg_database WHERE NOT datistemplate").split("\n"))

    def drop(self, database: str) -> None:
        """With whoever is connected."""
        self.sql('DROP DATABASE IF EXISTS "' + database.replace('"', '""') + '" WITH (FORCE)')

    def _as_server(self, argv: list[str | Path], *more: str, env: Mapping[str, str] | None = None) -> None:
        subprocess.run(
            [*argv, *more],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**self.environment, **(env or {})},
            cwd=self.folder,
            user=self._user.pw_uid,
            group=self._user.pw_gid,
            extra_groups=[],
        )


def _server_user() -> pwd.struct_passwd:
    """An unprivileged user for servers."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
