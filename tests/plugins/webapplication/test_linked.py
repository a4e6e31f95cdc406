"""Web applications without state: what is linked into a document root, what is in the way, and what is taken back."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Context, Plugin, PropertyValue
from dysnomia_plugins.errors import NotSafe, PluginError, Unsupported
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.webapplication.plugin import GenericWebApplication, NginxWebApplication
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, Token, in_child
from tests.plugins.fileset.tools import logged, make_context
from tests.plugins.fileset.world import FilesetWorld
from tests.plugins.other_user import needs_root
from tests.plugins.webapplication.world import web_component
from tests.waiting import wait_until


class Shop:
    """A component ``shop`` with two things to be served, and a document root that is not there yet."""

    def __init__(self, folder: Path, **properties: PropertyValue) -> None:
        self.folder = folder
        self.root = folder / "srv" / "www"
        self.component: Component = web_component(folder / "shop", self.root, "generic-webapplication", **properties)
        self.source = self.component.path / "webapps"
        (self.source / "app").mkdir(parents=True)
        (self.source / "app" / "index.html").write_text("hello")
        (self.source / "one.html").write_text("one")
        (self.source / ".hidden").write_text("no ls shows it, so Dysnomia links it not")
        self.plugin: Plugin = GenericWebApplication().for_component(self.component)
        self.jobs = 0

    def context(self) -> Context:
        self.jobs += 1
        return make_context(self.component, self.folder, tag=f"0123abcd_{self.jobs}")

    def activate(self) -> Context:
        ctx = self.context()
        self.plugin.activate(ctx)
        return ctx

    def deactivate(self) -> Context:
        ctx = self.context()
        self.plugin.deactivate(ctx)
        return ctx

    def links(self) -> dict[str, str]:
        """What is in the document root; of what is no link ``-``."""
        return {path.name: os.readlink(path) if path.is_symlink() else "-" for path in self.root.iterdir()}

    @property
    def own(self) -> dict[str, str]:
        return {name: str(self.source / name) for name in ("app", "one.html")}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_what_there_is_is_linked_and_the_links_are_removed(shop: Shop) -> None:
    for _ in range(2):
        shop.activate()
        assert shop.links() == shop.own
    for _ in range(2):
        shop.deactivate()
        assert shop.links() == {}
    assert (shop.source / "app" / "index.html").read_text() == "hello"


def test_what_reloads_the_server_makes_files_as_by_hand_and_not_as_a_job_does(tmp_path: Path) -> None:
    shop = Shop(tmp_path, reloadCommand=("sh", "-c", f"umask > {tmp_path}/umask"))
    before = os.umask(0o077)
    try:
        shop.activate()
    finally:
        os.umask(before)
    assert (tmp_path / "umask").read_text() == "0022\n"


def test_a_server_that_a_reload_starts_is_not_killed_for_what_it_prints(tmp_path: Path) -> None:
    """As apachectl graceful does where Apache is down."""
    started = f"(for n in 1 2 3 4 5 6 7 8 9; do sleep 0.5; echo line || exit; done; touch {tmp_path}/ended) &"
    shop = Shop(tmp_path, reloadCommand=("sh", "-c", started))
    shop.activate()
    wait_until(lambda: (tmp_path / "ended").exists())


def test_with_a_list_of_folders_it_has_state_and_without_it_has_none(shop: Shop) -> None:
    plugin = NginxWebApplication()
    linked = plugin.for_component(shop.component)
    assert linked.activities() == {"activate", "deactivate"}
    assert (linked.type, linked.title) == (plugin.type, plugin.title)
    assert ".dysnomia-fileset" in linked.stateless
    (shop.component.path / ".dysnomia-fileset").write_text("mkdir up\n")
    assert plugin.for_component(shop.component) is plugin
    assert plugin.live(shop.component).name == str(shop.root)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_an_operator_put_there_is_neither_replaced_nor_removed(shop: Shop, kind: str) -> None:
    """Dysnomia's module deletes a file that has the name, when it activates and when it deactivates."""
    shop.root.mkdir(parents=True)
    if kind == "file":
        (shop.root / "one.html").write_text("mine")
    else:
        (shop.root / "one.html").mkdir()
    with pytest.raises(NotSafe, match=r"one\.html already exists, and is not a link"):
        shop.activate()
    assert shop.links() == {"one.html": "-"}
    ctx = shop.deactivate()
    assert shop.links() == {"one.html": "-"}
    assert any("one.html does not belong to this component and was left in place" in line for line in logged(ctx))


def test_a_link_of_another_version_is_replaced_and_one_that_was_replaced_since_stays(shop: Shop) -> None:
    shop.root.mkdir(parents=True)
    (shop.root / "app").symlink_to("/srv/app-1.0")
    shop.activate()
    assert shop.links() == shop.own
    (shop.root / "app").unlink()
    (shop.root / "app").symlink_to("/srv/app-3.0")
    shop.deactivate()
    assert shop.links() == {"app": "/srv/app-3.0"}


def test_a_link_that_another_tool_made_by_another_way_is_the_components(shop: Shop) -> None:
    """Dysnomia links by the path it was called with."""
    shop.root.mkdir(parents=True)
    (shop.folder / "current").symlink_to(shop.component.path)
    (shop.root / "app").symlink_to(shop.folder / "current" / "webapps" / "app")
    shop.deactivate()
    assert shop.links() == {}


