"""Users and groups of a component: what their files say, what would be done, and that it is done once."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.base import Finished
from dysnomia_plugins.errors import BadProperties, NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.toolkit import accounts
from dysnomia_plugins.toolkit.accounts import Group, User
from dysnomia_plugins.toolkit.process import ProcessRunner

WHOLE = """uid=2000
group="web"
description="The shop's own user"
homeDir=/srv/shop
createHomeDir=1
shell="/bin/sh"
password='$6$salt$hash'
"""


def component(folder: Path, *, users: dict[str, str] | None = None, groups: dict[str, str] | None = None) -> Path:
    for kind, files in (("users", users), ("groups", groups)):
        if files is not None:
            (folder / "dysnomia-support" / kind).mkdir(parents=True)
            for name, text in files.items():
                (folder / "dysnomia-support" / kind / name).write_text(text)
    return folder


class Programs(ProcessRunner):
    """Says what would be run; a program fails as often as it is told to."""

    def __init__(self, failing: Sequence[int] = ()) -> None:
        super().__init__()
        self.ran: list[tuple[str, ...]] = []
        self.read: list[bytes] = []
        self._failing = list(failing)

    def run(self, argv: Sequence[str | bytes], **options: Any) -> Finished:
        self.ran.append(tuple(map(os.fsdecode, argv)))
        if options.get("stdin"):
            self.read.append(options["stdin"])
        if self._failing:
            raise ProcessFailed(self.ran[-1][0], self._failing.pop(0), "in the way")
        return Finished(b"", "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The users and groups that are there, by name."""
    there: dict[str, int] = {}
    monkeypatch.setattr(accounts, "user_id", there.get)
    monkeypatch.setattr(accounts, "group_id", there.get)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return there


# Reading.


def test_files_are_read_as_dysnomia_reads_them(tmp_path: Path) -> None:
    folder = component(tmp_path, users={"shop": WHOLE, "b": ""}, groups={"web": "gid=2000\n", ".hidden": "x"})
    assert accounts.read_users(folder) == (
        User("b"),
        User("shop", 2000, "web", "The shop's own user", "/srv/shop", "/bin/sh", True, False, "$6$salt$hash"),
    )
    assert accounts.read_groups(folder) == (Group("web", 2000),)
    assert accounts.read_users(folder / "dysnomia-support" / "users" / "shop")[0].name == "shop"


def test_a_component_without_any_has_none_and_a_missing_one_is_named(tmp_path: Path) -> None:
    assert accounts.read_users(tmp_path) == ()
    with pytest.raises(BadProperties, match="there is no"):
        accounts.read_groups(tmp_path / "gone")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("u", "uid=ten\n", "uid is not a number"),
        ("u", "uid=-1\n", "uid is not a number"),
        ("u", "homeDir=home\n", "not an absolute path"),
        ("u", "shell='/bin/sh:x'\n", "colon"),
        ("u", "description=$'two\\nlines'\n", "new line"),
        ("u", "rm -rf /\n", "line 1"),
        ("-r", "", "is not a valid name of a user"),
        ("a b", "", "is not a valid name of a user"),
        ("a:b", "", "is not a valid name of a user"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(BadProperties, match=says):
        accounts.read_users(component(tmp_path, users={name: text}))


def test_a_secret_is_fetched_when_a_user_is_made_and_not_when_one_is_removed(tmp_path: Path) -> None:
    folder = component(tmp_path, users={"u": f"password=$(cat '{tmp_path}/secret')\n"})
    tmp_path.chmod(0o755)
    with pytest.raises(BadProperties, match="No such file"):
        accounts.read_users(folder)
    assert accounts.read_users(folder, removing=True) == (User("u"),)
    (tmp_path / "secret").write_text("$6$x\n")
    (user,) = accounts.read_users(folder)
    assert user.password == "$6$x"
    assert "$6$x" not in repr(user)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":\x85\u2028\u2029"), max_size=40))
def test_any_description_comes_out_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    quoted = "'" + text.replace("'", "'\\''") + "'"
    (user,) = accounts.read_users(component(tmp_path_factory.mktemp("c"), users={"u": f"description={quoted}\n"}))
    assert user.description == text


# Planning and doing.


