"""What the tests of MariaDB share: a component on the server, a restore without the engine, eyes on /proc."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dysnomia_plugins.base import Component, Context, Place, Purpose
from dysnomia_plugins.mysql import MysqlDatabase
from tests.plugins.bare import Bare, BareStored, component
from tests.plugins.services_mariadb import MariadbServer

USERS = ("shop@localhost", "other@localhost", "boss@localhost", "dumper@localhost")


def bare_component(server: MariadbServer, folder: Path, name: str = "orders") -> Iterator[Bare]:
    """A component that is not there yet; for a fixture of one line."""
    path = folder / "component"
    path.mkdir()
    yield Bare(MysqlDatabase(), folder, component(path, name, **server.properties))
    if server.running:
        assert not server.locked(), "an account was left locked"
        for found in server.databases():
            server.drop(found)
        server.sql("".join(f"DROP USER IF EXISTS {user};" for user in USERS) + "DROP ROLE IF EXISTS clerks;")


def seed(server: MariadbServer, database: str = "orders", rows: int = 1000) -> None:
    quoted = "`" + database.replace("`", "``") + "`"
    server.sql(f"CREATE DATABASE {quoted} CHARACTER SET latin1")
    server.sql(
        f"""CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, v varchar(200));
        INSERT INTO t SELECT seq, CONCAT('row ', seq) FROM seq_1_to_{rows};
        CREATE VIEW w AS SELECT * FROM t;
        CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.v = CONCAT('g:', NEW.v);""",
        database,
    )


def with_properties(bare: Bare, **properties: str) -> Bare:
    bare.component = Component(bare.component.key, bare.component.path, {**bare.component.properties, **properties})
    return bare


def places(bare: Bare, ctx: Context) -> tuple[Place, Place]:
    return bare.plugin.place(ctx, Purpose.BESIDE), bare.plugin.place(ctx, Purpose.ASIDE)


def swapped(bare: Bare, stored: BareStored, job: str = "2") -> tuple[Context, Place]:
    """Replace live; what was live stands aside."""
    ctx = bare.context(job)
    beside, aside = places(bare, ctx)
    bare.plugin.load(ctx, stored, beside)
    bare.plugin.swap(ctx, beside, aside)
    return ctx, aside


def restore(bare: Bare, stored: BareStored, job: str = "2") -> None:
    """Replace live, and drop what was live."""
    ctx, aside = swapped(bare, stored, job)
    bare.plugin.drop(ctx, aside)


@contextmanager
def seen_arguments() -> Iterator[set[str]]:
    """The arguments of every process of this machine, as /proc shows them to anyone, while the body runs."""
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
