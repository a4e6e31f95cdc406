"""Users and groups that a component brings: ``dysnomia-support/users/*`` and ``groups/*``, as Dysnomia reads them.

A file is called as its account and holds ``key=value`` lines (a user's: ``uid``, ``password`` (hashed), ``group``,
``description``, ``homeDir``, ``shell``, ``createHomeDir``, ``createHomeDirOnly``; a group's: ``gid``). First a plan
is made of what would have to be done, as ``Step``s; one that changes nothing says why. Carrying it out can be done
again at any time: what is so already is left, what a dead job left half done is finished.

    steps = plan_add_groups(read_groups(component)) + plan_add_users(read_users(component))
    made = carry_out(steps, runner, say)
"""

from __future__ import annotations

import enum
import grp
import os
import posixpath
import pwd
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dysnomia_plugins.base import PropertyValue, Runner
from dysnomia_plugins.config_files.properties import read_properties
from dysnomia_plugins.errors import BadProperties, NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.toolkit.guarded.folder import OPEN_FOLDER, PRIVATE_FOLDER, Folder, hand_over
from dysnomia_plugins.toolkit.guarded.way import real_path

TOOLS = ("useradd", "userdel", "groupadd", "groupdel", "chpasswd")
"""The programs that steps may run: those of Debian's package ``passwd``."""
SUPPORT = "dysnomia-support"
NO_HOME = "/dev/null"
"""The home folder of a user whose file names none."""
TRIES = 10
"""How often a program is run that found something in its way: a process that still ends, a lock. As Dysnomia does."""
IN_THE_WAY = frozenset({1, 8, 10})
"""Their statuses for that, in the programs' manuals."""
PAUSE = 1.0
"""Seconds between two tries."""
_SHADOW = Path("/etc/shadow")


class Account(enum.StrEnum):
    """What kind of account a step is about."""

    USER = "user"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Group:
    """A group as its file describes it."""

    name: str
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A user as their file describes them."""

    name: str
    uid: int | None = None
    group: str = ""
    """Name or number of the primary group; ``""`` leaves it to the system."""
    description: str = ""
    home: str = ""
    shell: str = ""
    create_home: bool = False
    home_only: bool = False
    """No user, only the home folder: for a deployment in which all runs as one unprivileged user."""
    password: str = field(default="", repr=False)
    """Hashed, as ``/etc/shadow`` has it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to be done, or left as it is."""

    account: Account
    name: str
    text: str
    """``create user web (uid 2000)``; of a step that changes nothing: how it is, and why that stays."""
    argv: tuple[str, ...] = ()
    stdin: bytes | None = field(default=None, repr=False)
    """What the program reads: a password is never among its arguments."""
    home: User | None = None
    """Whose home folder is made."""
    done: Callable[[], bool] = field(default=lambda: False, repr=False, compare=False)
    """Whether the step's goal is reached, whoever did it."""

    @property
    def changes(self) -> bool:
        return bool(self.argv) or self.home is not None


# --- reading -------------------------------------------------------------------------------------------------------


def read_users(path: Path, *, removing: bool = False) -> tuple[User, ...]:
    """The users of a component's folder, or of one file; sorted by name. A component without any gives none.

    Args:
        removing: they are read to be removed: a ``$(…)`` (where a password comes from) is not run.

    Raises BadProperties.
    """
    return tuple(_user(file, _read(file, removing)) for file in _files(path, "users"))


def read_groups(path: Path, *, removing: bool = False) -> tuple[Group, ...]:
    """The same, of groups. Raises BadProperties."""
    return tuple(
        Group(_name(file, Account.GROUP), _number(file, _read(file, removing), "gid"))
        for file in _files(path, "groups")
    )


def _files(path: Path, kind: str) -> Sequence[Path]:
    if path.is_file():
        return [path]
    if not path.exists():
        raise BadProperties(f"there is no {path}", "name a component's folder, or one file of it")
    folder = path / SUPPORT / kind
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadProperties(
            f"{folder} cannot be read ({error.strerror})", "check the permissions of the folder above it"
        ) from None
    return [folder / name for name in names if not name.startswith(".")]


def _read(file: Path, removing: bool) -> Mapping[str, PropertyValue]:
    return read_properties(file, (lambda _command: "") if removing else None)


