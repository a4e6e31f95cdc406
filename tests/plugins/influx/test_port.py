"""Whose the server's port is: who is stopped and worked for, and who is told the administrator's password."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown
from dysnomia_plugins.toolkit import stopped_server
from dysnomia_plugins.toolkit.guarded.acting import as_ourselves
from dysnomia_plugins.toolkit.listeners import users_listening
from dysnomia_plugins.toolkit.processes import RunningProcess
from dysnomia_plugins.types.influx import databases, running, swap
from dysnomia_plugins.types.influx.server import Server
from tests.plugins.conformance.driver import Driver
from tests.plugins.influx.world import InfluxWorld
from tests.plugins.other_user import needs_root
from tests.plugins.servers.common import free_port
from tests.plugins.servers.influx import InfluxServer

pytestmark = pytest.mark.server
ANSWERS = r"""
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, self.headers.get("Authorization"), flush=True)
        self.send_response(204)
        self.send_header("X-Influxdb-Version", "1.6.7")
        self.end_headers()
    do_POST = do_GET
    def log_message(self, *words):
        pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
print("ready", flush=True)
server.serve_forever()
"""
HOLDS = "import sys\nopened = open(sys.argv[1], sys.argv[2])\nprint(1, flush=True)\nsys.stdin.read()\n"


@contextmanager
def answering(port: int, said: Path) -> Iterator[None]:
    """Nobody's program that answers on a port, and writes down what it is told."""
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    with said.open("wb") as output:
        process = subprocess.Popen([*become, "/usr/bin/python3", "-c", ANSWERS, str(port)], stdout=output, cwd="/")
        try:
            while "ready" not in said.read_text():
                assert process.poll() is None
            yield
        finally:
            process.kill()
            process.wait()


@needs_root
def test_who_takes_the_port_meanwhile_is_not_told_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers as the server would, and the command that starts the server believes it."""
    with InfluxWorld(tmp_path / "world", InfluxServer(auth=True)) as world:
        driver = Driver(world, tmp_path / "store")
        world.seed()
        number = driver.snapshot().generation.number
        monkeypatch.setattr(stopped_server, "SECONDS", 3.0)
        exchange, said = swap._exchange, tmp_path / "said"
        taken: list[Any] = []

        def and_the_port_is_taken(*words: Any) -> None:
            with as_ourselves():
                taken.append(answering(world.server.http, said))
                taken[-1].__enter__()
            exchange(*words)

        monkeypatch.setattr(swap, "_exchange", and_the_port_is_taken)
        try:
            with pytest.raises(PluginError):
                driver.restore(number)
        finally:
            taken[-1].__exit__(None, None, None)
        lines = said.read_text().splitlines()
        assert lines[1:], "it was asked whether it is there"
        assert all(line.endswith(" None") for line in lines[1:])


@needs_root
def test_a_port_is_whose_process_listens_there(tmp_path: Path) -> None:
    port = free_port()
    server = Server(port=port, user="admin", password="secret", owner=0)
    assert not users_listening(port)
    with pytest.raises(ServerDown):
        server.query("show databases")
    with answering(port, tmp_path / "said"):
        assert users_listening(port) == {65534}
        with pytest.raises(NotSafe, match="in use by a process of nobody"):
            server.query("show databases")
        assert replace(server, owner=65534).version() == "1.6.7"
    assert "Basic" not in (tmp_path / "said").read_text()


def test_a_process_with_the_rights_of_several_users_is_not_worked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program with root's rights that was started by whoever had the port."""
    with InfluxWorld(tmp_path / "world") as world:
        server = Server.of(world.component)
        assert running.Running.of(server).pid == world.server.pid
        of = RunningProcess.of

        def with_roots_rights(pid: int) -> RunningProcess | None:
            process = of(pid)
            return process and replace(process, uids=frozenset({0, 1000}))

        monkeypatch.setattr(RunningProcess, "of", with_roots_rights)
        with pytest.raises(NotSafe, match="rights of several users"):
            running.Running.of(server)


@needs_root
def test_root_works_for_a_server_of_roots_only_in_folders_of_roots(tmp_path: Path) -> None:
    with InfluxWorld(tmp_path / "world", InfluxServer(user=pwd.getpwuid(0))) as world:
        server = Server.of(world.component)
        assert running.Running.of(server).uid == 0
        os.chown(world.server.home / "wal", 65534, 65534)
        with pytest.raises(NotSafe, match="wal belongs to nobody"):
            running.Running.of(server)


def test_who_reads_a_file_of_its_is_no_server(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for mode, seen in (("rb", False), ("r+b", True)):
        with subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(path), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            assert (process.pid in running._with_files_in(str(tmp_path))) is seen
            process.communicate()


def test_a_server_that_opens_its_databases_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str] = []

    def version(self: Server) -> str:
        answers.append("")
        if len(answers) < 4:
            raise ServerDown("it is not answering")
        return "1.6.7"

    monkeypatch.setattr(Server, "version", version)
    monkeypatch.setattr(databases, "names", lambda server: ["app"])
    swap._await(Server(), "app")
    assert len(answers) == 4
