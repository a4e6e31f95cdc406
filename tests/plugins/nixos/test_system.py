"""NixOS systems: the profile, failed and killed activations, Dysnomia's own snapshots, one component that fails."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, in_child, with_properties
from tests.plugins.nixos.world import NixosWorld
from tests.plugins.other_user import needs_root
from tests.plugins.servers.common import missing

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[NixosWorld]:
    if shutil.which("nix-env") is None:
        missing("Nix", "apt-get install nix-bin")
    with NixosWorld(tmp_path / "world") as world:
        yield world


@pytest.fixture
def driver(world: NixosWorld, tmp_path: Path) -> Driver:
    return Driver(world, tmp_path / "store")


def runs(world: NixosWorld) -> list[Path]:
    """Which system the profile leads to, and which one runs."""
    return [Path(os.path.realpath(world.profile)), Path(os.path.realpath(world.current))]


def test_activation_and_deactivation_as_dysnomias_module(world: NixosWorld, driver: Driver) -> None:
    driver.activity("activate")
    assert runs(world) == [world.system, world.system]
    assert world.log.read_text() == "switch system\n"
    assert world.command("dysnomia-containers", "--query-activated-components").split() == [
        "files/component",
        "sqlite/orders",
    ]
    driver.activity("deactivate")
    assert runs(world) == [world.before, world.before]
    assert world.log.read_text() == "switch system\nswitch before\n"
    assert not world.command("dysnomia-containers", "--query-activated-components")
    driver.activity("deactivate")
    assert runs(world) == [world.before, world.before]


def test_the_profile_is_left_alone_where_it_is_to_be(world: NixosWorld, driver: Driver) -> None:
    with_properties(world, disableNixOSSystemProfile="1", testNixOS="1")
    driver.activity("activate")
    assert runs(world) == [world.before, world.system]
    assert world.log.read_text() == "test system\n"
    driver.activity("deactivate")
    assert runs(world) == [world.before, world.system]


def test_what_a_failed_activation_had_changed_is_put_back(world: NixosWorld, driver: Driver) -> None:
    world.broken.mkdir()
    (world.broken / "system").touch()
    with pytest.raises(PluginError, match=r"ended with status 4 [(]a unit failed"):
        driver.activity("activate")
    assert runs(world) == [world.before, world.before]
    assert world.log.read_text() == "switch system\nswitch before\n"


def test_what_a_killed_activation_had_changed_is_put_back_by_the_next_writer(world: NixosWorld, driver: Driver) -> None:
    """Killed by the system's own program, between the profile and the system that runs."""
    world.deadly.mkdir()
    (world.deadly / "system").touch()

    job = driver.new_job()

    assert in_child(lambda: activities.activity(driver.bench(job), "activate")) == signal.SIGKILL
    assert runs(world)[0] == world.system
    driver.dead.append(job)
    for left in driver.unsettled():
        activities.recover(driver.bench(), left)
    assert runs(world) == [world.before, world.before]
    (world.deadly / "system").unlink()
    driver.activity("activate")
    assert runs(world) == [world.system, world.system]


def test_what_an_operator_chose_since_a_job_was_killed_stays(world: NixosWorld, driver: Driver) -> None:
    world.deadly.mkdir()
    (world.deadly / "system").touch()
    job = driver.new_job()
    assert in_child(lambda: activities.activity(driver.bench(job), "activate")) == signal.SIGKILL
    chosen = world.make_system("chosen", components=False)
    world.use(chosen)
    driver.dead.append(job)
    for left in driver.unsettled():
        activities.recover(driver.bench(), left)
    assert runs(world) == [chosen, chosen]
    assert "switch before" not in world.log.read_text()


def test_a_system_without_one_before_it_is_not_deactivated(world: NixosWorld, driver: Driver) -> None:
    driver.activity("activate")
    for link in world.profile.parent.glob("system-1-link"):
        link.unlink()
    with pytest.raises(PluginError, match="has no generation before 2"):
        driver.activity("deactivate")
    assert runs(world) == [world.system, world.system]
    assert world.log.read_text() == "switch system\n"


@pytest.mark.parametrize("how", ["broken", "deadly"])
def test_a_deactivation_that_fails_or_is_killed_leaves_the_system_active(
    world: NixosWorld, driver: Driver, how: str
) -> None:
    """Else the profile would be another system's than the one that runs, and nobody would deactivate it any more."""
    driver.activity("activate")
    folder = world.broken if how == "broken" else world.deadly
    folder.mkdir()
    (folder / "before").touch()
    if how == "broken":
        with pytest.raises(PluginError, match="ended with status 4"):
            driver.activity("deactivate")
    else:
        job = driver.new_job()
        assert in_child(lambda: activities.activity(driver.bench(job), "deactivate")) == signal.SIGKILL
        assert runs(world)[0] == world.before
        driver.dead.append(job)
        for left in driver.unsettled():
            activities.recover(driver.bench(), left)
    assert runs(world) == [world.system, world.system]
    (folder / "before").unlink()
    driver.activity("deactivate")
    assert runs(world) == [world.before, world.before]


