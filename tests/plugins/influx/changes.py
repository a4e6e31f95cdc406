"""A small database with one of everything, and single changes to it, made with InfluxDB's own statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.plugins.servers.influx import Answer, InfluxServer

NAME = "app"
SEED = r"""cpu,host=a,region=eu load=1,steps=5i,up=true,note="a \"quoted\" \\ text" 1000000000
cpu,host=a,region=eu load=0.1,steps=-9223372036854775808i,up=false,note="two
lines" 1000000001
cpu,host=a,region=eu load=-0 1000000002
cpu,host=b load=1e300,steps=9223372036854775807i 1000000000
cpu load=2.2250738585072014e-308 -5
disk\ usage,mount\=point=/a\,b\ c,wo\\rd=ü✓ used\,by=12i,host=1.5 2000000000
disk\ usage,host=tag host=2.5,time\ stamp="x" 2000000000
events message="# no comment

# none either",code=404i 3000000000
log,n=0 n=0i 1
"""
OLD = 'event text="kept for long",n=1i 5\nevent text="",n=2i 604800000000005\n'
INITIAL = f"# DDL\nCREATE DATABASE {NAME}\n\n# DML\n# CONTEXT-DATABASE: {NAME}\n{SEED}"
QUERY = (
    "create continuous query hourly on app resample every 10m for 2h begin select mean(load) as load into "
    'app."two days".cpu from app.autogen.cpu where host =~ /a|b/ group by time(1h), * end'
)


def seed(server: InfluxServer, name: str = NAME) -> None:
    """Make it from nothing."""
    server.query(f'create database "{name}"')
    server.query(f'create retention policy "two days" on "{name}" duration 2d replication 1 shard duration 6h')
    server.query(f'create retention policy "for ever" on "{name}" duration inf replication 1 shard duration 1d')
    server.query(QUERY.replace("on app ", f'on "{name}" ').replace("app.", f'"{name}".'))
    server.write(SEED, name)
    server.write(OLD, name, "for ever")


def plain(answer: Answer) -> list[Any]:
    """All points of an answer. A column without any value is none: which fields a shard once had is no state."""
    series = []
    for one in answer:
        rows = [
            {column: cell for column, cell in zip(one["columns"], row, strict=True) if cell is not None}
            for row in one["values"]
        ]
        tags = {key: value for key, value in one.get("tags", {}).items() if value}
        series.append((one["name"], sorted(tags.items()), rows))
    return sorted(series, key=lambda one: one[:2])


def _write(server: InfluxServer, line: str, policy: str = "") -> str:
    server.write(line + "\n", NAME, policy)
    return line


def _number(random: Random) -> int:
    return random.getrandbits(48)


def _deleted(server: InfluxServer, random: Random) -> str:
    """Two come and one of them goes."""
    at = _number(random)
    _write(server, f"gone,h=x v=1 {at}\ngone,h=x v=2 {at + 1}")
    server.query(f"delete from gone where time = {at}", NAME)
    return f"point {at} came and went, and another stays"


def _dropped(server: InfluxServer, random: Random) -> str:
    name = f"n{_number(random):x}"
    _write(server, f"rows,h={name} v=1 1\nrows,h={name}b v=1 1")
    server.query(f"drop series from rows where h = '{name}'", NAME)
    return f"series {name} came and went, and another stays"


def _policy(server: InfluxServer, random: Random) -> str:
    name = f"p{_number(random):x}"
    server.query(f'create retention policy "{name}" on {NAME} duration {random.randint(1, 999)}h replication 1', NAME)
    return f"policy {name}"


def _duration(server: InfluxServer, random: Random) -> str:
    hours = _number(random)
    server.query(f'alter retention policy "for ever" on {NAME} duration {2000 + hours % 2000000}h shard duration 1d')
    return f"points are kept for {hours} hours"


def _shard(server: InfluxServer, random: Random) -> str:
    minutes = 60 + _number(random) % 100000
    server.query(f'alter retention policy "autogen" on {NAME} shard duration {minutes}m')
    return f"shards of {minutes} minutes"


def _default(server: InfluxServer, random: Random) -> str:
    now = next(
        str(row[0]) for row in server.query(f"show retention policies on {NAME}")[0]["values"] if row[4]
    )  # fmt: skip
    new = "autogen" if now != "autogen" else "for ever"
    server.query(f'alter retention policy "{new}" on {NAME} default')
    server.query(f'alter retention policy "{new}" on {NAME} replication {1 + _number(random) % 1000}')
    return f"{new} is the default"


def _query(server: InfluxServer, random: Random) -> str:
    name = f"q{_number(random):x}"
    server.query(
        f"create continuous query {name} on {NAME} begin select count(v) into {NAME}.autogen.{name} from "
        f"{NAME}.autogen.none group by time({random.randint(1, 99)}w) end"
    )
    return f"query {name}"


def _grown_query(server: InfluxServer, random: Random) -> str:
    name = f"q{_number(random):x}"
    for each in (name, f"{name}x"):
        server.query(
            f"create continuous query {each} on {NAME} begin select count(v) into {NAME}.autogen.{each} from "
            f"{NAME}.autogen.none group by time(9w) end"
        )
    server.query(f"drop continuous query {name} on {NAME}")
    return f"query {name} came and went"


CHANGES: Mapping[str, Callable[[InfluxServer, Random], str]] = {
    "point": lambda s, r: _write(s, f"cpu,host=a,region=eu load=3 {_number(r)}", "autogen"),
    "value": lambda s, r: _write(s, f"cpu,host=b load={_number(r)} 1000000000", "autogen"),
    "integer": lambda s, r: _write(s, f"cpu,host=b steps={_number(r)}i 1000000000", "autogen"),
    "text": lambda s, r: _write(s, f'events message="{_number(r)} \\"ü\\"\n" 3000000000', "autogen"),
    "boolean": lambda s, r: _write(s, f"flags up={('f', 't')[r.getrandbits(1)]} {_number(r)}", "autogen"),
    "tag": lambda s, r: _write(s, f"cpu,host=h{_number(r)} load=1 5", "autogen"),
    "another tag": lambda s, r: _write(s, f"cpu,host=a,t{_number(r)}=1 load=1 5", "autogen"),
    "field": lambda s, r: _write(s, f"cpu,host=a f{_number(r)}=1 5", "autogen"),
    "measurement": lambda s, r: _write(s, f"m{_number(r)} v=1 5", "autogen"),
    "in another policy": lambda s, r: _write(s, f"event n=3i {_number(r)}", "for ever"),
    "far away": lambda s, r: _write(s, f"far v=1 {_number(r) * 10000}", "autogen"),
    "long": lambda s, r: _write(s, f'events message="{"y" * 70000}{_number(r)}" 7', "autogen"),
    "deleted": _deleted,
    "series": _dropped,
    "policy": _policy,
    "duration": _duration,
    "shards": _shard,
    "default": _default,
    "query": _query,
    "another query": _grown_query,
    "small": lambda s, r: _write(s, f"cpu,host=b load={r.random()!r} 1000000000", "autogen"),
}
