"""Work below folders of others: which links are followed, and that nothing is done to what was put in place."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.guarded.folder import Folder, NotAFile, hand_over, hand_over_tree
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, chmod_pinned, chown_pinned, pinned
from dysnomia_plugins.toolkit.guarded.way import Identity, LinkOfOthers, real_path
from tests.plugins.other_user import OtherUser, needs_root, other_user


@pytest.fixture(scope="module")
def other() -> Iterator[OtherUser]:
    with other_user() as user:
        yield user


# --- the way -------------------------------------------------------------------------------------------------------


def test_links_of_ones_own_in_ones_own_folders_are_followed(tmp_path: Path) -> None:
    real = tmp_path / "real" / "deep"
    real.mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "up").symlink_to("../link/deep")
    assert real_path(f"{tmp_path}/link/up") == str(real)
    assert real_path(f"{tmp_path}/./link//deep/../deep/") == str(real)


def test_what_is_not_there_yet_stays_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "not there")
    assert real_path(f"{tmp_path}/link/below/it") == f"{tmp_path}/not there/below/it"
    with pytest.raises(NotSafe, match=r"through '\.\.'"):
        real_path(f"{tmp_path}/nothing/../there")


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(NotSafe, match="circle"):
        real_path(f"{tmp_path}/a")


@needs_root
@pytest.mark.parametrize("what", ["last", "on the way", "of root in a folder of the user", "second of two"])
def test_a_link_that_another_user_could_have_made_is_not_followed(other: OtherUser, tmp_path: Path, what: str) -> None:
    vault = tmp_path / "vault"
    vault.mkdir(mode=0o700)
    home = other.folder(tmp_path / "home")
    link = home / "link"
    if what == "of root in a folder of the user":
        link.symlink_to(vault)
    else:
        other.run("ln", "-s", vault, link)
    path = link / "file" if what == "on the way" else link
    if what == "second of two":
        path = tmp_path / "first"
        path.symlink_to(link)
    with pytest.raises(LinkOfOthers, match=str(link)) as refused:
        real_path(str(path), setting="targetDir")
    assert other.name in refused.value.message
    assert "targetDir" in refused.value.hint


@needs_root
def test_a_link_below_a_folder_that_others_may_write_is_not_followed(other: OtherUser, tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    shared = tmp_path / "shared"
    (shared / "ours").mkdir(parents=True)
    (shared / "ours" / "link").symlink_to(tmp_path / "vault")
    assert real_path(f"{shared}/ours/link") == f"{tmp_path}/vault"
    for mode, group in ((0o777, 0), (0o775, other.gid)):
        os.chown(shared, 0, group)
        shared.chmod(mode)
        with pytest.raises(LinkOfOthers):
            real_path(f"{shared}/ours/link")
    shared.chmod(0o1777)  # as /tmp: nobody can replace a folder of root's there
    assert real_path(f"{shared}/ours/link") == f"{tmp_path}/vault"


@needs_root
def test_a_link_in_a_folder_given_to_root_s_group_is_followed_unless_an_access_list_names_others(
    other: OtherUser, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o775)
    (tmp_path / "vault").mkdir()
    (folder / "link").symlink_to(tmp_path / "vault")
    assert real_path(f"{folder}/link") == f"{tmp_path}/vault"
    entries = [(0x01, 7, 0xFFFFFFFF), (0x02, 7, other.uid), (0x04, 5, 0xFFFFFFFF), (0x10, 7, 0xFFFFFFFF)]
    entries.append((0x20, 5, 0xFFFFFFFF))
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + may.to_bytes(2, "little") + who.to_bytes(4, "little") for tag, may, who in entries
    )
    try:
        os.setxattr(folder, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no access lists")
    with pytest.raises(LinkOfOthers):
        real_path(f"{folder}/link")


# --- work in a folder ----------------------------------------------------------------------------------------------


def test_folders_on_the_way_are_made_and_no_link_is_passed(tmp_path: Path) -> None:
    with Folder.at(f"{tmp_path}/a/b", make=0o750) as folder:
        assert folder.path == f"{tmp_path}/a/b"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o750 & ~_umask()
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(LinkInTheWay):
        Folder.at(f"{tmp_path}/link/b")
    with pytest.raises(LinkInTheWay):
        Folder.at(f"{tmp_path}/link")


def test_what_is_made_is_closed_to_others_whatever_the_folder_is_like(tmp_path: Path) -> None:
    tmp_path.chmod(0o2777)
    with Folder.at(str(tmp_path)) as folder, folder.make_folder("made") as made, folder.new_file("file") as file:
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        assert stat.S_IMODE(os.fstat(file).st_mode) == 0o600
        with pytest.raises(FileExistsError):
            folder.make_folder("made")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_a_regular_file_is_read_or_written(tmp_path: Path, kind: str) -> None:
    (tmp_path / "victim").write_text("secret")
    if kind == "link":
        (tmp_path / "it").symlink_to("victim")
    elif kind == "pipe":
        os.mkfifo(tmp_path / "it")
    else:
        (tmp_path / "it").mkdir()
    with Folder.at(str(tmp_path)) as folder:
        with pytest.raises(NotAFile):
            folder.read_bytes("it")
        with pytest.raises(NotAFile), folder.file("it", os.O_RDWR):
            pass
        with pytest.raises(FileExistsError):
            folder.write_new("it", b"mine")
    assert (tmp_path / "victim").read_text() == "secret"


def test_a_file_is_replaced_whole_and_a_link_in_its_place_is_replaced_itself(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("secret")
    (tmp_path / "it").symlink_to("victim")
    with Folder.at(str(tmp_path)) as folder:
        folder.replace_file("it", b"mine", "0123abcd_7")
        assert folder.read_bytes("it") == b"mine"
        assert folder.names() == ["it", "victim"]
    assert (tmp_path / "victim").read_text() == "secret"


def test_a_name_is_pinned_before_its_mode_and_owner_are_set(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "victim").write_text("secret")
    (tmp_path / "victim").chmod(0o600)
    with Folder.at(str(tmp_path)) as folder, pinned("pipe", folder.descriptor) as pipe:
        (tmp_path / "pipe").unlink()
        (tmp_path / "pipe").symlink_to("victim")
        chmod_pinned(pipe, 0o666)
        chown_pinned(pipe, os.geteuid(), os.getegid())
        assert stat.S_IMODE(os.fstat(pipe).st_mode) == 0o666
        with pinned("pipe", folder.descriptor) as link, pytest.raises(OSError, match="not supported"):
            chmod_pinned(link, 0o666)
    assert stat.S_IMODE((tmp_path / "victim").stat().st_mode) == 0o600


def test_moves_are_seen_by_identity_and_never_over_anything(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with Folder.at(str(tmp_path)) as folder:
        a, b = folder.identity("a"), folder.identity("b")
        assert a == Identity.of((tmp_path / "a").stat())
        with pytest.raises(FileExistsError):
            folder.move("a", folder, "b")
        folder.exchange("a", folder, "b")
        assert (folder.identity("b"), folder.identity("a")) == (a, b)
        folder.link("a", folder, "c")
        folder.remove("a")
        folder.remove("a")
        assert (folder.identity("a"), folder.identity("c")) == (None, b)


@needs_root
def test_what_was_made_is_handed_over_last_and_a_tree_only_while_it_is_closed(other: OtherUser, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("secret")
    with Folder.at(str(tmp_path)) as folder, folder.make_folder("made") as made:
        made.write_new("file", b"content", like=Path("/etc/hostname").stat())
        made.make_folder("deep").close()
        os.symlink("../victim", "link", dir_fd=made.descriptor)
        os.fchmod(made.descriptor, 0o755)
        with pytest.raises(NotSafe, match="open to other users"):
            hand_over_tree(made, other.uid, other.gid)
        os.fchmod(made.descriptor, 0o700)
        hand_over_tree(made, other.uid, other.gid)
        hand_over(made.descriptor, other.uid, other.gid, 0o750)
        assert (made.stat().st_uid, stat.S_IMODE(made.stat().st_mode)) == (other.uid, 0o750)
        assert {name: os.lstat(name, dir_fd=made.descriptor).st_uid for name in made.names()} == dict.fromkeys(
            ("deep", "file", "link"), other.uid
        )
    assert (tmp_path / "victim").stat().st_uid == 0


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
