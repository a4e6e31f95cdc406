"""The type docker-container on a real dockerd, Debian's: by command, as an operator or Disnix calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_plugins.types.docker.container import DockerContainer
from dysnomia_plugins.types.docker.spec import ContainerSpec
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Reporter
from tests.plugins.docker.made import Deployed
from tests.plugins.killed import Jobs, kill_everywhere
from tests.plugins.servers.docker import DockerServer
from tests.thorough import seldom
from tests.waiting import wait_until

column = "docker-container"
server = ("dockerd", "--version")
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("docker")]
DIES = "echo I cannot; exit 3"


@pytest.fixture
def deployed(dockerd: DockerServer, tmp_path: Path) -> Iterator[Deployed]:
    made = Deployed(dockerd, tmp_path / "world")
    before = made.images()
    yield made
    dockerd.clear()
    for image in {*made.images()} - {*before}:
        dockerd.docker("rmi", "--force", image)


def component_of(path: Path, server: DockerServer) -> Component:
    return Component(ComponentKey("docker", path.name), path, {"dockerSocket": str(server.socket)})


def test_a_container_is_put_into_service_and_taken_out_again(deployed: Deployed) -> None:
    """Dysnomia's own story: activated twice and deactivated twice; then there is neither container nor image."""
    deployed.make("story", "--hostname", "inside")
    before = deployed.images()
    for _ in range(2):
        deployed.dysnomia("activate", "story")
        assert deployed.status("story") == "running"
    assert deployed.server.docker("exec", "dysnomia-story", "cat", "/etc/hostname") == "inside"
    assert "docker/story" in deployed.world.run("dysnomia-containers", "--query-activated-components").out
    for _ in range(2):
        deployed.dysnomia("deactivate", "story")
        assert (deployed.status("story"), deployed.images()) == ("", before)


def test_its_container_is_kept_where_the_component_says_so_and_is_garbage(deployed: Deployed) -> None:
    path = deployed.make("kept", settings="dockerStatelessDeployment=0\ndockerStopTimeout=2\n")
    deployed.dysnomia("activate", "kept")
    deployed.server.docker("exec", "dysnomia-kept", "sh", "-c", "echo state > /tmp/state")
    deployed.dysnomia("deactivate", "kept")
    assert (deployed.status("kept"), "kept:test" in deployed.images()) == ("exited", True)
    deployed.dysnomia("activate", "kept")
    assert deployed.server.docker("exec", "dysnomia-kept", "cat", "/tmp/state") == "state"
    deployed.dysnomia("collect-garbage", "kept")
    assert deployed.status("kept") == "running", "what is active is no garbage"
    deployed.dysnomia("deactivate", "kept")
    assert (path / "kept-docker-settings").exists()
    deployed.dysnomia("collect-garbage", "kept")
    assert (deployed.status("kept"), "kept:test" in deployed.images()) == ("", False)
    deployed.dysnomia("collect-garbage", "kept")


def test_an_image_that_others_use_stays(deployed: Deployed) -> None:
    deployed.make("shared")
    deployed.dysnomia("activate", "shared")
    deployed.server.run("another", image="shared:test")
    assert "is used by another, and stays" in deployed.dysnomia("deactivate", "shared").err
    assert (deployed.status("shared"), "shared:test" in deployed.images()) == ("", True)


FAILURES = ("dies", "again and again", "no such option", "no archive", "another image")


@pytest.mark.parametrize("kind", seldom(FAILURES, "dies", "no archive"))
def test_a_failed_activation_leaves_nothing(deployed: Deployed, kind: str) -> None:
    command = {"dies": DIES, "again and again": DIES}.get(kind, "sleep 1000")
    parameters = {"again and again": ("--restart", "always"), "no such option": ("--no-such-option",)}.get(kind, ())
    path = deployed.make("fails", "--volume", "/anonymous", *parameters, command=command)
    settings = path / "fails-docker-settings"
    if kind == "no archive":
        (deployed.world.root / "fails.tar").unlink()
    if kind == "another image":
        settings.write_text(settings.read_text().replace("fails:test", "other:test"))
    before = deployed.images()
    volumes = deployed.server.docker("volume", "ls", "--quiet")
    said = deployed.dysnomia("activate", "fails", status=1)
    if kind in ("dies", "again and again"):
        assert "I cannot" in said.err + said.out, "its own last words"
        assert "dysnomia-fails did not start (" in said.err
    assert deployed.status("fails") == ""
    left = {*deployed.images()} - {*before}
    assert left == ({"fails:test"} if kind == "another image" else set()), (
        "what no settings name is not known to be ours"
    )
    assert deployed.server.docker("volume", "ls", "--quiet") == volumes
    assert "docker/fails" not in deployed.world.run("dysnomia-containers", "--query-activated-components").out


