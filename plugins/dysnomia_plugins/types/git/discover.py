# ruff: noqa: PTH112, PTH114
"""What is there: is a repository up, who has it open, and which bare repositories this machine has."""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, count

from dysnomia_plugins.base import Found, Probe, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.trees.names import own_name
from dysnomia_plugins.toolkit.trees.size import measure
from dysnomia_plugins.toolkit.trees.users import users_of
from dysnomia_plugins.types.git.places import SETTING, Layout
from dysnomia_plugins.types.git.repository import Repository, version

USUAL = (
    "/srv/git",
    "/var/lib/git",
    "/var/git",
    "/home/git",
    "/home/git/repositories",
    "/home/git/gitea-repositories",
    "/var/lib/gitea/repositories",
    "/var/lib/gitea/data/gitea-repositories",
    "/var/lib/forgejo/repositories",
    "/var/lib/gitolite3/repositories",
)
"""Folders of repositories, and of folders of them: git's own documentation, Gitea, Forgejo, Gitolite in Debian."""
_TYPE = "git-repository"
_ANSWER = 1.2
"""Seconds for a question to git."""
_MOST_SHOWN = 500
"""Characters of a subject: whoever may push says how long it is."""
_MOST = 2000
"""Entries of a folder that are looked at."""


def probe(layout: Layout, runner: Runner) -> Probe:
    """Never raises: a repository that cannot be read is an answer."""
    repository = Repository(layout.live, runner)
    try:
        repository.require()
        head = repository.head()
    except PluginError as error:
        return Probe(up=False, detail=str(error))
    try:
        tool = version(runner, timeout=_ANSWER)
    except PluginError:
        tool = ""
    size, whole = measure([layout.live], deadline=time.monotonic() + 0.3)
    users = users_of([layout.live])
    detail = head.symbolic.removeprefix("refs/heads/") or head.target[:12]
    if os.path.isdir(f"{layout.live}/lfs"):
        detail += ", with LFS objects"
    return Probe(
        up=True,
        version=tool,
        size=size if whole else None,
        clients=len(users),
        who=tuple(map(str, users)),
        detail=detail,
    )


def status(layout: Layout, runner: Runner) -> Status:
    """The newest commit of ``HEAD``. Never raises."""
    repository = Repository(layout.live, runner)
    try:
        repository.require()
        head = repository.head()
        newest_commit = repository.run(
            "rev-list", "-1", "--no-commit-header", "--format=%h%x00%an%x00%at%x00%s", "HEAD", "--"
        )
    except PluginError:
        return Status()
    values = newest_commit.decode("utf-8", "backslashreplace").rstrip("\n").split("\0")
    word = head.symbolic.removeprefix("refs/heads/") or head.target[:12]
    if len(values) < 4:
        return Status(word=word)
    commit, author, at, subject = values[0], values[1], values[2], " ".join(values[3:])[:_MOST_SHOWN]
    try:
        when = datetime.fromtimestamp(int(at), UTC)
    except (ValueError, OverflowError, OSError):
        when = None
    facts = (
        Fact(f"{commit} by {author}" + (" at" if when else ""), at=when),
        Fact(subject, tone=Tone.DIM),
    )
    return Status(word=word, facts=facts)


def discover(runner: Runner) -> Iterator[Found]:
    """Bare repositories in the usual folders."""
    seen: set[str] = set()
    names: dict[str, str] = {}
    for path in chain.from_iterable(map(_repositories, USUAL)):
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        yield _found(path, _container(posixpath.dirname(path), names), runner)


def _found(path: str, container: str, runner: Runner) -> Found:
    size, whole = measure([path], deadline=time.monotonic() + 0.1)
    readable = os.access(f"{path}/objects", os.R_OK | os.X_OK)
    try:
        head = f"{Repository(path, runner).head().symbolic.removeprefix('refs/heads/')}, "
    except PluginError:
        head = ""
    return Found(
        type=_TYPE,
        container=container,
        component=posixpath.basename(path),
        properties={"type": _TYPE, SETTING: posixpath.dirname(path)},
        size=size if whole else None,
        detail=f"{head}at {path}",
        readable=readable,
        remedy="" if readable or os.geteuid() == 0 else "sudo dysnomia-tui",
    )


def _container(folder: str, names: dict[str, str]) -> str:
    """A name of its own for each folder of repositories."""
    if folder not in names:
        taken = set(names.values())
        numbered = chain(["git"], (f"git-{at}" for at in count(2)))
        names[folder] = next(name for name in numbered if name not in taken)
    return names[folder]


def _repositories(folder: str, deeper: bool = True) -> Iterator[str]:
    """Those right in a folder, and right in the folders in it."""
    try:
        names = sorted(os.listdir(folder))[:_MOST]
    except OSError:
        return
    for name in names:
        path = posixpath.join(folder, name)
        if own_name(name) or name.startswith((".", "-")) or os.path.islink(path) or not os.path.isdir(path):
            continue
        if is_repository(path):
            yield path
        elif deeper:
            yield from _repositories(path, deeper=False)


def is_repository(path: str) -> bool:
    return all(os.path.lexists(f"{path}/{name}") for name in ("HEAD", "objects", "refs"))
