"""What is said of a file that cannot be read: who owns it need not become root."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dysnomia_plugins.toolkit.trees.unreadable import unreadable

DENIED = PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize(("mode", "folder", "words"), [(0, False, "chmod u+r)"), (0o400, True, "chmod u+rx)")])
def test_the_owner_is_told_to_let_themselves_read_it(tmp_path: Path, mode: int, folder: bool, words: str) -> None:
    path = tmp_path / "closed"
    path.mkdir() if folder else path.touch()
    path.chmod(mode)
    error = unreadable(str(path), DENIED)
    assert f"{path} cannot be read (Permission denied)" in str(error)
    assert words in error.hint
    path.chmod(0o700)


def test_others_are_told_who_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "closed"
    path.touch(mode=0o600)
    assert unreadable(str(path), DENIED).hint == "run it as root, or as the owner", "its mode is not what denies it"
    path.chmod(0)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert unreadable(str(path), DENIED).hint == "run it as root, or as the owner"
    assert unreadable(str(tmp_path / "gone" / "\0"), DENIED).hint == "run it as root, or as the owner"


def test_what_is_no_matter_of_permission(tmp_path: Path) -> None:
    assert unreadable(str(tmp_path), OSError(errno.EIO, os.strerror(errno.EIO))).hint == ""