def _user(file: Path, values: Mapping[str, PropertyValue]) -> User:
    def text(key: str) -> str:
        value = values.get(key, "")
        text_value = value if isinstance(value, str) else "".join(value[:1])
        if "\n" in text_value or (":" in text_value and key not in ("description",)):
            raise BadProperties(f"{file}: {key} holds a colon or a new line", "no account can have that")
        return text_value

    home = text("homeDir")
    if home and not home.startswith("/"):
        raise BadProperties(f"{file}: homeDir is not an absolute path ({home})", "begin it with /")
    return User(
        name=_name(file, Account.USER),
        uid=_number(file, values, "uid"),
        group=text("group"),
        description=text("description"),
        home=home,
        shell=text("shell"),
        create_home=text("createHomeDir") == "1",
        home_only=text("createHomeDirOnly") == "1",
        password=text("password"),
    )


def _name(file: Path, account: Account) -> str:
    """A name that reaches a program as a name, and the system's files as one field."""
    name = file.name
    if name.startswith("-") or any(char in ":,/" or not char.isprintable() or char.isspace() for char in name):
        raise BadProperties(f"{file} is not a valid name of a {account}", "rename the file")
    return name


def _number(file: Path, values: Mapping[str, PropertyValue], key: str) -> int | None:
    value = values.get(key, "")
    if value == "":
        return None
    if not isinstance(value, str) or not (value.isascii() and value.isdigit()):
        raise BadProperties(f"{file}: {key} is not a number ({value})", "write digits, or leave it out")
    return int(value)


# --- planning ------------------------------------------------------------------------------------------------------


def plan_add_groups(groups: Sequence[Group]) -> tuple[Step, ...]:
    """What makes the groups be there."""
    return tuple(_add_group(group) for group in groups)


def plan_add_users(users: Sequence[User]) -> tuple[Step, ...]:
    """What makes the users, and the home folders asked for, be there."""
    return tuple(step for user in users for step in _add_user(user))


def plan_delete_users(users: Sequence[User]) -> tuple[Step, ...]:
    """What makes the users be gone. Home folders stay: they may hold state.

    Raises NotSafe for one that must not go."""
    return tuple(_delete(Account.USER, user.name, user.uid, user_id(user.name)) for user in users if not user.home_only)


def plan_delete_groups(groups: Sequence[Group]) -> tuple[Step, ...]:
    """What makes the groups be gone. Raises NotSafe for one that must not go."""
    return tuple(_delete(Account.GROUP, group.name, group.gid, group_id(group.name)) for group in groups)


def user_id(name: str) -> int | None:
    """The number of a user of this machine; None where there is no such."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def group_id(name: str) -> int | None:
    """The number of a group of this machine; None where there is no such."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def _add_group(group: Group) -> Step:
    number = group_id(group.name)
    if number is not None:
        return Step(Account.GROUP, group.name, _is_there(Account.GROUP, group.name, number, group.gid))
    wanted = ("-g", str(group.gid)) if group.gid is not None else ()
    return Step(
        Account.GROUP,
        group.name,
        f"create group {group.name}" + (f" (gid {group.gid})" if group.gid is not None else ""),
        ("groupadd", *wanted, group.name),
        done=lambda: group_id(group.name) is not None,
    )


def _add_user(user: User) -> list[Step]:
    if user.home_only:
        return [_home(user)] if user.home and user.create_home and not Path(user.home).is_dir() else []
    number = user_id(user.name)
    if number is None:
        steps = [_new_user(user)]
        return [*steps, _password(user)] if user.password else steps
    steps = [Step(Account.USER, user.name, _is_there(Account.USER, user.name, number, user.uid))]
    # What a job that was killed between the programs of a user has not done any more.
    if user.create_home and user.home and not Path(user.home).exists():
        steps.append(_home(user))
    if user.password and _never_had_a_password(user.name):
        steps.append(_password(user))
    return steps


def _is_there(account: Account, name: str, number: int, wanted: int | None) -> str:
    if wanted is None or wanted == number:
        return f"{account} {name} already exists"
    return f"{account} {name} already exists, with number {number}: it keeps that, {wanted} was asked for"


