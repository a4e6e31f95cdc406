"""Nothing that the store does to the file system replaces what is there."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_base.clock import utc_now
from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.syscalls import Disk, in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.errors import NotFound, NotPermitted, StoreError, StoreFull

DISK = Disk()


class Kernel:
    """A C library on a file system without renameat2's flags."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def renameat2(self, *_: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1


@pytest.fixture(params=["as it is", "without renameat2"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without renameat2":
        monkeypatch.setattr("ctypes.CDLL", Kernel)


@pytest.mark.usefixtures("kernel")
class TestRename:
    @pytest.mark.parametrize("kind", ["file", "folder", "link"])
    def test_onto_nothing(self, place: Path, kind: str) -> None:
        source = make(place / "a", kind)
        DISK.rename(source, place / "b")
        assert not source.exists()
        assert (place / "b").exists() or (place / "b").is_symlink()

    @pytest.mark.parametrize("kind", ["file", "folder", "link"])
    @pytest.mark.parametrize("there", ["file", "folder", "link"])
    def test_onto_something(self, place: Path, kind: str, there: str) -> None:
        source, target = make(place / "a", kind), make(place / "b", there)
        before = target.lstat()
        with pytest.raises(FileExistsError):
            DISK.rename(source, target)
        assert target.lstat() == before
        assert source.is_symlink() or source.exists()


def make(path: Path, kind: str) -> Path:
    if kind == "file":
        path.write_bytes(b"x")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    return path


CALLS: dict[str, Callable[[Path, Path], object]] = {
    "create": lambda _, target: DISK.create(target),
    "write_new": lambda _, target: DISK.write_new(target, b"new"),
    "link": DISK.link,
    "symlink": lambda _, target: DISK.symlink("a", target),
    "copy": DISK.copy_file,
    "mkdir": lambda _, target: DISK.mkdir(target),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_the_other_calls(place: Path, call: str, there: str) -> None:
    source, target = make(place / "a", "file"), make(place / "b", there)
    before = target.lstat()
    with pytest.raises(FileExistsError):
        CALLS[call](source, target)
    assert target.lstat() == before


def test_publishing_never_replaces_and_leaves_nothing_behind(place: Path) -> None:
    workspace = Workspace(Layout(place), DISK, utc_now)
    workspace.publish(place / "marks/x", b"first")
    with pytest.raises(FileExistsError):
        workspace.publish(place / "marks/x", b"second")
    assert (place / "marks/x").read_bytes() == b"first"
    assert list((place / "staging").iterdir()) == []


def test_deleting_a_tree_follows_no_link(place: Path) -> None:
    (place / "precious").mkdir()
    (place / "precious/file").write_bytes(b"x")
    (place / "tree/deep").mkdir(parents=True)
    (place / "tree/deep/link").symlink_to(place / "precious")
    (place / "tree/deep").chmod(0o500)
    DISK.remove_tree(place / "tree")
    assert (place / "precious/file").exists()
    assert not (place / "tree").exists()
    DISK.remove_tree(place / "tree")


def test_a_line_after_one_cut_short_stands_alone(place: Path) -> None:
    path = place / "log"
    DISK.append(path, b"one\n")
    with path.open("ab") as file:
        file.write(b"cut sh")
    DISK.append(path, b"two\n")
    assert path.read_bytes() == b"one\ncut sh\ntwo\n"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EACCES, NotPermitted),
        (errno.EROFS, NotPermitted),
        (errno.ENOENT, NotFound),
        (errno.EIO, StoreError),
    ],
)
def test_errors_are_said_in_words(number: int, kind: type[StoreError]) -> None:
    with pytest.raises(StoreError, match="doing this") as caught, in_words("doing this"):
        raise OSError(number, "why", "/the/path")
    assert type(caught.value) is kind
    assert "/the/path" in caught.value.message
