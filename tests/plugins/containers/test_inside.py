"""Programs that are run inside a container: what they are given, and that none outlives us there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from dysnomia_plugins.errors import Cancelled, PluginError, ProcessFailed, ServerDown, ToolMissing
from dysnomia_plugins.toolkit.containers.engine import Engine, Reference
from dysnomia_plugins.toolkit.containers.inside import InsideRunner, readable
from dysnomia_plugins.toolkit.containers.reach import reach
from dysnomia_plugins.toolkit.process import ProcessRunner
from tests.plugins.conformance.driver import Token
from tests.plugins.servers.docker import DockerServer
from tests.waiting import wait_until

pytestmark = pytest.mark.server
ODD = "a'b\"c\\ $(touch /tmp/x) `id` ;\n-- \udcff é"


@pytest.fixture
def reference(dockerd: DockerServer) -> Iterator[Reference]:
    dockerd.run("inside")
    yield Reference(Engine("docker", str(dockerd.socket)), "inside")
    dockerd.docker("rm", "--force", "inside")


def test_the_environment_goes_by_name_and_whatever_is_in_it(reference: Reference) -> None:
    seen: list[list[str | bytes]] = []

    class Watched(ProcessRunner):
        def run(self, argv, **options):  # type: ignore[no-untyped-def]
            seen.append(list(argv))
            return super().run(argv, **options)

    odd = ODD.replace("\udcff", "")
    done = InsideRunner(Watched(), reference).run(
        ["sh", "-c", 'printf "%s" "$SECRET"'], env={"SECRET": odd, "HOME": "/root/of/ours"}
    )
    assert done.stdout.decode() == odd
    assert not any("touch" in str(word) for word in seen[0])
    assert os.environ["HOME"] not in InsideRunner(Watched(), reference).run(["sh", "-c", "echo $HOME"]).stdout.decode()


def test_what_is_read_and_written(reference: Reference) -> None:
    runner = InsideRunner(ProcessRunner(), reference)
    lines: list[bytes] = []
    with runner.writing(["sh", "-c", "cat > /tmp/file; echo done"], on_stdout=lines.append) as stdin:
        stdin.write(b"x" * 500_000)
    assert lines == [b"done"]
    with runner.reading(["cat", "/tmp/file"]) as stream:
        assert stream.read() == b"x" * 500_000
    assert len(readable(ProcessRunner(), reference, "/tmp/file", 1 << 20)) == 500_000
    with pytest.raises(ProcessFailed, match="ended with status 7"), runner.reading(["sh", "-c", "exit 7"]) as stream:
        stream.read()


def test_a_secret_is_read_from_a_file_alone_and_no_more_of_it_than_one_may_have(
    reference: Reference, dockerd: DockerServer
) -> None:
    make = "cd /tmp; echo s > secret; ln -s secret link; mkdir folder; trap : PIPE; cat /dev/zero | head -c 65537 > big"
    dockerd.docker("exec", "inside", "sh", "-c", make)
    assert readable(ProcessRunner(), reference, "/tmp/secret") == b"s\n"
    refused = {
        "/tmp/link": "it is a symbolic link",
        "/tmp/folder": "it is not there, or is no file",
        "/tmp/none": "it is not there, or is no file",
        "/dev/zero": "it is not there, or is no file",
        "/tmp/big": "more than 64 KiB",
    }
    for path, why in refused.items():
        with pytest.raises(PluginError, match=f"the file {path} in the Docker container inside .*{why}"):
            readable(ProcessRunner(), reference, path)


def test_what_is_not_there(reference: Reference, dockerd: DockerServer) -> None:
    runner = InsideRunner(ProcessRunner(), reference)
    with pytest.raises(ToolMissing, match=r"psql .* is not in the Docker container inside"):
        runner.run(["psql"], stdin=b"x")
    with pytest.raises(ToolMissing), runner.reading(["psql"]) as stream:
        stream.read()
    dockerd.docker("kill", "inside")
    with pytest.raises(ServerDown, match="does not run"):
        runner.run(["true"])


def test_a_container_that_was_made_in_its_place_is_another(reference: Reference, dockerd: DockerServer) -> None:
    made = dockerd.docker("inspect", "--format", "{{.Id}}", "inside")
    assert reference.engine.look(ProcessRunner(), made).name == "inside"
    with pytest.raises(ServerDown, match=f"there is no Docker container {made[:12]}"):
        reference.engine.look(ProcessRunner(), made[:12])
    reached = reach(reference, ProcessRunner(), 5432, client=lambda _: False)
    assert InsideRunner(ProcessRunner(), reached.container).run(["echo", "x"]).stdout == b"x\n"
    dockerd.docker("rm", "--force", "inside")
    dockerd.run("inside")
    with pytest.raises(ServerDown, match="the Docker container inside does not run"):
        InsideRunner(ProcessRunner(), reached.container).run(["echo", "x"])


def _runs(dockerd: DockerServer, word: str) -> bool:
    return word in dockerd.docker("top", "inside", "-eo", "pid,args")


def test_a_program_that_is_read_ends_with_a_cancel(reference: Reference, dockerd: DockerServer) -> None:
    token = Token()
    runner = InsideRunner(ProcessRunner(token), reference)

    def cancel() -> None:
        wait_until(lambda: _runs(dockerd, "sleep 4711"))
        token.cancelled = True

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Cancelled), runner.reading(["sh", "-c", "exec sleep 4711"]) as stream:
        stream.read()
    thread.join()
    wait_until(lambda: not _runs(dockerd, "sleep 4711"))


WORKER = """
import sys
from dysnomia_plugins.toolkit.containers.engine import Engine, Reference
from dysnomia_plugins.toolkit.containers.inside import InsideRunner
from dysnomia_plugins.toolkit.containers.reach import reach
from dysnomia_plugins.toolkit.process import ProcessRunner
reference = Reference(Engine("docker", sys.argv[1]), "inside")
with InsideRunner(ProcessRunner(), reference).reading(["sleep", "4712"]) as stream:
    stream.read()
"""


def test_a_program_that_is_read_ends_with_a_worker_that_is_killed(reference: Reference, dockerd: DockerServer) -> None:
    with subprocess.Popen([sys.executable, "-c", WORKER, str(dockerd.socket)]) as worker:
        wait_until(lambda: _runs(dockerd, "sleep 4712"))
        worker.kill()
    wait_until(lambda: not _runs(dockerd, "sleep 4712"))
