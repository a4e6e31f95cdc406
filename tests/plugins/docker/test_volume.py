"""The type docker-volume beside what runs: who uses a volume, who is stopped for it, what is refused and why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.plugin import FilesetState
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_plugins.types.docker.volume import DockerVolume
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, in_child
from tests.plugins.docker.world import VolumeWorld
from tests.plugins.servers.docker import DockerServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("docker")]
RUNNER = ProcessRunner(NeverCancelled())
USER = "1234:1234"


class Scene:
    """A volume that a container of another user uses, and a store."""

    def __init__(self, server: DockerServer, folder: Path, **properties: str) -> None:
        self.server = server
        self.world = VolumeWorld(server, folder / "world", **properties)
        self.driver = Driver(self.world, folder / "store")
        server.docker("volume", "create", self.world.name)
        os.chown(self.world.target, 1234, 1234)
        self.user = f"{self.world.name}-user"

    def run(self, *words: str) -> None:
        self.server.run(self.user, "--user", USER, "--volume", f"{self.world.name}:/data", *words)

    def write(self, text: str) -> None:
        """As the container's own user, through the container."""
        self.server.docker("exec", self.user, "sh", "-c", 'echo "$0" > /data/file', text)

    def read(self) -> str:
        return self.server.docker("exec", self.user, "cat", "/data/file")

    def state(self) -> str:
        return self.server.docker("inspect", "--format", "{{.State.Status}}", self.user)

    def blockers(self) -> list[str]:
        """Of a restore of the newest generation, as its plan would have them."""
        stored = self.driver.store.stored(self.driver.key, self.driver.newest().id)
        with self.driver.context() as ctx:
            findings = self.world.plugin.preflight(ctx, stored, replace=True).findings
        return [finding.text for finding in findings if finding.severity is Severity.BLOCKER]


