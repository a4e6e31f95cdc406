"""Servers that run here are found with their prefixes; what a container with components=* holds is listed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dysnomia_plugins.base import Found, Listed
from dysnomia_plugins.errors import PluginError, Unsupported
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_plugins.types.etcd import discover
from dysnomia_plugins.types.etcd.server import Server
from tests.plugins.etcd.site import Site, site
from tests.plugins.servers.etcd import EtcdServer

pytestmark = pytest.mark.server
RUNNER = ProcessRunner(NeverCancelled())
KEYS = (
    "/registry/pods/a", "/registry/pods/b", "/registry/x", "/app/1", "/app-2/1", "/loose", "traefik/http/1", "alone",
    "/.hidden/1", "/a b/1", "//double",
)  # fmt: skip


def _fill(server: EtcdServer) -> None:
    server.put({key.encode(): b"" for key in KEYS})
    server.put({b"/many/%d/%d" % (number, number): b"" for number in range(300)})
    server.put({b"/\xff\xfe/1": b""})


def _of(here: Site) -> list[Found]:
    return [one for one in here.plugin.discover(RUNNER) if str(here.server.port) in str(one.properties)]


def test_a_server_is_found_by_its_command_with_its_prefixes(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        _fill(here.server)
        names = [(one.component, one.properties.get("etcdPrefix", "")) for one in _of(here)]
        slashed = [name for name, prefix in names if not prefix]
        assert sorted(slashed) == ["a b", "app", "app-2", "many", "registry"]
        assert [name for name, prefix in names if prefix] == ["traefik"]
        for one in _of(here):
            properties = {name: str(value) for name, value in one.properties.items()}
            component = Site(tmp_path / one.component, here.server, one.component, **properties).component
            assert here.plugin.probe(component, RUNNER).detail.startswith(("1 key", "3 keys", "300 keys"))


@pytest.mark.skipif(os.geteuid() != 0, reason="the environment of another user's process is root's to read")
def test_a_server_is_found_by_its_environment(tmp_path: Path) -> None:
    with EtcdServer() as server:
        server.put({b"/app/1": b""})
        here = Site(tmp_path, server)
        server.stop()
        launch = server._launch

        def by_environment(argv: list[str], *, env: dict[str, str]) -> None:
            words = [word for word in argv if not word.startswith("--listen-client-urls")]
            launch(words, env={**env, "ETCD_LISTEN_CLIENT_URLS": server.url})

        server._launch = by_environment  # type: ignore[method-assign, assignment]
        server.start()
        assert [one.component for one in _of(here)] == ["app"]


def test_one_that_asks_for_an_account_is_found_with_the_way_out(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        here.server.ask_for_accounts()
        (one,) = _of(here)
        assert not one.readable
        assert "asks for an account" in one.detail
        assert "etcdUser" in one.remedy


def test_all_prefixes_are_listed(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        _fill(here.server)
        listed = here.plugin.list_state(here.component, RUNNER)
        fit = sorted(one.name for one in listed.all if not one.why_not)
        assert fit == ["a b", "app", "app-2", "many", "registry"]
        others = {one.name: one.why_not for one in listed.all if one.why_not}
        assert set(others) == {".hidden", "\\xfffe"}
        below = Server.from_properties({**here.component.properties, "etcdPrefix": "/many/%/"})
        assert len(discover.list_state(below).all) == 300
        assert Listed("17") in discover.list_state(below).all


def test_what_cannot_be_listed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path) as here:
        _fill(here.server)
        for more in ({"etcdPrefix": "/app/"}, {"etcdWhole": "true"}):
            with pytest.raises(Unsupported, match=r"components=\*"):
                discover.list_state(Server.from_properties({**here.component.properties, **more}))
        monkeypatch.setattr(discover, "_MOST", 3)
        with pytest.raises(PluginError, match="more than 3 names"):
            here.plugin.list_state(here.component, RUNNER)
        here.server.stop()
        with pytest.raises(PluginError, match="does not answer"):
            here.plugin.list_state(here.component, RUNNER)


def test_the_same_keys_are_one_place_however_they_are_written_down(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        port = here.server.port
        other = Site(tmp_path / "other", here.server, "app", etcdEndpoints=f"localhost:{port}", etcdPrefix="/%/")
        assert here.plugin.location(here.component) == other.plugin.location(other.component)
        third = Site(tmp_path / "third", here.server, "x", etcdPrefix="/app/")
        assert here.plugin.location(here.component) == third.plugin.location(third.component)