def _new_user(user: User) -> Step:
    # A group of the user's own name stands in the way of useradd's making one, unless it is theirs.
    group = user.group or (user.name if group_id(user.name) is not None else "")
    argv = ["useradd"]
    for option, value in (
        ("-u", "" if user.uid is None else str(user.uid)),
        ("-g", group),
        ("-c", user.description),
        ("-d", user.home or NO_HOME),
        ("-s", user.shell),
    ):
        if value:
            argv += [option, value]
    argv.append("-m" if user.create_home else "-M")
    text = f"create user {user.name}" + (f" (uid {user.uid})" if user.uid is not None else "")
    return Step(
        Account.USER, user.name, text, (*argv, user.name), done=lambda: user_id(user.name) is not None
    )  # fmt: skip


def _password(user: User) -> Step:
    return Step(
        Account.USER,
        user.name,
        f"set the password of user {user.name}",
        ("chpasswd", "-e"),
        stdin=f"{user.name}:{user.password}\n".encode("utf-8", "surrogateescape"),
    )


def _never_had_a_password(name: str) -> bool:
    """Whether the user is as ``useradd`` leaves one. False where that may not be seen."""
    try:
        lines = _SHADOW.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    return any(line.split(":")[:2] == [name, "!"] for line in lines)


def _home(user: User) -> Step:
    return Step(
        Account.USER,
        user.name,
        f"make the folder {user.home}",
        home=user,
        done=lambda: Path(user.home).is_dir(),
    )


def _delete(account: Account, name: str, wanted: int | None, number: int | None) -> Step:
    if number is None:
        return Step(account, name, f"{account} {name} is not there")
    if number == 0:
        raise NotSafe(
            f"{account} {name} has number 0 and is not removed", "no component owns it: correct its description"
        )
    if wanted is not None and wanted != number:
        return Step(account, name, f"{account} {name} is kept: it has number {number}, its description says {wanted}")
    find_id = user_id if account is Account.USER else group_id
    program = "userdel" if account is Account.USER else "groupdel"
    return Step(account, name, f"remove {account} {name}", (program, name), done=lambda: find_id(name) is None)


# --- doing ---------------------------------------------------------------------------------------------------------


def carry_out(
    steps: Sequence[Step], runner: Runner, say: Callable[[str], None], *, tries: int = TRIES, pause: float = PAUSE
) -> tuple[Step, ...]:
    """Do the steps in their order. Returns those that changed something.

    Args:
        say: gets each step's text, also of those that change nothing.
        tries: how often a program that fails is run before that is taken for a failure.
        pause: seconds between two tries.

    Raises PluginError naming the account and what was in the way; what was done before stays done.
    """
    changed = []
    for step in steps:
        say(step.text)
        if not step.changes or step.done():
            continue
        if step.home is not None:
            _make_home(step.home)
        else:
            _run(step, runner, say, tries, pause)
        changed.append(step)
    return tuple(changed)


def _run(step: Step, runner: Runner, say: Callable[[str], None], tries: int, pause: float) -> None:
    for left in range(tries - 1, -1, -1):
        try:
            runner.run(step.argv, stdin=step.stdin)
        except ProcessFailed as error:
            if step.done():
                return
            if left and error.status in IN_THE_WAY and os.geteuid() == 0:
                say(f"{error.message}; trying again")
                time.sleep(pause)
                continue
            hint = "see what uses it, and try again" if os.geteuid() == 0 else "only root may do that"
            raise PluginError(f"could not {step.text} ({error.message})", hint) from error
        return


def _make_home(user: User) -> None:
    """The folder, and its owner's own where there is one. The folder above may be another user's, who could exchange
    what is made in it: all is done by descriptor, and it is given away last."""
    try:
        owner = None if user.home_only else pwd.getpwnam(user.name)
        above, name = posixpath.split(real_path(user.home, setting="homeDir"))
        with Folder.at(above, make=OPEN_FOLDER) as parent, parent.make_folder(name) as home:
            if owner is None:
                hand_over(home.descriptor, -1, -1, OPEN_FOLDER)  # whatever our umask: as mkdir -p in Dysnomia makes it
            else:
                hand_over(home.descriptor, owner.pw_uid, owner.pw_gid, PRIVATE_FOLDER)
    except KeyError:
        raise PluginError(f"there is no user {user.name} any more", "try again") from None
    except OSError as error:
        raise PluginError(
            f"could not create the folder {user.home} ({error.strerror})",
            "check the permissions of the folder above it",
        ) from error