@pytest.mark.worlds
def test_a_name_that_led_to_another_image_leads_there_again(deployed: Deployed) -> None:
    deployed.make("moved", command=DIES)
    deployed.server.busybox("moved:test")
    was = deployed.server.docker("inspect", "--format", "{{.Id}}", "moved:test")
    before = deployed.images()
    deployed.dysnomia("activate", "moved", status=1)
    assert deployed.server.docker("inspect", "--format", "{{.Id}}", "moved:test") == was
    assert deployed.images() == before


@pytest.mark.worlds
def test_what_ran_before_goes_on_after_a_failed_activation(deployed: Deployed) -> None:
    path = deployed.make("runs")
    deployed.dysnomia("activate", "runs")
    (path / "runs-docker-settings").write_text(
        f"dockerImage={deployed.world.root}/none.tar\ndockerImageTag=runs:test\n"
    )
    deployed.dysnomia("activate", "runs", status=1)
    assert deployed.status("runs") == "running"


class Meanwhile(Reporter):
    """Does something at one line of the log, or at a phase."""

    def __init__(self, at: str, act: Callable[[], object]) -> None:
        super().__init__()
        self._at, self._act = at, act

    def phase(self, name: str) -> None:
        super().phase(name)
        self.log(f"({name})")

    def log(self, line: str) -> None:
        super().log(line)
        if line == self._at:
            self._act()


@pytest.mark.parametrize(
    "moment", seldom(["(load)", "create dysnomia-theirs", "start dysnomia-theirs"], "start dysnomia-theirs")
)
def test_a_container_that_somebody_else_made_meanwhile_is_not_taken_back(
    deployed: Deployed, tmp_path: Path, moment: str
) -> None:
    path = deployed.make("theirs", command=DIES)
    ids: list[str] = []

    def somebody() -> None:
        if deployed.status("theirs"):
            deployed.server.docker("rm", "dysnomia-theirs")
        ids.append(deployed.server.docker("create", "--name", "dysnomia-theirs", "--label", "dysnomia-tui.job=other",
                                          "--volume", "/anonymous", "tiny:1", "sh", "-c", DIES))  # fmt: skip

    jobs = Jobs(DockerContainer(), path, tmp_path / "jobs", {"dockerSocket": str(deployed.server.socket)})
    reporter = Meanwhile(moment, somebody)
    with pytest.raises(PluginError):
        activities.activity(jobs.bench(reporter), "activate")
    there = deployed.server.docker("ps", "--all", "--quiet", "--no-trunc", "--filter", "name=^/dysnomia-theirs$")
    assert [there] == ids


def test_what_is_told_of_a_container(deployed: Deployed) -> None:
    path = deployed.make("talks", "--volume", "spoken:/data")
    plugin, component = DockerContainer(), component_of(path, deployed.server)
    runner = ProcessRunner(NeverCancelled())
    assert (plugin.probe(component, runner).word, plugin.status(component, runner).word) == ("not installed",) * 2
    deployed.dysnomia("activate", "talks")
    wait_until(lambda: len(plugin.status(component, runner).log) == 2)
    probe, status = plugin.probe(component, runner), plugin.status(component, runner)
    assert (probe.up, probe.word, probe.broken, status.word) == (True, "running", False, "running")
    assert probe.version.startswith("20.10")
    assert sorted(line.text for line in status.log) == ["and an error", "hello from the inside"]
    assert all(line.at for line in status.log)
    assert status.facts[0].text == "dysnomia-talks running, started"
    assert status.facts[0].at is not None
    assert "spoken at /data" in [fact.text for fact in status.facts]
    deployed.server.docker("kill", "--signal", "KILL", "dysnomia-talks")
    wait_until(lambda: plugin.probe(component, runner).word == "stopped")
    argv, environment = plugin.shell(component)
    assert environment["DOCKER_HOST"] == deployed.server.host
    assert any("logs --follow dysnomia-talks" in word for word in argv)