@pytest.fixture
def scene(dockerd: DockerServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(dockerd, tmp_path, **getattr(request, "param", {}))
    yield scene
    scene.world.close()


def test_a_container_is_stopped_and_started_and_sees_what_was_restored(scene: Scene) -> None:
    """What it wrote until it was stopped is in the guard."""
    scene.run()
    scene.write("first")
    scene.driver.snapshot()
    scene.write("second")
    restored = scene.driver.restore(1)
    assert (scene.state(), scene.read()) == ("running", "first")
    scene.write("third")
    job = str(scene.driver._jobs)
    scene.driver.undo(job)
    assert (scene.state(), scene.read()) == ("running", "second")
    assert restored.guard is not None
    seen = scene.world.target.stat()
    assert (seen.st_uid, seen.st_gid) == (1234, 1234), "its folder is its user's, as before"


@pytest.mark.parametrize("scene", [{"volumeRestore": "refuse"}], indirect=True)
def test_without_leave_to_stop_them_a_restore_is_refused_with_their_names(scene: Scene) -> None:
    scene.run()
    scene.write("first")
    scene.driver.snapshot()
    scene.write("second")
    (blocker,) = scene.blockers()
    assert blocker.startswith(f"{scene.world.name} is used by {scene.user}: stop them, or set volumeRestore=stop")
    with pytest.raises(NotSafe, match=f"is used by {scene.user}"):
        scene.driver.restore(1)
    assert (scene.state(), scene.read()) == ("running", "second")
    scene.server.docker("stop", "-t", "1", scene.user)
    scene.driver.restore(1)
    scene.server.docker("start", scene.user)
    assert scene.read() == "first"


def test_one_that_would_be_removed_by_a_stop_is_named_and_left(scene: Scene) -> None:
    scene.run("--rm")
    scene.write("first")
    scene.driver.snapshot()
    with pytest.raises(NotSafe, match=r"is removed when it is stopped \(--rm\)"):
        scene.driver.restore(1)
    assert (scene.state(), scene.read()) == ("running", "first")


def test_one_that_has_its_folder_under_another_name_uses_it_too(scene: Scene) -> None:
    folder = scene.world.target / "below"
    folder.mkdir()
    scene.server.run(scene.user, "--volume", f"{folder}:/elsewhere")
    probe = scene.world.plugin.probe(scene.world.component, RUNNER)
    assert f"the container {scene.user}" in probe.who
    scene.driver.snapshot()
    scene.server.docker("exec", scene.user, "touch", "/elsewhere/late")
    scene.driver.restore(1)
    assert scene.state() == "running"
    assert scene.server.docker("exec", scene.user, "ls", "/elsewhere") == ""


@pytest.mark.parametrize("scene", [{"volumeSnapshot": "stop"}, {"volumeSnapshot": "pause"}], indirect=True)
def test_a_snapshot_holds_still_who_uses_it_and_lets_go(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.run()
    scene.write("first")
    seen: list[str] = []
    dumped = FilesetState.dump

    def look(*arguments: object) -> object:
        seen.append(scene.state())
        return dumped(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(FilesetState, "dump", look)
    scene.driver.snapshot()
    how = {"stop": "exited", "pause": "paused"}[str(scene.world.component.properties["volumeSnapshot"])]
    assert seen == [how]
    assert scene.state() == "running"
    monkeypatch.setattr(FilesetState, "dump", lambda *arguments: (_ for _ in ()).throw(PluginError("no")))
    with pytest.raises(PluginError, match="no"):
        scene.driver.snapshot()
    assert scene.state() == "running"


@pytest.mark.parametrize("scene", [{"volumeSnapshot": "refuse"}], indirect=True)
def test_a_snapshot_of_a_used_volume_can_be_refused(scene: Scene) -> None:
    scene.run()
    with pytest.raises(NotSafe, match=f"is used by {scene.user}"):
        scene.driver.snapshot()
    assert scene.state() == "running"


def test_a_volume_that_is_gone_comes_back_as_dockers_own(scene: Scene) -> None:
    (scene.world.target / "file").write_text("first\n")
    scene.driver.snapshot()
    scene.server.docker("volume", "rm", scene.world.name)
    with pytest.raises(PluginError, match=f"has no volume {scene.world.name}"):
        scene.driver.snapshot()
    scene.driver.restore(1)
    scene.run()
    assert scene.read() == "first"
    assert scene.world.target.stat().st_uid == 1234


def test_compose_knows_a_volume_again_that_was_gone(scene: Scene) -> None:
    """Without its labels Compose says that it was made by somebody else, and leaves it at ``down --volumes``."""
    server, name = scene.server, scene.world.name
    server.docker("volume", "rm", name)
    labels = ("com.docker.compose.project=shop", "com.docker.compose.volume=data", "other=a secret")
    server.docker("volume", "create", *(word for text in labels for word in ("--label", text)), name)
    (scene.world.target / "file").write_text("kept")
    scene.driver.snapshot()
    server.docker("volume", "rm", name)
    scene.driver.restore(1)
    assert (scene.world.target / "file").read_text() == "kept"
    shown = server.docker("volume", "inspect", "--format", "{{json .Labels}}", name)
    assert json.loads(shown) == {"com.docker.compose.project": "shop", "com.docker.compose.volume": "data"}


def test_its_copy_is_a_volume(scene: Scene) -> None:
    (scene.world.target / "file").write_text("first\n")
    scene.driver.snapshot()
    copy = f"{scene.world.name}-copy"
    scene.driver.restore(1, scene.driver.copied("copy"))
    scene.server.run(scene.user, "--volume", f"{copy}:/data")
    assert scene.read() == "first"


def test_garbage_that_a_container_has_is_not_collected(scene: Scene) -> None:
    scene.driver.activity("activate")
    scene.run()
    scene.driver.activity("deactivate")
    scene.server.docker("stop", "-t", "1", scene.user)
    with pytest.raises(NotSafe, match=f"is used by {scene.user}"):
        scene.driver.activity("collect-garbage")
    scene.server.docker("rm", scene.user)
    scene.driver.activity("collect-garbage")
    assert scene.world.name not in scene.server.docker("volume", "ls", "--quiet").split()


def test_volumes_that_are_no_folders_of_dockers_own_are_refused(scene: Scene, tmp_path: Path) -> None:
    options = ("--opt", "type=none", "--opt", "o=bind", "--opt", f"device={tmp_path}")
    name = f"{scene.world.copy_prefix}bound"
    scene.server.docker("volume", "create", *options, name)
    component = Component(ComponentKey("volumes", name), tmp_path, scene.world.component.properties)
    with pytest.raises(NotSafe, match="is mounted from elsewhere while it is used"):
        DockerVolume().live(component)
    listed = {one.name: one.why_not for one in DockerVolume().list_state(component, RUNNER).all}
    assert "mounted from elsewhere" in listed[name]
    assert listed[scene.world.name] == ""


RELAY = """
import os, socket, sys, threading
path, target, uid = sys.argv[1:]
server = socket.socket(socket.AF_UNIX); server.bind(path); os.chmod(path, 0o666)
os.setuid(int(uid)); server.listen(); open(path + ".ready", "w") if int(uid) == 0 else None
while True:
    client, _ = server.accept()
    other = socket.socket(socket.AF_UNIX); other.connect(target)
    def copy(a, b):
        while data := a.recv(65536): b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    for pair in ((client, other), (other, client)): threading.Thread(target=copy, args=pair, daemon=True).start()
"""


@pytest.mark.parametrize(("uid", "why"), [(65534, "is run by nobody and not by root"), (0, "is answered by python")])
def test_a_docker_that_is_another_users_or_another_machines_is_not_believed(
    scene: Scene, tmp_path: Path, uid: int, why: str
) -> None:
    """A socket that leads on to the real one, as one that ssh forwards does."""
    place = scene.server.home / f"relay{uid}"
    scene.server.socket.chmod(0o666)
    relay = subprocess.Popen([sys.executable, "-c", RELAY, str(place), str(scene.server.socket), str(uid)])
    try:
        wait_until(place.is_socket)
        given = {**scene.world.component.properties, "dockerSocket": str(place)}
        component = Component(scene.world.component.key, tmp_path, given)
        wait_until(lambda: "does not answer" not in DockerVolume().probe(component, RUNNER).detail)
        with pytest.raises(NotSafe, match=why):
            DockerVolume().live(component)
        assert not DockerVolume().probe(component, RUNNER).up
    finally:
        relay.kill()
        relay.wait()


@pytest.mark.worlds
def test_killed_at_every_step_of_a_restore_its_container_runs_again(scene: Scene) -> None:
    """The next job on the component finds the container stopped, whoever stopped it, and starts it."""
    scene.run()
    scene.write("first")
    scene.driver.snapshot()
    stopped = 0
    for at in range(1, 40):
        scene.write("second")
        bench = scene.driver.bench(mortal=(at, True))
        died = in_child(lambda bench=bench: activities.restore(bench, 1))  # type: ignore[misc]
        if not died:
            break
        stopped += scene.state() == "exited"
        scene.driver.dead.append(bench.job)
        for left in scene.driver.unsettled():
            activities.recover(scene.driver.bench(), left)
        assert scene.state() == "running", at
        assert scene.read() in ("first", "second")
    assert stopped > 2, "it was killed while the container was stopped"
