"""Which accounts there are, and where this machine's mail server keeps their mail."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from dysnomia_plugins.base import Found, Listed, ListedState, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, open_below
from dysnomia_plugins.toolkit.listed_folders import list_folders
from dysnomia_plugins.types.maildir import names as naming
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import validate_name

TYPE = "maildir"
USUAL = (
    "/home/%u/Maildir",
    "/var/mail/vhosts/%d/%n",
    "/var/mail/vhosts/%d/%n/Maildir",
    "/var/vmail/%d/%n",
    "/var/vmail/%d/%n/Maildir",
    "/var/vmail/vhosts/%d/%n",
    "/srv/vmail/%d/%n/Maildir",
)
"""Dovecot's own documentation, Postfix's (virtual mailboxes), iRedMail, the usual guides for Debian."""
_ANSWER = 1.0
_MOST, _OFFERED = 2000, 500
_ACCOUNT = re.compile(r"%L?[un]|%\{(?:user|username)(?:\|lower)?\}")
_DOMAIN = re.compile(r"%L?d|%\{domain(?:\|lower)?\}")
_HOME = re.compile(r"(?:~|%L?h|%\{home\})(?=/|$)")


def accounts(root: str, subfolder: str) -> ListedState:
    """Every folder right in ``root``, for ``components=*``. One without mail is ``idle``: if it was a component, it
    is damaged, and not dropped. Raises PluginError where the folder cannot be read."""
    return list_folders(root, "mailRoot", lambda folder, name: _listed(folder, name, subfolder))


def _listed(folder: Folder, name: str, subfolder: str) -> Listed:
    try:
        return Listed(name, idle=not _holds_mail(_names(folder, posixpath.normpath(posixpath.join(name, subfolder)))))
    except FileNotFoundError:
        return Listed(name, idle=True)
    except (OSError, LinkInTheWay) as error:
        words = error.strerror if isinstance(error, OSError) else error.message
        return Listed(name, f"it cannot be read ({words}): run it as root, or as its owner")


def _names(folder: Folder, path: str) -> Collection[str]:
    """Raises LinkInTheWay, OSError."""
    with Folder(open_below(folder.descriptor, path.split("/")), path) as inside:
        return frozenset(inside.names())


def _holds_mail(names: Collection[str]) -> bool:
    return {naming.CUR, naming.NEW} <= set(names)


def discover(runner: Runner) -> Iterator[Found]:
    """Where Dovecot says that mail is, then the usual places. What is none of Maildir is named."""
    location, home = _setting(runner, "mail_location"), _setting(runner, "mail_home")
    driver, colon, rest = location.partition(":")
    patterns: list[str] = list(USUAL)
    if colon and driver != "maildir":
        yield Found(
            TYPE, "mail", driver, {"type": TYPE}, readable=False,
            detail=f"mail_location of Dovecot is {location}: {driver} is not handled, Maildir is",
            remedy="take its folder as a fileset, or convert it: doveadm sync",
        )  # fmt: skip
    elif colon:
        path = rest.partition(":")[0]
        patterns.insert(0, _HOME.sub(lambda _: home or "/home/%u", path, count=1))
    seen: set[str] = set()
    names: dict[str, str] = {}
    for pattern in dict.fromkeys(patterns):
        for root, domain, account, subfolder in islice(_matching(pattern), _OFFERED):
            path = posixpath.normpath(f"{root}/{account}/{subfolder}")
            if path not in seen:
                seen.add(path)
                yield _found(root, account, subfolder, _container(root, domain, names))


def _setting(runner: Runner, name: str) -> str:
    """As Dovecot's own tool says it; ``""`` where there is none, or it may not be asked."""
    try:
        return runner.run(["doveconf", "-h", name], timeout=_ANSWER).stdout.decode("utf-8", "replace").strip()
    except PluginError:
        return ""


def _matching(pattern: str) -> Iterator[tuple[str, str, str, str]]:
    """Root, domain, account and subfolder of each mailbox that is at such a path."""
    parts = pattern.strip("/").split("/")
    at = next((number for number, part in enumerate(parts) if _ACCOUNT.fullmatch(part)), None)
    if at is None or not pattern.startswith("/"):
        return
    above, subfolder = parts[:at], "/".join(parts[at + 1 :])
    if any("%" in part and not _DOMAIN.fullmatch(part) for part in (*above, subfolder)):
        return
    number = next((one for one, part in enumerate(above) if _DOMAIN.fullmatch(part)), None)
    domains = [""] if number is None else _folders("/" + "/".join(above[:number]))
    for domain in domains:
        root = "/" + "/".join(domain if _DOMAIN.fullmatch(part) else part for part in above)
        for account in _folders(root):
            if _is_mailbox(f"{root}/{account}/{subfolder}"):
                yield root, domain, account, subfolder


def _folders(path: str) -> Sequence[str]:
    """The names of folders in it that can name a component, none that is a link."""
    try:
        with Folder.at(path) as folder, os.scandir(folder.descriptor) as entries:
            names = sorted(one.name for one in islice(entries, _MOST) if one.is_dir(follow_symlinks=False))
    except (OSError, LinkInTheWay):
        return ()
    return [name for name in names if _can_be_named(name)]


def _can_be_named(name: str) -> bool:
    try:
        return validate_name(name, "component") == name
    except NameRejected:
        return False


def _is_mailbox(path: str) -> bool:
    """Also one that may not be looked into: it is there."""
    try:
        with Folder.at(posixpath.normpath(path)) as folder:
            return _holds_mail(folder.names())
    except PermissionError:
        return True
    except (OSError, LinkInTheWay):
        return False


def _container(root: str, domain: str, names: dict[str, str]) -> str:
    """A name for the container of a root: the domain's, else ``mail``; each root has one of its own."""
    base = domain or "mail"
    name, number = base, 1
    while names.setdefault(name, root) != root:
        number += 1
        name = f"{base}-{number}"
    return name


def _found(root: str, account: str, subfolder: str, container: str) -> Found:
    properties = {"type": TYPE, "mailRoot": root}
    if subfolder:
        properties["mailFolder"] = subfolder
    try:
        with Folder.at(posixpath.normpath(f"{root}/{account}/{subfolder}/{naming.CUR}")):
            readable = True
    except (OSError, LinkInTheWay):
        readable = False
    return Found(
        TYPE, container, account, properties, detail=f"in {root}", readable=readable,
        remedy="" if readable else "sudo dysnomia-tui",
    )  # fmt: skip
