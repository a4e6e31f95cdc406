"""The conformance world of InfluxDB: one database of a server of its own, read and changed with its own statements."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.influx.plugin import InfluxDatabase
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.influx.changes import CHANGES, INITIAL, NAME, plain, seed
from tests.plugins.servers.influx import ADMIN, PASSWORD, InfluxServer

WRITER = r"""
n=0
while :; do
  curl -sf --noproxy '*' -m 5 -u "$3" -o /dev/null "http://127.0.0.1:$1/write?db=app&rp=autogen" \
    --data-binary "log,n=$n n=${n}i $n" && echo $n >>"$2"
  n=$((n+1))
done
"""
"""Writes a point in a series of its own a number."""
KEPT = ("dysnomia kept: ", "dysnomia kept, not to be run: ")


def _text(name: str, text: str) -> str:
    """A query's, also where it is kept as a name and not run."""
    return next((name.removeprefix(beginning) for beginning in KEPT if name.startswith(beginning)), text)


class InfluxWriter(ProgramWriter):
    """A number is logged when the server has answered 204."""

    def __init__(self, server: InfluxServer, log: Path) -> None:
        super().__init__(
            log, ["bash", "-c", WRITER, "writer", str(server.http), str(log), f"{ADMIN}:{PASSWORD}"],
            env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip


class InfluxWorld(World):
    """A server as Debian sets one up, in a folder of its own, with another database beside."""

    def __init__(self, folder: Path, server: InfluxServer | None = None) -> None:
        self.plugin = InfluxDatabase()
        self.folder = folder
        self.server = server or InfluxServer()
        initial = folder / "component" / "influx-databases"
        initial.mkdir(parents=True)
        (initial / "app.influxql").write_text(INITIAL)
        self.component = Component(ComponentKey.of("influx", NAME), initial.parent, dict(self.server.properties))
        try:
            self.server.__enter__()
            self.server.query('create database "another one"')
            self.server.write("m v=1 5\n", "another one")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def seed(self) -> None:
        seed(self.server)

    def whole(self, place: Place | None = None) -> object:
        """All points of all policies, the policies, and the queries: those of a copy by the texts that are kept."""
        name = place.name if place else NAME
        if [name] not in self.server.query("show databases")[0].get("values", []):
            return None
        policies = self._values("show retention policies", name)
        points = {str(row[0]): self._points(name, str(row[0])) for row in policies}
        return policies, points, self.queries(name)

    def queries(self, name: str) -> list[str]:
        shown = self.server.query("show continuous queries")
        rows = [row for one in shown if one["name"] == name for row in one.get("values", [])]
        return sorted(_text(str(row[0]), str(row[1])) for row in rows)

    def _points(self, name: str, policy: str) -> list[Any]:
        return plain(self.server.points(name, policy))

    def _values(self, text: str, name: str) -> list[Any]:
        rows: list[Any] = self.server.query(f'{text} on "{name}"')[0].get("values", [])
        return sorted(rows)

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        return f"{name}: {CHANGES[name](self.server, random)}"

    def touch(self) -> str:
        """The server writes its cache to files when it starts anew, and deletes no point by deleting none."""
        self.server.write("passing v=1 1\n", NAME, "autogen")
        self.server.query("delete from passing", NAME)
        self.server.stop()
        self.server.start()
        self.server.query('drop database "another one"')
        return "a point that came and went, server stopped and started, another database dropped"

    def grow(self, size: int) -> None:
        random = Random(1)
        each = 1 << 15
        for number in range((size >> 20) + 1):
            lines = [
                f'big,part={number % 7} text="{random.randbytes(each // 2).hex()}" {number * 1000 + at}\n'
                for at in range(32)
            ]
            self.server.write("".join(lines), NAME, "autogen")

    def some_sections(self) -> tuple[str, ...]:
        return ("measurement:autogen.events", 'measurement:"for ever".event')

    def part(self, place: Place | None = None) -> object:
        name = place.name if place else NAME
        points = self._points(name, "autogen"), self._points(name, "for ever")
        return [one for series in points for one in series if one[0] in ("events", "event")]

    def spoil(self, place: Place) -> None:
        self.server.write("cpu,host=b load=5 1000000000\n", place.name, "autogen")

    def writer(self, log: Path) -> Writer:
        return InfluxWriter(self.server, log)

    def written(self, place: Place | None = None) -> set[int]:
        found = self.server.query("select n::integer from autogen.log", place.name if place else NAME)
        return {int(row[1]) for one in found for row in one["values"]}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()
