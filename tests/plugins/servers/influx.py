"""An InfluxDB server for the tests, and a client of the tests' own."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.plugins.servers.common import Service, free_port, missing, server_user

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
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class InfluxServer(Service):
    """One server in a short folder of its own, on two ports of 127.0.0.1.

    Args:
        data, web, more: more lines of its configuration, in the sections of that name, or sections.
    """

    def __init__(self, *, data: str = "", web: str = "", more: str = "") -> None:
        if shutil.which("influxd") is None:
            missing("InfluxDB", "apt-get install influxdb influxdb-client")
        super().__init__("in.", server_user("influxdb"))
        self.rpc, self.http = free_port(), free_port()
        self.conf = self.home / "influxdb.conf"
        self.conf.write_text(CONFIG.format(rpc=self.rpc, http=self.http, home=self.home, data=data, web=web, more=more))

    def start(self) -> Self:
        self._launch(["influxd", "run", "-config", self.conf])
        return self

    def _answers(self) -> bool:
        try:
            with _DIRECT.open(f"http://127.0.0.1:{self.http}/ping", timeout=5):
                return True
        except OSError:
            return False

    def query(self, text: str, database: str = "") -> Any:
        """A statement: its series. Raises AssertionError with what the server says against it."""
        words = urllib.parse.urlencode({"q": text, "db": database, "epoch": "ns"}).encode()
        with _DIRECT.open(f"http://127.0.0.1:{self.http}/query", words, timeout=60) as answer:
            result = json.load(answer)["results"][0]
        assert "error" not in result, result["error"]
        return result.get("series", [])

    def write(self, lines: str, database: str, policy: str = "") -> None:
        """Points in line protocol."""
        words = urllib.parse.urlencode({"db": database, "rp": policy})
        with _DIRECT.open(f"http://127.0.0.1:{self.http}/write?{words}", lines.encode(), timeout=60):
            return

    def points(self, database: str) -> Any:
        """All points of a database."""
        return self.query("select * from /.*/ group by *", database)

    def influxd(self, *words: str | Path) -> None:
        """``backup`` or ``restore``, on this server, as its user."""
        self._prepare(["influxd", words[0], "-portable", "-host", f"127.0.0.1:{self.rpc}", *words[1:]])
