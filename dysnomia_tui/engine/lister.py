"""Asks the servers of containers with ``components=*`` what they hold, and keeps that: see ``machine/listed.py``."""

from __future__ import annotations

import fcntl
import os
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_plugins.errors import PluginError
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_tui.engine.errors import EngineError, Exit
from dysnomia_tui.engine.machine.listed import FOLDER, Listing, as_record, excepted, read
from dysnomia_tui.engine.machine.own_record import replace_record
from dysnomia_tui.engine.translate import translated

if TYPE_CHECKING:
    from dysnomia_plugins.base import Listed
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.machine.inventory import ConfiguredContainer
    from dysnomia_tui.engine.machine.machine import Machine

AT_ONCE = 4
MOST = 5000
"""Components of one server: whoever may create databases says how many there are."""


class NotListed(EngineError):
    """Which components a container has is not known: its server was never asked, and cannot be."""

    exit = Exit.UNAVAILABLE


class Lister:
    """Knows which components a server has."""

    settings: Settings
    _world: Machine
    _clock: Callable[[], datetime]

    @property
    @abstractmethod
    def read_only(self) -> str:
        """Why nothing can be changed, or ``""``."""

    def look_at_servers(
        self, containers: Collection[str] | None = None, *, older_than: timedelta = timedelta(0)
    ) -> Mapping[str, str]:
        """Ask the server of each container with ``components=*`` (of these containers) what it holds, unless it was
        asked more recently than that; keep it, and mark what is new as active.

        Returns by container why one could not be asked. Nothing is asked where nothing may be kept. Raises EngineError
        where what was found cannot be kept."""
        if self.read_only:
            return {}
        with translated():
            now = self._clock().timestamp()
            listings = self._world.inventory().listings
            due = [
                name
                for name, known in listings.items()
                if (containers is None or name in containers)
                and (known.tried is None or not 0 <= now - known.tried < older_than.total_seconds())
            ]
            if not due:
                return {}
            from concurrent.futures import ThreadPoolExecutor  # most commands ask no server

            with ThreadPoolExecutor(AT_ONCE) as pool:
                looks = list(pool.map(lambda name: _look(self._world, name, now), due))
            return {name: listing.problem for name, listing in zip(due, looks, strict=True) if listing.problem}

    def look_for(self, keys: Collection[ComponentKey]) -> None:
        """Ask the servers of components that are not known: they may be new."""
        inventory = self._world.inventory()
        new = {key.container for key in keys if key not in inventory.components} & set(inventory.listings)
        if new:
            self.look_at_servers(new)

    def look_at_group(self, name: str) -> None:
        """Ask the servers of a group's members, or of a container: new ones belong to it. Raises NotListed where a
        container's server could not be asked, and which components it has is not known."""
        group = self.settings.groups.get(name)
        problems = self.look_at_servers({name} if group is None else {key.container for key in group.components})
        for container, problem in problems.items():
            if self._world.inventory().listings[container].at is None:
                raise NotListed(
                    f"{container}: which components it has is not known: {problem}", "see why, then run it again"
                )


def _look(machine: Machine, name: str, now: float) -> Listing:
    """Ask one server, and keep what it says."""
    from dysnomia_tui.engine.probing import client as probes

    with _alone(machine.settings.statedir, name):
        before = read(machine.settings.statedir, name)
        try:
            listed, remark = probes.list_state(machine.settings, name)
        except probes.NoAnswer as error:
            after = replace(before, tried=now, problem=str(error))
        else:
            after = _Change(machine, machine.inventory().container(name), before, now).made(listed, remark)
        replace_record(machine.settings.statedir / FOLDER / name, as_record(after), machine.settings.group)
    return after


@contextmanager
def _alone(statedir: Path, name: str) -> Iterator[None]:
    """Hold a container's listing against another process. Raises OSError."""
    folder = statedir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(folder / f".{name}.lock", flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class _Change:
    """From what was known of a container to what its server says now."""

    def __init__(self, machine: Machine, container: ConfiguredContainer, before: Listing, now: float) -> None:
        self._machine = machine
        self._container = container
        self._before = before
        self._now = now
        inventory = machine.inventory()
        every = (key for key in (*inventory.components, *inventory.left_out) if key.container == container.name)
        known = {*before.names, *before.gone}
        path = container.path
        self._named = {key.component for key in every if inventory.components.get(key) != path}
        self._known = known - self._named
        self._taken = set(self._locations())

    def made(self, listed: Collection[Listed], remark: str) -> Listing:
        """The new listing; markers in the store say the same afterwards. Raises StoreError."""
        names: list[str] = []
        left: dict[str, str] = {}
        present: set[str] = set()
        for one in listed:
            present.add(one.name)
            if one.name in self._named or excepted(self._container, one.name) or self._is_taken(one.name):
                continue
            why = "" if one.name in self._known else self._why_not(one, len(names))
            if why:
                left[repr(one.name)] = why
            elif one.name in self._known or not one.idle:
                names.append(one.name)
        gone = self._gone(present, names)
        for name in names:
            if name not in self._before.names:
                self._mark(name, active=True)
        return Listing(self._now, tuple(names), gone, left, remark, self._now)

    def _why_not(self, one: Listed, count: int) -> str:
        try:
            validate_name(one.name, "component").encode()
        except NameRejected as error:
            return error.why
        except UnicodeEncodeError:
            return "its name is not UTF-8"
        if one.why_not or count < MOST:
            return one.why_not
        return f"there are {MOST} components already"

    def _gone(self, present: Collection[str], names: Collection[str]) -> dict[str, float]:
        """Those that were there and are not, with when they were last seen: those with generations that nobody took
        out of service. What is there and no component any more (``except=``, another name for it) is not among them."""
        gone: dict[str, float] = {}
        for name in self._known.difference(names):
            out = name in present or excepted(self._container, name)
            if name in self._before.names:
                key = ComponentKey(self._container.name, name)
                if not out and self._machine.store.is_active(key) and self._machine.store.generations(key):
                    gone[name] = self._before.at or self._now
                self._mark(name, active=False)
            elif not out:
                gone[name] = self._before.gone[name]
        return gone

    def _mark(self, name: str, *, active: bool) -> None:
        key = ComponentKey(self._container.name, name)
        if self._machine.store.is_active(key) is not active:
            self._machine.store.set_state(key, active=active, garbage=False, listed=active)

    def _locations(self) -> Iterator[tuple[str, ...]]:
        """Where the components are that are configured by name: another name may lead there, too."""
        for name in self._named:
            try:
                key = ComponentKey(self._container.name, name)
                yield self._machine.plugin(key).location(self._machine.component(key))
            except (EngineError, PluginError, OSError):
                continue

    def _is_taken(self, name: str) -> bool:
        if not self._taken:
            return False
        from dysnomia_plugins.base import Component

        component = Component(
            ComponentKey(self._container.name, name), self._container.path, self._container.properties
        )
        try:
            return self._machine.registry.get(self._container.type).location(component) in self._taken
        except (PluginError, OSError):
            return False
