"""What the table says of an application, and what was found of one on this machine."""

from __future__ import annotations

from collections.abc import Mapping

from dysnomia_base.records import dataclass, field
from dysnomia_plugins.base import PropertyValue
from dysnomia_store.names import ComponentKey

Choice = str | list[str]
"""A text with ``{setting}`` in it, or several of which the first counts whose settings are there."""


@dataclass(frozen=True)
class DatabaseRule:
    """How an application's configuration names its database. Never with a password: no rule asks for one."""

    kind: Choice = ""
    """``mysql``, ``pgsql`` or ``sqlite``, in any of the usual spellings."""
    name: Choice = ""
    host: Choice = ""
    """A host, with a port perhaps, or a socket."""
    port: Choice = ""
    path: Choice = ""
    """Of SQLite: the file."""
    url: Choice = ""
    """All of it in one address (``mysql://user:password@host/name``), of which only what is above is kept."""


@dataclass(frozen=True)
class Where:
    """One way in which an application is installed."""

    files: list[str]
    """Patterns of its configuration file."""
    format: str
    """``php``, ``ini``, ``env``, ``yaml`` or ``json``."""
    needs: list[str]
    """Settings without which a file of that name is another program's."""
    folders: list[Choice] = field(default_factory=list)
    database: DatabaseRule | None = None
    before: list[str] = field(default_factory=list)
    """Words of a program that is run before all components are snapshotted or restored."""
    after: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    """Units of systemd of which the first that is there is ``{unit}``."""


@dataclass(frozen=True)
class Entry:
    """One application of the table."""

    title: str
    source: str
    """The application's own page on backups: where the rest is from."""
    where: list[Where]
    order: list[str] = field(default_factory=lambda: ["folders", "database"])
    """In which order they are restored."""
    tested: bool = False
    """Whether this project's tests install it, damage it and restore it; else it is known from its documentation."""


@dataclass(frozen=True)
class Part:
    """One component of an application."""

    key: ComponentKey
    type: str
    properties: Mapping[str, PropertyValue]
    """What its container's file would say."""
    folder: str = ""
    """Of a set of files: the folder below ``targetDir``."""
    configured: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Application:
    """An application that is installed here, and the group that it would be."""

    name: str
    """Of the group."""
    title: str
    config: str
    """The file that it was recognised by."""
    source: str
    tested: bool
    parts: tuple[Part, ...]
    """In the order in which they would be restored."""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """What stands against adopting it, each in a sentence with the way out."""

    @property
    def keys(self) -> tuple[ComponentKey, ...]:
        return tuple(part.key for part in self.parts)
