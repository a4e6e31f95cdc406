"""Settings, folders and dumps of others: read and never run, followed or obeyed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.ejabberd import places
from dysnomia_plugins.types.ejabberd.node import Server
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.driver import Driver
from tests.plugins.ejabberd.world import EjabberdWorld
from tests.plugins.other_user import needs_root

pytestmark = [pytest.mark.server, pytest.mark.worlds]


def server_of(folder: Path, settings: str, **properties: str) -> Server:
    path = folder / "ejabberdctl.cfg"
    path.write_text(settings)
    values = {"type": "ejabberd-dump", "ejabberdUser": "nobody", "ejabberdSettings": str(path), "ejabberdHome": "/"}
    return Server.of(Component(ComponentKey.of("chat", "chat"), folder, {**values, **properties}))


def test_settings_are_read_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    server = server_of(tmp_path, f"ERLANG_NODE=$(touch {mark})\ntouch {mark}\nERL_DIST_PORT=`touch {mark}`\n")
    assert not mark.exists()
    assert (server.node, server.port) == ("ejabberd@localhost", None)
    server = server_of(tmp_path, "# x\nexport ERLANG_NODE='chat@localhost' # y\nERL_DIST_PORT=\"5210\"\n")
    assert (server.node, server.port) == ("chat@localhost", 5210)


@pytest.mark.parametrize(
    "settings", ["ERLANG_NODE=a@b,c\n", "ERL_DIST_PORT=1x\n", "ERL_DIST_PORT=99999\n", "INET_DIST_INTERFACE=here\n"]
)
def test_settings_that_are_none_are_refused(tmp_path: Path, settings: str) -> None:
    with pytest.raises(PluginError):
        server_of(tmp_path, settings).command("status")


@needs_root
def test_nothing_of_it_runs_as_root(tmp_path: Path) -> None:
    with pytest.raises(NotSafe, match="root"):
        server_of(tmp_path, "", ejabberdUser="root")
    words = server_of(tmp_path, "").command("status")
    assert words[0] == "setpriv"


@needs_root
def test_no_link_in_its_folder_is_followed(world: EjabberdWorld, driver: Driver, tmp_path: Path) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    victim = tmp_path / "of-root"
    victim.write_text("of root")
    copy = Path(driver.named("taken").name)
    copy.symlink_to(victim)
    with pytest.raises(PluginError):
        driver.restore(number, driver.copied("taken"))
    with driver.context() as ctx:
        server = Server.of(world.component)
        making = places.made(server, ctx.tag, places.COPY)
        Path(making.name).symlink_to(victim)
        with pytest.raises((PluginError, OSError)):
            places.write(ctx, server, driver.named("new"), [b"x\n"])
        places.drop(ctx, server, making)
    assert victim.read_text() == "of root"
    assert victim.stat().st_uid == 0
    assert copy.is_symlink(), "what others have put there stays"


def test_names_by_the_hundred_thousand_are_refused(world: EjabberdWorld, driver: Driver) -> None:
    """They would fill the server's table of atoms, which ends it."""
    world.seed()
    now = world.whole()
    names = ",".join(f"a{number}" for number in range(250_000))
    (world.component.path / "ejabberd-dump" / "initial.dump").write_text(
        "{tables,[{muc_registered,[{record_name,muc_registered},{attributes,[us_host,nick]}]}]}.\n"
        f"{{muc_registered,a,[{names}]}}.\n{{muc_registered,b,c}}.\n"
    )
    with pytest.raises(PluginError, match="names"):
        driver.activity("activate")
    assert world.whole() == now
    assert list(world.server.spool.glob("*dysnomia*")) == []


@pytest.mark.parametrize(
    "text",
    [
        "{tables,[{own,[{record_name,own},{attributes,[key,%s]}]}]}.\n{own,a,b}.\n",
        "{tables,[{own,[{record_name,own},{attributes,[key,value]}]}]}.\n{own,a,[%s]}.\n",
    ],
    ids=["first line", "last line"],
)
def test_names_are_counted_wherever_they_are(world: EjabberdWorld, driver: Driver, text: str) -> None:
    names = ",".join(f"a{number}" for number in range(250_000))
    (world.component.path / "ejabberd-dump" / "initial.dump").write_text(text % names)
    before = int(world.server.do("erlang:system_info(atom_count)"))
    with pytest.raises(PluginError, match="names"):
        driver.activity("activate")
    assert int(world.server.do("erlang:system_info(atom_count)")) < before + 10_000


@pytest.mark.parametrize(
    "options",
    [
        "{record_name,own},{attributes,[key,value]},{disc_only_copies,['elsewhere@localhost']}",
        "{record_name,own},{attributes,[key,value]},{storage_properties,[{dets,[{file,own}]}]}",
        "{record_name,own},{attributes,[key,value]},{majority,true}",
        "{record_name,own},{attributes,[key,1]}",
        "{record_name,own},{attributes,[key]}",
    ],
)
def test_a_table_is_made_from_its_name_and_columns_alone(world: EjabberdWorld, driver: Driver, options: str) -> None:
    (world.component.path / "ejabberd-dump" / "initial.dump").write_text(
        f"{{tables,[{{own,[{options}]}}]}}.\n{{own,a,b}}.\n"
    )
    with pytest.raises(PluginError, match="does not describe the table own by its record name and columns"):
        driver.activity("activate")
    assert b"own" not in world.server.do("mnesia:system_info(tables)")
    assert list(world.server.spool.glob("*dysnomia*")) == []


def test_a_table_that_is_not_on_disk_here_is_refused(world: EjabberdWorld, driver: Driver) -> None:
    now = world.server.do("mnesia:table_info(session, all)")
    (world.component.path / "ejabberd-dump" / "initial.dump").write_text(
        "{tables,[{own,[{record_name,own},{attributes,[key,value]}]},"
        "{session,[{record_name,session},{attributes,[sid,usr,us,priority,info]}]}]}.\n{own,a,b}.\n"
    )
    with pytest.raises(PluginError, match="the table session is not on disk here"):
        driver.activity("activate")
    assert world.server.do("mnesia:table_info(session, all)") == now
    assert b"own" not in world.server.do("mnesia:system_info(tables)")


def test_another_cookie_is_no_way_in(world: EjabberdWorld, driver: Driver) -> None:
    other = world.server.home / "other"
    other.mkdir()
    cookie = other / ".erlang.cookie"
    cookie.write_text("x" * 20)
    cookie.chmod(0o400)
    for path in (other, cookie):
        world.server.give(path)
    world.component = replace(world.component, properties={**world.component.properties, "ejabberdHome": str(other)})
    with pytest.raises(PluginError, match="not answering"):
        driver.snapshot()
