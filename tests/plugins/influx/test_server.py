"""The server during an exchange: who is believed, how it is stopped, what a plan says, and what stays."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import Severity
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.types.influx import running, swap
from dysnomia_plugins.types.influx.server import Server
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, Reporter
from tests.plugins.influx.test_portable import theirs
from tests.plugins.influx.world import InfluxWorld
from tests.plugins.other_user import needs_root
from tests.plugins.servers.influx import InfluxServer

pytestmark = pytest.mark.server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[InfluxWorld]:
    with InfluxWorld(tmp_path / "world") as world:
        yield world


@pytest.fixture
def driver(world: InfluxWorld, tmp_path: Path) -> Driver:
    return Driver(world, tmp_path / "store")


def said(world: InfluxWorld, driver: Driver, severity: Severity, number: int = 1) -> list[str]:
    with driver.context() as ctx:
        stored = driver.store.stored(driver.key, driver.ids()[number])
        found = world.plugin.preflight(ctx, stored, replace=True)
    return [one.text for one in found.findings if one.severity is severity]


def test_stop_and_start_and_rights_are_in_the_plan(world: InfluxWorld, driver: Driver) -> None:
    world.seed()
    world.server.query("create user reader with password 'x'")
    world.server.query("grant read on app to reader")
    number = driver.snapshot().generation.number
    warnings = said(world, driver, Severity.WARNING)
    assert any("the server would be stopped and started" in text and "2 databases" in text for text in warnings)
    assert any("two days (48h)" in text for text in warnings)
    notes = said(world, driver, Severity.NOTE)
    assert any("reader (READ)" in text for text in notes)
    assert any("1 continuous query runs again only where what is live is replaced" in text for text in notes)
    reporter = Reporter()
    activities.restore(driver.bench(reporter=reporter), number)
    assert any(line.startswith("the server was stopped for ") for line in reporter.lines)


def test_rights_subscriptions_queries_and_other_databases_stay(world: InfluxWorld, driver: Driver) -> None:
    world.seed()
    server = world.server
    server.query("create user reader with password 'x'")
    server.query("grant read on app to reader")
    server.query("create subscription s on app.autogen destinations all 'http://127.0.0.1:9'")
    number = driver.snapshot().generation.number
    other = server.points("another one")
    world.change("value", random.Random(1))
    driver.restore(number)
    assert server.query("show grants for reader")[0]["values"] == [["app", "READ"]]
    assert [row[1] for row in server.query("show subscriptions")[0]["values"]] == ["s"]
    shown = next(one for one in server.query("show continuous queries") if one["name"] == "app")
    assert [row[0] for row in shown["values"]] == ["hourly"]
    assert server.points("another one") == other
    assert [row[0] for row in server.query("show databases")[0]["values"]] == ["another one", "app"]
    names = sorted(path.name for path in (server.home / "meta").iterdir())
    assert names == ["meta.db"]
    seen = (server.home / "meta" / "meta.db").stat()
    assert seen.st_uid == server.user.pw_uid


def test_a_server_whose_stop_is_not_known_gets_copies(world: InfluxWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    properties = {name: value for name, value in world.component.properties.items() if "St" not in name}
    world.component = replace(world.component, properties=properties)
    assert any("set influxdbStop and influxdbStart" in text for text in said(world, driver, Severity.BLOCKER))
    with pytest.raises(PluginError):
        driver.restore(number)
    driver.restore(number, driver.copied("copy"))
    assert world.whole(driver.named("copy")) == world.whole()


def test_a_process_that_is_not_the_server_is_not_believed(world: InfluxWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server.of(world.component)
    assert running.Running.of(server).pid == world.server.pid
    real = running._diagnostics(server)
    for pid, words in ((os.getpid(), "is no influxd here"), (2**22 + 1, "cannot be examined"), ("1", "which process")):
        monkeypatch.setattr(running, "_diagnostics", lambda _, pid=pid: {**real, ("system", "PID"): pid})
        with pytest.raises(NotSafe, match=words):
            running.Running.of(server)
    monkeypatch.undo()
    with InfluxServer() as other:
        monkeypatch.setattr(running, "_diagnostics", lambda _: {**real, ("system", "PID"): other.pid})
        with pytest.raises(NotSafe, match="does not listen on port"):
            running.Running.of(server)
    with pytest.raises(NotSafe, match="another machine"):
        running.Running.of(replace(server, host="127.0.0.2"))


@needs_root
def test_what_the_server_says_of_its_folders_leads_no_further_than_its_user(
    world: InfluxWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    real = running._diagnostics(Server.of(world.component))
    for name in ("meta", "data", "wal"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app").mkdir()
    (tmp_path / "meta" / "meta.db").write_bytes((world.server.home / "meta" / "meta.db").read_bytes())
    lies: dict[tuple[str, str], Any] = {
        ("config-meta", "dir"): str(tmp_path / "meta"), ("config-data", "dir"): str(tmp_path / "data"),
        ("config-data", "wal-dir"): str(tmp_path / "wal"),
    }  # fmt: skip
    tmp_path.chmod(0o755)
    pid = ("system", "PID")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(running, "_diagnostics", lambda _: {**real, pid: world.server.pid, **lies})
    with pytest.raises(PluginError):
        driver.restore(number)
    assert sorted(path for path in tmp_path.rglob("*") if path in before) == before
    assert (tmp_path / "data" / "app").is_dir()
    monkeypatch.undo()
    world.server.ready()
    assert world.whole() == then


@needs_root
def test_a_link_in_the_place_of_its_file_is_not_followed(
    world: InfluxWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put there by the server's user when the server has stopped."""
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    file = world.server.home / "meta" / "meta.db"
    elsewhere = file.with_name("elsewhere")
    exchange = swap._exchange

    def after_a_link(*words: Any) -> None:
        file.rename(elsewhere)
        file.symlink_to(elsewhere)
        try:
            exchange(*words)
        finally:
            file.unlink()
            elsewhere.rename(file)

    monkeypatch.setattr(swap, "_exchange", after_a_link)
    with pytest.raises(NotSafe, match=r"meta\.db is not a regular file"):
        driver.restore(number)
    world.server.ready()
    assert world.whole() == then