def test_a_dockerd_that_is_away_is_said(deployed: Deployed, tmp_path: Path) -> None:
    path = deployed.make("away")
    component = Component(ComponentKey("docker", "away"), path, {"dockerSocket": str(tmp_path / "none")})
    probe = DockerContainer().probe(component, ProcessRunner(NeverCancelled()))
    assert (probe.up, probe.detail) == (False, f"Docker at {tmp_path}/none does not answer")
    deployed.world.container("docker", type="docker-container", dockerSocket=str(tmp_path / "none"))
    assert "does not answer" in deployed.dysnomia("activate", "away", status=8).err


def test_parameters_are_words_and_values_of_variables_are_in_no_command_line(deployed: Deployed) -> None:
    secret = "a $(touch /tmp/never) `b` 'c' \"d\" *"
    path = deployed.make(
        "secret", "--env", f"SECRET={secret}", f"--env=OTHER={secret}=2", "-e", "PATH=/bin:/none", f"-eSHORT={secret}",
        f"-e=EQUALS={secret}", "-ite", f"LAST={secret}", f"-iteONE={secret}", f"--env=DOCKER_TOKEN={secret}",
        "-e", f"with.a-dot={secret}", "-e", "TWICE=1", f"-eTWICE={secret}", "-e", "NOT_OURS",
        "--label", f"one={secret}", f"-ltwo={secret}", "--log-opt", "max-size=5m",
    )  # fmt: skip
    spec = ContainerSpec.of(component_of(path, deployed.server))
    creation = spec.created("l=1")
    assert [word for word in creation.words if "never" in word] == []
    assert "never" not in repr((spec, creation))
    deployed.dysnomia("activate", "secret")
    inside = deployed.server.docker("exec", "dysnomia-secret", "env").splitlines()
    assert f"SECRET={secret}" in inside
    assert f"OTHER={secret}=2" in inside
    assert "PATH=/bin:/none" in inside
    for name in ("SHORT", "EQUALS", "LAST", "ONE", "DOCKER_TOKEN", "with.a-dot", "TWICE"):
        assert f"{name}={secret}" in inside
    assert not any(line.startswith("NOT_OURS") for line in inside)
    labels = deployed.server.docker(
        "inspect", "--format", "{{.Config.Labels.one}}/{{.Config.Labels.two}}", "dysnomia-secret"
    )
    assert labels == f"{secret}/{secret}"
    assert not Path("/tmp/never").exists()


def test_what_others_may_write_is_not_obeyed(deployed: Deployed) -> None:
    path = deployed.make("open")
    archive = deployed.world.root / "open.tar"
    archive.chmod(0o666)
    assert f"{archive}" in deployed.dysnomia("activate", "open", status=6).err
    archive.chmod(0o644)
    (path / "open-docker-createparams").chmod(0o666)
    assert "open-docker-createparams" in deployed.dysnomia("activate", "open", status=6).err
    (path / "open-docker-createparams").chmod(0o644)
    deployed.dysnomia("activate", "open")
    (path / "open-docker-settings").chmod(0o666)
    deployed.dysnomia("deactivate", "open", status=6)
    assert deployed.status("open") == "running"


@pytest.mark.worlds
def test_killed_at_every_step_it_is_healed_by_recovery_activation_or_deactivation(
    deployed: Deployed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = deployed.make("killed", "--volume", "/anonymous")

    def everything(component: Path) -> Mapping[str, object]:
        return {
            "container": deployed.status("killed"),
            "images": deployed.images(),
        }

    properties = {"dockerSocket": str(deployed.server.socket)}
    kill_everywhere(DockerContainer(), path, everything, briefly=True, properties=properties, folder=tmp_path)
    assert int(capsys.readouterr().out.split()[1]) > 5
