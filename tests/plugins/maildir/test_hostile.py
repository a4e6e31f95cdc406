"""Whoever owns a mailbox may put anything into it: it is stored as what it is, or not, and root is led nowhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.maildir import names as naming
from tests.plugins.conformance.driver import Driver
from tests.plugins.fileset.world import tree
from tests.plugins.maildir.world import MaildirWorld, state
from tests.plugins.other_user import needs_root, other_user
from tests.plugins.servers.dovecot import Dovecot, message

pytestmark = pytest.mark.server
ODD = os.fsdecode(b"1.odd \xff\xfe\x1b[31m\nline:2,S")


def test_whatever_stands_among_messages_comes_back(world: MaildirWorld, driver: Driver) -> None:
    cur = world.top / "cur"
    (cur / ODD).write_bytes(message("odd"))
    (cur / ("n" * 240 + ":2,S")).write_bytes(b"")
    (cur / "link").symlink_to("/etc/passwd")
    os.mkfifo(cur / "pipe")
    (cur / "folder").mkdir()
    (cur / "dovecot.index").write_bytes(b"a message may be called so")
    (world.top / "a.svbin").mkdir()
    (world.top / "a.svbin" / "cur").mkdir()
    (world.top / "a.svbin" / "cur" / "1:2,").write_bytes(message("a mailbox may be called so"))
    (world.top / ".Sent" / "dovecot-uidlist").unlink()
    os.mkfifo(world.top / ".Sent" / "dovecot-uidlist")
    (world.top / ".Work.Projects" / "dovecot-uidlist").unlink()
    (world.top / ".Work.Projects" / "dovecot-uidlist").symlink_to("/etc/passwd")
    (world.top / "maildirsize").unlink()
    (world.top / "maildirsize").mkdir()
    everything = tree(world.top)
    assert isinstance(everything, list)
    wanted = [
        (name, *rest)
        for name, _, *rest in everything
        if b"/tmp" not in name and not name.endswith((b"uidlist", b"index.log", b".cache", b"main.svbin"))
        and not name.startswith((b"dovecot.", b"dovecot-uid", b"maildirsize")) and not name.startswith(b"tmp/")
    ]  # fmt: skip
    first = driver.snapshot().generation
    shutil.rmtree(world.top)
    driver.restore(first.number)
    restored = tree(world.top)
    assert isinstance(restored, list)
    found = [(name, *rest) for name, _, *rest in restored]
    for entry in wanted:
        assert entry in found, entry[0]
    assert not (world.top / ".Work.Projects" / "dovecot-uidlist").is_symlink()


def test_links_in_place_of_folders_lead_nowhere(world: MaildirWorld, driver: Driver, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "cur").mkdir(parents=True)
    (elsewhere / "cur" / "1.secret:2,S").write_bytes(b"secret")
    shutil.rmtree(world.top / ".Sent" / "cur")
    (world.top / ".Sent" / "cur").symlink_to(elsewhere / "cur")
    (world.top / ".Other").symlink_to(elsewhere)
    first = driver.snapshot().generation
    names = {section.name for section in driver.store.stored(driver.key, first.id).sections()}
    assert not any("secret" in name for name in names)
    driver.restore(first.number)
    assert (elsewhere / "cur" / "1.secret:2,S").read_bytes() == b"secret"
    assert os.listdir(elsewhere) == ["cur"]


def test_a_link_in_place_of_the_account_is_refused(world: MaildirWorld, driver: Driver) -> None:
    away = world.top.with_name("away")
    world.top.rename(away)
    world.top.symlink_to("away")
    os.chown(world.root, 12345, 12345)
    with pytest.raises(PluginError, match="link"):
        driver.snapshot()


def test_a_list_as_large_as_a_disk_is_left_out(world: MaildirWorld, driver: Driver) -> None:
    with (world.top / "dovecot-uidlist").open("r+b") as file:
        file.truncate(1 << 40)
    first = driver.snapshot().generation
    driver.restore(first.number)
    assert not (world.top / "dovecot-uidlist").exists()
    assert len(world.server.messages(world.account)) == 8


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"3 V1 N1\n",
        b"4 V1 N1 Gx\n1 :a\n",
        b"3 V99999999999 N1 Gx\n",
        b"3 V4294967295 N1 Gx\n",
        b"\0" * 9000,
    ],
)
def test_a_list_that_is_not_understood_is_made_anew(content: bytes, world: MaildirWorld, driver: Driver) -> None:
    (world.top / "dovecot-uidlist").write_bytes(content)
    first = driver.snapshot().generation
    (world.top / "dovecot-uidlist").write_bytes(content)
    driver.restore(first.number)
    assert driver.identity() == first.id
    messages = world.server.messages(world.account)
    assert len([one for one in messages if one.startswith("INBOX")]) == 4
    assert world.server.status(world.account)["uidvalidity"] > 1


def test_folders_nested_without_end_are_refused(world: MaildirWorld, driver: Driver) -> None:
    at = os.open(world.top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=at)
        deeper = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(at)
    try:
        with pytest.raises(PluginError, match="nested deeper"):
            driver.snapshot()
    finally:
        subprocess.run(["rm", "-rf", str(world.top / "d")], check=True)


@needs_root
def test_one_who_is_not_root_handles_his_own_mail(dovecot: Dovecot, tmp_path: Path) -> None:
    """As whoever owns it: nothing else is needed."""
    with MaildirWorld(dovecot, tmp_path / "world") as world, other_user() as other:
        world.seed()
        other.own(world.root, world.top, *world.top.rglob("*"))
        before = state(world.top)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setgroups([])
                os.setresgid(other.gid, other.gid, other.gid)
                os.setresuid(other.uid, other.uid, other.uid)
                driver = Driver(world, world.root / "store")
                first = driver.snapshot().generation
                shutil.rmtree(world.top / "cur")
                driver.restore(first.number)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert state(world.top) == before
        assert (world.top / "dovecot-uidlist").stat().st_uid == other.uid


def test_names() -> None:
    for name in ("dovecot.index", "dovecot.index.log.2", "dovecot.list.index.log", "dovecot-uidvalidity.5f", "a.svbin",
                 "dovecot-uidlist", "dovecot-uidlist.lock", "subscriptions.lock", ".temp.host.12.0af", "maildirsize",
                 "courierimapuiddb", "dovecot-acl-list", "dovecot.mailbox.log"):  # fmt: skip
        assert not naming.is_state(name), name
    for name in ("subscriptions", "dovecot-keywords", "dovecot-acl", "maildirfolder", "main.sieve", "dovecot.attrs",
                 "courierimapsubscribed", "courierimapkeywords", "dovecot-shared-seen"):  # fmt: skip
        assert naming.is_state(name), name
