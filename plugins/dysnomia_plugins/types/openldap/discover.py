"""What is there: does a server run on the database, and which databases the servers of this machine have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain, pairwise

import psutil

from dysnomia_base.users import FIRST_OF_PEOPLE
from dysnomia_plugins.base import Found, Place, Probe, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.containers.reach import is_contained
from dysnomia_plugins.toolkit.processes import RunningProcess
from dysnomia_plugins.types.openldap.config import CONFIG, KIND, USUAL, Configuration
from dysnomia_plugins.types.openldap.places import Layout, has_data
from dysnomia_plugins.types.openldap.preflight import size_of
from dysnomia_plugins.types.openldap.programs import Directory, version
from dysnomia_plugins.types.openldap.server import holders

_TYPE = "openldap-directory"
_ANSWER = 0.5
_OPTIONS = ("-F", "-f")


def probe(directory: Directory, runner: Runner) -> Probe:
    """Never raises: a server that is down is an answer."""
    live = directory.layout.live
    try:
        holds_data = has_data(live)
        users = holders(live.name)
    except PluginError as error:
        return Probe(up=False, detail=str(error))
    try:
        tool = version(runner, timeout=_ANSWER)
    except PluginError:
        tool = ""
    servers = [user for user in users if user.program.startswith("slapd")]
    detail = directory.suffix
    if not servers:
        detail = f"no server has {live.name} open" if holds_data else f"there is no database in {live.name}"
        if os.geteuid() != 0 and holds_data:
            detail += " (processes of others are only seen by root)"
    return Probe(
        up=bool(servers),
        version=tool,
        size=size_of(live),
        who=tuple(map(str, users)),
        detail=detail,
    )


def status(directory: Directory) -> Status:
    """Since when the server runs, and where its database is. Never raises."""
    try:
        users = holders(directory.layout.folder)
    except PluginError:
        return Status()
    facts = [Fact(f"database {{{directory.database.number}}}{KIND} in {directory.layout.folder}", tone=Tone.DIM)]
    process = next(filter(None, (RunningProcess.of(user.pid) for user in users)), None)
    if process is not None:
        facts.insert(0, Fact(f"slapd (pid {process.pid}) runs since", at=process.since))
    return Status(facts=tuple(facts))


def discover() -> Iterator[Found]:
    """The databases in the usual places, and in the configurations of servers that run elsewhere."""
    seen: set[str] = set()
    number = 0
    for path in chain(USUAL, _running()):
        real = os.path.realpath(path)
        if real in seen or not os.path.lexists(path):
            continue
        seen.add(real)
        directories = list(_found(path, "openldap" if not number else f"openldap-{number + 1}"))
        number += bool(directories)
        yield from directories


def _running() -> Iterator[str]:
    """The configurations that slapd was told of on its command line."""
    for process in psutil.process_iter():
        try:
            if process.name() != "slapd" or is_contained(process.pid):
                continue
            words, users = process.cmdline(), set(process.uids())
        except psutil.Error:
            continue
        for option, value in pairwise(words):
            if option in _OPTIONS and value.startswith("/") and _is_a_server(users, value):
                yield value


def _is_a_server(users: set[int], path: str) -> bool:
    """Whether a process of these users that is called slapd may say where a configuration is: one of root, or of a
    system account whose configuration it is, or root's; and our own. Anybody can call a process so."""
    if users in ({0}, {os.geteuid()}):
        return True
    try:
        owner = os.stat(path).st_uid  # noqa: PTH116 (whose it is; it is opened by who looks at its way)
    except OSError:
        return False
    return len(users) == 1 and max(users) < FIRST_OF_PEOPLE and owner in (0, *users)


def _found(path: str, container: str) -> Iterator[Found]:
    properties = {"type": _TYPE, CONFIG: path}
    try:
        databases = Configuration.at(path).databases()
    except PluginError as error:
        if os.geteuid() != 0:
            yield Found(_TYPE, container, "directory", properties, detail=f"at {path}: {error.message}", readable=False,
                        remedy="sudo dysnomia-tui")  # fmt: skip
        return
    for one in databases:
        if one.kind != KIND or "/" in one.suffixes[0]:
            continue
        try:
            live = Layout.of(one.folder).live
            size, readable = size_of(live), os.access(live.name, os.R_OK | os.X_OK)
        except PluginError:
            live, size, readable = Place(one.folder), None, False
        yield Found(
            type=_TYPE,
            container=container,
            component=one.suffixes[0],
            properties=properties,
            size=size,
            detail=f"in {live.name}",
            readable=readable,
            remedy="" if readable or os.geteuid() == 0 else "sudo dysnomia-tui",
        )
