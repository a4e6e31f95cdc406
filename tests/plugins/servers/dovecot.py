"""A Dovecot for the tests: IMAP on a port of 127.0.0.1, accounts by name, mail in Maildirs below its own folder."""

from __future__ import annotations

import grp
import imaplib
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.plugins.servers.common import Service, free_port, missing

PASSWORD = "secret"
_SETTINGS = """
base_dir = {home}/run
state_dir = {home}/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {internal}
first_valid_uid = 1
last_valid_uid = 0
mailbox_idle_check_interval = 1 secs
mail_location = {location}
{more}
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%d/%n allow_all_users=yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot(Service):
    """Mail of ``NAME@DOMAIN`` is in ``mail/DOMAIN/NAME`` of its folder.

    Args:
        location: ``mail_location``, where that is another.
        more: settings.
    """

    def __init__(self, location: str = "maildir:{home}/mail/%d/%n", more: str = "") -> None:
        if shutil.which("dovecot") is None and not Path("/usr/sbin/dovecot").exists():
            missing("dovecot", "apt-get install dovecot-imapd")
        super().__init__("dovecot.", pwd.getpwuid(os.geteuid()))
        self.port = free_port()
        self.mail = self.home / "mail"
        self.owner = _mail_user()
        self.mail.mkdir()
        self.own(self.mail)
        internal = pwd.getpwuid(os.geteuid() or _internal().pw_uid)
        self.config = self.home / "dovecot.conf"
        self.config.write_text(
            _SETTINGS.format(
                home=self.home, location=location.format(home=self.home), more=more, port=self.port, password=PASSWORD,
                internal=internal.pw_name, internal_group=grp.getgrgid(internal.pw_gid).gr_name,
                uid=self.owner.pw_uid, gid=self.owner.pw_gid,
            )
        )  # fmt: skip

    def own(self, *paths: Path) -> None:
        """Give these, and all in them, to the user that all mail belongs to."""
        for path in paths:
            for one in (path, *path.rglob("*")) if path.is_dir() else (path,):
                os.chown(one, self.owner.pw_uid, self.owner.pw_gid, follow_symlinks=False)

    def start(self) -> Self:
        self._launch(["/usr/sbin/dovecot", "-F", "-c", self.config])
        return self

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(5)
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
            return probe.recv(100).startswith(b"* OK")

    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    # Its clients.

    def doveadm(self, *words: str, stdin: bytes | None = None) -> str:
        """Raises AssertionError with what it says."""
        done = subprocess.run(
            ["doveadm", "-c", str(self.config), *words], input=stdin, capture_output=True, check=False,
            timeout=60, stdin=subprocess.DEVNULL if stdin is None else None, cwd=self.home,
        )  # fmt: skip
        assert done.returncode == 0, f"doveadm {' '.join(words)}: {done.stderr.decode()}"
        return done.stdout.decode()

    def deliver(self, account: str, subject: str, mailbox: str = "INBOX", body: str = "") -> None:
        self.doveadm("save", "-u", account, "-m", mailbox, stdin=message(subject, body))

    def messages(self, account: str, fields: str = "mailbox flags hdr.subject") -> Sequence[str]:
        """What a client would see, a line a message, sorted."""
        return sorted(self.doveadm("-f", "tab", "fetch", "-u", account, fields, "mailbox", "*", "all").splitlines()[1:])

    def status(self, account: str, mailbox: str = "INBOX") -> Mapping[str, int]:
        told = self.doveadm("mailbox", "status", "-u", account, "messages uidvalidity uidnext", mailbox)
        return {name: int(value) for name, _, value in (word.partition("=") for word in told.split()[1:])}

    def imap(self, account: str) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=30)
        client.login(account, PASSWORD)
        return client


def message(subject: str, body: str = "") -> bytes:
    text = (
        f"From: Some One <one@example.org>\r\nTo: two@example.org\r\nSubject: {subject}\r\n"
        f"Date: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{subject.replace(' ', '.')}@example.org>\r\n\r\n"
        f"{body or subject}\r\n"
    )
    return text.encode("utf-8", "surrogateescape")


def _mail_user() -> pwd.struct_passwd:
    """Whose all mail is: Debian's ``mail`` where we are root, else ourselves."""
    return pwd.getpwnam("mail") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _internal() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")
