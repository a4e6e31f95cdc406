"""Servers as nobody here would set them up: the other worlds of InfluxDB's conformance suite."""

from __future__ import annotations

import pwd
from pathlib import Path
from random import Random

import pytest

from tests.plugins.influx.changes import NAME
from tests.plugins.influx.world import InfluxWorld
from tests.plugins.other_user import OtherUser
from tests.plugins.servers.influx import InfluxServer

ENVIRONMENT = {
    "LC_ALL": "C",
    "LANG": "de_DE.ISO-8859-1",
    "TZ": "Asia/Kathmandu",
    "INFLUX_USERNAME": "nobody",
    "INFLUX_PASSWORD": "wrong",
    "INFLUXDB_HTTP_BIND_ADDRESS": "192.0.2.1:8086",
    "HTTP_PROXY": "http://192.0.2.1:1",
    "http_proxy": "http://192.0.2.1:1",
    "ALL_PROXY": "http://192.0.2.1:1",
}
"""Of whoever starts a job: none of it may be seen in a snapshot, and none may reach the server that is started."""
DATA = """  index-version = "tsi1"
  wal-fsync-delay = "10ms"
  cache-snapshot-memory-size = "4k"
  cache-snapshot-write-cold-duration = "1s"
  compact-full-write-cold-duration = "1s"
  query-log-enabled = false
"""
WEB = """  max-row-limit = 1
  max-body-size = 1200000
  realm = "elsewhere"
"""
MORE = """[continuous_queries]
  run-interval = "1s"
[retention]
  check-interval = "1h"
[coordinator]
  max-concurrent-queries = 3
"""


class HostileWorld(InfluxWorld):
    """Accounts, another index, small limits, files that are compacted all the time; subscribers and rights."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        super().__init__(folder, InfluxServer(auth=True, data=DATA, web=WEB, more=MORE))
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)

    def seed(self) -> None:
        super().seed()
        self.server.query("create user reader with password 'x'")
        self.server.query(f"grant read on {NAME} to reader")
        self.server.query(f"create subscription s on {NAME}.autogen destinations all 'http://127.0.0.1:9'")


class OtherOwnerWorld(InfluxWorld):
    """The server runs as a user of its own; we are root."""

    def __init__(self, other: OtherUser, folder: Path) -> None:
        super().__init__(folder, InfluxServer(user=pwd.getpwnam(other.name)))


class WideWorld(InfluxWorld):
    """Every kind of name and value."""

    def seed(self) -> None:
        super().seed()
        zoo(self.server)


class UpdatedWorld(InfluxWorld):
    """After a tenth of many points was written again, a tenth deleted, series dropped, and files written between."""

    def seed(self) -> None:
        super().seed()
        lines = [f'many,n={number % 20} v={number},t="{number}" {number}\n' for number in range(3000)]
        self.server.write("".join(lines), NAME)
        self.server.stop()
        self.server.start()
        self.server.write("".join(line.replace("v=", "v=1") for line in lines[3::10]), NAME)
        self.server.query("delete from many where time >= 500 and time < 800", NAME)
        self.server.query("drop series from many where n = '7'", NAME)
        self.server.stop()
        self.server.start()
        self.server.write("".join(lines[600:650]), NAME)
        self.server.query("drop measurement log", NAME)
        self.server.write("log,n=x other=1 5\n", NAME)


def zoo(server: InfluxServer) -> None:
    """One of everything that a point can be, and names that are hard to write."""
    random = Random(3)
    policy = 'it is "quoted", ü'
    quoted = policy.replace('"', '\\"')
    server.query(f'create retention policy "{quoted}" on {NAME} duration inf replication 3')
    names = (
        "a\\=b", 'quo"te', "semi;colon", "<angle>", "back\\\\slash", "ünï✓😀", "x" * 200, "tab\there",
        "two\\ \\ blanks", "com\\,ma", "1", "select", "'single'", "per%cent", "a.b", "time2", "\x01", "*", "/r/",
    )  # fmt: skip
    for number, name in enumerate(names):
        measurement = name.replace("\\=", "=")
        for where in ("autogen", policy):
            server.write(
                f'{measurement},{name}={name} {name}=1,{name}x=2i,{name}s="{random.getrandbits(40)}" {number}\n',
                NAME,
                where,
            )  # fmt: skip
    times = (-(2**63) + 2, -1, 0, 1, 2**63 - 2)
    server.write("".join(f"times v={number} {time}\n" for number, time in enumerate(times)), NAME)
    floats = ("1e-323", "1.7976931348623157e308", "-0.0", "0.1", "123456789012345680", "1e21", "1e20", "-1e-7", "5")
    server.write("".join(f"floats v={value} {number}\n" for number, value in enumerate(floats)), NAME)
    texts = ("", " ", "\\\\", '\\"', "\n", "a\r\nb", "\t", "'", "# no", "x" * 60000, "\\n", "= , ", "\u2028", "1i")
    server.write("".join(f'texts v="{value}" {number}\n' for number, value in enumerate(texts)), NAME)
    server.write("wide " + ",".join(f"f{number}={number}" for number in range(200)) + " 1\n", NAME)
    server.write("".join(f"sparse f{number}={number} {number}\n" for number in range(100)), NAME)
    tags = ",".join(f"t{number}=v{number}" for number in range(60))
    server.write(f"tags,{tags} v=1 1\n", NAME)
    server.write("".join(f"series,id={number} v=1i 1\n" for number in range(300)), NAME)
