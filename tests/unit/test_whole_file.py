"""Files that are replaced whole: two that write one at the same time end with the one's or the other's, and no rest."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_tui.app.remembered import Remembered
from dysnomia_tui.cli.tui import install_modules
from dysnomia_tui.config.edit import replace_text
from dysnomia_tui.engine import schedule
from dysnomia_tui.engine.errors import Stale
from dysnomia_tui.engine.machine.own_record import replace_record
from dysnomia_tui.engine.operations import adopt

Write = Callable[[Path, str], None]
WRITERS: dict[str, Write] = {
    "config.toml": replace_text,
    "a record": lambda path, text: replace_record(path, {"text": text}, ""),
    "what the screen remembers": lambda path, text: Remembered(path.parent).keep(path.name, text),
    "a unit of systemd": schedule._put,
    "a module": lambda path, text: install_modules._write(path, text, 0o755),
}


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest) -> Write:
    return WRITERS[request.param]


def test_one_who_writes_while_another_does_spoils_nothing(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    real = Path.replace
    waiting = ["second " * 2000]

    def replace(self: Path, target: Path) -> Path:
        """Right before the first takes its place, the second writes from begin to end."""
        if waiting:
            write(path, waiting.pop())
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    write(path, "first")
    assert "first" in path.read_text()
    assert "second" not in path.read_text()
    assert os.listdir(tmp_path) == ["file"]


def test_what_fails_leaves_what_was_there(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write(path, "first")
    before = path.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Exception, match="No space left"):
        write(path, "second")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_adoption_could_not_write_whole_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "containers" / "shop"

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            adopt._write_new(path, "type=fileset\n")
    assert not path.exists()
    adopt._write_new(path, "type=fileset\n")
    with pytest.raises(Stale):
        adopt._write_new(path, "type=other\n")
    assert path.read_text() == "type=fileset\n"


def test_what_a_killed_writer_left_is_removed_by_the_next_and_one_that_is_held_is_not(
    write: Write, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    killed, held, other = (tmp_path / name for name in (f".file.{'a' * 16}.new", f".file.{'b' * 16}.new", ".file.new"))
    killed.write_text("half")
    other.write_text("not ours")
    (tmp_path / f".file.{'c' * 16}.new").symlink_to(other)
    with held.open("w") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        write(path, "first")
        assert {entry.name for entry in tmp_path.iterdir()} == {"file", held.name, other.name, f".file.{'c' * 16}.new"}
    write(path, "second")
    assert not held.exists()
    assert other.read_text() == "not ours"


def test_a_new_file_that_a_sweep_took_before_it_was_locked_is_made_again(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    real = fcntl.flock
    taken: list[Path] = []

    def late(descriptor: int, how: int) -> None:
        if not taken:
            (new,) = tmp_path.glob(".file.*.new")
            new.unlink()
            taken.append(new)
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write(path, "first")
    assert taken
    assert "first" in path.read_text()
    assert os.listdir(tmp_path) == ["file"]
