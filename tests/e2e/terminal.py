"""A real terminal: tmux on a socket of its own, driven by keys and read as text."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import wait_until

TIMEOUT = 60.0
"""Seconds until a screen that does not come fails the test: generous, since the machine may be loaded."""


@dataclass
class Terminal:
    """One tmux server with one window in which one program runs."""

    socket: Path
    width: int = 80
    height: int = 24

    def tmux(self, *arguments: str, check: bool = True) -> str:
        """Run a tmux command on this server. Its standard output."""
        done = subprocess.run(
            ["tmux", "-S", str(self.socket), "-f", os.devnull, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"tmux {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def start(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Open the window on a program, whose whole environment is given."""
        assignments = [f"{name}={value}" for name, value in environment.items()]
        size = ("-x", str(self.width), "-y", str(self.height))
        self.tmux("new-session", "-d", *size, "-s", "test", "env", "-i", *assignments, *argv)
        self.tmux("set-option", "-g", "remain-on-exit", "on")
        self.tmux("set-option", "-g", "escape-time", "0")

    def again(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run another program in the window whose program has ended."""
        assignments = [f"{name}={value}" for name, value in environment.items()]
        self.tmux("respawn-pane", "-k", "-t", "test", "env", "-i", *assignments, *argv)

    def screen(self) -> str:
        """What stands on the screen now."""
        return self.tmux("capture-pane", "-p", "-t", "test")

    def styled(self) -> str:
        """The same with the colours and styles it is shown in, as escape sequences."""
        return self.tmux("capture-pane", "-p", "-e", "-t", "test")

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names (``Enter``, ``Escape``, ``C-c``, ``x``)."""
        self.tmux("send-keys", "-t", "test", *keys)

    def type(self, text: str) -> None:
        """Type text as it is."""
        self.tmux("send-keys", "-t", "test", "-l", text)

    def wait_for(self, *texts: str, timeout: float = TIMEOUT) -> str:
        """The screen, once all of ``texts`` are on it."""
        seen = ""

        def there() -> bool:
            nonlocal seen
            seen = self.screen()
            return all(text in seen for text in texts)

        try:
            wait_until(there, timeout)
        except AssertionError:
            raise AssertionError(f"{texts} not on the screen:\n{seen}") from None
        return seen

    def until(self, condition: Callable[[], object], timeout: float = TIMEOUT) -> None:
        """Wait for a condition; the screen is shown where it never comes."""
        try:
            wait_until(condition, timeout, interval=0.3)
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen shows:\n{self.screen()}") from None

    def wait_gone(self, text: str, timeout: float = TIMEOUT) -> str:
        """The screen, once ``text`` is no longer on it."""
        seen = ""

        def gone() -> bool:
            nonlocal seen
            seen = self.screen()
            return text not in seen

        try:
            wait_until(gone, timeout)
        except AssertionError:
            raise AssertionError(f"{text!r} still on the screen:\n{seen}") from None
        return seen

    @property
    def pid(self) -> int:
        """The program's process."""
        return int(self.tmux("display-message", "-p", "-t", "test", "#{pane_pid}"))

    @property
    def dead(self) -> bool:
        """Whether the program has ended."""
        return self.tmux("display-message", "-p", "-t", "test", "#{pane_dead}").strip() == "1"

    def resize(self, width: int, height: int) -> None:
        self.tmux("resize-window", "-t", "test", "-x", str(width), "-y", str(height))

    def kill_server(self) -> None:
        """What a lost machine does to a terminal: the server is killed with -9, and its programs are hung up."""
        server = int(self.tmux("display-message", "-p", "#{pid}"))
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not _alive(server))


def _alive(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return bool(line) and line.rpartition(")")[2].split()[0] != "Z"  # nothing: it ended while it was read


alive = _alive


@contextmanager
def terminal(width: int = 80, height: int = 24) -> Iterator[Terminal]:
    """A terminal with nothing in it yet; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="dt.", dir="/tmp"))
    made = Terminal(folder / "tmux", width, height)
    try:
        yield made
    finally:
        with suppress(AssertionError):
            made.tmux("kill-server", check=False)
        shutil.rmtree(folder, ignore_errors=True)
