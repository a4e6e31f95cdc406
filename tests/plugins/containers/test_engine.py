"""What Docker says of its containers is data that others chose: it leads nowhere and nothing of it is run."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dysnomia_plugins.base import Finished, PropertyValue
from dysnomia_plugins.errors import PluginError, ProcessFailed, ServerDown, WrongCredentials
from dysnomia_plugins.toolkit.containers.engine import Engine, Reference
from dysnomia_plugins.toolkit.containers.facts import Facts
from dysnomia_plugins.toolkit.containers.find import found
from dysnomia_plugins.toolkit.containers.inside import InsideRunner
from dysnomia_plugins.toolkit.containers.reach import Reached, addresses, reach
from dysnomia_plugins.toolkit.process import ProcessRunner

DOCKER = Engine("docker", "/nowhere/docker.sock")
SECRET = "hunter2\n'\"$(x)"


def inspected(name: str = "shop-db-1", **more: Any) -> dict[str, Any]:
    return {
        "Id": "ab" * 32,
        "Name": f"/{name}",
        "Path": "docker-entrypoint.sh",
        "Args": ["postgres"],
        "State": {"Status": "running"},
        "Config": {
            "Image": "postgres:15",
            "Env": [f"POSTGRES_PASSWORD={SECRET}", "EMPTY=", "ODD"],
            "ExposedPorts": {"5432/tcp": {}},
        },
        "HostConfig": {"NetworkMode": "shop_default"},
        "NetworkSettings": {
            "Ports": {"5432/tcp": [{"HostIp": "0.0.0.0", "HostPort": "15432"}, {"HostIp": "::", "HostPort": "15432"}]},
            "Networks": {
                "shop_default": {"IPAddress": "172.18.0.2", "IPPrefixLen": 16, "Gateway": "172.18.0.1"},
                "other": {"IPAddress": "", "IPPrefixLen": 0, "Gateway": ""},
            },
        },
    } | more


class Said(ProcessRunner):
    """A runner that gives what was said, and keeps what was asked."""

    def __init__(self, *answers: bytes | ProcessFailed) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[Sequence[str | bytes]] = []

    def run(self, argv: Sequence[str | bytes], **options: Any) -> Finished:
        self.asked.append(argv)
        answer = self.answers.pop(0)
        if isinstance(answer, ProcessFailed):
            raise answer
        return Finished(answer, "")


def told(*said: Mapping[str, Any]) -> bytes:
    return json.dumps(said).encode()


def test_a_container_as_docker_shows_it() -> None:
    facts = Facts.of(inspected())
    assert (facts.name, facts.image, facts.state) == ("shop-db-1", "postgres:15", "running")
    assert facts.environment == {"POSTGRES_PASSWORD": SECRET, "EMPTY": "", "ODD": ""}
    assert facts.published == {"5432/tcp": (("127.0.0.1", 15432), ("::1", 15432))}
    assert "hunter2" not in repr(facts)
    assert facts.runs("postgres")
    assert not facts.runs("mysqld")


def test_an_address_counts_only_where_this_machine_is_on_its_network() -> None:
    address = Facts.of(inspected()).addresses[0]
    assert address.is_beside({"172.18.0.1", "192.0.2.7"})
    assert not address.is_beside({"172.18.0.9"}), "another machine is the gateway"
    assert not address.is_beside({"192.0.2.7"})
    assert not address.is_beside(set())


def test_addresses_of_another_users_docker_are_not_taken_for_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dysnomia_plugins.toolkit.containers.reach._own_addresses", lambda: frozenset({"172.18.0.1"}))
    reference = Reference(DOCKER, "shop-db-1", "host")
    facts = Facts.of(inspected())
    published = [("127.0.0.1", 15432), ("::1", 15432)]
    assert list(addresses(reference, facts, Said(), 5432)) == published, "a socket that nobody is known to own"
    monkeypatch.setattr(Engine, "by_root", property(lambda _: True))
    assert list(addresses(reference, facts, Said(), 5432)) == [("172.18.0.2", 5432), *published]
    assert list(addresses(reference, facts, Said(), 5433)) == [("172.18.0.2", 5433)]


@pytest.mark.parametrize(
    "network",
    [
        {"HostConfig": {"NetworkMode": "host"}, "NetworkSettings": {}},
        {"HostConfig": {"NetworkMode": "container:" + "ab" * 32}, "NetworkSettings": {}},
        {},
    ],
    ids=["host", "another's", "published"],
)
def test_whoever_listens_on_this_machine_is_asked_only_where_the_operator_says_so(network: dict[str, Any]) -> None:
    """Any local user may listen in the server's place, and would be told its password."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        published = {"Ports": {f"{port}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(port)}]}, "Networks": {}}
        said = told(inspected(**{"NetworkSettings": published, **network}))
        other = told(inspected("vpn", HostConfig={"NetworkMode": "host"}))
        runner = Said(said, other)
        reached = reach(Reference(DOCKER, "shop-db-1"), runner, port, client=lambda _: True)
        assert (reached.host, reached.port) == ("", "")
        runner = Said(said, other)
        reached = reach(Reference(DOCKER, "shop-db-1", "host"), runner, port, client=lambda _: True)
        assert (reached.host, reached.port) == ("127.0.0.1", str(port))


