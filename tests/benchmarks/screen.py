"""The screen, measured from outside: the program in a pseudo-terminal, its output put together by an emulator."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte

from tests.benchmarks.measure import Figure, absolute, ratio, seconds

SIZE = (120, 36)
KEYS = 120
PATIENCE = 60.0
"""Seconds until something that does not come fails the run."""
EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("Nothing here")
Empty().run()
"""


class Watched:
    """A program in a terminal."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.screen = pyte.Screen(*SIZE)
        self._stream = pyte.ByteStream(self.screen)
        self.started = time.perf_counter()
        self.came = self.started
        """When the last of what it has written was read; what the emulator then does with it is no part of a key."""
        self.taken = 0
        """Bytes that it has written."""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execve(argv[0], list(argv), dict(environment))
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))

    def read(self, timeout: float) -> bool:
        """Take what it has written. Whether there was anything."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return False
        self.came = time.perf_counter()
        self.taken += len(data)
        self._stream.feed(data)
        return bool(data)

    def text(self) -> str:
        return "\n".join(self.screen.display)

    def until(self, condition: Callable[[str], bool]) -> float:
        """Seconds since its start until the screen is so."""
        end = time.perf_counter() + PATIENCE
        while not condition(self.text()):
            assert time.perf_counter() < end, f"never on the screen:\n{self.text()}"
            self.read(0.5)
        return time.perf_counter() - self.started

    def quiet(self) -> None:
        """Go on when it has written nothing for a while."""
        while self.read(0.3):
            pass

    def key(self, key: bytes) -> float:
        """Press a key; seconds until what moves the screen has come."""
        before = self.text()
        start = time.perf_counter()
        os.write(self.fd, key)
        while self.text() == before:
            assert time.perf_counter() - start < PATIENCE, f"nothing moved:\n{before}"
            self.read(0.5)
        return self.came - start

    def processor(self) -> float:
        """Seconds of a processor that the thread which handles keys and draws has had so far."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/schedstat").read_text().split()[0]) / 1e9


@contextmanager
def running(argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[Watched]:
    watched = Watched(argv, environment)
    try:
        yield watched
    finally:
        os.kill(watched.pid, signal.SIGKILL)
        os.waitpid(watched.pid, 0)
        os.close(watched.fd)


def measure(state: Path) -> Sequence[Figure]:
    """First frame and full screen on a store of 100,000 generations, and keys on it."""
    with tempfile.TemporaryDirectory(prefix="bench.") as root:
        return _measure(_environment(Path(root), state))


def _measure(environment: dict[str, str]) -> Sequence[Figure]:
    program = [str(Path(sys.executable).parent / "dysnomia-tui")]
    # Once, so that the store's cache is there, as it is on a machine in use.
    with running(program, environment) as watched:
        watched.until(_full)
    first, full, empty = [], [], []
    for _ in range(3):
        with running(program, environment) as watched:
            first.append(watched.until(lambda text: bool(text.strip())))
            full.append(watched.until(_full))
        with running([sys.executable, "-c", EMPTY], environment) as watched:
            empty.append(watched.until(lambda text: "Nothing here" in text))
    figures = [
        ratio("first frame, store of 100,000 generations", min(first), "an empty Textual app", min(empty), 2),
        absolute(
            "then the full main screen", (min(full) - min(first)) * 1000, 1000, "ms", seconds(min(full)) + " in all"
        ),
    ]
    with running(program, environment) as watched:
        watched.until(_full)
        watched.quiet()
        flood = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.flood"], env=environment | _PATH)
        try:
            watched.until(lambda text: "shop1" in text and "check" in text)
            times = scroll(watched)
            assert flood.poll() is None, "the flood ended before the keys did"
            figures.append(absolute("a key while a job floods events, p95", p95(times), 50, "ms"))
        finally:
            flood.send_signal(signal.SIGINT)
            flood.wait()
    return figures


def scrolling(state: Path) -> Sequence[Figure]:
    """Keys in the list of one component with 100,000 generations."""
    program = [str(Path(sys.executable).parent / "dysnomia-tui")]
    with tempfile.TemporaryDirectory(prefix="bench.") as root:
        environment = _environment(Path(root), state)
        for _ in range(2):  # the second time with the store's cache, as on a machine in use
            with running(program, environment) as watched:
                watched.until(lambda text: "1/100,000" in text or "1/100000" in text)
                watched.quiet()
                times = scroll(watched)
    return [absolute("a key while 100,000 rows scroll, p95", p95(times), 50, "ms")]


_PATH = {"PYTHONPATH": str(Path.cwd())}


def _full(text: str) -> bool:
    """The components, and the newest generation of the one under the cursor, are there."""
    return "shop9" in text and "10000" in text.replace(",", "")


def scroll(watched: Watched) -> list[float]:
    """Seconds of each key of many that move in the list of generations."""
    os.write(watched.fd, b"2")
    watched.quiet()
    return [watched.key(b"j" if number % 40 < 35 else b"\x04") for number in range(KEYS)]


def p95(times: list[float]) -> float:
    """Milliseconds that 95 of 100 keep to."""
    return sorted(times)[int(len(times) * 0.95)] * 1000


def _environment(root: Path, state: Path) -> dict[str, str]:
    (root / "containers").mkdir()
    (root / "containers" / "postgresql").write_text('type="echo"\n')
    for number in range(10):
        folder = root / "components" / "postgresql"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"shop{number}").touch()
    return {
        "HOME": str(root),
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "DYSNOMIA_STATEDIR": str(state),
        "DYSNOMIA_CONTAINERS_PATH": str(root / "containers"),
        "DYSNOMIA_COMPONENTS_PATH": str(root / "components"),
        "DYSNOMIA_MODULES_PATH": str(root / "modules"),
        "XDG_CONFIG_HOME": str(root / "config"),
    }
