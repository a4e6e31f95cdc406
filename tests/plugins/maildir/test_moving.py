"""A snapshot of mail that is delivered, read and moved while it is taken: each message once."""

from __future__ import annotations

import os
import re
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.types.maildir import cut as cutting
from dysnomia_plugins.types.maildir import names as naming
from dysnomia_plugins.types.maildir.cut import Cut
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import ProgramWriter
from tests.plugins.maildir.changes import messages
from tests.plugins.maildir.world import MaildirWorld
from tests.plugins.servers.dovecot import Dovecot, message
from tests.waiting import wait_until

pytestmark = pytest.mark.server
READER = """
import os, random, sys, time
top, log, moves, pause = sys.argv[1:]
out = open(log, "a", buffering=1)
choose, boxes = random.Random(1), [top, f"{top}/.Sent"]
n = 0
while True:
    box = choose.choice(boxes)
    for name in os.listdir(f"{box}/cur"):
        base, _, flags = name.partition(":2,")
        now = "".join(sorted(set(flags) ^ {choose.choice("FRST")}))
        to = choose.choice(boxes) if choose.random() < float(moves) else box
        os.rename(f"{box}/cur/{name}", f"{to}/cur/{base}:2,{now}")
        out.write(f"{n}\\n")
        n += 1
        time.sleep(float(pause))
"""
"""A client that marks every message, again and again, and moves some."""


class Client(ProgramWriter):
    def __init__(self, top: Path, log: Path, moves: float, pause: float = 0.0) -> None:
        super().__init__(log, [sys.executable, "-c", READER, str(top), str(log), str(moves), str(pause)])


@pytest.fixture
def world(dovecot: Dovecot, tmp_path: Path) -> Iterator[MaildirWorld]:
    with MaildirWorld(dovecot, tmp_path / "world") as world:
        yield world


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: a tree that stands still now and then is waited for."""
    monkeypatch.setattr(cutting, "PATIENCE", 30.0)


def fill(world: MaildirWorld, count: int) -> set[str]:
    """Messages in INBOX; the unique names of all messages that there are."""
    for number in range(count):
        (world.top / "cur" / f"{1700000000 + number}.filled:2,").write_bytes(message(f"filled {number}"))
    return {naming.unique(one.name) for box in (world.top, world.top / ".Sent") for one in messages(box)}


def stored_messages(driver: Driver) -> Counter[str]:
    """How often each message of INBOX and Sent is in the newest generation, by its unique name."""
    stored = driver.store.stored(driver.key, driver.newest().id)
    counter: Counter[str] = Counter()
    for section in stored.sections():
        what = naming.message(section.name)
        if what is not None and what[0] in (".", ".Sent"):
            counter[naming.unique(what[2])] += 1
    return counter


def stored_subjects(driver: Driver) -> Counter[str]:
    """How often each message is in the newest generation, by its subject."""
    stored = driver.store.stored(driver.key, driver.newest().id)
    counter: Counter[str] = Counter()
    with stored.open("state.tar") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None and (found := re.search(rb"^Subject: (.*?)\r?$", content.read(), re.MULTILINE)):
                counter[found[1].decode()] += 1
    return counter


def test_messages_that_are_marked_meanwhile_are_there_once_each(world: MaildirWorld, tmp_path: Path) -> None:
    """By a client that never pauses: all have other names by the time they are read."""
    world.seed()
    before = fill(world, 500)
    driver = Driver(world, tmp_path / "store")
    with Client(world.top, tmp_path / "marked", moves=0) as client:
        wait_until(lambda: len(client.acknowledged()) > 100)
        driver.snapshot()
        assert len(client.acknowledged()) > 200
    stored = stored_messages(driver)
    assert not before - set(stored)
    copies = {naming.unique(one.name) for one in messages(world.top / ".Sent")}
    assert {name for name, often in stored.items() if often > 1} <= copies


@pytest.mark.usefixtures("patient")
def test_messages_that_are_moved_meanwhile_are_there_once_each(world: MaildirWorld, tmp_path: Path) -> None:
    """Two a second, more than a person can; a busy machine needs the time between to look."""
    world.seed()
    for one in messages(world.top / ".Sent"):
        one.unlink()
    before = fill(world, 1000)
    driver = Driver(world, tmp_path / "store")
    with Client(world.top, tmp_path / "moved", moves=1, pause=0.5) as client:
        wait_until(lambda: len(client.acknowledged()) > 2)
        snapshotted = driver.snapshot()
    stored = stored_messages(driver)
    assert snapshotted.warnings == ()
    assert not before - set(stored)
    assert max(stored.values()) == 1


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("linked", [True, False])
def test_messages_that_dovecot_moves_meanwhile(linked: bool, world: MaildirWorld, tmp_path: Path) -> None:
    """It makes another name of the file, then expunges: what is being moved may be in both, as it is there. Where it
    may make none (it does not own the file), it makes a copy under another name: then that is said."""
    world.seed()
    for one in messages(world.top / ".Sent"):
        one.unlink()
    fill(world, 300)
    if linked:
        world.server.own(world.top / "cur")
    driver = Driver(world, tmp_path / "store")
    over, moved = threading.Event(), [0]

    def move() -> None:
        while not over.is_set():
            there, back = ("INBOX", "Sent") if moved[0] % 2 == 0 else ("Sent", "INBOX")
            words = ("move", "-u", world.account, back, "mailbox", there, "1:20")
            world.server.doveadm(*words)
            moved[0] += 1
            over.wait(0.3)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(3):
            count = moved[0]
            wait_until(lambda count=count: moved[0] > count)  # type: ignore[misc]
            snapshotted = driver.snapshot()
            subjects = stored_subjects(driver)
            count = len([one for one in subjects if one.startswith("filled")])
            copied = any("moved as copies" in warning for warning in snapshotted.warnings)
            assert count == 300 or (copied and not linked), snapshotted.warnings
            assert sum(often - 1 for often in subjects.values()) <= 20
    finally:
        over.set()
        thread.join()


def test_where_mail_never_stands_still_that_is_said(
    world: MaildirWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the client is given no time by a busy machine."""
    monkeypatch.setattr(Cut, "_stands", lambda cut, root: False)
    world.seed()
    for one in messages(world.top / ".Sent"):
        one.unlink()
    before = fill(world, 300)
    driver = Driver(world, tmp_path / "store")
    with Client(world.top, tmp_path / "moved", moves=0.05) as client:
        wait_until(lambda: len(client.acknowledged()) > 100)
        snapshotted = driver.snapshot()
    stored = stored_messages(driver)
    assert any("moved to another folder" in warning for warning in snapshotted.warnings)
    assert len(before - set(stored)) < 50


