"""A Redis server for the tests, and a client of the tests' own: what the plugin says of itself proves nothing."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from tests.plugins.services import GUARDED, free_port, missing
from tests.waiting import wait_until

Reply = bytes | int | None | Exception | list["Reply"]


class RedisError(Exception):
    """The server answered with an error."""


class Client:
    """RESP over a socket, as little of it as will do."""

    def __init__(self, address: Path | tuple[str, int], password: str = "", user: str = "default") -> None:
        family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(60)
            self._socket.connect(str(address) if isinstance(address, Path) else address)
            self._file = self._socket.makefile("rb")
            if password:
                self("AUTH", user, password)
        except BaseException:
            self._socket.close()
            raise

    def __call__(self, *words: object) -> Reply:
        """One command. Raises RedisError."""
        found = self.many([words])[0]
        if isinstance(found, Exception):
            raise found
        return found

    def many(self, commands: Iterable[tuple[object, ...]]) -> list[Reply]:
        """Commands in a pipeline."""
        encoded = [_encode(words) for words in commands]
        self._socket.sendall(b"".join(encoded))
        return [self._reply() for _ in encoded]

    def _reply(self) -> Reply:
        line = self._file.readline()
        if not line:
            raise ConnectionError("the server has gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        return rest

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _encode(words: tuple[object, ...]) -> bytes:
    data = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in data)


def server_user() -> pwd.struct_passwd:
    """An unprivileged user for servers."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("redis")
    except KeyError:
        return pwd.getpwnam("nobody")


class RedisServer:
    """One server in a short folder of its own, on a socket, with ``tcp`` also on 127.0.0.1; nothing saved by default.

    Args:
        settings: more lines of its configuration, by name.
        folder: a place that is there already, with a ``dump.rdb``: the server stands on it, and leaves it.
    """

    def __init__(
        self, settings: Mapping[str, str] | None = None, *, tcp: bool = False, folder: Path | None = None
    ) -> None:
        if shutil.which("redis-server") is None:
            missing("Redis", "apt-get install redis-server redis-tools")
        self._own = folder is None
        self._user = server_user()
        self.run = Path(tempfile.mkdtemp(prefix="rd.", dir="/tmp"))
        self.folder = folder or self.run / "data"
        self.copies = self.run / "copies"
        self.port = free_port() if tcp else 0
        self.settings = {
            "port": str(self.port), "bind": "127.0.0.1", "unixsocket": str(self.socket), "unixsocketperm": "777",
            "dir": str(self.folder), "save": '""', "appendonly": "no", "repl-diskless-sync-delay": "0",
            "databases": "16", "logfile": str(self.run / "log"), **(settings or {}),
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        os.chown(self.run, self._user.pw_uid, self._user.pw_gid)
        self.run.chmod(0o755)
        if self._own:
            self.folder.mkdir()
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)

    @property
    def socket(self) -> Path:
        return self.run / "s"

    @property
    def properties(self) -> dict[str, str]:
        """Of a container on it."""
        return {"type": "redis-database", "redisSocket": str(self.socket), "redisCopiesDir": str(self.copies)}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def password(self) -> str:
        return self.settings.get("requirepass", "")

    def start(self) -> Self:
        lines = "".join(f"{name} {value}\n" for name, value in self.settings.items())
        become = ["setpriv", f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups", "--"]
        self._process = subprocess.Popen(
            [*(become if os.geteuid() == 0 else ()), *GUARDED, "redis-server", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        assert self._process.stdin is not None
        self._process.stdin.write(lines.encode())
        self._process.stdin.close()
        try:
            wait_until(self._ready)
        except AssertionError:
            self.stop()
            raise
        return self

    def _ready(self) -> bool:
        assert self._process is not None
        log = self.run / "log"
        assert self._process.poll() is None, log.read_text(errors="replace")[-2000:] if log.exists() else "no log"
        try:
            with self.client() as client:
                return client("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    def client(self) -> Client:
        return Client(self.socket, self.password)

    def stop(self) -> None:
        """What it holds is lost, unless it is set to save."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
        self._process.wait(60)
        self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.run, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *_: object) -> None:
        self.remove()
