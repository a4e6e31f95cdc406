"""The demo's other machines: folders with a store each, and a stand-in for ssh that leads into them alone."""

from __future__ import annotations

import os
import random
import shlex
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from dysnomia_base.python_child import python_child
from dysnomia_tui.demo import place

FOLDER = "hosts"
STAND_IN = "ssh"
COMMANDS = {
    "dysnomia-tui": "dysnomia_tui.cli.tui.command",
    "dysnomia-containers": "dysnomia_tui.cli.containers.command",
}
CONFIG = """
[hosts.db1]
labels = ["databases"]
[hosts.db2]
labels = ["databases", "PROD"]
[hosts.web1]
labels = ["web"]
[hosts.web2]
labels = ["web"]
"""
"""Of the demo's config.toml; web2 does not answer."""
_MACHINES = {
    "db1": (("invoices", 2), ("stock", 1)),
    "db2": (("customers", 2), ("orders", 60)),
    "web1": (("sessions", 5),),
}
"""By host its databases, and how many hours ago the last snapshot of each was made."""


def make(folder: Path, now: datetime) -> None:
    """Make the machines below the demo's folder."""
    for host, databases in _MACHINES.items():
        _machine(folder / FOLDER / host, host, databases, now)


def write_stand_in(folder: Path) -> None:
    """Write the program that takes ssh's place: again at each opening, for our own programs may have moved."""
    if (folder / FOLDER).is_dir():
        program = folder / FOLDER / STAND_IN
        words = shlex.join(python_child("dysnomia_tui.demo.hosts", "main()", str(folder)))
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n', "utf-8")
        program.chmod(0o755)


def _machine(folder: Path, host: str, databases: tuple[tuple[str, int], ...], now: datetime) -> None:
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.demo.chronicle import Chronicle

    dice = random.Random(host)
    live = folder / "live"
    properties = {"type": "sqlite-database", "sqliteDir": str(live)}
    for part in (live, folder / "config" / "dysnomia-tui", folder / "containers"):
        part.mkdir(parents=True)
    (folder / "config" / "dysnomia-tui" / "config.toml").write_text(
        '[components."*/*"]\nstale_after = "30h"\n', "utf-8"
    )
    text = "".join(f'{key}="{value}"\n' for key, value in properties.items())
    (folder / "containers" / "sqlite-database").write_text(text, "utf-8")
    chronicle = Chronicle.begin(folder / "state", now - timedelta(days=10))
    chronicle.host = host
    for name, hours in databases:
        key = ComponentKey("sqlite-database", name)
        path = folder / "components" / key.container / name
        (path / "sqlite-databases").mkdir(parents=True)
        schema = f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, at TEXT NOT NULL, amount INTEGER NOT NULL);\n"
        (path / "sqlite-databases" / f"{name}.sql").write_text(schema, "utf-8")
        chronicle.know(key, path, properties)
        chronicle.clock.now = now - timedelta(days=10)
        chronicle.do(key, "activate")
        for day in range(5, -1, -1):
            chronicle.clock.now = now - timedelta(days=day, hours=hours)
            with closing(sqlite3.connect(live / name)) as db, db:
                rows = [
                    (f"{chronicle.clock.now:%F}", dice.randrange(10, 9_000)) for _ in range(dice.randrange(40, 200))
                ]
                db.executemany(f"INSERT INTO {name} (at, amount) VALUES (?, ?)", rows)
            chronicle.snapshot(key)


def main() -> int:  # noqa: RET503 - the last line does not return
    """Take ssh's place: run one of our commands on the folder of the host that is named."""
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    host, line = words[words.index("--") + 1], " ".join(words[words.index("--") + 2 :])
    if host not in _MACHINES:
        sys.stderr.write(f"ssh: connect to host {host} port 22: Connection refused\n")
        return 255
    command = shlex.split(line)
    if command == ["true"]:
        return 0
    if not command or command[0] not in COMMANDS:
        sys.stderr.write(f"sh: 1: {line}: not found\n")
        return 127
    state = folder / FOLDER / host
    environment = {**os.environ, **place.environment(state), place.VARIABLE: str(state)}
    argv = python_child(COMMANDS[command[0]], "main()", *command[1:])
    os.execve(argv[0], argv, environment)
