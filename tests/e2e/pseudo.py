"""A pseudo-terminal held by the test itself: what the program writes to it byte by byte, and what happens when it is
closed or sends no UTF-8. (``terminal.py`` has the screens; tmux hides what is asked here.)"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.waiting import wait_until

DRAWN = b"\x1b[?1049h"
"""The alternate screen: the app has begun to draw."""


@dataclass
class Pseudo:
    """One program that leads a session of its own on a pseudo-terminal."""

    pid: int
    master: int
    output: bytearray = field(default_factory=bytearray)
    status: int | None = None
    drained: bool = False
    """Whether all has been read that was written, and nobody has the terminal any more."""

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def wait_for(self, text: bytes, *, after: int = 0) -> None:
        """Go on when the program has written ``text`` (past the first ``after`` bytes)."""
        try:
            wait_until(lambda: text in bytes(self.output[after:]) or self.ended)
        except AssertionError:
            raise AssertionError(f"never: {text!r} in {bytes(self.output[-2000:])!r}") from None
        with suppress(AssertionError):  # what it wrote last may not have been read yet
            wait_until(lambda: text in bytes(self.output[after:]) or self.drained, 5)
        assert text in bytes(self.output[after:]), f"ended ({self.status}): {bytes(self.output[-2000:])!r}"

    @property
    def ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def modes_left_on(self) -> list[str]:
        """Modes of the terminal that were set and not taken back, and flags of the line."""
        modes = {
            "alternate screen": b"?1049",
            "mouse": b"?1000",
            "motion": b"?1003",
            "paste": b"?2004",
            "focus": b"?1004",
        }
        found = [name for name, mode in modes.items() if self._last(mode + b"h") > self._last(mode + b"l")]
        if self._last(b"?25l") > self._last(b"?25h"):
            found.append("hidden cursor")
        flags = termios.tcgetattr(self.master)[3]
        found += [name for name in ("ICANON", "ECHO", "ISIG") if not flags & getattr(termios, name)]
        return found

    def _last(self, mode: bytes) -> int:
        return self.output.rfind(b"\x1b[" + mode)

    def close(self) -> None:
        """The terminal is gone: its window was closed, the connection was lost."""
        with suppress(OSError):
            os.close(self.master)

    def read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            if not data:
                self.drained = True
                return
            self.output += data


@contextmanager
def pseudo_terminal(
    argv: Sequence[str], environment: Mapping[str, str], *, ignored: Sequence[signal.Signals] = (), reads: bool = True
) -> Iterator[Pseudo]:
    """Run a program on a pseudo-terminal of 80x24; killed afterwards.

    Args:
        argv: the program and its arguments.
        environment: its whole environment.
        ignored: signals that it finds ignored, as under nohup.
        reads: False for a terminal that takes in nothing until ``read`` is called.
    """
    pid, master = pty.fork()
    if pid == 0:
        try:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            for one in ignored:
                signal.signal(one, signal.SIG_IGN)
            os.execve(argv[0], list(argv), dict(environment))
        finally:
            os._exit(127)
    made = Pseudo(pid, master)
    if reads:
        threading.Thread(target=made.read, daemon=True).start()
    try:
        yield made
    finally:
        if not made.ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        made.close()
