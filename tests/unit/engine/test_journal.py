"""A journal's step is on disk when it returns; a torn one was never taken; a full disk does not stop it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_tui.engine.component.journal import PREALLOCATED, FileJournal, MemoryJournal, PluginJournal


def test_what_was_written_is_read_by_another(tmp_path: Path) -> None:
    journal = FileJournal.create(tmp_path / "j")
    journal.step("begin", number=1)
    journal.step("move", text="zeile\n\x00\udce9", nested={"a": [1, None]})
    again = FileJournal(tmp_path / "j")
    assert again.steps() == journal.steps()
    assert again.last("move") == {"text": "zeile\n\x00\udce9", "nested": {"a": [1, None]}}
    again.step("moved")
    assert [name for name, _ in FileJournal(tmp_path / "j").steps()] == ["begin", "move", "moved"]


def test_its_space_is_set_aside_when_it_is_made(tmp_path: Path) -> None:
    FileJournal.create(tmp_path / "j")
    status = (tmp_path / "j").stat()
    assert status.st_size == PREALLOCATED
    assert status.st_blocks * 512 >= PREALLOCATED
    assert status.st_mode & 0o777 == 0o600


def test_where_its_space_cannot_be_set_aside_it_is_not_there_and_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, offset: int, size: int) -> None:
        os.truncate(fd, 4096)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/journal'"):
        FileJournal.create(tmp_path / "journal")
    assert list(tmp_path.iterdir()) == []


def test_it_is_never_made_over_another(tmp_path: Path) -> None:
    FileJournal.create(tmp_path / "j").step("begin")
    with pytest.raises(FileExistsError):
        FileJournal.create(tmp_path / "j")


@given(st.data())
def test_a_torn_end_is_as_if_never_taken(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("torn") / "j"
    journal = FileJournal.create(path, size=4096)
    names = data.draw(st.lists(st.sampled_from(["begin", "move", "drop"]), min_size=1, max_size=6))
    ends = []
    for name in names:
        journal.step(name, data="x" * data.draw(st.integers(0, 30)))
        ends.append(path.read_bytes().index(b"\0"))
    journal.close()
    cut = data.draw(st.integers(0, ends[-1] - 1))
    content = bytearray(path.read_bytes())
    content[cut:] = bytes(len(content) - cut)
    path.write_bytes(content)
    whole = sum(1 for end in ends if end <= cut)
    read = FileJournal(path)
    assert [name for name, _ in read.steps()] == names[:whole]
    read.step("after")
    assert [name for name, _ in FileJournal(path).steps()] == [*names[:whole], "after"]


def damaged(path: Path, number: int, old: bytes, new: bytes) -> FileJournal:
    """A journal of three steps, of which one line was changed behind our back."""
    journal = FileJournal.create(path, size=4096)
    for name in ("begin", "move", "end"):
        journal.step(name)
    lines = path.read_bytes().split(b"\n")
    lines[number] = lines[number].replace(old, new)
    path.write_bytes(b"\n".join(lines))
    return FileJournal(path)


@pytest.mark.parametrize("number", range(3))
def test_a_whole_line_that_is_not_what_was_written_is_damage_and_hides_no_other(tmp_path: Path, number: int) -> None:
    journal = damaged(tmp_path / "j", number, b"{}", b"[]")
    assert journal.damage == f"j is damaged in line {number + 1}: its checksum is wrong"
    assert [name for name, _ in journal.steps()] == [
        name for at, name in enumerate(("begin", "move", "end")) if at != number
    ]
    journal.step("after")
    assert [name for name, _ in FileJournal(tmp_path / "j").steps()][-1] == "after"


def test_what_is_left_of_a_torn_line_behind_a_whole_one_is_no_damage(tmp_path: Path) -> None:
    journal = damaged(tmp_path / "j", 2, b" [", b"  [")
    assert journal.damage
    path = tmp_path / "k"
    damaged(path, 2, b"", b"")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\0", b'rest of a line"}]\n\0', 1)[:4096])
    journal = FileJournal(path)
    assert not journal.damage
    assert len(journal.steps()) == 3


@pytest.mark.parametrize(
    "data",
    [{}, {"guard": "7", "id": "x", "restored": 1, "text": ""}, {"guard": -1, "id": "", "restored": None, "text": ""}],
)
def test_a_step_that_does_not_say_what_it_must_is_damage(tmp_path: Path, data: dict[str, object]) -> None:
    FileJournal.create(tmp_path / "j").step("swap", **data)
    journal = FileJournal(tmp_path / "j")
    assert journal.damage.startswith("j is damaged in line 1: the step 'swap' cannot be read: ")
    assert journal.steps() == ()


def test_what_is_no_file_is_damage(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder", "fifo/record"):
        assert "cannot be read" in FileJournal(tmp_path / name).damage


def test_it_grows_beyond_what_was_set_aside(tmp_path: Path) -> None:
    journal = FileJournal.create(tmp_path / "j", size=64)
    for number in range(50):
        journal.step("step", number=number)
    assert [data["number"] for _, data in FileJournal(tmp_path / "j").steps()] == list(range(50))


def test_one_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert FileJournal(tmp_path / "none").steps() == ()


def test_a_plugin_sees_only_its_own_steps() -> None:
    whole = MemoryJournal()
    plugin = PluginJournal(whole)
    whole.step("swap", guard=3)
    plugin.step("rename", to="x")
    assert plugin.steps() == (("rename", {"to": "x"}),)
    assert [name for name, _ in whole.steps()] == ["swap", "plugin"]
