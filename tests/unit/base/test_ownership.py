"""Which files are obeyed: those that nobody but root and the caller may write, nor what leads to them."""

from __future__ import annotations

import ctypes
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from dysnomia_base.environment import forget_foreign_folders
from dysnomia_base.ownership import is_obeyed, may_be_made, may_hold_ours, refusal, refusal_below, why_not_obeyed
from dysnomia_tui.config.errors import SettingsError
from dysnomia_tui.config.load import load_settings
from tests.plugins.conformance.driver import in_child

STRANGER = 12345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a" / "b" / "file"
    path.parent.mkdir(parents=True)
    path.write_text("x")
    for folder in (tmp_path, tmp_path / "a", tmp_path / "a" / "b"):
        folder.chmod(0o755)
    return path


def test_ones_own_file_in_ones_own_folders_is_obeyed(file: Path) -> None:
    assert why_not_obeyed(file) == ""
    assert is_obeyed(file.parent)
    assert refusal(file) == ""


@pytest.mark.parametrize("part", ["", "..", "../.."])
@pytest.mark.parametrize("mode", [0o757, 0o777, 0o702])
def test_what_everyone_may_write_is_not_nor_what_is_below(file: Path, part: str, mode: int) -> None:
    odd = Path(os.path.normpath(file / part)) if part else file
    odd.chmod(mode)
    assert why_not_obeyed(file) == f"{odd} may be written by everyone"
    assert refusal(file) == f"{file} is left out: {odd} may be written by everyone"


@as_root
@pytest.mark.parametrize("part", ["", "..", "../.."])
def test_what_belongs_to_another_is_not(file: Path, part: str) -> None:
    odd = Path(os.path.normpath(file / part)) if part else file
    os.chown(odd, STRANGER, 0)
    assert f"{odd} belongs to user {STRANGER}, neither root nor you" in why_not_obeyed(file)


@as_root
def test_who_calls_is_who_we_are_and_root_is_everyones(file: Path) -> None:
    assert is_obeyed(file, STRANGER)
    os.chown(file, STRANGER, STRANGER)
    assert is_obeyed(file, STRANGER)
    assert not is_obeyed(file, STRANGER + 1)


@as_root
def test_a_group_may_write_where_nobody_else_is_in_it(file: Path) -> None:
    file.chmod(0o664)
    os.chown(file, 0, 0)
    assert is_obeyed(file)
    os.chown(file, 0, STRANGER)
    assert why_not_obeyed(file) == f"{file} may be written by group {STRANGER}"
    users = pwd.getpwnam("nobody")
    os.chown(file, 0, users.pw_gid)
    assert not is_obeyed(file), "a group of users"
    system = pwd.getpwnam("daemon")
    assert system.pw_gid < 100
    os.chown(file, 0, system.pw_gid)
    assert not is_obeyed(file), "a group of the distribution's, which no list of members names, is that user's own"


@as_root
def test_an_access_list_may_let_others_write(file: Path) -> None:
    done = subprocess.run(["setfacl", "-m", f"u:{STRANGER}:rw", str(file)], check=False)
    if done.returncode:
        pytest.skip("this file system has no access lists")
    assert why_not_obeyed(file) == f"{file} may be written by others, by its access list"


@as_root
def test_below_a_sticky_folder_counts_whose_each_step_is(file: Path) -> None:
    top = file.parent.parent
    top.chmod(0o1777)
    assert is_obeyed(file)
    assert not is_obeyed(top), "others may add to it"
    os.chown(file.parent, STRANGER, 0)
    assert not is_obeyed(file)
    os.chown(file.parent, 0, 0)
    os.chown(top, STRANGER, 0)
    assert not is_obeyed(file), "its owner may rename what is in it"


def test_as_a_nix_store_is(file: Path) -> None:
    file.parent.parent.chmod(0o1775)
    file.parent.chmod(0o555)
    file.chmod(0o444)
    assert is_obeyed(file)


