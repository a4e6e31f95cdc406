"""A user of the machine who is neither root nor the caller: made for a test, and removed after it."""

from __future__ import annotations

import os
import pwd
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="users are made by root")


@dataclass(frozen=True, slots=True)
class OtherUser:
    """What such a user does."""

    name: str
    uid: int
    gid: int

    def argv(self, *argv: str | Path) -> Sequence[str]:
        """The command that runs ``argv`` as this user."""
        return (
            "setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--", *map(str, argv)
        )  # fmt: skip

    def run(self, *argv: str | Path) -> str:
        """Run it to its end, which must be a good one: what it prints."""
        done = subprocess.run(self.argv(*argv), cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def may(self, *argv: str | Path) -> bool:
        """Whether it ends well."""
        return subprocess.run(self.argv(*argv), cwd="/", capture_output=True, check=False).returncode == 0

    def own(self, *paths: Path) -> None:
        """Have these files and folders."""
        for path in paths:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def folder(self, path: Path) -> Path:
        """A new folder of this user's; the folders above it can be passed."""
        path.mkdir(parents=True)
        self.own(path)
        passable(path)
        return path


def open_folder() -> Path:
    """A new folder that everybody may pass: pytest closes its own whenever it starts, also for a run under way.

    Whoever asks removes it."""
    folder = Path(tempfile.mkdtemp(prefix="other.", dir="/tmp"))
    folder.chmod(0o755)
    return folder


def passable(path: Path) -> None:
    """Let everybody pass the folders above a path: pytest's are closed."""
    for folder in path.parents:
        if folder.stat().st_uid == os.geteuid() and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o111)


@contextmanager
def other_user(home: Path | None = None) -> Iterator[OtherUser]:
    """A user of a name that nobody had. ``home``: the folder that is the home of this user's, by the list of users."""
    name = f"dt{secrets.token_hex(4)}"
    where = ("-d", str(home)) if home else ()
    subprocess.run(["useradd", "-M", "-U", "-s", "/bin/sh", *where, name], check=True, capture_output=True)
    try:
        entry = pwd.getpwnam(name)
        yield OtherUser(name, entry.pw_uid, entry.pw_gid)
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)