def test_if_one_component_fails_the_others_are_undone(world: NixosWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    choose = random.Random(1)
    for name in world.changes()[:2]:
        world.change(name, choose)
    driver.snapshot()
    now = world.whole()
    snapshots = sorted((world.statedir / "snapshots/sqlite/orders").iterdir(), key=lambda path: path.stat().st_mtime)
    file = next(path for path in snapshots[0].rglob("*") if path.is_file())
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0x20
    file.chmod(0o600)
    file.write_bytes(content)
    with pytest.raises(PluginError, match=r"corrupt|damaged|differ|checksum|digest"):
        driver.restore(number)
    assert world.whole() == now
    said = world.command("dysnomia-snapshots", "--query-all", "--json", "-C", "files", "-c", "component")
    assert '"text": "undo of job' in said


@pytest.mark.worlds
def test_a_component_that_had_no_state_keeps_what_was_restored_where_another_fails(
    world: NixosWorld, driver: Driver
) -> None:
    """It has no guard, and nothing of it is lost."""
    world.seed()
    number = driver.snapshot().generation.number
    whole = world.files.whole()
    world.change(world.changes()[0], random.Random(1))
    driver.snapshot()
    snapshots = sorted((world.statedir / "snapshots/sqlite/orders").iterdir(), key=lambda path: path.stat().st_mtime)
    file = next(path for path in snapshots[0].rglob("*") if path.is_file())
    file.chmod(0o600)
    file.write_bytes(bytes(len(file.read_bytes())))
    shutil.rmtree(world.files.target)
    with pytest.raises(PluginError, match=r"corrupt|damaged|differ|checksum|digest"):
        driver.restore(number)
    assert world.files.whole() == whole
    assert not driver.unsettled()


def test_a_snapshot_of_dysnomias_own_module_is_restored(world: NixosWorld, driver: Driver, tmp_path: Path) -> None:
    """As that lays it out: the components' snapshots, made by Dysnomia's modules, below the hash of their names."""
    world.seed()
    made = tmp_path / "made"
    (made / "data/inner").mkdir(parents=True)
    (made / "data/inner/then.txt").write_text("as it was\n")
    archive = tmp_path / "state.tar.xz"
    world.call("tar", "-C", str(made), "-cJf", str(archive), "data")
    name = hashlib.sha256(archive.read_bytes()).hexdigest()
    theirs = tmp_path / hashlib.sha256(f"files/component/{name}\n".encode()).hexdigest()
    (theirs / "files/component" / name).mkdir(parents=True)
    shutil.move(archive, theirs / "files/component" / name)
    with driver.bench().locked("import") as lock:
        imported = driver.store.import_folder(lock, theirs).generation
    lite = world.lite.whole()
    driver.restore(imported.number)
    assert [section.name for section in driver.store.stored(driver.key, theirs.name).sections()] == ["files/component"]
    assert (world.files.target / "data/inner/then.txt").read_text() == "as it was\n"
    assert not (world.files.target / "data/notes.txt").exists()
    assert world.lite.whole() == lite
    damaged = next(driver.store.stored(driver.key, theirs.name).folder.rglob("*.xz"))
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    with pytest.raises(PluginError, match="damaged"):
        driver.restore(imported.number)


def test_a_snapshot_of_dysnomias_own_module_with_snapshots_of_ours(
    world: NixosWorld, driver: Driver, tmp_path: Path
) -> None:
    """Where Dysnomia's module calls commands of ours: an id of its own, and the same content."""
    world.seed()
    driver.snapshot()
    then = world.whole()
    name = hashlib.sha256(b"files/component/x sqlite/orders/y\n").hexdigest()
    theirs = Path(shutil.copytree(world.statedir / "snapshots", tmp_path / name))
    with driver.bench().locked("import") as lock:
        imported = driver.store.import_folder(lock, theirs).generation
    for change in world.changes()[:4]:
        world.change(change, random.Random(2))
    driver.restore(imported.number)
    assert world.whole() == then


def test_a_system_among_its_own_components_is_refused(world: NixosWorld, tmp_path: Path) -> None:
    driver = Driver(world, tmp_path / "store")
    with_properties(world, DYSNOMIA_NIXOS_STATEDIR=str(tmp_path / "store" / "state"))
    with pytest.raises(NotSafe, match="where the components of its system are"):
        driver.snapshot()


def test_nothing_is_restored_where_no_component_is_deployed(world: NixosWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    now = world.whole()
    world.use(world.before)
    world.command("dysnomia-containers", "--deploy")
    with pytest.raises(PluginError, match="none of the snapshot's components is deployed"):
        driver.restore(number)
    assert world.whole() == now


@needs_root
@pytest.mark.parametrize("what", ["state directory", "profile", "system"])
def test_another_user_does_not_say_what_root_runs(world: NixosWorld, driver: Driver, what: str) -> None:
    theirs = world.folder / "theirs"
    theirs.mkdir()
    if what == "state directory":
        with_properties(world, DYSNOMIA_NIXOS_STATEDIR=str(theirs / "state"))
    elif what == "profile":
        with_properties(world, nixProfile=str(theirs / "system"))
    else:
        shutil.copytree(world.system, theirs / "system")
        world.component = replace(world.component, path=theirs / "system")
        with_properties(world, disableNixOSSystemProfile="1")
    for path in (theirs, *theirs.rglob("*")):
        os.chown(path, 65534, 65534)
    with pytest.raises(PluginError, match=r"nobody|another user"):
        driver.activity("activate")
    assert not world.log.exists()
    assert runs(world) == [world.before, world.before]