@pytest.mark.parametrize("now", ["the same", "another port", "ended", "made anew"])
def test_the_container_is_looked_at_again_before_anything_is_sent_to_its_address(now: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def published(number: int) -> dict[str, Any]:
            bindings = [{"HostIp": "127.0.0.1", "HostPort": str(number)}]
            return inspected(NetworkSettings={"Ports": {f"{port}/tcp": bindings}, "Networks": {}})

        reference = Reference(DOCKER, "shop-db-1", "host")
        reached = reach(reference, Said(told(published(port))), port, client=lambda _: True)
    answers: Mapping[str, bytes | ProcessFailed] = {
        "the same": told(published(port)),
        "another port": told(published(port + 1)),
        "ended": told(published(port) | {"State": {"Status": "exited"}}),
        "made anew": ProcessFailed("docker", 1, "Error: No such container"),
    }
    said = Said(answers[now], b"sent")
    runner = reached.runner(said)
    if now == "the same":
        assert runner.run(["psql"], stdin=b"SELECT 'secret'").stdout == b"sent"
        return
    with pytest.raises(ServerDown):
        runner.run(["psql"], stdin=b"SELECT 'secret'")
    with pytest.raises(ServerDown):
        Reached(replace(reached.container, id="cd" * 32), reached.facts, "127.0.0.1", "1", 1).confirm(
            Said(told(published(1)))
        )
    assert [argv[-1] for argv in said.asked] == ["ab" * 32], "it is asked by its id, and psql was not started"


@pytest.mark.parametrize("path", ["hunter2", "secrets/x", "./x", " /x"])
def test_what_is_no_path_of_a_secret_is_refused_and_not_shown(path: str) -> None:
    config = {"Env": [f"POSTGRES_PASSWORD_FILE={path}"], "Image": "postgres:15"}
    said = Said(told(inspected(Config=config)))
    reached = reach(Reference(DOCKER, "shop-db-1", "inside"), said, 5432, client=lambda _: True)
    with pytest.raises(PluginError) as caught:
        reached.secret(ProcessRunner(), "POSTGRES_PASSWORD")
    assert caught.value.message == "POSTGRES_PASSWORD_FILE of the Docker container shop-db-1 is not an absolute path"


def test_an_empty_name_of_a_file_is_none() -> None:
    config = {"Env": ["POSTGRES_PASSWORD_FILE=", "POSTGRES_PASSWORD="], "Image": "postgres:15"}
    said = Said(told(inspected(Config=config)))
    reached = reach(Reference(DOCKER, "shop-db-1", "inside"), said, 5432, client=lambda _: True)
    assert reached.secret(ProcessRunner(), "POSTGRES_PASSWORD") == ""


def test_a_secret_that_podman_does_not_show_is_asked_for_inside() -> None:
    """Podman 5.3 and newer show stars for what ``--secret …,type=env`` gave."""
    config = {"Env": ["POSTGRES_PASSWORD=*******"], "Image": "postgres:15"}
    reference = Reference(Engine("podman"), "shop-db-1", "inside")
    reached = reach(reference, Said(told(inspected(Config=config))), 5432, client=lambda _: True)
    inside = Said(SECRET.encode())
    assert reached.secret(inside, "POSTGRES_PASSWORD") == SECRET
    assert [word for word in inside.asked[0] if word in ("podman", "exec", "ab" * 32)] == ["podman", "exec", "ab" * 32]
    docker = reach(Reference(DOCKER, "shop-db-1", "inside"), Said(told(inspected(Config=config))), 5432,
                   client=lambda _: True)  # fmt: skip
    assert docker.secret(Said(), "POSTGRES_PASSWORD") == "*******", "with Docker that is the password"


@pytest.mark.parametrize("value", ["/run/x\0y", "/run/\ud800"])
def test_a_variable_that_no_process_can_have_ends_nothing(value: str) -> None:
    config = {"Env": [f"POSTGRES_PASSWORD_FILE={value}", f"POSTGRES_USER={value}"], "Image": "postgres:15"}
    said = Said(told(inspected(Config=config)))
    reached = reach(Reference(DOCKER, "shop-db-1", "inside"), said, 5432, client=lambda _: True)
    assert reached.secret(ProcessRunner(), "POSTGRES_PASSWORD") == ""
    assert dict(reached.facts.environment) == {}


@pytest.mark.parametrize("given", ["shop-db-1", "ab" * 32])
def test_a_container_is_meant_by_its_whole_name_or_id(given: str) -> None:
    assert DOCKER.look(Said(told(inspected())), given).id == "ab" * 32
    with pytest.raises(ServerDown, match="there is no Docker container abab"):
        DOCKER.look(Said(told(inspected())), "abab")
    reached = reach(Reference(DOCKER, given, "inside"), Said(told(inspected())), 5432, client=lambda _: True)
    assert (reached.container.exact, reached.container.name) == ("ab" * 32, given)


@pytest.mark.parametrize(
    "properties",
    [
        {"dockerContainer": "-it"},
        {"dockerContainer": "../x"},
        {"dockerContainer": "a b"},
        {"dockerContainer": "a\n"},
        {"dockerContainer": "ä"},
        {"dockerContainer": "a", "podmanContainer": "b"},
        {"dockerContainer": "a", "containerClient": "yes"},
        {"dockerContainer": "a", "dockerSocket": "tcp://elsewhere:2375"},
    ],
)
def test_what_cannot_name_a_container_is_refused(properties: dict[str, PropertyValue]) -> None:
    with pytest.raises(PluginError):
        Reference.of(properties)


def test_a_container_of_podmans_that_has_ended_is_no_failure_of_the_program() -> None:
    """Its own words (Podman 4.3), with status 255."""
    said = "Error: can only create exec sessions on running containers: container state improper"
    with pytest.raises(ServerDown, match="the Podman container x does not run"):
        InsideRunner(Said(ProcessFailed("podman", 255, said)), Reference(Engine("podman"), "x")).run(["psql"])


def test_no_container_is_named() -> None:
    assert Reference.of({"postgresqlPort": "5433"}) is None


@pytest.mark.parametrize(
    ("stderr", "kind", "says"),
    [
        ("Error: No such container: x", ServerDown, "there is no Docker container x"),
        ("permission denied while trying to connect to the Docker daemon socket", WrongCredentials, "by this user"),
        ("Cannot connect to the Docker daemon at unix:///x", ServerDown, "does not answer"),
    ],
)
def test_what_docker_complains_of(stderr: str, kind: type[PluginError], says: str) -> None:
    with pytest.raises(kind, match=says):
        DOCKER.look(Said(ProcessFailed("docker", 1, stderr)), "x")


@pytest.mark.parametrize("answer", [b"", b"{}", b"[1]", b'[{"Id": 1}]', b"[null]", told(inspected(State=None))])
def test_an_answer_that_is_none(answer: bytes) -> None:
    with pytest.raises(PluginError, match="not understood"):
        DOCKER.look(Said(answer), "x")


def test_an_answer_that_is_no_text_is_not_shown() -> None:
    """It holds the environments of containers."""
    with pytest.raises(PluginError, match="not understood") as caught:
        DOCKER.look(Said(told(inspected()) + b"hunter2\xff"), "x")
    assert "hunter2" not in str(caught.value)


def test_a_container_that_is_paused_says_how_it_goes_on() -> None:
    with pytest.raises(ServerDown) as caught:
        DOCKER.look(Said(told(inspected("x", State={"Status": "paused"}))), "x")
    assert (caught.value.message, caught.value.hint) == (
        "the Docker container x does not run (it is paused)",
        "docker unpause x",
    )


def test_containers_with_a_server_are_found_by_what_they_run_or_listen_on() -> None:
    plain: dict[str, Any] = {"Config": {"Env": ["POSTGRES_PASSWORD=of-another-server"], "Image": "nextcloud"}}
    by_port: dict[str, Any] = {"Args": [], "Config": {"ExposedPorts": {"5432/tcp": {}}, "Image": "x\x1b[31m"}}
    said = [
        inspected("app", Path="apache2", Args=[], NetworkSettings={}, **plain),
        inspected("own", **by_port),
        inspected("-odd"),
        inspected("db"),
    ]
    listed = found(Said(b"1\n2\n3\n4\n", told(*said)), 5432, "postgres", among=[DOCKER])
    assert [(one.container, one.properties, one.where) for one in listed] == [
        ("docker-db", {"dockerContainer": "db", "dockerSocket": DOCKER.socket}, "in Docker container db (postgres:15)"),
        ("docker-own", {"dockerContainer": "own", "dockerSocket": DOCKER.socket},
         "in Docker container own (x?[31m)"),
    ]  # fmt: skip


def test_where_docker_may_not_be_asked_nothing_is_found() -> None:
    assert list(found(Said(ProcessFailed("docker", 1, "permission denied")), 5432, "postgres", among=[DOCKER])) == []
