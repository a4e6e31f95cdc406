"""Who listens where InfluxDB is down, and how long and how much such a one is listened to."""

from __future__ import annotations

import socket

import pytest

from dysnomia_plugins.errors import ServerDown
from dysnomia_plugins.types.influx import server as servers
from dysnomia_plugins.types.influx.server import Server
from tests.plugins.answering import HEAD, answering


@pytest.mark.parametrize(
    ("answer", "more", "pause"),
    [(HEAD, b" ", 0.05), (b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05), (HEAD, b"x" * (1 << 20), 0.0)],
)
def test_an_answer_without_an_end_ends(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, more: bytes, pause: float
) -> None:
    monkeypatch.setattr(servers, "_MOST_OF_CHUNK", 1 << 24)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        asked = Server(port=listening.getsockname()[1], timeout=0.5)
        with answering(listening, answer, more, pause), pytest.raises(ServerDown, match="answer"):
            asked.query("show databases")
