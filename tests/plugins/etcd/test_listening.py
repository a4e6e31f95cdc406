"""Who listens where etcd is down: how long and how much such a one is listened to, and what its answer is worth."""

from __future__ import annotations

import socket

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.etcd.api import session
from dysnomia_plugins.types.etcd.facts import Facts
from dysnomia_plugins.types.etcd.keyspace import Keyspace
from dysnomia_plugins.types.etcd.server import Endpoint, Server
from tests.plugins.answering import HEAD, answering

WORDS = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"


def at(listening: socket.socket, **more: str) -> Server:
    listening.bind(("127.0.0.1", 0))
    return Server((Endpoint("127.0.0.1", listening.getsockname()[1], tls=False),), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "more", "pause", "words"),
    [
        (HEAD, b" ", 0.05, "does not answer"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05, "does not answer"),
        (HEAD, b"x" * (1 << 20), 0.0, "answers with more than"),
    ],
)
@pytest.mark.parametrize("account", [{}, {"user": "root", "password": "sesame"}])
def test_an_answer_without_an_end_ends(
    answer: bytes, more: bytes, pause: float, words: str, account: dict[str, str]
) -> None:
    with socket.socket() as listening:
        server = at(listening, **account)
        with (
            answering(listening, answer, more, pause),
            session(server, timeout=0.5 if pause else 30, patience=0) as made,
            pytest.raises(PluginError, match=words),
        ):
            Facts.of(made)


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"1", b'{"header": 1}', b'{"header": {"revision": "x"}}', b"<html>"])
def test_another_server_is_not_taken_for_etcd(answer: bytes) -> None:
    with socket.socket() as listening:
        server = at(listening)
        with (
            answering(listening, WORDS % (len(answer), answer)),
            session(server, timeout=5, patience=0) as made,
            pytest.raises(PluginError, match="etcd"),
        ):
            list(Keyspace.of(made, "/app/").pairs())
