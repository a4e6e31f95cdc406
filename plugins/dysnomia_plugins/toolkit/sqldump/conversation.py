"""A conversation with a server's own client program: asked and told as the answers go, for a transaction of ours.

Whatever ends it before its COMMIT (a failure, a cancel, a killed process) leaves live as it was: the server rolls back.
"""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import BinaryIO

PATIENCE = 0.2
"""Seconds without an answer after which is looked whether the client is still there: it takes an empty line."""


@dataclass
class Conversation:
    """The standard input of a client, and the lines that it prints."""

    stdin: BinaryIO
    lines: queue.SimpleQueue[bytes]

    def ask(self, statements: bytes, end: bytes) -> list[bytes]:
        """Send statements, the last of which prints ``end``; the lines before that one. Leaves with BrokenPipeError
        where one fails, which ends the client."""
        self._send(statements)
        lines: list[bytes] = []
        while True:
            try:
                line = self.lines.get(timeout=PATIENCE)
            except queue.Empty:
                self._send(b"\n")
                continue
            if line == end:
                return lines
            lines.append(line)

    def _send(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()
