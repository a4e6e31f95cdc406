"""HTTP to a server that may be anybody's: each answer has a time of its own, however slowly it trickles in.

A socket's own time limit begins anew with each byte. Where a server is down, any user of the machine can listen at its
port; one that sends a byte a second would hold a job, its lock and its turn, for ever.
"""

from __future__ import annotations

import http.client
import socket
import time
from typing import Any, Self


class TimedSocket(socket.socket):
    """A socket whose reads all end by one time."""

    seconds: float
    until: float

    @classmethod
    def of(cls, plain: socket.socket, seconds: float) -> Self:
        """Takes the socket over."""
        timed = cls(plain.family, plain.type, plain.proto, plain.detach())
        timed.seconds = seconds
        timed.begin()
        timed.settimeout(seconds)
        return timed

    def begin(self) -> None:
        """The time begins anew."""
        self.until = time.monotonic() + self.seconds

    def recv_into(self, *words: Any, **named: Any) -> int:
        """Raises TimeoutError."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.settimeout(left)
        return super().recv_into(*words, **named)


class BoundedConnection(http.client.HTTPConnection):
    """A connection on which what is read at once (an answer's head, or what follows ``begin``) has its ``timeout``."""

    def __init__(self, host: str, port: int | None, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self.seconds = timeout
        self.timed: TimedSocket | None = None
        """Also when the answer is the last one, and the connection has let go of it."""

    def connect(self) -> None:
        super().connect()
        self.take(self.sock)

    def take(self, connected: socket.socket) -> None:
        """Go on with a socket that is connected."""
        self.sock = self.timed = TimedSocket.of(connected, self.seconds)

    def begin(self) -> None:
        """The time for what is read next."""
        if self.timed is not None:
            self.timed.settimeout(self.seconds)
            self.timed.begin()
