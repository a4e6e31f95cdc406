"""Work as the user whose files they are: with that user's own groups, whatever group a file of theirs has."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.toolkit.guarded.acting import Actor, acting_as, actor_for
from dysnomia_plugins.toolkit.guarded.system import folder_at
from dysnomia_plugins.toolkit.guarded.way import NOBODY, others_in
from tests.plugins.other_user import OtherUser, needs_root, other_user, passable

UNKNOWN = next(one for one in range(40000, 50000) if one not in {each.pw_uid for each in pwd.getpwall()})
NO_GROUP = next(one for one in range(40000, 50000) if one not in {each.gr_gid for each in grp.getgrall()})


@pytest.fixture(scope="module")
def other() -> Iterator[OtherUser]:
    with other_user() as user:
        yield user


@needs_root
def test_the_group_of_a_file_is_taken_only_where_its_owner_is_in_it(other: OtherUser) -> None:
    """``chown redis FILE`` leaves root's group on it."""
    assert Actor.of(other.uid, other.gid).gid == other.gid
    theirs = Actor.of(other.uid, 0)
    assert theirs.gid == other.gid
    assert 0 not in theirs.groups


def test_a_user_without_an_account_has_no_group_of_this_machine() -> None:
    """Users of a container are numbered like groups here: 999 may be docker's."""
    assert Actor.of(UNKNOWN, 0) == Actor(UNKNOWN, NOBODY)
    assert Actor.of(UNKNOWN, NO_GROUP) == Actor(UNKNOWN, NO_GROUP)


@needs_root
def test_a_file_of_root_s_group_is_not_read_for_the_owner_of_a_link_to_it(other: OtherUser, tmp_path: Path) -> None:
    passable(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("root's")
    secret.chmod(0o640)
    with acting_as(Actor.of(other.uid, 0)), pytest.raises(PermissionError):
        secret.read_text()


@needs_root
@pytest.mark.parametrize(("mode", "group"), [(0o777, "root's"), (0o777, "another"), (0o775, "another")])
def test_in_a_folder_of_root_s_that_others_may_write_they_give_their_own_rights_alone(
    other: OtherUser, tmp_path: Path, mode: int, group: str
) -> None:
    """Who everybody is has no group; a group that may write has its own, and never that of the file in it."""
    gid = 0 if group == "root's" else other.gid
    os.chown(tmp_path, 0, gid)
    tmp_path.chmod(mode)
    file = tmp_path / "file"
    file.touch()
    with folder_at(str(tmp_path)) as descriptor:
        actor = actor_for(others_in(descriptor), file.stat())
    assert actor == Actor(NOBODY, other.gid if mode == 0o775 else NOBODY)
