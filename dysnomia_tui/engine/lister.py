"""Asks the servers of containers with ``components=*`` what they hold, and keeps that: see ``machine/listed.py``."""

from __future__ import annotations

import fcntl
import os
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.records import replace
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
    keeps_looks: bool
    """Whether what servers hold is kept for others, too: a dry run changes nothing."""
    _world: Machine
    _clock: Callable[[], datetime]

    @property
    @abstractmethod
    def read_only(self) -> str:
        """Why nothing can be changed, or ``""``."""

    def look_at_servers(
        self,
        containers: Collection[str] | None = None,
        *,
        older_than: timedelta = timedelta(0),
        accept: bool = False,
    ) -> Mapping[str, str]:
        """Ask the server of each container with ``components=*`` (of these containers) what it holds, unless it was
        asked more recently than that; keep it, and mark what is new as active.

        Returns by container why what it holds is not known: its server could not be asked, or most of what was known
        is not there, unless ``accept`` says that it was removed on purpose. Nothing is asked where nothing may be kept.
        Raises EngineError where what was found cannot be kept."""
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

            look = _look if self.keeps_looks else _look_unkept
            with ThreadPoolExecutor(AT_ONCE) as pool:
                looks = list(pool.map(lambda name: look(self._world, name, now, accept), due))
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


def _look(machine: Machine, name: str, now: float, accept: bool) -> Listing:
    """Ask one server, and keep what it says.

    What is new is marked before that is kept, and what is no component any more after it: a look that is killed in
    between is made up for by the next."""
    from dysnomia_tui.engine.probing import client as probes

    with _alone(machine.settings.statedir, name):
        before = read(machine.settings.statedir, name)
        try:
            listed, remark = probes.list_state(machine.settings, name)
        except probes.NoAnswer as error:
            after = replace(before, tried=now, problem=str(error))
            _keep(machine, name, after)
        else:
            change = _Change(machine, machine.inventory().container(name), before, now)
            after = change.made(listed, remark, accept)
            change.mark_new(after)
            _keep(machine, name, after)
            change.mark_others(after)
    return after


def _look_unkept(machine: Machine, name: str, now: float, accept: bool) -> Listing:
    """Ask one server, and tell this process alone what it says."""
    from dysnomia_tui.engine.probing import client as probes

    before = read(machine.settings.statedir, name)
    try:
        listed, remark = probes.list_state(machine.settings, name)
    except probes.NoAnswer as error:
        after = replace(before, tried=now, problem=str(error))
    else:
        after = _Change(machine, machine.inventory().container(name), before, now).made(listed, remark, accept)
    machine.take_unkept(name, after)
    return after


def _keep(machine: Machine, name: str, listing: Listing) -> None:
    replace_record(machine.settings.statedir / FOLDER / name, as_record(listing), machine.settings.group)


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
        known = {*before.names, *before.gone, *before.out}
        path = container.path
        self._named = {key.component for key in every if inventory.components.get(key) != path}
        self._known = known - self._named
        self._marked = self._read_marked()
        self._taken = set(self._locations())

    def made(self, listed: Collection[Listed], remark: str, accept: bool) -> Listing:
        """The new listing. Raises StoreError."""
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
        problem = "" if accept else self._doubt(present)
        if problem:
            names += [name for name in self._expected() if name not in present]
        out = (name for name in (*self._before.names, *self._before.out) if self._is_out(name, names))
        return Listing(
            at=self._before.at if problem else self._now,
            names=tuple(names),
            gone=self._gone(present, names),
            left=left,
            out=tuple(dict.fromkeys(out)),
            remark=remark,
            tried=self._now,
            problem=problem,
        )

    def _expected(self) -> list[str]:
        """Components that are in service, and should be there."""
        names = [name for name in self._before.names if name in self._known and self._is_active(name)]
        names += sorted(self._marked - self._named)  # the listing may have been lost
        return [name for name in dict.fromkeys(names) if not excepted(self._container, name)]

    def _read_marked(self) -> set[str]:
        """What a look found and is active."""
        store, of = self._machine.store, self._container.name
        keys = (key for key in store.keys() if key.container == of)  # noqa: SIM118 (a store is no dict)
        return {key.component for key in keys if store.is_active(key) and store.was_listed(key)}

    def _doubt(self, present: Collection[str]) -> str:
        """Why the answer is not believed: most of what was known is not there. ``""`` where it is."""
        expected = self._expected()
        seen = sum(name in present for name in expected)
        if 2 * seen >= len(expected):
            return ""
        return (
            f"only {seen} of its {len(expected)} components are there, and those known stay: see that the file system "
            f"is mounted and the account has its rights, or, if they were removed on purpose, run "
            f"dysnomia-tui look --accept {self._container.name}"
        )

    def _is_out(self, name: str, names: Collection[str]) -> bool:
        """Whether somebody took out of service what is no component now: it stays so when it comes back."""
        return name in self._known and name not in names and not self._is_active(name)

    def mark_new(self, after: Listing) -> None:
        """What is new, or is there again, is active. What was active before anybody wrote down who found it is one of
        those from now on. Raises StoreError."""
        store = self._machine.store
        for name in after.names:
            key = ComponentKey(self._container.name, name)
            if name not in self._before.names and name not in self._before.out:
                self._mark(name, active=True)
            elif store.is_active(key) and not store.was_listed(key) and store.recorded_path(key) is None:
                store.set_state(key, active=True, garbage=False, listed=True)

    def mark_others(self, after: Listing) -> None:
        """What a look found and is no component now is not active, whatever became of an earlier look. Raises
        StoreError."""
        for name in (self._known | self._marked) - self._named - set(after.names):
            self._mark(name, active=False)

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
                if not out and self._is_active(name) and self._machine.store.generations(key):
                    gone[name] = self._before.at or self._now
            elif not out and name in self._before.gone:
                gone[name] = self._before.gone[name]
        return gone

    def _is_active(self, name: str) -> bool:
        return self._machine.store.is_active(ComponentKey(self._container.name, name))

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
