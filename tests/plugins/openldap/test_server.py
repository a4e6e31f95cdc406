"""The server during an exchange: stopped and started as the plan says, and what becomes of one that does not."""

from __future__ import annotations

import os
import pwd
import random
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.openldap import activation
from dysnomia_plugins.types.openldap import server as control
from dysnomia_plugins.types.openldap.load import fill
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.crash import kills
from tests.plugins.conformance.driver import Driver, Reporter, in_child
from tests.plugins.fileset.changes import all_below
from tests.plugins.openldap.changes import seed_ldif
from tests.plugins.openldap.world import SUFFIX, LdapWorld
from tests.plugins.other_user import needs_root, open_folder, other_user
from tests.plugins.servers.openldap import SlapdServer

pytestmark = pytest.mark.server
WORLD = LdapWorld


def test_stop_and_start_and_how_long_are_in_the_plan(world: LdapWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    stored = driver.store.stored(driver.key, driver.ids()[number])
    with driver.context() as ctx:
        before = world.plugin.preflight(ctx, stored, replace=True)
    said = [one.text for one in before.findings if one.severity is Severity.WARNING]
    assert any("the server would be stopped and started" in text and "stop" in text for text in said)
    assert "set aside" in before.guard
    reporter = Reporter()
    activities.restore(driver.bench(reporter=reporter), number)
    assert any(line.startswith("the server was stopped for ") for line in reporter.lines)
    world.server.ready()
    with driver.context() as ctx:
        after = world.plugin.preflight(ctx, stored, replace=True)
    assert "the last time it was away for" in after.swap or os.geteuid() != 0


SYNCREPL = (
    'syncrepl rid=001 provider=ldap://elsewhere.example:389 searchbase="{suffix}" type=refreshOnly\n'
    '  interval=01:00:00:00 bindmethod=simple binddn="cn=admin,{suffix}" credentials="not to be shown"\n'
)


@pytest.mark.parametrize("tree", [True, False])
@pytest.mark.parametrize(
    ("overlays", "severity", "expected"),
    [
        ("overlay syncprov", Severity.WARNING, "empty their databases afterwards"),
        (SYNCREPL, Severity.BLOCKER, "from ldap://elsewhere.example:389 (syncrepl): restore it there"),
        (f"{SYNCREPL}multiprovider on\noverlay syncprov", Severity.WARNING, "stop that one first"),
    ],
)
def test_other_servers_that_have_the_same_entries_are_in_the_plan(
    tmp_path: Path, tree: bool, overlays: str, severity: Severity, expected: str
) -> None:
    """OpenLDAP brings back what is newer elsewhere: a restore of one server alone was said to be live, and was not."""
    settings = overlays.replace("{suffix}", SUFFIX)
    with LdapWorld(tmp_path / "world", SlapdServer(SUFFIX, tree=tree, settings="serverID 1", overlays=settings)) as one:
        driver = Driver(one, tmp_path / "store")
        one.server.stop()
        one.server.slapadd(seed_ldif(SUFFIX).encode())
        number = driver.snapshot().generation.number
        stored = driver.store.stored(driver.key, driver.ids()[number])
        with driver.context() as ctx:
            findings = one.plugin.preflight(ctx, stored, replace=True).findings
        assert any(expected in finding.text for finding in findings if finding.severity is severity)
        assert not any("not to be shown" in finding.text for finding in findings)


def test_a_server_that_does_not_run_is_not_started(world: LdapWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    world.change("value", random.Random(1))
    world.server.stop()
    driver.restore(number)
    assert not world.server.running
    assert world.whole() == then


def test_a_server_of_another_user_is_seen_by_its_lock(
    world: LdapWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without root its descriptors are not seen."""
    world.seed()
    number = driver.snapshot().generation.number
    folder = str(world.server.folder)
    monkeypatch.setattr(control, "holders", lambda _: ())
    assert control.in_use(folder)
    monkeypatch.setattr(control, "unseen", lambda at: "another user's" if control.in_use(at) else "")
    with pytest.raises(NotSafe, match="another user's"):
        driver.restore(number)
    world.server.stop()
    assert not control.in_use(folder)
    driver.restore(number)


def test_a_server_that_cannot_be_stopped_forbids_it(world: LdapWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    now = world.whole()
    kept = {name: value for name, value in world.component.properties.items() if name not in ("ldapStop", "ldapStart")}
    world.component = replace(world.component, properties=kept)
    stored = driver.store.stored(driver.key, driver.ids()[number])
    with driver.context() as ctx:
        found = world.plugin.preflight(ctx, stored, replace=True).findings
    assert any(one.severity is Severity.BLOCKER and "set ldapStop and ldapStart" in one.text for one in found)
    with pytest.raises(NotSafe, match="how it is stopped is not known"):
        driver.restore(number)
    assert world.whole() == now
    assert world.server.running


def test_a_server_that_does_not_stop_leaves_live(world: LdapWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    world.change("value", random.Random(1))
    now = world.whole()
    stop = world.server.home / "stop"
    was = stop.read_text()
    stop.write_text("#!/bin/sh\necho cannot >&2\nexit 3\n")
    bench = driver.bench()
    with pytest.raises(PluginError, match="stop ended with status 3"):
        activities.restore(bench, number)
    assert world.whole() == now
    assert world.server.running
    assert driver.left_behind(bench.job) == []
    stop.write_text(was)
    driver.restore(number)
    assert world.whole() != now


def test_a_server_that_does_not_start_again_is_said_and_undo_works(world: LdapWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    world.change("value", random.Random(1))
    now = world.whole()
    start = world.server.home / "start"
    was = start.read_text()
    start.write_text("#!/bin/sh\necho cannot >&2\nexit 3\n")
    reporter = Reporter()
    bench = driver.bench(reporter=reporter)
    activities.restore(bench, number)
    assert any("the server does not start" in line for line in reporter.lines)
    assert world.whole() == then
    start.write_text(was)
    driver.undo(bench.job)
    assert world.whole() == now


def test_it_is_found_and_probed(world: LdapWorld) -> None:
    runner = ProcessRunner()
    world.seed()
    found = world.plugin.discover(runner)
    assert [one.component for one in found if one.properties["ldapConfig"] == str(world.server.tree)] == [SUFFIX]
    probe = world.plugin.probe(world.component, runner)
    assert (probe.up, probe.version[:3], probe.detail) == (True, "2.5", SUFFIX)
    assert 0 < (probe.size or 0) < 1 << 24
    assert any("runs since" in fact.text for fact in world.plugin.status(world.component, runner).facts)
    world.server.stop()
    assert not world.plugin.probe(world.component, runner).up


@needs_root
def test_a_user_without_privileges_has_a_directory_of_their_own(tmp_path: Path) -> None:
    """Snapshot, restore, copy and undo by the server's own user, who is nobody else's."""
    folder = open_folder()
    try:
        with other_user() as other:
            entry = pwd.getpwnam(other.name)
            server = SlapdServer(SUFFIX, user=entry)
            start = server.home / "start"
            start.write_text(start.read_text().replace(f" -u {entry.pw_name} -g {entry.pw_gid}", ""))
            other.own(server.home, *all_below(server.home))
            own = other.folder(folder / "own")

            def story() -> None:
                os.setgroups([])
                os.setresgid(other.gid, other.gid, other.gid)
                os.setresuid(other.uid, other.uid, other.uid)
                os.environ.pop("XDG_RUNTIME_DIR", None)
                with LdapWorld(own / "world", server) as world:
                    driver = Driver(world, own / "store")
                    world.seed()
                    number = driver.snapshot().generation.number
                    then = world.whole()
                    world.change("value", random.Random(1))
                    now = world.whole()
                    bench = driver.bench()
                    activities.restore(bench, number)
                    assert world.whole() == then
                    driver.undo(bench.job)
                    assert world.whole() == now
                    assert activities.verify(driver.bench(), number).result.value == "ok"

            try:
                assert in_child(story) == 0
            finally:
                server.remove()
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_the_initial_state_replaces_an_empty_database_only(world: LdapWorld, driver: Driver) -> None:
    driver.activity("activate")
    first = world.server.slapcat()
    assert len(first) == seed_ldif(SUFFIX).count("dn:")
    world.server.ready()
    world.change("entry", random.Random(1))
    now = world.whole()
    driver.activity("activate")
    assert world.whole() == now
    choose = random.Random(2)
    for name in world.changes():
        world.change(name, choose)


def test_entries_written_while_the_initial_state_is_loaded_are_kept(
    world: LdapWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at an empty database and the exchange."""

    def filled_late(*words: Any, **options: Any) -> None:
        fill(*words, **options)
        first = seed_ldif(SUFFIX).split("\n\n")[0]
        world.server.modify(first.replace("o: Ex", "o: written meanwhile") + "\n")

    monkeypatch.setattr(activation, "fill", filled_late)
    with pytest.raises(NotSafe, match="entries were written"):
        driver.activity("activate")
    world.server.ready()
    entries = world.server.slapcat()
    assert len(entries) == 1
    assert b"o: written meanwhile" in entries[0]


@pytest.mark.worlds
def test_a_killed_activation_or_collection_is_healed(world: LdapWorld, driver: Driver) -> None:
    """Killed at each step of the journal; the server runs again after the next writer, with all or nothing."""
    driver.activity("activate")
    whole = world.whole()
    driver.activity("deactivate")
    for name in ("collect-garbage", "activate"):
        for job in kills(driver, lambda bench, name=name: activities.activity(bench, name)):  # type: ignore[misc]
            for left in driver.unsettled():
                activities.recover(driver.bench(), left)
            world.server.ready()
            assert driver.left_behind(job) == []
            live = world.whole()
            assert live is None or len(live[0]) == len(whole[0])  # type: ignore[index]
            driver.activity("activate")
            world.server.ready()
            driver.activity("deactivate")
            if name == "activate":
                driver.activity("collect-garbage")
            world.server.ready()
        if name == "collect-garbage":
            assert world.whole() is None
