"""Signals that end the app: SIGTERM, SIGHUP, SIGINT. The terminal is given back first, whatever the app is doing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from dysnomia_tui.app.terminal.driver import TerminalDriver
from dysnomia_tui.app.terminal.own_terminal import OwnTerminal

if TYPE_CHECKING:
    from textual.app import App

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
PATIENCE = 2.0
"""Seconds that the app gets to end in good order before the terminal is put back by hand."""


class Ending:
    """Handles the signals that end the app, as long as it runs."""

    def __init__(self, app: App[str]) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._with_client = False
        self._client: subprocess.Popen[bytes] | OwnTerminal | None = None
        self.received: signal.Signals | None = None
        """The signal that ended the app."""

    def started(self) -> None:
        """The app's loop runs; called on it."""
        self._loop = asyncio.get_running_loop()

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals during the block, except those that whoever started us ignores (nohup).

        Afterwards a signal that was received takes its usual course, so that whoever waits for us sees it.
        """
        before = {one: signal.getsignal(one) for one in ENDING}
        for one, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(one, self._handle)
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
        if self.received is not None:
            signal.signal(self.received, signal.SIG_DFL)
            os.kill(os.getpid(), self.received)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        received = signal.Signals(number)
        if not self._with_client:
            self.received = received
            self._end(received)
        elif received is not signal.SIGINT:
            # Ctrl-C on the terminal reaches the client by itself; it is not meant for the app under it.
            self.received = received
            if self._client is not None:
                self._client.send_signal(received)

    def _end(self, received: signal.Signals) -> None:
        if self._loop is None or self._loop.is_closed():
            signal.signal(received, signal.SIG_DFL)
            os.kill(os.getpid(), received)
            return
        last = threading.Timer(PATIENCE, self._by_hand, (received,))
        last.daemon = True
        last.start()
        self._loop.call_soon_threadsafe(self._exit, received)

    def _exit(self, received: signal.Signals) -> None:
        self._app.exit(return_code=128 + received)

    def _by_hand(self, received: signal.Signals) -> None:
        """The loop does not answer (it writes to a terminal that is not read from): no more waiting."""
        driver = self._app._driver
        if isinstance(driver, TerminalDriver):
            driver.give_back()
        os._exit(128 + received)

    def run_client(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        """Run a client that gets the terminal; its exit status.

        Root's gets one of its own that is shown on ours: it may run as another user, who must not type on root's.
        Ctrl-C and Ctrl-\\ in it do not end the app; SIGTERM and SIGHUP end the client, then the app.

        Raises:
            OSError: it cannot be started.
        """
        quit_before = signal.signal(signal.SIGQUIT, _nothing)
        self._with_client = True
        try:
            started = OwnTerminal(argv, env) if os.geteuid() == 0 else subprocess.Popen(argv, env=env)
            with started as self._client:
                if self.received is not None:
                    self._client.send_signal(self.received)
                status = self._client.wait()
        finally:
            self._client = None
            self._with_client = False
            signal.signal(signal.SIGQUIT, quit_before)
            if self.received is not None:
                self._end(self.received)
        return status


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """A handler, and not SIG_IGN: that would be handed on to programs we start."""
