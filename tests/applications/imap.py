"""A real IMAP server for web mail to log in to: dovecot, with one mailbox."""

from __future__ import annotations

import pwd
import shutil
import socket
from pathlib import Path
from typing import Self

from tests.plugins.servers.common import Service, free_port, missing, server_user

CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{home}/mail/%u
first_valid_uid = {uid}
default_vsz_limit = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {home}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%u
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
"""


class ImapServer(Service):
    """Dovecot on 127.0.0.1, with the mail of one user."""

    def __init__(self, user: str, password: str) -> None:
        if shutil.which("dovecot", path="/usr/sbin:/usr/bin") is None or not Path("/usr/lib/dovecot/imap").exists():
            missing("dovecot-imapd", "run .ci/packages")
        super().__init__("imap.", pwd.getpwuid(0))  # it becomes its own users itself
        self.port = free_port()
        owner = server_user("www-data")
        self.mail = self.home / "mail" / user
        for folder in ("new", "cur", "tmp"):
            (self.mail / folder).mkdir(parents=True)
        for path in (self.mail.parent, self.mail, *self.mail.iterdir()):
            shutil.chown(path, owner.pw_uid, owner.pw_gid)
        (self.home / "users").write_text(f"{user}:{password}\n")
        ids = {"uid": owner.pw_uid, "gid": owner.pw_gid}
        (self.home / "conf").write_text(CONFIG.format(home=self.home, port=self.port, **ids))

    def deliver(self, name: str, message: str) -> None:
        """A new message."""
        path = self.mail / "new" / name
        path.write_text(message)
        path.chmod(0o644)

    def start(self) -> Self:
        self._launch(["/usr/sbin/dovecot", "-F", "-c", self.home / "conf"])
        return self

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                return b"OK" in connection.recv(100)
        except OSError:
            return False
