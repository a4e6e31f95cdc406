"""Who answers where supervisord is down: nobody is told a password, waited for or kept in memory without an end."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.supervisord.address import Address
from dysnomia_plugins.types.supervisord.control import Supervisor
from dysnomia_plugins.types.supervisord.transport import proxy
from tests.plugins.answering import HEAD, answering
from tests.plugins.other_user import needs_root
from tests.waiting import wait_until

LISTENS = (
    "import os, socket, sys; os.setgid(65534); os.setuid(65534); s = socket.socket(socket.AF_UNIX); "
    "s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); s.listen(1); print(len(s.accept()[0].recv(9)))\n"
)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "s"))
        yield opened


def supervisor(path: Path, user: str = "") -> Supervisor:
    reached = Address(f"unix://{path}", path=str(path), headers=[("Authorization", "Basic c2VjcmV0")], user=user)
    return Supervisor(proxy(reached, 0.6), reached.shown)


def of(value: str) -> bytes:
    body = f"<?xml version='1.0'?><methodResponse><params><param><value>{value}</value></param></params>"
    body += "</methodResponse>"
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("answer", "more", "pause", "refusal"),
    [
        (HEAD, b" ", 0.05, "is not answering"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05, "is not answering"),
        (HEAD, b" " * (1 << 20), 0.0, "the answer is not from supervisord|is not answering"),
        (HEAD.replace(b"200 OK", b"500 no"), b" " * (1 << 20), 0.0, "refused the request"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", b"", 0.0, "not from supervisord"),
    ],
)  # fmt: skip
def test_an_answer_has_an_end_in_time_and_in_size(
    listening: socket.socket, tmp_path: Path, answer: bytes, more: bytes, pause: float, refusal: str
) -> None:
    with answering(listening, answer, more, pause), pytest.raises(PluginError, match=refusal):
        supervisor(tmp_path / "s").version()


@pytest.mark.parametrize("value", ["<int>5</int>", "<array><data/></array>", "<struct/>"])
@pytest.mark.parametrize("ask", [lambda of: of.update(["web"], lambda: None), lambda of: of.log("web")])
def test_an_answer_of_another_shape_is_not_from_supervisord(
    listening: socket.socket, tmp_path: Path, value: str, ask: Callable[[Supervisor], object]
) -> None:
    with answering(listening, of(value)), pytest.raises(PluginError, match="the answer is not from supervisord"):
        ask(supervisor(tmp_path / "s"))


@pytest.mark.parametrize("value", ["<int>5</int>", "<array><data><value><int>1</int></value></data></array>"])
def test_states_of_another_shape_are_not_from_supervisord(listening: socket.socket, tmp_path: Path, value: str) -> None:
    with answering(listening, of(value)), pytest.raises(PluginError, match="the answer is not from supervisord"):
        supervisor(tmp_path / "s").states()


@needs_root
@pytest.mark.parametrize(("user", "received"), [("", "0"), ("65534", "9"), ("nobody", "9"), ("root", "0")])
def test_a_process_of_another_user_is_told_nothing(user: str, received: str) -> None:
    """But for the user that supervisord's own configuration names."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        path = Path(folder, "s")
        other = subprocess.Popen(["/usr/bin/python3", "-c", LISTENS, path], stdout=subprocess.PIPE, text=True)
        wait_until(lambda: path.exists() and path.stat().st_mode & 0o002)
        with pytest.raises(PluginError) as caught:
            supervisor(path, user).version()
        assert isinstance(caught.value, NotSafe) == (received == "0")
        assert other.communicate()[0].strip() == received
