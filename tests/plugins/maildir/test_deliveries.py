"""Deliveries by LMTP, as a mail server makes them, while the account is snapshotted, restored and undone."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver
from tests.plugins.maildir.world import MaildirWorld
from tests.plugins.servers.common import free_port, missing
from tests.plugins.servers.dovecot import Dovecot, message
from tests.waiting import wait_until

pytestmark = pytest.mark.server
_LMTP = """
protocols = imap lmtp
service lmtp {{
  user = {user}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""


class Deliverer(threading.Thread):
    """Delivers messages one after the other, each anew where the server had said that it could not."""

    def __init__(self, port: int, account: str) -> None:
        super().__init__(daemon=True)
        self._port, self._account = port, account
        self._ended = threading.Event()
        self.accepted: list[str] = []
        self.refused: list[str] = []

    def run(self) -> None:
        number = 0
        while not self._ended.is_set():
            subject = f"lmtp {number:05d}"
            try:
                with smtplib.LMTP("127.0.0.1", self._port, timeout=30) as client:
                    client.sendmail("one@example.org", [self._account], message(subject, "a line\r\n" * 200))
            except (OSError, smtplib.SMTPException) as error:
                self.refused.append(f"{subject}: {error}")
                sleep(0.05)
                continue
            self.accepted.append(subject)
            number += 1

    def end(self) -> None:
        self._ended.set()
        self.join(60)


@pytest.fixture
def delivered(tmp_path: Path) -> Iterator[tuple[MaildirWorld, int]]:
    if not Path("/usr/lib/dovecot/lmtp").exists():
        missing("dovecot-lmtpd", "apt-get install dovecot-lmtpd")
    port = free_port()
    with Dovecot(more=_LMTP.format(port=port, user="root")) as server, MaildirWorld(server, tmp_path / "w") as world:
        world.seed()
        yield world, port


def _subjects(world: MaildirWorld) -> list[str]:
    lines = world.server.messages(world.account, "hdr.subject")
    return sorted(line.strip() for line in lines if line.startswith("lmtp "))


@pytest.fixture
def world(delivered: tuple[MaildirWorld, int]) -> MaildirWorld:
    return delivered[0]


def test_no_message_that_was_accepted_is_lost_or_there_twice(
    delivered: tuple[MaildirWorld, int], driver: Driver
) -> None:
    world, port = delivered
    work = Deliverer(port, world.account)
    work.start()
    try:
        wait_until(lambda: len(work.accepted) >= 20)
        before = len(work.accepted)
        first = driver.snapshot().generation
        wait_until(lambda: len(work.accepted) >= before + 20)
        job = driver.bench()
        restored = activities.restore(job, first.number)
        after = len(work.accepted)
        wait_until(lambda: len(work.accepted) >= after + 20)
    finally:
        work.end()
    assert restored.guard is not None
    live = _subjects(world)
    assert len(live) == len(set(live)), "none is there twice"
    copy = driver.restored_elsewhere(restored.guard.number, "guard")
    held = [
        line.removeprefix("Subject: ").strip()
        for path in Path(copy.name).rglob("*")
        if path.is_file() and path.parent.name in ("cur", "new")
        for line in path.read_text(errors="replace").splitlines()
        if line.startswith("Subject: lmtp")
    ]
    assert len(held) == len(set(held))
    driver.drop(copy)
    lost = set(work.accepted) - set(live) - set(held)
    assert not lost, (len(work.accepted), sorted(lost)[:10], work.refused[:5])
    assert set(work.accepted[:before]) <= set(live), "what was accepted before the snapshot began is in it"