def test_what_was_live_is_kept_where_the_reverting_fails_as_well(
    world: InfluxWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails once after the new ``meta.db`` is in its place, and once more on the way back."""
    world.seed()
    number = driver.snapshot().generation.number
    world.change("value", random.Random(1))
    then = world.whole()
    over, run = Folder.move_over, swap.Move.run
    failing = [swap.META, "back"]

    def over_and_fail(self: Folder, name: str, target: Folder, new: str) -> None:
        over(self, name, target, new)
        if new in failing and "-new-" in name:
            failing.remove(new)
            raise OSError(5, "Input/output error")

    def fail_back(self: swap.Move, *, back: bool = False) -> None:
        if back and "back" in failing:
            failing.remove("back")
            raise OSError(5, "Input/output error")
        run(self, back=back)

    monkeypatch.setattr(Folder, "move_over", over_and_fail)
    monkeypatch.setattr(swap.Move, "run", fail_back)
    with pytest.raises(PluginError):
        driver.restore(number)
    assert not failing
    world.server.ready()
    assert world.whole() == then
    assert [path.name for path in (world.server.home / "meta").iterdir()] == ["meta.db"]
    driver.restore(number)


def test_no_server_starts_in_the_middle_of_an_exchange(world: InfluxWorld) -> None:
    world.seed()
    world.server.stop()
    (world.server.home / "meta" / "meta.db").write_bytes(swap._BARRIER)
    with pytest.raises(Exception, match="returned non-zero"):
        world.server.start()


PART = b'{"results":[{"series":[{"name":"m","columns":["time","v"],"values":[[1,1]]}],"partial":true}]}\n'


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n", b'8\r\n{"result\r\n0\r\n\r\n'])
def test_an_answer_that_ends_half_way_is_an_error(end: bytes) -> None:
    """Its connection breaks; or the server says that more is to come, and nothing does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as connection:
                connection.recv(1 << 16)
                head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                connection.sendall(head + f"{len(PART):x}\r\n".encode() + PART + b"\r\n" + end)

        thread = threading.Thread(target=answer)
        thread.start()
        server = Server(port=listening.getsockname()[1])
        found = server.chunks("select", "app", 1)
        assert next(found)["values"] == [["1", "1"]]
        with pytest.raises(ServerDown, match="half-way"):
            next(found)
        thread.join()


def test_a_field_of_two_types_is_refused_by_name(world: InfluxWorld, driver: Driver) -> None:
    world.seed()
    world.server.write("mixed v=1 1\n", "app")
    world.server.write("mixed v=1i 1000000000000000000\n", "app")
    with pytest.raises(PluginError, match="field 'v' of 'mixed' is float and integer"):
        driver.snapshot()


def test_what_is_not_text_is_refused(world: InfluxWorld, driver: Driver) -> None:
    world.seed()
    world.server.write(b'm v="\xff" 1\n', "app")
    with pytest.raises(PluginError, match="not valid UTF-8"):
        driver.snapshot()


def test_a_wrong_password_is_said_and_not_shown(tmp_path: Path) -> None:
    with InfluxServer(auth=True) as server:
        wrong = Server("127.0.0.1", server.http, "admin", "not this one")
        with pytest.raises(WrongCredentials) as raised:
            wrong.query("show databases")
        assert "influxdbPassword" in raised.value.hint
        assert "not this one" not in f"{raised.value} {wrong!r}"


def test_a_portable_backup_has_a_plan(world: InfluxWorld, driver: Driver) -> None:
    """Also where no index of its contents was ever worked out."""
    world.seed()
    theirs(world, driver)
    notes = said(world, driver, Severity.NOTE)
    assert any("it is a portable backup" in text for text in notes)


def test_a_server_that_was_never_written_to_has_no_folder_for_its_log_of_writes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("app", "app beside"):
        (data / name).mkdir(parents=True)
    process = running.Running(1, str(tmp_path), str(data), str(tmp_path / "wal"), os.geteuid(), os.getegid())
    moves = swap._moves(process, "app", {"app beside": "app", "app": "app aside"})
    assert [(move.folder, move.old, move.new) for move in moves] == [
        (str(data), "app", "app aside"), (str(data), "app beside", "app"),
    ]  # fmt: skip
