"""A program in a terminal of its own, shown on ours: what ``su --pty`` does.

A program of another user that has root's terminal as its controlling terminal can put bytes into its input (TIOCSTI on
``/dev/tty``, on kernels that allow it), which root's shell then reads as commands. So it gets the slave of a new
pseudo-terminal and a new session; bytes are passed on between ours, in raw mode, and the master.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import termios
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any

PATIENCE = 2.0
"""Seconds that a program gets to end once its terminal is hung up."""
_CHUNK = 64 * 1024
_LAST = 256 * 1024
"""Bytes at most that are still shown of what a program left in its terminal: more than the kernel keeps of one
program, and an end where its background jobs write on."""


class OwnTerminal:
    """One program in a terminal of its own, from its start on; a context manager that ends with it reaped.

    Used by the main thread: it handles SIGWINCH and SIGCONT until it ends.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], *, keys: int = 0, screen: int = 1) -> None:
        """Start it.

        Args:
            keys, screen: descriptors of our terminal, for input and for output.

        Raises:
            OSError: it cannot be started, or there is no terminal to show it on.
        """
        program = shutil.which(argv[0], path=env.get("PATH"))
        if program is None:
            raise FileNotFoundError(2, "no such program", argv[0])
        with ExitStack() as opened:
            # Opened again, not duplicated: O_NONBLOCK would be set for all who share ours, and stay if we are killed.
            self._keys = _opened(opened, f"/proc/self/fd/{keys}", os.O_RDONLY)
            self._screen = _opened(opened, f"/proc/self/fd/{screen}", os.O_WRONLY)
            self._master, self._slave = (_closed_by(opened, one) for one in os.openpty())
            self._stop = _closed_by(opened, os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
            os.set_blocking(self._master, False)
            try:
                self._before = termios.tcgetattr(self._keys)
                termios.tcsetattr(self._slave, termios.TCSANOW, self._before)
                self._copy_size()
            except termios.error as error:
                raise OSError(error.args[0], os.strerror(error.args[0])) from None
            # setsid -c: a session whose controlling terminal is standard input, without code of ours after a fork.
            self._process = subprocess.Popen(
                ["setsid", "-c", program, *argv[1:]],
                env=env, stdin=self._slave, stdout=self._slave, stderr=self._slave,
            )  # fmt: skip
            self._ended = _closed_by(opened, os.pidfd_open(self._process.pid))
            self._opened = opened.pop_all()
        self._to_screen = bytearray()
        self._to_program = bytearray()

    def __enter__(self) -> OwnTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        # The slave stays open until here: while the program has closed its own, the master is not at its end.
        self._opened.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def send_signal(self, number: int) -> None:
        """Send the program a signal that is to end it, and hang up its terminal. May be called by a handler."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        os.eventfd_write(self._stop, 1)

    def wait(self) -> int:
        """Pass bytes on until the program ends, or our terminal is gone, or a signal was sent.

        Returns:
            its exit status; the negative number of the signal that it died of.
        """
        with self._signals_handled(), self._raw():
            if self._pass_on():
                self._show_the_rest()
        self.__exit__()
        return self._process.returncode

    def _pass_on(self) -> bool:
        """Whether the program ended by itself."""
        while True:
            events = self._wait_for_events()
            if self._stop in events or self._has_hung_up(events):
                return False
            if self._ended in events:
                return True
            if self._master in events:
                if events[self._master] & select.POLLIN and not self._to_screen:
                    self._to_screen += _read(self._master) or b""
                _write(self._master, self._to_program)
            if self._to_screen and not _write(self._screen, self._to_screen):
                return False

    def _wait_for_events(self) -> dict[int, int]:
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        poll.register(self._ended, select.POLLIN)
        # What cannot be passed on yet is not read: whoever writes it waits, as at any terminal.
        poll.register(self._keys, select.POLLIN if len(self._to_program) < _CHUNK else 0)
        poll.register(self._screen, select.POLLOUT if self._to_screen else 0)
        wanted = (0 if self._to_screen else select.POLLIN) | (select.POLLOUT if self._to_program else 0)
        poll.register(self._master, wanted)
        return dict(poll.poll())

    def _has_hung_up(self, events: Mapping[int, int]) -> bool:
        """Take in what was typed; whether our terminal is gone."""
        gone = select.POLLHUP | select.POLLERR | select.POLLNVAL
        if (events.get(self._keys, 0) | events.get(self._screen, 0)) & gone:
            return True
        if events.get(self._keys, 0) & select.POLLIN:
            data = _read(self._keys)
            self._to_program += data or b""
            return data == b""
        return False

    def _show_the_rest(self) -> None:
        left = _LAST
        while True:
            if not self._to_screen and left > 0:
                self._to_screen += _read(self._master) or b""
                left -= len(self._to_screen)
            if not self._to_screen:
                return
            poll = select.poll()
            poll.register(self._stop, select.POLLIN)
            poll.register(self._screen, select.POLLOUT)
            if self._stop in dict(poll.poll()) or not _write(self._screen, self._to_screen):
                return

    @contextmanager
    def _raw(self) -> Iterator[None]:
        """Our terminal passes every key on. Afterwards it is as before, and what was typed since is dropped: what was
        meant for the program is no key of ours, nor is a terminal's answer to a question that the program asked."""
        self._set_raw()
        try:
            yield
        finally:
            with suppress(termios.error):  # it is gone
                termios.tcsetattr(self._keys, termios.TCSANOW, self._before)
                termios.tcflush(self._keys, termios.TCIFLUSH)

    def _set_raw(self) -> None:
        with suppress(termios.error):
            tty.setraw(self._keys, termios.TCSANOW)

    def _copy_size(self) -> None:
        with suppress(termios.error):
            termios.tcsetwinsize(self._master, termios.tcgetwinsize(self._screen))

    @contextmanager
    def _signals_handled(self) -> Iterator[None]:
        def resized(_number: int, _frame: FrameType | None) -> None:
            self._copy_size()

        def continued(_number: int, _frame: FrameType | None) -> None:
            self._set_raw()  # the shell that stopped us set modes of its own
            self._copy_size()

        handlers: dict[signal.Signals, Callable[[int, FrameType | None], Any]]
        handlers = {signal.SIGWINCH: resized, signal.SIGCONT: continued}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        self._copy_size()  # it may have changed since the start
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _opened(stack: ExitStack, path: str, flags: int) -> int:
    return _closed_by(stack, os.open(path, flags | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC))


def _closed_by(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _read(descriptor: int) -> bytes | None:
    """None: nothing is there now. Empty: nothing will be."""
    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return None
    except OSError:  # EIO: the other side is gone
        return b""


def _write(descriptor: int, data: bytearray) -> bool:
    """Write what goes in now, and take it from ``data``. False: the other side is gone."""
    try:
        del data[: os.write(descriptor, data) if data else 0]
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True