def test_a_message_that_is_deleted_before_it_is_read_is_not_there(
    world: MaildirWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.seed()
    gone, marked = messages(world.top)[:2]
    take = cutting.Cut.take

    def late(cut: Cut) -> None:
        take(cut)
        gone.unlink()
        marked.rename(marked.parent.parent / ".Sent" / "cur" / f"{naming.unique(marked.name)}:2,STab")

    monkeypatch.setattr(cutting.Cut, "take", late)
    driver = Driver(world, tmp_path / "store")
    snapshotted = driver.snapshot()
    stored = driver.store.stored(driver.key, driver.newest().id)
    names = {section.name for section in stored.sections()}
    assert str(gone.relative_to(world.top)) not in names
    assert str(marked.relative_to(world.top)) in names
    assert not any(".Sent" in name and "STab" in name for name in names)
    [warning] = snapshotted.warnings
    assert "1 messages were deleted" in warning


def test_a_message_that_got_the_inode_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    """A moved message, under another unique name, is the same file; a later one with the same inode is not."""
    top = tmp_path / "mail"
    for name in ("cur", ".Sent/cur"):
        (top / name).mkdir(parents=True)
    for name in ("1.moved:2,", "2.gone:2,"):
        (top / "cur" / name).write_text(name)
        os.utime(top / "cur" / name, (1, 1))
    cut = Cut(str(top))
    cut.take()
    (top / "cur" / "1.moved:2,").rename(top / ".Sent" / "cur" / "9.moved:2,S")
    (top / "cur" / "2.gone:2,").rename(top / ".Sent" / "cur" / "8.later:2,")
    os.utime(top / ".Sent" / "cur" / "8.later:2,")
    descriptor = cut.renamed("cur/1.moved:2,")
    assert os.pread(descriptor, 100, 0) == b"1.moved:2,"
    os.close(descriptor)
    assert cut.renamed("cur/2.gone:2,") == -1
    assert cut.gone == ["cur/2.gone:2,"]


def test_a_mailbox_that_is_made_meanwhile(tmp_path: Path) -> None:
    """First comes its folder, then what is in it; what is in ``tmp`` is no state, whenever that came."""
    top = tmp_path / "mail"
    (top / "cur").mkdir(parents=True)
    (top / ".New" / "tmp").mkdir(parents=True)
    (top / ".New" / "tmp" / "half").write_text("half of a mess")
    cut = Cut(str(top))
    stands = cut._stands

    def later(root: int) -> bool:
        if not (top / "tmp").exists():
            (top / "tmp").mkdir()
            (top / "tmp" / "half").write_text("half of a mess")
            (top / ".New" / "cur").mkdir()
            (top / ".New" / "cur" / "1.whole:2,").write_text("a message")
        return stands(root)

    cut._stands = later  # type: ignore[method-assign]
    cut.take()
    assert cut.steady
    assert [name for name, _ in cut.entries(".")] == [".New", "cur", "tmp"]
    assert [name for name, _ in cut.entries(".New/cur")] == ["1.whole:2,"]
    assert list(cut.entries("tmp")) == list(cut.entries(".New/tmp")) == []