@as_root
def test_a_link_and_what_it_leads_to_follow_the_rule(file: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    relative, absolute = links / "relative", links / "absolute"
    relative.symlink_to("../a/b/file")
    absolute.symlink_to(file.parent)
    assert is_obeyed(relative)
    assert is_obeyed(absolute / "file")
    os.chown(relative, STRANGER, STRANGER, follow_symlinks=False)
    assert why_not_obeyed(relative).startswith(f"{relative} belongs to user {STRANGER}")
    file.parent.chmod(0o777)
    assert why_not_obeyed(absolute / "file") == f"{file.parent} may be written by everyone"
    (links / "circle").symlink_to("circle")
    assert "circle" in why_not_obeyed(links / "circle")


def test_what_is_not_there_is_not_obeyed_and_may_be_made_where_its_folder_is(file: Path) -> None:
    new = file.parent / "new" / "file"
    assert not is_obeyed(new)
    assert refusal(new) == "", "who reads it says that it is not there"
    assert may_be_made(new)
    file.parent.chmod(0o777)
    assert not may_be_made(new)


@as_root
def test_a_temporary_folder_may_be_sticky_and_not_anothers(file: Path) -> None:
    top = file.parent.parent
    top.chmod(0o1777)
    assert may_hold_ours(top)
    top.chmod(0o777)
    assert not may_hold_ours(top)
    os.chown(top, STRANGER, 0)
    top.chmod(0o1777)
    assert not may_hold_ours(top)
    environ = {"TMPDIR": str(top), "TMP": "/tmp", "TEMP": ""}
    forget_foreign_folders(environ)
    assert environ == {"TMP": "/tmp", "TEMP": ""}


def test_a_folder_is_looked_at_with_everything_in_it(file: Path) -> None:
    top = file.parent.parent
    assert refusal_below(top) == ""
    (file.parent / "masked.service").symlink_to("/dev/null")
    assert refusal_below(top) == ""
    odd = top.parent / "odd"
    odd.touch()
    odd.chmod(0o666)
    (file.parent / "out").symlink_to(odd)
    assert refusal_below(top) == f"{file.parent}/out is left out: {odd} may be written by everyone"
    (file.parent / "out").unlink()
    file.chmod(0o606)
    assert refusal_below(top) == f"{file} is left out: it may be written by everyone"


@as_root
def test_a_link_to_what_is_not_there_yet_is_obeyed_where_nobody_else_can_make_it(file: Path, tmp_path: Path) -> None:
    """A script that root runs through it would be that of whoever makes the file first."""
    link = file.with_name("link")
    link.symlink_to(tmp_path / "later" / "file")
    assert refusal_below(file.parent) == ""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    link.unlink()
    link.symlink_to(shared / "later" / "file")
    assert refusal_below(file.parent) == (
        f"{link} is left out: it leads to a file that others may make: {shared} may be written by everyone"
    )


def test_a_folder_that_a_link_in_it_leads_to_is_looked_at_too(file: Path, tmp_path: Path) -> None:
    top = file.parent.parent
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    script = elsewhere / "script"
    script.touch()
    (file.parent / "rc3.d").symlink_to(elsewhere.parent)
    (elsewhere / "back").symlink_to(top)
    assert refusal_below(top) == "", "links in a circle are walked once"
    os.chown(script, STRANGER, 0)
    belongs = f"it belongs to user {STRANGER}, neither root nor you"
    assert refusal_below(top) == f"{script} is left out: {belongs}"


@as_root
def test_what_packages_have_is_not_walked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They link to many others, and to folders of data that belong to the users of their servers."""
    (file.parent / "documents").symlink_to("/usr/share/doc")
    walked: list[str] = []
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda path: walked.append(path) or walk(path))  # type: ignore[func-returns-value]
    assert refusal_below(file.parent) == ""
    assert walked == [str(file.parent)]


@as_root
def test_a_file_in_it_that_an_access_list_lets_others_write_is_left_out(file: Path) -> None:
    top = file.parent.parent
    done = subprocess.run(["setfacl", "-m", f"u:{STRANGER}:rw", file], check=False)
    if done.returncode:
        pytest.skip("this file system has no access lists")
    assert refusal_below(top) == f"{file} is left out: it may be written by others, by its access list"


@as_root
def test_in_a_user_namespace_without_root_that_is_the_reason(tmp_path: Path) -> None:
    """It was "belongs to user nobody (65534), neither root nor you", and of a config.toml "Permission denied" alone."""
    newuser, set_dumpable = 0x10000000, 4
    tmp_path.chmod(0o700)

    def as_root_of_a_namespace() -> None:
        os.setresuid(STRANGER, STRANGER, STRANGER)
        if ctypes.CDLL(None).unshare(newuser) != 0:
            return  # not allowed on this machine
        ctypes.CDLL(None).prctl(set_dumpable, 1, 0, 0, 0)
        Path("/proc/self/uid_map").write_text(f"0 {STRANGER} 1")
        assert os.geteuid() == 0
        assert "user namespace without the machine's root" in why_not_obeyed("/etc/passwd")
        with pytest.raises(SettingsError, match="user namespace without the machine's root"):
            load_settings({"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}, machine=tmp_path)

    assert in_child(as_root_of_a_namespace) == 0
