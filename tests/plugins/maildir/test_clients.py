"""What clients of a real Dovecot see of a restore: the messages of the snapshot, under new numbers."""

from __future__ import annotations

import imaplib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver
from tests.plugins.maildir.changes import messages
from tests.plugins.maildir.world import MaildirWorld
from tests.plugins.servers.dovecot import Dovecot
from tests.waiting import wait_until

pytestmark = pytest.mark.server


def numbered(client: imaplib.IMAP4, mailbox: str = "INBOX") -> dict[tuple[int, int], bytes]:
    """What a client keeps of a mailbox: by UIDVALIDITY and UID, who the message is."""
    client.select(mailbox, readonly=True)
    validity = int(client.response("UIDVALIDITY")[1][0])
    kept = {}
    _, answers = client.uid("fetch", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    for answer in answers:
        if isinstance(answer, tuple):
            uid = int(answer[0].partition(b"UID ")[2].split()[0])
            kept[validity, uid] = bytes(answer[1]).strip()
    return kept


def flagged(line: str) -> str:
    """Without what is only until a client has looked."""
    return line.replace(" \\Recent", "").replace("\\Recent", "")


def test_a_restored_account_is_what_it_was_for_doveadm(world: MaildirWorld, driver: Driver) -> None:
    server = world.server
    before = server.messages(world.account, "mailbox flags guid date.received size.physical hdr body")
    order = server.doveadm("fetch", "-u", world.account, "hdr.subject", "mailbox", "INBOX", "all")
    first = driver.snapshot().generation
    server.doveadm("expunge", "-u", world.account, "mailbox", "INBOX", "all")
    server.doveadm("mailbox", "delete", "-u", world.account, "Work/Projects")
    server.doveadm("mailbox", "unsubscribe", "-u", world.account, "Sent")
    server.deliver(world.account, "late")
    driver.restore(first.number)
    assert server.messages(world.account, "mailbox flags guid date.received size.physical hdr body") == before
    assert server.doveadm("fetch", "-u", world.account, "hdr.subject", "mailbox", "INBOX", "all") == order
    assert "Sent" in server.doveadm("mailbox", "list", "-u", world.account, "-s")
    assert driver.identity() == first.id, "that clients have looked is no change"


def test_no_number_ever_means_another_message(world: MaildirWorld, driver: Driver) -> None:
    """Restored, delivered to, undone, delivered to: a client that keeps all it has seen is never wrong."""
    server = world.server
    kept: dict[tuple[str, int, int], bytes] = {}

    def look() -> None:
        client = server.imap(world.account)
        for mailbox in ("INBOX", "Sent"):
            for number, subject in numbered(client, mailbox).items():
                key = (mailbox, *number)
                assert kept.setdefault(key, subject) == subject, f"{key} was another message"
        client.logout()

    look()
    first = driver.snapshot().generation
    validity = server.status(world.account)["uidvalidity"]
    for number in range(3):
        server.deliver(world.account, f"came {number}")
    look()
    bench = driver.bench()
    activities.restore(bench, first.number)
    restored = server.status(world.account)["uidvalidity"]
    assert restored > validity
    look()
    server.deliver(world.account, "after the restore")
    look()
    driver.undo(bench.job)
    assert server.status(world.account)["uidvalidity"] > restored
    look()
    server.deliver(world.account, "after the undo")
    look()
    driver.restore(first.number)
    server.deliver(world.account, "after the second")
    look()


def test_a_client_that_waits_meanwhile_sees_what_was_restored(world: MaildirWorld, driver: Driver) -> None:
    """It is in IDLE, with the indexes open, when the folders are exchanged; the list of numbers is not put right."""
    server = world.server
    first = driver.snapshot().generation
    server.deliver(world.account, "late")
    client = server.imap(world.account)
    client.select("INBOX")
    tag = client._new_tag()
    client.send(tag + b" IDLE\r\n")
    assert client.readline().startswith(b"+")
    result = driver.restore(first.number)
    assert result.guard is not None, "what it has open is no state"
    validity = server.status(world.account)["uidvalidity"]
    with suppress(imaplib.IMAP4.abort, OSError):
        client.send(b"DONE\r\n")
        client.noop()
        client.uid("fetch", "1:*", "(FLAGS)")
    again = server.imap(world.account)
    subjects = set(numbered(again).values())
    assert b"Subject: late" not in subjects
    assert b"Subject: first 1" in subjects
    again.logout()
    assert server.status(world.account)["uidvalidity"] == validity
    server.deliver(world.account, "after")
    assert server.status(world.account)["uidvalidity"] == validity
    with suppress(imaplib.IMAP4.abort, OSError):
        client.shutdown()


def test_mail_that_is_delivered_meanwhile_is_live_or_in_the_guard(world: MaildirWorld, driver: Driver) -> None:
    """By Dovecot itself: what it has acknowledged."""
    server = world.server
    first = driver.snapshot().generation
    delivered: list[str] = []
    over = threading.Event()

    def deliver() -> None:
        number = 0
        while not over.is_set():
            with suppress(AssertionError):
                server.deliver(world.account, f"meanwhile {number}")
                delivered.append(f"meanwhile {number}")
            number += 1

    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        wait_until(lambda: len(delivered) > 3)
        result = driver.restore(first.number)
        count = len(delivered)
        wait_until(lambda: len(delivered) > count + 3)
    finally:
        over.set()
        thread.join()
    assert result.guard is not None
    copy = driver.restored_elsewhere(result.guard.number, "guard")
    there = [one.read_bytes() for top in (world.top, Path(copy.name)) for one in messages(top)]
    for subject in delivered:
        assert sum(f"Subject: {subject}\n".encode() in one for one in there) == 1, subject


def test_by_hand_with_tar_alone(world: MaildirWorld, driver: Driver, tmp_path: Path) -> None:
    """As docs/by-hand.md says; the numbers are left alone."""
    server = world.server
    fields = "mailbox flags guid date.received hdr body"
    before = sorted(flagged(line) for line in server.messages(world.account, fields))
    first = driver.snapshot().generation
    archive = tmp_path / "state.tar"
    with driver.store.stored(driver.key, first.id).open("state.tar") as stream, archive.open("wb") as file:
        shutil.copyfileobj(stream, file)
    validity = server.status(world.account)["uidvalidity"]
    shutil.rmtree(world.top)
    world.top.mkdir()
    subprocess.run(["tar", "-x", "-p", "-C", str(world.top), "-f", str(archive)], check=True)
    assert sorted(flagged(line) for line in server.messages(world.account, fields)) == before
    assert server.status(world.account)["uidvalidity"] != validity


def test_quota_is_counted_again(world: MaildirWorld, driver: Driver) -> None:
    first = driver.snapshot().generation
    (world.top / "maildirsize").unlink()
    driver.restore(first.number)
    definition, counted = (world.top / "maildirsize").read_text().splitlines()
    all_messages = [one for box in ("", ".Sent", ".Work.Projects") for one in messages(world.top / box)]
    sizes = [int(one.name.partition("S=")[2].partition(",")[0]) for one in all_messages]
    assert definition == "1000000S,100C"
    assert [int(word) for word in counted.split()] == [sum(sizes), len(sizes)]


@pytest.mark.parametrize(
    "where", ["INDEX={home}/%n.index", "INDEX={home}/%n.index:CONTROL={home}/%n.control", "LAYOUT=fs"]
)
def test_indexes_that_are_elsewhere_do_not_bring_the_old_state_back(where: str, tmp_path: Path) -> None:
    """They stay as they were: the server sees by the numbers, or by the files, that the mailbox is another."""
    with Dovecot("maildir:{home}/mail/%d/%n:" + where.replace("{home}", "{home}/mail")) as server:
        world = MaildirWorld(server, tmp_path / "world")
        for number in range(4):
            server.deliver(world.account, f"first {number}")
        server.doveadm("mailbox", "create", "-u", world.account, "Work/Projects")
        server.doveadm("copy", "-u", world.account, "Work/Projects", "mailbox", "INBOX", "uid", "2")
        driver = Driver(world, tmp_path / "store")
        fields = "mailbox flags guid hdr body"
        before = sorted(flagged(line) for line in server.messages(world.account, fields))
        first = driver.snapshot().generation
        kept = numbered(server.imap(world.account))
        server.doveadm("expunge", "-u", world.account, "mailbox", "INBOX", "uid", "1,3")
        server.doveadm("flags", "add", "-u", world.account, "\\Seen", "mailbox", "INBOX", "uid", "2")
        server.doveadm("expunge", "-u", world.account, "mailbox", "Work/Projects", "all")
        server.deliver(world.account, "late")
        kept |= numbered(server.imap(world.account))
        driver.restore(first.number)
        assert sorted(flagged(line) for line in server.messages(world.account, fields)) == before
        server.deliver(world.account, "after")
        for key, subject in numbered(server.imap(world.account)).items():
            assert kept.setdefault(key, subject) == subject, f"{key} was another message"


def test_a_delivery_that_has_begun_does_not_hold_the_guard_up(world: MaildirWorld, driver: Driver) -> None:
    """Its server will find that the file is gone, and deliver again; a message in its folder is waited for."""
    first = driver.snapshot().generation
    with held_open(world.top / "tmp" / "1.half"):
        assert driver.restore(first.number).guard is not None
    with held_open(messages(world.top)[0]) as path:
        result = driver.restore(first.number)
        assert result.guard is None
        assert any(path.name in warning for warning in result.warnings)


@contextmanager
def held_open(path: Path) -> Iterator[Path]:
    """By a program that may write to it."""
    with path.open("ab") as file:
        program = subprocess.Popen(["sleep", "60"], stdout=file)
    try:
        yield path
    finally:
        program.kill()
        program.wait()
