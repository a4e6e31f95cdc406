"""How many messages an account has, and how many of them nobody has looked at."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, folder_at, open_folder
from dysnomia_plugins.types.maildir import names as naming

_SECONDS = 0.7
_DEEPEST = 50


def count(top: str) -> str:
    """In words; what could not be counted in time is said. Never raises."""
    counted = _Counted(time.monotonic() + _SECONDS)
    with suppress(OSError, LinkInTheWay), folder_at(top) as folder:
        counted.below(folder, 0)
    mailboxes = f"{counted.mailboxes:,} {'mailbox' if counted.mailboxes == 1 else 'mailboxes'}"
    messages = f"{counted.messages:,} {'message' if counted.messages == 1 else 'messages'}"
    more = " at least" if counted.late else ""
    return f"{messages}{more} in {mailboxes}, {counted.new:,} new"


class _Counted:
    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.mailboxes = self.messages = self.new = 0
        self.late = False

    def below(self, folder: int, depth: int) -> None:
        with os.scandir(folder) as entries:
            inside = [one.name for one in entries if one.is_dir(follow_symlinks=False)]
        mailbox = naming.CUR in inside
        self.mailboxes += mailbox
        for name in inside:
            if time.monotonic() > self._deadline or depth > _DEEPEST:
                self.late = True
                return
            if mailbox and name == naming.TMP:
                continue
            with suppress(OSError, LinkInTheWay):
                descriptor = open_folder(name, folder)
                try:
                    self._enter(descriptor, name if mailbox else "", depth)
                finally:
                    os.close(descriptor)

    def _enter(self, descriptor: int, name: str, depth: int) -> None:
        if name not in (naming.CUR, naming.NEW):
            self.below(descriptor, depth + 1)
            return
        with os.scandir(descriptor) as entries:
            for number, _ in enumerate(entries):
                self.messages += 1
                self.new += name == naming.NEW
                if number % 1000 == 0 and time.monotonic() > self._deadline:
                    self.late = True
                    return
