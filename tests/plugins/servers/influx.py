"""An InfluxDB server for the tests, and a client of the tests' own."""

from __future__ import annotations

import base64
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.plugins.servers.common import free_port, missing, server_user
from tests.waiting import wait_until

CONFIG = """reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{home}/meta"
[data]
  dir = "{home}/data"
  wal-dir = "{home}/wal"
{data}
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
{web}
[monitor]
  store-enabled = false
{more}
"""
ADMIN, PASSWORD = "admin", "secret of the administrator"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
Answer = list[dict[str, Any]]


class InfluxServer:
    """One server in a short folder of its own, on two ports of 127.0.0.1; two programs there stop and start it.

    Args:
        data, web, more: more lines of its configuration, in the sections of that name, or sections.
        user: whom it runs as.
    """

    def __init__(
        self,
        *,
        data: str = "",
        web: str = "",
        more: str = "",
        user: pwd.struct_passwd | None = None,
        auth: bool = False,
    ) -> None:
        if shutil.which("influxd") is None:
            missing("InfluxDB", "apt-get install influxdb influxdb-client")
        self.user = user or server_user("influxdb")
        self.auth = auth
        self.home = Path(tempfile.mkdtemp(prefix="in.", dir="/tmp"))
        self.home.chmod(0o755)
        self.give(self.home)
        self.rpc, self.http = free_port(), free_port()
        self.conf = self.home / "influxdb.conf"
        web += f"\n  auth-enabled = {str(auth).lower()}\n"
        self.conf.write_text(CONFIG.format(rpc=self.rpc, http=self.http, home=self.home, data=data, web=web, more=more))
        become = f"setpriv --reuid={self.user.pw_uid} --regid={self.user.pw_gid} --clear-groups"
        run = f"influxd run -config '{self.conf}' -pidfile '{self.home}/pid' </dev/null >>'{self.home}/log' 2>&1 &"
        ping = f"curl -sf --noproxy '*' -o /dev/null http://127.0.0.1:{self.http}/ping"
        start = (
            f"cd /\nsetsid {become if os.geteuid() == 0 else ''} {run}\n"
            f"until {ping}; do kill -0 $! || exit 1; sleep 0.02; done"
        )
        stop = f"p=$(cat '{self.home}/pid'); kill -TERM $p; while kill -0 $p 2>/dev/null; do sleep 0.02; done"
        for name, line in (("start", start), ("stop", stop)):
            path = self.home / name
            path.write_text(f"#!/bin/sh\n{line}\n")
            path.chmod(0o755)

    def give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    @property
    def properties(self) -> Mapping[str, str | tuple[str, ...]]:
        """Of a container on it."""
        account = {"influxdbUser": ADMIN, "influxdbPassword": PASSWORD} if self.auth else {}
        return {
            "type": "influx-database", "influxdbHttpPort": str(self.http), **account,
            "influxdbStop": (str(self.home / "stop"),), "influxdbStart": (str(self.home / "start"),),
        }  # fmt: skip

    # The server.

    def __enter__(self) -> Self:
        try:
            self.start()
            if self.auth:
                self.query(f"create user {ADMIN} with password '{PASSWORD}' with all privileges")
            return self
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *_: object) -> None:
        self.remove()

    @property
    def pid(self) -> int:
        try:
            return int((self.home / "pid").read_text())
        except (OSError, ValueError):
            return 0

    @property
    def running(self) -> bool:
        try:
            return "influxd" in Path(f"/proc/{self.pid}/cmdline").read_text() if self.pid else False
        except OSError:
            return False

    def start(self) -> None:
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        subprocess.run([self.home / "start"], check=True, stdin=subprocess.DEVNULL, env=path)
        self.ready()

    def stop(self) -> None:
        if self.running:
            subprocess.run([self.home / "stop"], check=True)

    def ready(self) -> None:
        wait_until(self._answers)

    def remove(self) -> None:
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with _DIRECT.open(f"http://127.0.0.1:{self.http}/ping", timeout=5):
                return True
        except OSError:
            return False

    # Its clients.

    def _asked(self, path: str, data: bytes) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data)
        if self.auth:
            request.add_header("Authorization", "Basic " + base64.b64encode(f"{ADMIN}:{PASSWORD}".encode()).decode())
        try:
            with _DIRECT.open(request, timeout=120) as answer:
                read: bytes = answer.read()
                return read
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.read()[:500]!r} ({data[:200]!r})") from None

    def query(self, text: str, database: str = "") -> Answer:
        """A statement: its series. Raises AssertionError with what the server says against it."""
        words = {"q": text, "db": database, "epoch": "ns", "chunked": "true"}
        found: Answer = []
        for line in self._asked("/query", urllib.parse.urlencode(words).encode()).splitlines():
            for result in json.loads(line)["results"]:
                assert "error" not in result, result["error"]
                for one in result.get("series", []):
                    if found and [found[-1].get(word) for word in ("name", "tags")] == [
                        one.get("name"),
                        one.get("tags"),
                    ]:
                        found[-1]["values"] += one["values"]
                    else:
                        found.append(one)
        return found

    def write(self, lines: str | bytes, database: str, policy: str = "") -> None:
        """Points in line protocol."""
        words = urllib.parse.urlencode({"db": database, "rp": policy})
        self._asked(f"/write?{words}", lines.encode() if isinstance(lines, str) else lines)

    def points(self, database: str, policy: str = "autogen") -> Answer:
        """All points of a database in one policy: a query each measurement, or each had the columns of all."""
        where = _quoted(policy)
        names = dict.fromkeys(str(one["name"]) for one in self.query(f"show field keys from {where}./.*/", database))
        return [
            one for name in names for one in self.query(f"select * from {where}.{_quoted(name)} group by *", database)
        ]

    def influxd(self, *words: str | Path) -> None:
        """``backup`` or ``restore``, on this server, as its user."""
        become = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        subprocess.run(
            ["influxd", words[0], "-portable", "-host", f"127.0.0.1:{self.rpc}", *words[1:]],
            check=True, capture_output=True, cwd=self.home, **(become if os.geteuid() == 0 else {}),
        )  # type: ignore[call-overload]  # fmt: skip


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
