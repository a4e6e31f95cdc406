"""What stands outside of a dump's sections while it streams into a sink."""

from __future__ import annotations

from dysnomia_store.sink import ContentSink

TRIVIA_LIMIT = 1 << 20
"""Bytes of comments that wait for their statement."""


class TriviaKeeper:
    """Holds white space and comments back until it is known whether they belong to a section."""

    def __init__(self, sink: ContentSink) -> None:
        self._sink = sink
        self._trivia = b""

    def _keep(self, data: bytes) -> None:
        """Comments wait for their statement: it decides whether they belong to a section."""
        self._trivia += data
        if len(self._trivia) > TRIVIA_LIMIT:
            self._flush()

    def _flush(self) -> None:
        if self._trivia:
            trivia, self._trivia = self._trivia, b""
            self._sink.write(trivia)
