"""Which applications are installed here, and what belongs to each: from the table and their own configuration."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count

from dysnomia_plugins.base import PropertyValue
from dysnomia_plugins.toolkit.guarded.way import user_in_words
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.applications.config_file import ConfigFile, config_files, why_not_place, why_not_run
from dysnomia_tui.engine.applications.database import (
    SQLITE,
    TITLES,
    Database,
    database_of,
    database_of_url,
)
from dysnomia_tui.engine.applications.formats import Settings, read_settings
from dysnomia_tui.engine.applications.model import Application, Choice, DatabaseRule, Entry, Part, Where

FILESET = "fileset"
UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
         "/lib/systemd/system")  # fmt: skip
Locate = Callable[[str, str, Mapping[str, PropertyValue]], tuple[str, ...]]
"""Where a component of a type, a name and properties is; ``()`` where that is not known."""


@dataclass(frozen=True, slots=True)
class Known:
    """State that is configured here, or was found and could be."""

    type: str
    key: ComponentKey
    location: tuple[str, ...]
    properties: Mapping[str, PropertyValue]
    configured: bool
    folders: Collection[str] = ()
    """Of a configured set of files: what it lists."""
    why_not: str = ""
    """Of what was found: why it cannot be adopted."""


@dataclass(frozen=True)
class Here:
    """What of this machine has a say in it."""

    known: Sequence[Known]
    locate: Locate
    groups: Mapping[str, Collection[ComponentKey]]
    """That config.toml has."""
    containers: Collection[str]
    """Names that are taken."""
    taken: set[str] = field(default_factory=set)
    """Names of groups and containers that are proposed."""

    def at(self, type_: str, component: str, properties: Mapping[str, PropertyValue]) -> Known | None:
        """What is at a place; what is configured comes first."""
        where = self.locate(type_, component, {"type": type_, **properties})
        at_place = [one for one in self.known if where and one.type == type_ and one.location == where]
        return next((one for one in at_place if one.configured), at_place[0] if at_place else None)

    def free(self, name: str, used: Collection[str]) -> str:
        """A name that is not taken yet."""
        numbered = chain([name], (f"{name}-{number}" for number in count(2)))
        free = next(one for one in numbered if one not in used and one not in self.taken)
        self.taken.add(free)
        return free


def recognise(entries: Mapping[str, Entry], here: Here) -> Iterator[Application]:
    """Each that is installed and not a group yet."""
    for name, entry in entries.items():
        seen: set[str] = set()
        for where in entry.where:
            for config in config_files(where.files):
                settings = read_settings(config.text, where.format, posixpath.dirname(config.real))
                if config.real in seen or not all(needed in settings for needed in where.needs):
                    continue
                seen.add(config.real)
                application = _Installed(entry, where, config, settings, here).application(name)
                if application is not None:
                    yield application


class _Installed:
    """One application, as its configuration has it."""

    def __init__(self, entry: Entry, where: Where, config: ConfigFile, settings: Settings, here: Here) -> None:
        self._entry = entry
        self._where = where
        self._config = config
        self._unknown: list[str] = []
        self._settings: Settings = {**settings, "here": config.here, "owner": user_in_words(config.owner)}
        self._here = here
        self._notes: list[str] = []
        self._problems: list[str] = []
        self._containers: dict[str, str] = {}
        """Of sets of files, by the folder they are in."""

    def application(self, name: str) -> Application | None:
        """None where nothing of it is to be kept, or where it is a group already."""
        folders = self._folders()
        database = self._database()
        hooks = self._hooks()
        if self._unknown:
            self._problems.append(
                f"{self._config.path} sets {', '.join(dict.fromkeys(self._unknown))} in a way that only running it"
                " would tell: configure what it means by hand"
            )
        if database is not None and database.type == SQLITE:
            database = self._beside(database, folders, stopped=bool(hooks[0]))
        places: list[str | Database] = []
        for what in self._entry.order:
            places += folders if what == "folders" else [database] if database else []
        if not places and not self._problems:
            return None
        configured = [self._configured(place) for place in places]
        keys = {one.key for one in configured if one is not None}
        if None not in configured and any(keys <= {*group} for group in self._here.groups.values()) and keys:
            return None
        group = self._here.free(name, self._here.groups)
        parts = [part for place in places if (part := self._part(group, place)) is not None]
        if not self._config.trusted and not self._problems:
            self._notes.append(
                f"{self._config.who} may write {self._config.path}, which names all this: compare it with what you know"
            )
        return Application(
            name=group,
            title=self._entry.title,
            config=self._config.path,
            source=self._entry.source,
            tested=self._entry.tested,
            parts=tuple(parts),
            before=hooks[0],
            after=hooks[1],
            notes=tuple(self._notes),
            problems=tuple(self._problems),
        )

    # Folders.

    def _folders(self) -> list[str]:
        """Those that are there, absolute, none inside another."""
        folders: list[str] = []
        for rule in self._where.folders:
            path = self._filled(rule)
            if not path:
                continue
            path = posixpath.normpath(path)
            reason = why_not_place(self._config, path)
            if not reason and not os.path.isdir(path):  # noqa: PTH112
                reason = "it is not a folder"
            if reason == "it does not exist":
                self._notes.append(f"{path} is left out: {reason}")
            elif reason:
                self._problems.append(f"{path} is not taken: {reason}")
            else:
                folders.append(path)
        outer = [one for one in folders if not any(one.startswith(f"{other}/") for other in folders)]
        return list(dict.fromkeys(outer))

    def _files_part(self, group: str, path: str) -> Part | None:
        parent, name = posixpath.split(path)
        known = self._configured(path)
        if known is not None:
            return Part(known.key, FILESET, known.properties, name, configured=True, detail=path)
        container = self._container_below(group, parent)
        return self._named(container, name, FILESET, {"targetDir": parent}, folder=name, detail=path)

    def _container_below(self, group: str, parent: str) -> str:
        known = self._containers.get(parent)
        if known is None:
            known = self._here.free(f"{group}-files", self._here.containers)
            self._containers[parent] = known
        return known

    # Databases.

    def _database(self) -> Database | None:
        rule = self._where.database
        if rule is None:
            return None
        url = self._filled(rule.url)
        return self._by_url(url, rule) if url else self._by_settings(rule)

    def _by_url(self, url: str, rule: DatabaseRule) -> Database | None:
        """From an address. It may hold a password: nothing of it is in a message but what is a name or a place."""
        database = database_of_url(url, self._filled(rule.kind))
        if database is None:
            self._problems.append(
                f"{self._config.path} gives the address of its database in a way that is not understood: configure it"
                " as a component, and write the group by hand"
            )
        return database

    def _by_settings(self, rule: DatabaseRule) -> Database | None:
        kind = self._filled(rule.kind)
        name = self._filled(rule.path) if kind.lower().startswith("sqlite") else self._filled(rule.name)
        database = database_of(kind, name, self._filled(rule.host), self._filled(rule.port)) if kind else None
        if database is None and kind:
            self._problems.append(
                f"{self._config.path} does not say in plain words which database is used (kind {kind!r}): configure it"
                " as a component, and write the group by hand"
            )
        return database

    def _beside(self, database: Database, folders: Sequence[str], *, stopped: bool) -> Database | None:
        """Of SQLite: None where the file lies in a folder that is kept anyway, while the application stands still."""
        path = posixpath.normpath(database.name)
        reason = why_not_place(self._config, path)
        if reason:
            self._problems.append(f"its database {path} is not taken: {reason}")
            return None
        if not any(path.startswith(f"{folder}/") for folder in folders):
            return replace(database, name=path)
        if not stopped:
            self._problems.append(
                f"its database {path} lies in a folder that is kept whole, and nothing that would stop it meanwhile was"
                " found: write before and after of the group by hand"
            )
        return None

    def _database_part(self, group: str, database: Database) -> Part | None:
        known = self._known_database(database)
        title = f"{TITLES[database.type]} database {database.component}"
        if known is not None and known.why_not:
            self._problems.append(f"its {title}: {known.why_not}")
        elif known is not None:
            return Part(known.key, known.type, known.properties, configured=known.configured, detail=title)
        elif database.type == SQLITE:
            properties = {"sqliteDir": posixpath.dirname(database.name)}
            container = self._here.free(f"{group}-db", self._here.containers)
            return self._named(container, database.component, SQLITE, properties, detail=database.name)
        else:
            self._problems.append(
                f"its {title} {database.place} is neither configured nor found on this machine: write a container that"
                " reaches it, with its user and password, and look again"
            )
        return None

    def _known_database(self, database: Database) -> Known | None:
        candidates = [self._here.at(database.type, database.component, one) for one in database.containers()]
        databases = [one for one in candidates if one is not None]
        if databases:
            return min(databases, key=lambda one: not one.configured)
        servers = [self._here.at(database.type, "", one) for one in database.containers()]
        return next((one for one in servers if one is not None and one.why_not), None)

    # Both.

    def _configured(self, place: str | Database) -> Known | None:
        """What is configured for a part already."""
        if isinstance(place, Database):
            known = self._known_database(place)
            return known if known is not None and known.configured else None
        parent, name = posixpath.split(place)
        return next(
            (
                one
                for one in self._here.known
                if one.configured
                and one.type == FILESET
                and one.properties.get("targetDir") == parent
                and list(one.folders) == [name]
            ),
            None,
        )

    def _part(self, group: str, place: str | Database) -> Part | None:
        if isinstance(place, Database):
            return self._database_part(group, place)
        return self._files_part(group, place)

    def _named(
        self,
        container: str,
        component: str,
        type_: str,
        properties: Mapping[str, PropertyValue],
        *,
        folder: str = "",
        detail: str,
    ) -> Part | None:
        """A component that is new. Of a folder the name may differ; that of a database says which one it is."""
        try:
            key = ComponentKey.of(container, component.lstrip(".-") if folder else component)
        except NameRejected as error:
            self._problems.append(f"{detail} cannot be a component: {error.message}")
            return None
        return Part(key, type_, properties, folder, detail=detail)

    def _hooks(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is run before and after, where all that it needs is here."""
        if not self._where.before:
            return (), ()
        unit = next((unit for unit in self._where.units if _is_unit(unit)), "")
        filled = {**self._settings, "unit": unit} if unit else self._settings
        words = [[_filled(word, filled) for word in line] for line in (self._where.before, self._where.after)]
        missing = self._missing(unit, words)
        if missing:
            self._notes.append(f"it would not be stopped meanwhile: {missing}")
            return (), ()
        before, after = (tuple(word or "" for word in line) for line in words)
        return before, after

    def _missing(self, unit: str, words: Sequence[Sequence[str | None]]) -> str:
        """What the programs before and after need that is not here; ``""`` for nothing."""
        if self._where.units and not unit:
            return f"no unit {' or '.join(self._where.units)} is installed"
        if any(word is None for line in words for word in line):
            return f"{self._config.path} does not say all that is needed"
        if any("{owner}" in word for word in self._where.before) and self._config.owner == 0:
            return f"{self._config.path} belongs to root, so it is not known as whom it runs"
        paths = [word for line in words for word in line if word and word.startswith("/")]
        gone = next((path for path in paths if not os.path.exists(path)), "")  # noqa: PTH110
        if gone:
            return f"{gone} is not there"
        beside = [word for line in (self._where.before, self._where.after) for word in line if "{here}" in word]
        for path in dict.fromkeys(_filled(word, self._settings) or "" for word in beside):
            reason = why_not_run(self._config, path)
            if reason:
                return f"{path} is not run: {reason}"
        return ""

    def _filled(self, choice: Choice) -> str:
        """The first text all of whose settings are there; ``""`` where there is none."""
        for one in [choice] if isinstance(choice, str) else choice:
            unknown = [name for name in _names(one) if _is_unknown(name, self._settings)]
            if unknown:
                self._unknown += unknown
                return ""
            text = _filled(one, self._settings)
            if text:
                return text
        return ""


_SETTING = re.compile(r"\{([^}|]*)(\|[^}]*)?\}")


def _names(text: str) -> list[str]:
    return [match[1] for match in _SETTING.finditer(text)]


def _is_unknown(name: str, settings: Settings) -> bool:
    """Whether it, or what it is a part of, is set to what is not understood."""
    parts = name.split(".")
    return any(settings.get(".".join(parts[:count]), "") is None for count in range(1, len(parts) + 1))


def _filled(text: str, settings: Settings) -> str | None:
    """A text with its settings filled in; None where one is missing, or empty and without a default."""
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        text_of_setting = settings.get(match[1]) or (match[2] or "")[1:]
        missing = missing or not (text_of_setting or match[2])
        return text_of_setting

    filled = _SETTING.sub(value, text)
    return None if missing else filled


def _is_unit(name: str) -> bool:
    return any(os.path.exists(f"{folder}/{name}") for folder in UNITS)  # noqa: PTH110
