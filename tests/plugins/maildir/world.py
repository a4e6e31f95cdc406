"""The conformance world of maildir: an account of a real Dovecot, read and changed as its files are."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place, PropertyValue
from dysnomia_plugins.types.maildir.plugin import Maildir
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import RowsAsked
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.fileset.world import tree
from tests.plugins.maildir.changes import CHANGES, messages
from tests.plugins.servers.dovecot import Dovecot, message

ACCOUNT = "alice"
_DOMAINS = count()
_MADE_ANEW = ("dovecot.index", "dovecot.list.index", "dovecot.mailbox.log", "dovecot-uidvalidity", "dovecot-uidlist")
WRITER = """
import os, sys
top, log = sys.argv[1:]
out = open(log, "a", buffering=1)
n, last = 0, ""
while True:
    name = f"{1700000000 + n}.M{n}P1.writer"
    try:
        with open(f"{top}/tmp/{name}", "xb") as file:
            file.write(b"Subject: number %d\\r\\n\\r\\nbody\\r\\n" % n)
            os.fsync(file.fileno())
        os.rename(f"{top}/tmp/{name}", f"{top}/new/{name}")
        out.write(f"{n}\\n")
        if last:
            os.rename(f"{top}/new/{last}", f"{top}/cur/{last}:2,S")
        last = name
    except OSError:
        last = ""
    n += 1
"""
"""Delivers as the Maildir's paper says; a client reads each message when the next has come."""


class MailWriter(ProgramWriter):
    """A number is logged when its message has been moved to ``new``."""

    def __init__(self, top: Path, log: Path) -> None:
        super().__init__(log, [sys.executable, "-c", WRITER, str(top), str(log)])


class MaildirWorld(World):
    """An account in a domain of its own."""

    def __init__(self, server: Dovecot, folder: Path, **properties: PropertyValue) -> None:
        self.plugin = Maildir()
        self.server = server
        self.domain = f"d{next(_DOMAINS)}.example.org"
        self.root = server.mail / self.domain
        self.root.mkdir()
        server.own(self.root)
        self.account = f"{ACCOUNT}@{self.domain}"
        self.top = self.root / ACCOUNT
        component = folder / "component"
        component.mkdir(parents=True)
        given: dict[str, PropertyValue] = {"type": "maildir", "mailRoot": str(self.root), **properties}
        self.component = Component(ComponentKey.of("mail", ACCOUNT), component, given)

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def path(self, place: Place | None = None) -> Path:
        return Path(place.name) if place else self.top

    def seed(self) -> None:
        """Made by Dovecot once, and copied."""
        template = self.server.home / "template"
        if not template.exists():
            make_account(self.server, f"{ACCOUNT}@template")
            shutil.copytree(self.server.mail / "template" / ACCOUNT, template, symlinks=True)
            self.server.own(template)
        shutil.copytree(template, self.top, symlinks=True)
        self.server.own(self.top)

    def whole(self, place: Place | None = None) -> object:
        return state(self.path(place))

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        done = f"{name}: {CHANGES[name](self.top, random)}"
        self.server.own(*self.top.glob(".*"), *(self.top / one for one in ("cur", "new", "sieve")))
        return done

    def touch(self) -> str:
        """Clients look at it, a message is half delivered, the server makes its indexes and numbers anew."""
        half = self.top / "tmp" / "1.half"
        half.write_bytes(b"half of a mess")
        for index in self.top.rglob("dovecot.index*"):
            if index.is_file():
                index.unlink()
        (self.top / "dovecot-uidlist").unlink()
        self.server.messages(self.account)
        first = messages(self.top)[0]
        os.utime(first, ns=(1, 1700000000 * 10**9))
        (self.top / "dovecot-uidlist.lock").write_text("")
        (self.top / "dovecot-uidlist.lock").unlink()
        return "clients looked at it"

    def grow(self, size: int) -> None:
        block = Random(1).randbytes(1 << 19).hex().encode()
        for number in range((size >> 20) + 1):
            (self.top / "cur" / f"{number}.big:2,S").write_bytes(message(f"big {number}") + block)

    def some_sections(self) -> tuple[str, ...]:
        return (f"file:{messages(self.top / '.Sent')[0].relative_to(self.top)}", "folder:sieve")

    def part(self, place: Place | None = None) -> object:
        top = self.path(place)
        return messages(top / ".Sent")[0].read_bytes(), state(top / "sieve")

    def spoil(self, place: Place) -> None:
        with messages(self.path(place))[0].open("ab") as file:
            file.write(b"spoiled")

    def lose(self) -> Sequence[RowsAsked]:
        """Messages deleted, and a mailbox with all in it; one came."""
        first, second = messages(self.top)[:2]
        gone = [first, second, self.top / ".Work.Projects"]
        first.unlink()
        second.unlink()
        shutil.rmtree(self.top / ".Work.Projects")
        came = self.top / "cur" / f"{time.time_ns()}.came:2,"
        came.write_bytes(message("came"))
        self.server.own(came)
        kinds = ("file", "file", "folder", "file")
        return [
            RowsAsked(f"{kind}:{path.relative_to(self.top)}", ((),))
            for kind, path in zip(kinds, [*gone, came], strict=True)
        ]

    def writer(self, log: Path) -> Writer:
        return MailWriter(self.top, log)

    def written(self, place: Place | None = None) -> set[int]:
        numbers = [one.name.partition(".M")[2].partition("P")[0] for one in messages(self.path(place))
                   if ".writer" in one.name]  # fmt: skip
        assert len(numbers) == len(set(numbers)), "a message is there twice"
        return set(map(int, numbers))

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.top.with_name("away")
        self.top.rename(away)
        try:
            yield
        finally:
            away.rename(self.top)


