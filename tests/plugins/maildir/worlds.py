"""Mail as nobody here would keep it: the other worlds of the conformance suite."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

from tests.plugins.maildir.changes import CHANGES, mailboxes, messages
from tests.plugins.maildir.world import ACCOUNT, MaildirWorld, make_account
from tests.plugins.servers.dovecot import Dovecot, message

HOSTILE = """
maildir_copy_with_hardlinks = no
maildir_broken_filename_sizes = yes
mail_save_crlf = yes
lock_method = dotlock
mail_fsync = always
mmap_disable = yes
"""


def hostile_server() -> Dovecot:
    """Mailboxes as folders in folders, indexes and lists of numbers elsewhere, in a folder of the account's home."""
    elsewhere = "INDEX={home}/indexes/%d/%n:CONTROL={home}/control/%d/%n"
    server = Dovecot("maildir:{home}/mail/%d/%n:LAYOUT=fs:" + elsewhere, HOSTILE)
    for name in ("indexes", "control"):
        (server.home / name).mkdir()
        server.own(server.home / name)
    return server


class HostileWorld(MaildirWorld):
    """Its subscriptions and keywords are in CONTROL, and so no part of it; a mailbox is called as what is not state."""

    def seed(self) -> None:
        server, template = self.server, self.server.home / "template"
        if not template.exists():
            account = f"{ACCOUNT}@template"
            for number in range(4):
                server.deliver(account, f"first {number}")
            server.doveadm("mailbox", "create", "-u", account, "Sent", "Work/Projects", "a.svbin", "Work/dovecot.index")
            for number in range(3):
                server.deliver(account, f"project {number}", "Work/Projects", "a long line\n" * 20_000 * number)
            server.deliver(account, "odd", "a.svbin")
            server.doveadm("copy", "-u", account, "Sent", "mailbox", "INBOX", "uid", "2")
            top = server.mail / "template" / ACCOUNT
            (top / "sieve").mkdir()
            (top / "sieve" / "main.sieve").write_text("keep;\n")
            (top / "sieve" / "active").symlink_to("main.sieve")
            (top / "subscriptions").write_text("Sent\n")
            (top / ".Sent").symlink_to("Sent")
            (top / ".Work.Projects").symlink_to("Work/Projects")
            server.own(top)
            shutil.copytree(top, template, symlinks=True)
            server.own(template)
        shutil.copytree(template, self.top, symlinks=True)
        server.own(self.top)
        (self.top / "dovecot-uidlist").write_text("3 V1 N1 G00\n")

    def some_sections(self) -> tuple[str, ...]:
        sent = messages(self.top / "Sent")[0]
        return (f"file:{sent.relative_to(self.top)}", "symlink:.Sent", "folder:sieve")


class WideWorld(MaildirWorld):
    """Mailboxes and messages of all sorts of names and sizes."""

    def seed(self) -> None:
        super().seed()
        for name in (".Entw&APw-rfe.\u00fc", ".a b", ".x" * 60, ".cur", ".tmp"):
            for folder in ("cur", "new", "tmp"):
                (self.top / name / folder).mkdir(parents=True, exist_ok=True)
            (self.top / name / "cur" / "1.only:2,FS").write_bytes(message(f"in {name}"))
        cur = self.top / "cur"
        for size in (0, 1, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 3 << 20):
            (cur / f"2.size{size}:2,").write_bytes(Random(size).randbytes(size))
        (cur / "3.no-flags").write_bytes(message("no flags"))
        (cur / "4.experimental:1,xyz").write_bytes(message("experimental"))
        (cur / "5.many:2,DFPRSTab").write_bytes(message("many flags"))
        (cur / "6.colon:2,S:2,T").write_bytes(message("two"))
        (cur / os.fsdecode(b"7.\xff\xfe\n\x1b[31m:2,S")).write_bytes(message("odd"))
        (cur / ("8" * 250)).write_bytes(message("long"))
        (cur / "link").symlink_to("3.no-flags")
        os.setxattr(cur / "3.no-flags", "user.origin", b"there")
        self.server.own(self.top)


class UpdatedWorld(MaildirWorld):
    """After a year of use: delivered, read, moved and expunged by Dovecot, and its lists written anew."""

    def seed(self) -> None:
        template = self.server.home / "template of a year"
        if not template.exists():
            account = f"{ACCOUNT}@year"
            make_account(self.server, account)
            top = self.server.mail / "year" / ACCOUNT
            random = Random(3)
            for _ in range(20):
                for name in ("a message came", "a flag", "a message was deleted", "a message was moved"):
                    CHANGES[name](top, random)
                self.server.own(top)
                if random.random() < 0.3:
                    self.server.messages(account)
            self.server.doveadm("force-resync", "-u", account, "*")
            self.server.doveadm("purge", "-u", account)
            self.server.deliver(account, "large", body="a long line\n" * 20_000)
            assert len(mailboxes(top)) >= 4
            shutil.copytree(top, template, symlinks=True)
        shutil.copytree(template, self.top, symlinks=True)
        self.server.own(self.top)


class LeastWorld(MaildirWorld):
    """What a mail server's guide says: the folder of all mail is root's, each account's its own user's."""

    def __init__(self, server: Dovecot, folder: Path) -> None:
        super().__init__(server, folder)
        os.chown(self.root, 0, 0)
        self.root.chmod(0o755)
