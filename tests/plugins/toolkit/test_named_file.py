"""Files that a property names and root reads: no link of another user leads to a file that they may not read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.named_file import MOST, read_secret, reader_of, require_obeyed_file
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.mysql.client import Client as MysqlClient
from dysnomia_plugins.types.mysql.server import Server as MysqlServer
from dysnomia_plugins.types.postgresql.discover import _folder_in_lock_file
from dysnomia_plugins.types.postgresql.server import Server as PostgresServer
from dysnomia_plugins.types.postgresql.tools import any_tool
from dysnomia_plugins.types.redis.server import Server as RedisServer
from tests.plugins.other_user import OtherUser, needs_root, other_user

SETTING = "somePasswordFile"


@pytest.fixture
def user() -> Iterator[OtherUser]:
    with other_user() as made:
        yield made


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that only root may read."""
    path = tmp_path / "root" / "secret"
    path.parent.mkdir(mode=0o700)
    path.write_text("root's own\n")
    path.chmod(0o600)
    return path


def _redis(path: Path) -> object:
    return RedisServer.from_properties({"redisPasswordFile": str(path)}).secret()


def _postgres(path: Path) -> object:
    return PostgresServer.from_properties({"postgresqlPassFile": str(path)}).os_user


def _mysql(path: Path) -> object:
    server = MysqlServer.from_properties({"mysqlDefaultsFile": str(path)})
    with MysqlClient(server, ProcessRunner()).option_file() as given:
        return given


def _programs(path: Path) -> object:
    return any_tool(path.name, str(path.parent))


NAMED: dict[str, Callable[[Path], object]] = {
    "redisPasswordFile": _redis,
    "postgresqlPassFile": _postgres,
    "mysqlDefaultsFile": _mysql,
    "postgresqlBinDir": _programs,
}


def test_a_file_of_ours_is_read_and_also_by_a_link_of_ours(secret: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(secret)
    assert read_secret(str(link), SETTING) == b"root's own\n"
    assert reader_of(str(link), SETTING) is None
    require_obeyed_file(str(secret), SETTING)
    assert _redis(link) == "root's own"


@needs_root
@pytest.mark.parametrize("name", sorted(NAMED))
@pytest.mark.parametrize("kind", ["link", "link above", "other name", "ours in their folder"])
def test_what_another_user_can_exchange_is_not_read(
    name: str, kind: str, user: OtherUser, secret: Path, tmp_path: Path
) -> None:
    theirs = user.folder(tmp_path / "theirs")
    path = theirs / "file"
    if kind == "link":
        path.symlink_to(secret)
        user.own(path)
    elif kind == "link above":
        (theirs / "way").symlink_to(secret.parent)
        user.own(theirs / "way")
        path = theirs / "way" / secret.name
    elif kind == "other name":
        path.hardlink_to(secret)
    else:
        path.write_text("ours\n")
    with pytest.raises(NotSafe, match=name) as caught:
        NAMED[name](path)
    assert str(theirs) in str(caught.value)
    assert "root's own" not in str(caught.value)


@needs_root
def test_a_services_own_password_file_is_read_as_that_service(user: OtherUser, tmp_path: Path) -> None:
    theirs = user.folder(tmp_path / "theirs")
    for folder in (theirs, tmp_path):
        path = folder / "password"
        path.write_text("theirs\n")
        path.chmod(0o600)
        user.own(path)
        assert _redis(path) == "theirs"
        assert _postgres(path) == user.name
        with pytest.raises(NotSafe, match=f"mysqlDefaultsFile.*{user.name}"):  # it could load a library
            _mysql(path)


@needs_root
def test_nothing_is_gained_by_an_exchange_after_it_was_looked_at(
    user: OtherUser, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = user.folder(tmp_path / "theirs") / "password"
    path.write_text("theirs\n")
    user.own(path)
    opening = os.open

    def exchanged(where: object, flags: int, *more: int, **named: int) -> int:
        if where == str(path):
            path.unlink()
            path.symlink_to(secret)
        return opening(where, flags, *more, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", exchanged)
        with pytest.raises(PluginError, match="Permission denied"):
            read_secret(str(path), SETTING)


@pytest.mark.parametrize("kind", ["pipe", "endless", "folder", "nothing", "not absolute"])
def test_what_is_no_file_neither_holds_us_up_nor_fills_memory(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(PluginError, match=SETTING):
        read_secret("file" if kind == "not absolute" else str(path), SETTING)


def test_no_more_of_it_is_read_than_a_password_can_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert len(read_secret(str(path), SETTING)) == MOST


@pytest.mark.parametrize("kind", ["link", "pipe", "endless", "plain"])
def test_a_process_that_only_calls_itself_postgres_cannot_hold_discovery_up(kind: str, tmp_path: Path) -> None:
    """Any user may name a folder on a command line; what is in it is read only where it is a small plain file."""
    file = tmp_path / "postmaster.pid"
    if kind == "link":
        (tmp_path / "secret").write_text("1\n2\n3\n4\nroot's own\n")
        file.symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "endless":
        file.symlink_to("/dev/zero")
    else:
        file.write_text("1\n2\n3\n5432\n/run/here\n")
    assert list(_folder_in_lock_file(file)) == (["/run/here"] if kind == "plain" else [])
