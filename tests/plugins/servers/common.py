"""Real servers for the tests: each in a short temporary folder, as an unprivileged user, gone at the end."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from tests.waiting import wait_until

GUARDED = ("setpriv", "--pdeathsig", "KILL", "--")


def missing(what: str, remedy: str) -> None:
    """A server that is not installed: a failure where CI says so, a skip elsewhere."""
    text = f"{what} is not installed: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


def _ports() -> Iterator[int]:
    """Below those that the kernel gives to connections, which would take one between the choice and its use; to each
    process that runs tests side by side others, and none twice soon."""
    first, share, shares = 10_000, 2_700, 8
    first += share * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % shares)
    begin = random.randrange(share)
    return itertools.cycle((*range(first + begin, first + share), *range(first, first + begin)))


_PORTS = _ports()


def free_port() -> int:
    """One of 127.0.0.1 on which nobody listens."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports never end")


def server_user(*names: str) -> pwd.struct_passwd:
    """An unprivileged user for servers: the first of these there is, where we are root; else ourselves."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return pwd.getpwnam("nobody")


class Service(ABC):
    """A server of the tests' own: started when it is entered, gone with its folder when it is left."""

    stopping: ClassVar[signal.Signals] = signal.SIGTERM
    """What ends it in good order."""

    def __init__(self, prefix: str, user: pwd.struct_passwd, where: str = "/tmp") -> None:
        self.home = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
        """All that is its own, its log as well."""
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self.give(self.home)
        self.home.chmod(0o755)

    @abstractmethod
    def start(self) -> Self:
        """Until it answers."""

    @abstractmethod
    def _answers(self) -> bool: ...

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def give(self, path: Path) -> None:
        """To the user it runs as."""
        os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _launch(
        self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, settings: bytes = b""
    ) -> None:
        """Start it and wait until it answers; ``settings`` is what it reads from its standard input."""
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*GUARDED, *argv],
                stdin=subprocess.PIPE if settings else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                start_new_session=True,
                **self._as_user(),
            )
        if self._process.stdin is not None:
            with self._process.stdin as stdin:
                stdin.write(settings)
        try:
            wait_until(self._ready)
        except AssertionError:
            self.stop()
            raise

    def _prepare(self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> None:
        """Run a program to its end, as the server's user."""
        with (self.home / "log").open("ab") as log:
            subprocess.run(
                argv, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, **self._as_user()
            )

    def _as_user(self) -> dict[str, Any]:
        """For ``subprocess``: as whom (only root can change that), and where."""
        become = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return {"cwd": self.home, **(become if os.geteuid() == 0 else {})}

    def _ready(self) -> bool:
        assert self.running, (self.home / "log").read_text(errors="replace")[-2000:]
        return self._answers()

    def stop(self) -> None:
        """In good order; what it keeps on disk is whole."""
        self._end(self.stopping)

    def kill(self) -> None:
        """As a crash of the machine: nothing is written any more."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGCONT)
            if how is signal.SIGKILL:
                os.killpg(self._process.pid, how)
            else:
                self._process.send_signal(how)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *_: object) -> None:
        self.remove()
