"""A server that answers each connection with what a test says, however odd: who listens where a server is down."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n"


@contextmanager
def answering(listening: socket.socket, answer: bytes, more: bytes = b"", pause: float = 0.0) -> Iterator[list[bytes]]:
    """``answer``, then ``more`` again and again, with a pause before each. Yields what is sent to it."""
    sent: list[bytes] = []
    listening.listen(8)
    threading.Thread(target=_serve, args=(listening, (answer, more), pause, sent), daemon=True).start()
    try:
        yield sent
    finally:
        listening.close()


def _serve(listening: socket.socket, answers: Sequence[bytes], pause: float, sent: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while True:
            connected = listening.accept()[0]
            threading.Thread(target=_answer, args=(connected, answers, pause, sent), daemon=True).start()


def _answer(connected: socket.socket, answers: Sequence[bytes], pause: float, sent: list[bytes]) -> None:
    answer, more = answers
    with connected, contextlib.suppress(OSError):
        sent.append(connected.recv(1 << 16))
        connected.sendall(answer)
        while more:
            threading.Event().wait(pause)
            connected.sendall(more)
        while connected.recv(1 << 16):  # closed at once it would break off what is still being sent
            continue
