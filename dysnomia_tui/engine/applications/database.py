"""Which database an application's configuration means: its kind, its name, and where its server may be configured.

An address may hold a password (``mysql://user:password@host/name``). It is cut out where the address is taken apart,
and goes no further: adopting uses what discovery found on this machine's servers, or what is configured already.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote

from dysnomia_base.records import dataclass

MYSQL, POSTGRESQL, SQLITE = "mysql-database", "postgresql-database", "sqlite-database"
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("mysql", "mysqli", "mariadb", "pymysql"), MYSQL),
    **dict.fromkeys(("pgsql", "postgres", "postgresql", "psycopg2", "psycopg"), POSTGRESQL),
    **dict.fromkeys(("sqlite", "sqlite3"), SQLITE),
}
TITLES: Mapping[str, str] = {MYSQL: "MariaDB", POSTGRESQL: "PostgreSQL", SQLITE: "SQLite"}
_PORTS: Mapping[str, str] = {MYSQL: "3306", POSTGRESQL: "5432"}
_LOOPBACK = ("127.0.0.1", "::1")
_ADDRESS = re.compile(
    r"(?:(?P<scheme>[\w+]+)://)?(?:.*@)?(?P<place>\w+\([^)]*\)|\[[^\]]*\](?::\d+)?|[^/@?]*)/(?P<name>[^?]*)"
    r"(?:\?(?P<query>.*))?\Z",
    re.DOTALL,
)
_KEYS = re.compile(r"\s*\w+\s*=")
_KEY_AND_VALUE = re.compile(
    r"\s*(?P<key>\w+)\s*=\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<bare>(?:[^\s'\\]|\\.)*))(?:\s+|\Z)", re.DOTALL
)


@dataclass(frozen=True)
class Database:
    """One, as it is named."""

    type: str
    name: str
    """Of SQLite: the file, as it is written."""
    host: str = ""
    port: str = ""
    socket: str = ""

    @property
    def place(self) -> str:
        """Where its server is, in words."""
        if self.socket:
            return f"at {self.socket}"
        return f"on {self.host or 'this machine'}" + (f", port {self.port}" if self.port else "")

    def containers(self) -> Iterator[Mapping[str, str]]:
        """Properties of containers that would reach it, the likeliest first."""
        if self.type == MYSQL:
            yield from self._mysql()
        elif self.type == POSTGRESQL:
            yield from self._postgresql()
        else:
            yield {"sqliteDir": posixpath.dirname(self.name)}

    @property
    def component(self) -> str:
        return posixpath.basename(self.name) if self.type == SQLITE else self.name

    def _usual_port(self) -> bool:
        return self.port in ("", _PORTS[self.type])

    def _mysql(self) -> Iterator[Mapping[str, str]]:
        if self.socket:
            yield {"mysqlSocket": self.socket}
            return
        if self.host in ("", "localhost", *_LOOPBACK) and self._usual_port():
            yield {}
        yield from self._tcp("mysql")

    def _postgresql(self) -> Iterator[Mapping[str, str]]:
        port = {} if self._usual_port() else {"postgresqlPort": self.port}
        if self.socket:
            yield {"postgresqlRuntimeDir": self.socket, **port}
            return
        if self.host in ("", "localhost", *_LOOPBACK):
            yield port
        yield from self._tcp("postgresql")

    def _tcp(self, prefix: str) -> Iterator[Mapping[str, str]]:
        hosts = ("localhost", *_LOOPBACK) if self.host in ("", "localhost", *_LOOPBACK) else (self.host,)
        for host in hosts:
            port = self.port or _PORTS[self.type]
            yield {f"{prefix}Host": host, f"{prefix}Port": port}


def database_of(kind: str, name: str, host: str = "", port: str = "") -> Database | None:
    """From single settings; None where the kind is none that is known, or nothing is named."""
    type_ = _KINDS.get(kind.strip().lower(), "")
    if not type_ or not name:
        return None
    if type_ == SQLITE:
        return Database(type_, name)
    return Database(type_, name, **_server(host.strip(), port.strip(), type_))


def database_of_url(url: str, kind: str = "") -> Database | None:
    """From an address, or PostgreSQL's keys and values. Nothing of it is kept but what looks like a name, a host, a
    port or a path: in an address that is written wrongly, the password could stand where one of these is expected."""
    scheme, colons, rest = url.partition(":")
    if colons and _KINDS.get(scheme.split("+")[0].lower()) == SQLITE:
        path = re.sub(r"^/+", "/", rest.partition("?")[0])
        return Database(SQLITE, unquote(path)) if path else None
    if "://" not in url and _KINDS.get(kind.lower()) == SQLITE:
        return Database(SQLITE, url) if url.startswith("/") else None
    database = _of_keys(url, kind) if _KEYS.match(url) else _of_address(url, kind)
    return database if database is not None and _is_plain(database) else None


def _of_address(url: str, kind: str) -> Database | None:
    """What is before its last ``@`` is dropped here."""
    match = _ADDRESS.match(url)
    if match is None:
        return None
    query = parse_qs(match["query"] or "")
    host = next((query[name][0] for name in ("unix_socket", "socket", "host") if name in query), match["place"])
    port = query.get("port", [""])[0]
    found_kind = (match["scheme"] or kind).split("+")[0]
    return database_of(found_kind, unquote(match["name"]), unquote(host), port)


def _of_keys(text: str, kind: str) -> Database | None:
    """``host=/run/postgresql dbname=name``; None where it is not whole, or a file says more (``service``).

    Notation: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE"""
    values: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _KEY_AND_VALUE.match(text, at)
        if match is None:
            return None
        at = match.end()
        values[match["key"]] = re.sub(r"\\(.)", r"\1", match["quoted"] or match["bare"] or "", flags=re.DOTALL)
    if "service" in values or _KINDS.get(kind.lower()) != POSTGRESQL:
        return None
    host = values.get("hostaddr") or values.get("host", "")
    return database_of(kind, values.get("dbname", ""), host, values.get("port", ""))


def _is_plain(database: Database) -> bool:
    """Whether all its parts are what they are called, so that they may be shown."""
    if database.host and not re.fullmatch(r"[\w.-]+", database.host):
        try:
            ip_address(database.host)
        except ValueError:
            return False
    names = re.fullmatch(r"[\w.$-]+", database.name) and re.fullmatch(r"\d*", database.port)
    return bool(names and re.fullmatch(r"(?:/[\w./+-]*)?", database.socket))


def _server(host: str, port: str, type_: str) -> dict[str, str]:
    """Host, port and socket out of the ways in which they are written together."""
    wrapped = re.fullmatch(r"(?P<how>\w+)\((?P<inside>[^)]*)\)", host)
    if wrapped is not None:
        host = wrapped["inside"]
    host = re.sub(r"^unix:(?://)?", "", host)
    if host.startswith("/"):
        socket, _, after = host.partition(":")
        return {"socket": socket, "port": after or port}
    name, colon, after = host.rpartition(":")
    if colon and after.startswith("/"):
        return {"host": "" if name == "localhost" else name, "socket": after}
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(\d+))?", host)
    if bracketed is not None:
        return {"host": bracketed[1], "port": bracketed[2] or port}
    if colon and after.isdigit() and ":" not in name:
        return {"host": name, "port": after}
    return {"host": host, "port": port}
