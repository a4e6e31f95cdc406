# ruff: noqa: PTH112
"""What is there: is a repository up, who has it open, and which repositories this machine has."""

from __future__ import annotations

import os
import posixpath
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path

from dysnomia_plugins.base import Found, Probe, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.trees.names import own_name
from dysnomia_plugins.toolkit.trees.size import measure
from dysnomia_plugins.toolkit.trees.users import users_of
from dysnomia_plugins.types.subversion.locks import read_locks
from dysnomia_plugins.types.subversion.places import Layout
from dysnomia_plugins.types.subversion.repository import Repository, version
from dysnomia_plugins.types.subversion.servers import serving, svnserves

USUAL = ("/srv/svn", "/srv/repos", "/var/svn", "/var/lib/svn", "/home/svn", "/usr/local/svn")
APACHE = ("/etc/apache2", "/etc/httpd")
_PARENT = re.compile(rb"^\s*SVNParentPath\s+\"?([^\"\n]+?)\"?\s*$", re.MULTILINE | re.IGNORECASE)
_PATH = re.compile(rb"^\s*SVNPath\s+\"?([^\"\n]+?)\"?\s*$", re.MULTILINE | re.IGNORECASE)
_TYPE = "subversion-repository"
_MAX_CONFIG = 1 << 20
_ANSWER = 1.2
"""Seconds for a question to Subversion's programs."""
_MOST = 2000
"""Entries of a folder that are looked at."""


def probe(layout: Layout, runner: Runner) -> Probe:
    """Never raises: a repository that cannot be read is an answer."""
    repository = Repository(layout.live, runner)
    try:
        repository.require()
        youngest = repository.current()
        locks = len(read_locks(Path(layout.live)))
    except PluginError as error:
        return Probe(up=False, detail=str(error))
    try:
        tool = version(runner, timeout=_ANSWER)
    except PluginError:
        tool = ""
    size, whole = measure([layout.live], deadline=time.monotonic() + 0.3)
    users = users_of([layout.live])
    servers = serving(layout.live)
    detail = f"r{youngest}" + (f", {locks} lock{'s' if locks != 1 else ''}" if locks else "")
    if servers:
        detail += f", served by {', '.join(map(str, servers[:3]))}"
    return Probe(
        up=True,
        version=tool,
        size=size if whole else None,
        clients=len(users),
        who=tuple(map(str, users)),
        detail=detail,
    )


def status(layout: Layout, runner: Runner) -> Status:
    """The newest commit. Never raises."""
    repository = Repository(layout.live, runner)
    try:
        output = repository.run("svnlook", "info", layout.live, timeout=_ANSWER).splitlines()
        youngest = repository.current()
    except PluginError:
        return Status()
    author, date = [*output, "", ""][:2]
    log = next((line for line in output[3:] if line.strip()), "")
    when = _moment(date)
    facts = [Fact(f"r{youngest}" + (f" by {author}" if author else "") + (" at" if when else ""), at=when)]
    if log:
        facts.append(Fact(log.strip(), tone=Tone.DIM))
    return Status(word=f"r{youngest}", facts=tuple(facts))


def _moment(date: str) -> datetime | None:
    """``2026-11-25 23:59:59 +0000 (Wed, 25 Nov 2026)``."""
    try:
        return datetime.strptime(date[:25], "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        return None


def discover(runner: Runner) -> Iterator[Found]:
    """Repositories below the roots of servers that run here, in Apache's configuration, and in the usual folders."""
    seen: set[str] = set()
    names: dict[str, str] = {}
    for folder in _folders():
        for path in _repositories(folder):
            real = os.path.realpath(path)
            if real in seen:
                continue
            seen.add(real)
            yield _found(path, _container(posixpath.dirname(path), names), runner)


def _found(path: str, container: str, runner: Runner) -> Found:
    size, whole = measure([path], deadline=time.monotonic() + 0.1)
    return Found(
        type=_TYPE,
        container=container,
        component=posixpath.basename(path),
        properties={"type": _TYPE, "svnBaseDir": posixpath.dirname(path)},
        size=size if whole else None,
        detail=f"{_revision(path, runner)}at {path}",
        readable=os.access(f"{path}/db/revs", os.R_OK | os.X_OK),
        remedy="" if os.geteuid() == 0 or os.access(f"{path}/db/revs", os.R_OK | os.X_OK) else "sudo dysnomia-tui",
    )


def _revision(path: str, runner: Runner) -> str:
    try:
        return f"r{Repository(path, runner).current()}, "
    except PluginError:
        return ""


def _container(folder: str, names: dict[str, str]) -> str:
    """A name of its own for each folder of repositories."""
    if folder not in names:
        taken = set(names.values())
        numbered = chain(["subversion"], (f"subversion-{at}" for at in count(2)))
        names[folder] = next(name for name in numbered if name not in taken)
    return names[folder]


def _folders() -> Iterator[str]:
    """Folders that are repositories, or hold some."""
    for server in svnserves():
        if server.root != "/":
            yield server.root
    yield from _apache()
    yield from USUAL


def _apache() -> Iterator[str]:
    for top in APACHE:
        for at, _, files in os.walk(top, followlinks=True):
            if at.count("/") > 5:
                continue
            for name in files:
                if name.endswith((".conf", ".load")):
                    yield from _named_in(Path(at, name))


def _named_in(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_CONFIG)
    except OSError:
        return
    for name in (*_PARENT.findall(text), *_PATH.findall(text)):
        yield os.fsdecode(name)


def _repositories(folder: str) -> Iterator[str]:
    """The folder itself, or those right in it."""
    if _is_repository(folder):
        yield folder
        return
    try:
        names = sorted(os.listdir(folder))[:_MOST]
    except OSError:
        return
    for name in names:
        path = posixpath.join(folder, name)
        if not own_name(name) and not name.startswith((".", "-")) and _is_repository(path):
            yield path


def _is_repository(path: str) -> bool:
    return Path(path, "format").is_file() and os.path.isdir(f"{path}/db") and os.path.isdir(f"{path}/hooks")
