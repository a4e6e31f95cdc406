"""One MongoDB server and how we come to it: PyMongo, from the container's properties.

Properties: ``mongoPort`` (Dysnomia's; 27017), ``mongoHost`` (127.0.0.1) or ``mongoSocket``, and where the server asks
for an account ``mongoUser``, ``mongoPassword`` and ``mongoAuthDatabase`` (admin): the role ``readWrite`` on the
database is enough, with ``dbAdmin`` where collections have validators. One server is spoken to, the one that is named:
members of a replica set are not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import AF_UNIX, create_connection, socket
from typing import TYPE_CHECKING, Any

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError, ServerDown, ToolMissing, WrongCredentials

if TYPE_CHECKING:
    from pymongo import MongoClient

HOST, PORT, AUTH_DATABASE = "127.0.0.1", "27017", "admin"
_SELECTION = 5.0
_AUTHENTICATION_FAILED, _UNAUTHORIZED, _NOT_WRITABLE = 18, 13, 10107
_SNAPSHOT_GONE = frozenset({239, 246})
"""SnapshotTooOld, SnapshotUnavailable: numbers of MongoDB's ``error_codes.yml``."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and the account we are on it."""

    host: str = HOST
    port: int = int(PORT)
    socket: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    auth_database: str = AUTH_DATABASE
    timeout: float = _SELECTION
    """Seconds until a server that does not answer counts as down. What it is asked may take as long as it takes."""
    limited: bool = False
    """Whether every answer must come within that time: for a probe."""

    @classmethod
    def of(cls, component: Component, timeout: float = _SELECTION, *, limited: bool = False) -> Server:
        """Raises PluginError for a port that is none."""
        port = component.prop("mongoPort", PORT) or PORT
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise PluginError(f"mongoPort is {port!r}, which is not a port", "set it to net.port of mongod.conf")
        return cls(
            component.prop("mongoHost", HOST) or HOST,
            int(port),
            component.prop("mongoSocket"),
            component.prop("mongoUser"),
            component.prop("mongoPassword"),
            component.prop("mongoAuthDatabase", AUTH_DATABASE) or AUTH_DATABASE,
            timeout,
            limited,
        )

    def __str__(self) -> str:
        return self.socket or f"{self.host}:{self.port}"

    def address(self, database: str) -> str:
        """What MongoDB's shell is given; without the account, which every user of the machine could read there."""
        host = self.socket.replace("/", "%2F") if self.socket else f"{self.host}:{self.port}"
        return f"mongodb://{host}/{database}"

    @contextmanager
    def client(self) -> Iterator[MongoClient[dict[str, Any]]]:
        """A client that is closed at the end. What PyMongo raises in the block is said in our words.

        Raises ToolMissing without PyMongo; ServerDown, WrongCredentials, PluginError."""
        require_pymongo()
        self._knock()
        from pymongo import MongoClient
        from pymongo.errors import ConfigurationError, PyMongoError

        milliseconds = int(self.timeout * 1000)
        options: dict[str, Any] = {"serverSelectionTimeoutMS": milliseconds, "connectTimeoutMS": milliseconds}
        if self.limited:
            options["socketTimeoutMS"] = milliseconds
        if self.user:
            options |= {"username": self.user, "password": self.password, "authSource": self.auth_database}
        try:
            made: MongoClient[dict[str, Any]] = MongoClient(
                self.socket or self.host, None if self.socket else self.port, directConnection=True, retryWrites=False,
                retryReads=False, appname="dysnomia-tui", tz_aware=True, datetime_conversion="DATETIME_AUTO", **options,
            )  # fmt: skip
        except (ConfigurationError, ValueError) as error:
            raise PluginError(
                f"no client for MongoDB on {self} can be made ({type(error).__name__})",
                "check mongoHost, mongoPort, mongoSocket, mongoUser and mongoPassword",
            ) from None
        try:
            with made:
                yield made
        except PyMongoError as error:
            raise self._in_words(error) from error

    def _knock(self) -> None:
        """PyMongo tries for seconds where nobody listens. Raises ServerDown."""
        try:
            if self.socket:
                with socket(AF_UNIX) as way:
                    way.settimeout(self.timeout)
                    way.connect(self.socket)
            else:
                create_connection((self.host, self.port), self.timeout).close()
        except OSError as error:
            text = f"MongoDB on {self} does not answer ({error.strerror or error})"
            raise ServerDown(text, "check that mongod runs, and mongoHost, mongoPort") from error

    def _in_words(self, error: Exception) -> PluginError:
        from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure

        if isinstance(error, ConnectionFailure):
            return ServerDown(f"MongoDB on {self} does not answer", "check that mongod runs, and mongoHost, mongoPort")
        if not isinstance(error, OperationFailure):
            return PluginError(f"MongoDB on {self}: {_one_line(error)}", "check the server's log")
        if error.code == _AUTHENTICATION_FAILED:
            return WrongCredentials(f"MongoDB on {self} refuses the login of {self.user!r}", "check mongoPassword")
        if error.code == _UNAUTHORIZED:
            if not self.user:
                return WrongCredentials(f"MongoDB on {self} asks for an account", "set mongoUser and mongoPassword")
            return PluginError(
                f"the account {self.user!r} of MongoDB on {self} lacks a right ({_one_line(error)})",
                "grant it readWrite on the database, and dbAdmin where collections have validators",
            )
        if error.code == _NOT_WRITABLE:
            return PluginError(f"MongoDB on {self} is not the primary of its replica set", "configure the primary")
        if error.code in _SNAPSHOT_GONE:
            return PluginError(
                f"MongoDB on {self} no longer has the moment that was being read",
                "raise minSnapshotHistoryWindowInSeconds, or set mongoReadConcern=local in the container",
            )
        if isinstance(error, BulkWriteError):
            first: Mapping[str, Any] = next(iter((error.details or {}).get("writeErrors", ())), {})
            return PluginError(f"MongoDB on {self} refuses a document: {_cut(str(first.get('errmsg', '')))}")
        return PluginError(f"MongoDB on {self} refuses: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    details = getattr(error, "details", None)
    text = details.get("errmsg") if isinstance(details, Mapping) else None
    return _cut(str(text or error))


def _cut(text: str) -> str:
    return " ".join(text.split())[:300]


def require_pymongo() -> None:
    """Raises ToolMissing where PyMongo is not installed."""
    try:
        import pymongo  # noqa: F401
    except ImportError as error:
        raise ToolMissing(
            "the Python package pymongo is not installed, and MongoDB is reached by it",
            "pip install 'dysnomia-tui[mongo]' (with pipx: pipx inject dysnomia-tui pymongo)",
        ) from error


@dataclass(frozen=True, slots=True)
class About:
    """What a server says it is."""

    replica_set: str
    """Its name; ``""`` for a server alone."""
    writable: bool
    sharded: bool
    """Whether it is the router of a sharded cluster."""

    @classmethod
    def of(cls, client: MongoClient[dict[str, Any]]) -> About:
        """Raises PyMongo's errors."""
        hello = client.admin.command("hello")
        return cls(str(hello.get("setName", "")), bool(hello.get("isWritablePrimary")), hello.get("msg") == "isdbgrid")


def version(client: MongoClient[dict[str, Any]]) -> str:
    """Raises PyMongo's errors."""
    return str(client.admin.command("buildInfo").get("version", ""))