def test_the_password_reaches_no_argument_and_no_text(machine: dict[str, int], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    steps = accounts.plan_add_users(accounts.read_users(component(tmp_path, users={"shop": WHOLE})))
    programs, said = Programs(), list[str]()
    assert accounts.carry_out(steps, programs, said.append) == steps
    assert programs.ran == [
        ("useradd", "-u", "2000", "-g", "web", "-c", "The shop's own user", "-d", "/srv/shop", "-s", "/bin/sh", "-m",
         "shop"),
        ("chpasswd", "-e"),
    ]  # fmt: skip
    assert programs.read == [b"shop:$6$salt$hash\n"]
    assert said == ["create user shop (uid 2000)", "set the password of user shop"]
    assert "$6$" not in repr(steps)


def test_what_is_there_stays_with_the_number_it_has(machine: dict[str, int]) -> None:
    machine |= {"web": 33, "same": 7}
    steps = accounts.plan_add_groups([Group("web", 2000), Group("same", 7), Group("any")])
    programs = Programs()
    changed = accounts.carry_out(steps, programs, lambda text: None)
    assert [step.text for step in steps] == [
        "group web already exists, with number 33: it keeps that, 2000 was asked for",
        "group same already exists",
        "create group any",
    ]
    assert (programs.ran, [step.name for step in changed]) == ([("groupadd", "any")], ["any"])


def test_a_user_of_the_machine_is_not_removed_for_another_of_that_name(machine: dict[str, int]) -> None:
    machine |= {"www": 33, "shop": 2000}
    steps = accounts.plan_delete_users([User("www", 2001), User("shop", 2000), User("gone"), User("h", home_only=True)])
    assert [step.text for step in steps] == [
        "user www is kept: it has number 33, its description says 2001",
        "remove user shop",
        "user gone is not there",
    ]
    assert [step.argv for step in steps] == [(), ("userdel", "shop"), ()]


def test_root_is_never_removed(machine: dict[str, int]) -> None:
    machine |= {"root": 0}
    with pytest.raises(NotSafe, match="user root has number 0"):
        accounts.plan_delete_users([User("root")])
    with pytest.raises(NotSafe, match="group root"):
        accounts.plan_delete_groups([Group("root")])


def test_what_is_in_the_way_for_a_moment_is_tried_again(machine: dict[str, int]) -> None:
    machine |= {"shop": 2000}
    steps = accounts.plan_delete_users([User("shop")])
    programs, said = Programs([8, 8]), list[str]()
    accounts.carry_out(steps, programs, said.append, pause=0)
    assert len(programs.ran) == 3
    assert said[1] == "userdel ended with status 8 (in the way); trying again"


@pytest.mark.parametrize(("statuses", "runs"), [([8] * 10, 10), ([3], 1)])
def test_what_does_not_go_away_is_said(machine: dict[str, int], statuses: list[int], runs: int) -> None:
    machine |= {"shop": 2000}
    programs = Programs(statuses)
    steps = accounts.plan_delete_users([User("shop")])
    with pytest.raises(PluginError, match="could not remove user shop"):
        accounts.carry_out(steps, programs, lambda text: None, pause=0)
    assert len(programs.ran) == runs


def test_somebody_else_was_quicker(machine: dict[str, int]) -> None:
    steps = accounts.plan_add_groups([Group("web")])
    machine["web"] = 5
    programs = Programs()
    assert accounts.carry_out(steps, programs, lambda text: None) == ()
    assert programs.ran == []


def test_a_group_of_the_users_own_name_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "user_id", lambda name: None)
    monkeypatch.setattr(accounts, "group_id", {"shop": 5}.get)
    (shop, other) = accounts.plan_add_users([User("shop"), User("other")])
    assert shop.argv == ("useradd", "-g", "shop", "-d", "/dev/null", "-M", "shop")
    assert "-g" not in other.argv


def test_only_the_home_folder_is_made_where_only_that_is_wanted(machine: dict[str, int], tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    text = f"homeDir={home}\ncreateHomeDir=1\ncreateHomeDirOnly=1\n"
    folder = component(tmp_path, users={"shop": text})
    accounts.carry_out(accounts.plan_add_users(accounts.read_users(folder)), Programs(), lambda text: None)
    assert home.is_dir()
    assert accounts.plan_add_users(accounts.read_users(folder)) == ()
    assert accounts.plan_delete_users(accounts.read_users(folder)) == ()
    assert home.is_dir(), "it may hold state"


def test_a_home_folder_that_is_exchanged_for_a_link_gives_nothing_of_roots_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    theirs, roots = tmp_path / "theirs", tmp_path / "roots"
    theirs.mkdir()
    roots.mkdir(mode=0o750)
    mkdir = os.mkdir

    def exchanged(path: str | Path, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        if os.fspath(path).endswith("home"):
            (theirs / "home").rename(theirs / "aside")
            (theirs / "home").symlink_to(roots)

    monkeypatch.setattr(os, "mkdir", exchanged)
    monkeypatch.setattr(accounts, "user_id", lambda name: os.geteuid())
    monkeypatch.setattr("pwd.getpwnam", lambda name: pwd.getpwuid(os.geteuid()))
    users = [User("shop", home=str(theirs / "home"), create_home=True)]
    with pytest.raises(PluginError):
        accounts.carry_out(accounts.plan_add_users(users), Programs(), lambda text: None)
    assert roots.stat().st_mode & 0o777 == 0o750


def test_a_home_folder_is_its_owners_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(accounts, "user_id", lambda name: os.geteuid())
    monkeypatch.setattr("pwd.getpwnam", lambda name: pwd.getpwuid(os.geteuid()))
    home = tmp_path / "deep" / "home"
    accounts.carry_out(
        accounts.plan_add_users([User("shop", home=str(home), create_home=True)]), Programs(), lambda text: None
    )
    assert (home.stat().st_mode & 0o777, home.parent.stat().st_mode & 0o777) == (0o700, 0o755)
