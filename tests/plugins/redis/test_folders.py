"""The folders that servers of a job's own work in: made on a fresh machine, and proof against their server's user."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.redis import folders
from tests.plugins.servers.common import server_user

ACCOUNT = server_user("redis")
USER = ACCOUNT.pw_name if ACCOUNT is not None else None


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A place with a file, made as a job makes it: under an umask that keeps everybody out."""
    before = os.umask(0o077)
    try:
        folder = tmp_path / "copies" / "dysnomia_t_1_beside"
        folders.make(folder)
        with folders.writing(folder, folders.DUMP) as write:
            write(b"REDIS0010")
        yield folder
    finally:
        os.umask(before)


def test_the_folder_of_all_places_may_be_passed_whatever_the_umask_is(place: Path) -> None:
    assert place.parent.stat().st_mode & 0o777 == 0o711
    assert place.stat().st_mode & 0o777 == 0o700


def test_one_that_was_left_closed_is_opened(place: Path) -> None:
    place.parent.chmod(0o700)
    assert folders.let_pass(place.parent)
    assert place.parent.stat().st_mode & 0o777 == 0o711
    assert not folders.let_pass(place.parent)


def test_what_is_lent_is_a_folder_inside_and_the_place_stays_ours(place: Path) -> None:
    user = USER
    with folders.lent(place, user) as run:
        assert run.names() == [folders.DUMP]
        assert run.stat().st_uid == (pwd.getpwnam(user).pw_uid if user else os.geteuid())
        assert place.stat().st_uid == os.geteuid()
    assert sorted(os.listdir(place)) == [folders.DUMP]


@pytest.mark.parametrize("kind", ["link", "other name", "pipe"])
def test_nothing_of_others_is_taken_back(place: Path, tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    with folders.lent(place, USER) as run:
        run.unlink(folders.DUMP)
        target = place / folders.RUN / folders.DUMP
        if kind == "link":
            target.symlink_to(secret)
        elif kind == "other name":
            target.hardlink_to(secret)
        else:
            os.mkfifo(target)
        with pytest.raises(NotSafe):
            folders.reclaim(place, run)
    assert (secret.stat().st_uid, secret.stat().st_mode & 0o777) == (os.geteuid(), 0o600)


@pytest.mark.parametrize("name", ["link", "other name"])
def test_nothing_of_others_is_read_lent_or_given_away(place: Path, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's")
    (place / folders.DUMP).unlink()
    if name == "link":
        (place / folders.DUMP).symlink_to(secret)
    else:
        (place / folders.DUMP).hardlink_to(secret)
    with pytest.raises(NotSafe), folders.reading(place):
        pass
    with pytest.raises(NotSafe), folders.lent(place, USER):
        pass
    with pytest.raises(NotSafe):
        folders.give(place, USER)
    assert secret.stat().st_uid == os.geteuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_link_of_others_as_the_folder_of_all_places_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    assert folders.real_copies(link) == tmp_path / "real"
    os.lchown(link, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(NotSafe, match="link of user nobody"):
        folders.real_copies(link)
