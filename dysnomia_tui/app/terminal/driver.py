"""The terminal driver: Textual's, made safe for a terminal that goes away and for bytes that are no UTF-8.

Textual's input thread reads on at end of file (a full processor, for ever), its output thread dies of the first write
that fails (and the app then waits for it), and a second SIGCONT starts a second input thread.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App

HUNG_UP = 128 + int(signal.SIGHUP)
"""The exit status of an app whose terminal is gone."""
PATIENCE = 0.7
"""Seconds that the app gets to end in good order once its terminal is gone: within the second it is gone."""
_CHUNK = 4096
_RESET = (
    b"\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    b"\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l\x1b[0m"
)
"""What takes back every mode that is set: paste, no wrapping, size reports, mouse, keyboard, screen, cursor, focus."""


class _Screen:
    """The file that is drawn on. A write that fails says so once; the app has nothing to gain from an exception."""

    def __init__(self, file: TextIO, lost: Callable[[], None]) -> None:
        self._file = file
        self._lost = lost

    def write(self, text: str) -> None:
        self._try(lambda: self._file.write(text))

    def flush(self) -> None:
        self._try(self._file.flush)

    def fileno(self) -> int:
        return self._file.fileno()

    def _try(self, do: Callable[[], object]) -> None:
        try:
            do()
        except (OSError, ValueError):  # ValueError: the file is closed
            self._lost()


class TerminalDriver(LinuxDriver):
    """Reads keys and draws, and ends the app when there is no terminal any more."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file = cast(Any, _Screen(cast(TextIO, sys.__stderr__), self._gone))
        self._is_gone = False
        self._in_application_mode = False

    # --- the terminal's modes -----------------------------------------------------------------------------------

    def start_application_mode(self) -> None:
        if self._in_application_mode:
            # SIGCONT to an app that was stopped by SIGSTOP, or not at all: there must never be two input threads,
            # and the modes to go back to are those from before the first one.
            self.suspend_application_mode()
        before = self._writer_thread
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._writer_thread is before:
            self._gone()  # Textual gives up without a word where the terminal's attributes cannot be set
        else:
            self._in_application_mode = True

    def stop_application_mode(self) -> None:
        super().stop_application_mode()
        self._in_application_mode = False

    def write(self, data: str) -> None:
        if not self._is_gone:
            super().write(data)

    def close(self) -> None:
        if self._writer_thread is not None and self._writer_thread.is_alive():
            super().close()

    def give_back(self) -> None:
        """Put the terminal back by hand, from any thread: the loop does not answer."""
        with suppress(OSError, ValueError, termios.error):
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
            descriptor = sys.__stderr__.fileno() if sys.__stderr__ is not None else -1
            # A terminal that is not read from (Ctrl-S) would hold up the write for ever.
            if select.select([], [descriptor], [], 0.2)[1]:
                os.write(descriptor, _RESET)

    # --- reading ------------------------------------------------------------------------------------------------

    def run_input_thread(self) -> None:
        """Read keys until the app ends or the terminal is gone."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        poll = select.poll()
        poll.register(self.fileno, select.POLLIN)
        while not self.exit_event.is_set():
            if poll.poll(100):
                data = self._read()
                if not data:
                    self._gone()
                    return
                text = decode(data)
                # Character by character where there are sequences, so that one that cannot be taken apart takes
                # nothing with it that was typed after it.
                for piece in text if "\x1b" in text else filter(None, (text,)):
                    parser = self._feed(parser, piece)
            for message in parser.tick():
                self.process_message(message)

    def _feed(self, parser: XTermParser, piece: str) -> XTermParser:
        """Take in a piece; the parser to go on with: another where a sequence is none that Textual can take apart."""
        try:
            for message in parser.feed(piece):
                self.process_message(message)
        except (ValueError, ArithmeticError, LookupError, ParseError):
            fresh = XTermParser(self._debug)
            fresh.mouse_pixels = parser.mouse_pixels
            fresh.terminal_size, fresh.terminal_pixel_size = parser.terminal_size, parser.terminal_pixel_size
            return fresh
        return parser

    def _read(self) -> bytes:
        """What was typed; ``b""`` where the terminal is gone (end of file, or EIO)."""
        try:
            return os.read(self.fileno, _CHUNK)
        except OSError:
            return b""

    # --- the terminal is gone ---------------------------------------------------------------------------------------

    def _gone(self) -> None:
        """End the app, from whatever thread: in good order if it can within ``PATIENCE``, else at once.

        Nothing is lost by it: whatever changes something is a job of its own.
        """
        if self._is_gone:
            return
        self._is_gone = True
        last = threading.Timer(PATIENCE, os._exit, (HUNG_UP,))
        last.daemon = True
        last.start()
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(lambda: self._app.exit(return_code=HUNG_UP))