def make_account(server: Dovecot, account: str) -> None:
    """A mailbox with one of everything that Dovecot makes."""
    for number in range(5):
        server.deliver(account, f"first {number}")
    server.doveadm("mailbox", "create", "-u", account, "Sent", "Work/Projects", "Entw&APw-rfe")
    server.doveadm("mailbox", "subscribe", "-u", account, "Sent", "Work/Projects")
    server.doveadm("copy", "-u", account, "Sent", "mailbox", "INBOX", "uid", "2")
    for number in range(3):
        server.deliver(account, f"project {number}", "Work/Projects", "a long line\n" * 10_000 * number)
    server.doveadm("flags", "add", "-u", account, "\\Seen \\Flagged $Label1 later", "mailbox", "INBOX", "uid", "2,3")
    server.doveadm("expunge", "-u", account, "mailbox", "INBOX", "uid", "1")
    client = server.imap(account)
    client.select("INBOX")
    client.uid("store", "3", "+flags", "(\\Answered)")
    client.logout()
    name, _, domain = account.partition("@")
    top = server.mail / domain / name
    (top / "sieve").mkdir()
    (top / "sieve" / "main.sieve").write_text('require "fileinto";\nfileinto "Work/Projects";\n')
    (top / "sieve" / "active").symlink_to("main.sieve")
    (top / "sieve" / "main.svbin").write_bytes(b"compiled")
    (top / ".Sent" / "dovecot-acl").write_text("user=bob lr\n")
    (top / "maildirsize").write_text("1000000S,100C\n400 5\n")
    server.own(top)


def state(top: Path) -> object:
    """All that is state at a place, each of several names of a file as a file of its own."""
    found = tree(top)
    if found is None:
        return None
    assert isinstance(found, list)
    return [
        (name, *rest)
        for name, _, *rest in found
        if not os.fsdecode(name).rpartition("/")[2].startswith((*_MADE_ANEW, "maildirsize"))
        and b"tmp" not in name.split(b"/")[:-1]
        and not name.endswith(b".svbin")
    ]