@pytest.mark.parametrize("activity", ["activate", "deactivate"])
def test_what_the_component_no_longer_has_is_served_no_longer(shop: Shop, activity: str) -> None:
    shop.activate()
    (shop.source / "one.html").unlink()
    (shop.root / "alias").symlink_to(shop.source / "one.html")
    (shop.activate if activity == "activate" else shop.deactivate)()
    assert "one.html" not in shop.links()
    assert "alias" in shop.links(), "which an operator made"


def test_an_activation_is_taken_back_to_what_was_there(shop: Shop) -> None:
    shop.root.mkdir(parents=True)
    (shop.root / "app").symlink_to("/srv/app-1.0")
    ctx = shop.activate()
    for _ in range(2):
        shop.plugin.rollback_activation(ctx)
        assert shop.links() == {"app": "/srv/app-1.0"}


def test_of_an_activation_that_is_taken_back_no_folder_stays(shop: Shop) -> None:
    ctx = shop.activate()
    shop.plugin.rollback_activation(ctx)
    assert not shop.root.parent.exists()
    shop.plugin.rollback_activation(shop.context())


def test_a_document_root_that_is_made_can_be_entered_by_the_server(shop: Shop) -> None:
    before = os.umask(0o077)
    try:
        shop.activate()
    finally:
        os.umask(before)
    assert [oct(path.stat().st_mode & 0o777) for path in (shop.root.parent, shop.root)] == ["0o755", "0o755"]


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"documentRoot": "www"}, "documentRoot 'www' of web/shop is not absolute"),
        ({"reloadCommand": "sh -c 'x"}, "reloadCommand of web/shop is not a list of words"),
    ],
)
def test_a_wrong_property_is_named(tmp_path: Path, properties: dict[str, PropertyValue], said: str) -> None:
    shop = Shop(tmp_path)
    shop.component = Component(shop.component.key, shop.component.path, {**shop.component.properties, **properties})
    with pytest.raises(PluginError, match=said):
        shop.activate()


def test_a_component_with_nothing_to_be_served_is_said(shop: Shop) -> None:
    shop.source.rename(shop.folder / "elsewhere")
    for activity in (shop.activate, shop.deactivate):
        with pytest.raises(PluginError, match="shop has no web applications"):
            activity()


@needs_root
def test_a_document_root_behind_a_link_of_another_user_is_refused(shop: Shop) -> None:
    open_to_all = shop.folder / "srv"
    open_to_all.mkdir()
    os.chown(open_to_all, 1234, 1234)
    victim = shop.folder / "victim"
    victim.mkdir()
    shop.root.symlink_to(victim)
    os.chown(shop.root, 1234, 1234, follow_symlinks=False)
    with pytest.raises(NotSafe, match="documentRoot"):
        shop.activate()
    assert list(victim.iterdir()) == []


@needs_root
def test_a_component_that_others_may_write_removes_nothing(shop: Shop) -> None:
    shop.activate()
    os.chown(shop.source, 1234, 1234)
    with pytest.raises(NotSafe, match="webapps is left out: it belongs to user 1234"):
        shop.deactivate()
    assert shop.links() == shop.own


def test_what_is_told_of_it(shop: Shop) -> None:
    def told() -> tuple[bool, str, str]:
        probe = shop.plugin.probe(shop.component, ProcessRunner(Token()))
        return probe.up, probe.word, probe.detail

    assert told() == (False, "not linked", f"there is no {shop.root}")
    shop.activate()
    assert told() == (True, "linked", "")
    (shop.root / "app").unlink()
    (shop.root / "app").symlink_to("/elsewhere")
    assert told() == (True, "1 of 2 linked", "")
    status = shop.plugin.status(shop.component, ProcessRunner(Token()))
    assert next(fact.text for fact in status.facts) == f"app: {shop.root}/app -> /elsewhere"
    argv, _ = shop.plugin.shell(shop.component)
    assert f"ls -l {shop.root}" in argv


def test_a_dead_restore_is_not_forgotten_where_the_list_of_folders_is_gone(shop: Shop, tmp_path: Path) -> None:
    """What was set aside may be the only copy: nothing is done until it can be finished or taken back."""
    (shop.component.path / ".dysnomia-fileset").write_text("mkdir up\n")
    world = FilesetWorld(tmp_path / "world")
    world.component = shop.component
    world.plugin = GenericWebApplication()
    driver = Driver(world, tmp_path / "store")
    driver.activity("activate")
    (shop.root / "up" / "file").write_text("kept")
    number = driver.snapshot().generation.number
    job = driver.bench(mortal=(3, True))
    assert in_child(lambda: activities.restore(job, number)) == signal.SIGKILL
    driver.dead.append(job.job)
    (shop.component.path / ".dysnomia-fileset").rename(shop.folder / "list")
    linked = dataclasses.replace(driver.bench(), plugin=shop.plugin)
    with pytest.raises(Unsupported, match=f"job {job.job} was about to change what is live, and web/shop holds no"):
        activities.activity(linked, "activate")
    (shop.folder / "list").rename(shop.component.path / ".dysnomia-fileset")
    driver.activity("activate")
    assert (shop.root / "up" / "file").read_text() == "kept"
    assert not list(shop.root.glob(".dysnomia-*"))
