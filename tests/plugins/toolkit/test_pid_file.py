"""On whose word a process is signalled, and that no other ever is."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.pid_file import PidFile, read_pid_file, remove_pid_file
from dysnomia_plugins.toolkit.processes import RunningProcess, last_lines, now_in_ticks, with_variable
from tests.plugins.other_user import OtherUser, needs_root, open_folder, other_user
from tests.waiting import wait_until

SETTING = "pidFile"


@pytest.fixture(scope="module")
def user() -> Iterator[OtherUser]:
    with other_user() as user:
        yield user


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = open_folder()
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.fixture
def mark() -> str:
    """Another for each test: processes of tests that run beside this one are found too."""
    return token_hex(8)


@pytest.fixture
def sleeper(mark: str) -> Iterator[RunningProcess]:
    """A process of ours."""
    with subprocess.Popen(["sleep", "1000"], env={"MINE": mark}) as child:
        found = RunningProcess.of(child.pid)
        assert found is not None
        yield found
        child.kill()


def read(path: Path) -> PidFile:
    found = read_pid_file(str(path), SETTING)
    assert found is not None
    return found


def test_a_file_of_ours_names_any_process(folder: Path, sleeper: RunningProcess) -> None:
    """The number is its first word: some have more lines, as PostgreSQL's."""
    path = folder / "app.pid"
    path.write_text(f"{sleeper.pid}\n/var/lib/app\n")
    found = read(path)
    assert (found.process, found.why_not(sleeper)) == (sleeper, "")
    path.write_text("no number\n")
    assert (read(path).number, read(path).process) == (0, None)
    path.write_text("1\n")
    assert read(path).process is None, "nor ever the first process of all"
    path.unlink()
    assert read_pid_file(str(path), SETTING) is None
    assert read_pid_file(str(folder / "not" / "there.pid"), SETTING) is None
    with pytest.raises(PluginError, match="not an absolute path"):
        read_pid_file("app.pid", SETTING)


def test_a_process_that_started_after_the_file_was_written_is_another(folder: Path, sleeper: RunningProcess) -> None:
    path = folder / "app.pid"
    path.write_text(f"{sleeper.pid}\n")
    long_ago = sleeper.since.timestamp() - 100
    os.utime(path, (long_ago, long_ago))
    assert read(path).process is None


@needs_root
@pytest.mark.parametrize("where", ["their folder", "everybody's sticky folder", "root's folder"])
def test_a_file_of_a_users_names_their_processes_alone(
    where: str, user: OtherUser, folder: Path, sleeper: RunningProcess
) -> None:
    path = folder / "app.pid"
    if where == "their folder":
        path = user.folder(folder / "theirs") / "app.pid"
    elif where == "everybody's sticky folder":
        folder.chmod(0o1777)
    path.write_text(f"{sleeper.pid}\n")
    user.own(path)
    why = read(path).why_not(sleeper)
    assert why == (
        f"names process {sleeper.pid} of user root, but may be written by user {user.name}, who may not signal that"
    )
    with subprocess.Popen(user.argv("sleep", "1000")) as child:
        theirs = _when_theirs(child.pid, user)
        path.write_text(f"{child.pid}\n")
        assert (read(path).process, read(path).why_not(theirs)) == (theirs, "")
        child.kill()


def _when_theirs(pid: int, user: OtherUser) -> RunningProcess:
    def theirs() -> RunningProcess | None:
        found = RunningProcess.of(pid)
        return found if found is not None and found.uids == {user.uid} else None

    found = wait_until(theirs)
    assert found is not None
    return found


@needs_root
@pytest.mark.parametrize("kind", ["root's in their folder", "other name", "open to all", "folder open to all"])
def test_a_file_that_several_users_can_have_written_names_none(
    kind: str, user: OtherUser, folder: Path, sleeper: RunningProcess
) -> None:
    """Not even of theirs: whose word it is is not known."""
    path = folder / "app.pid"
    if kind == "root's in their folder":
        path = user.folder(folder / "theirs") / "app.pid"
    path.write_text(f"{sleeper.pid}\n")
    if kind != "root's in their folder":
        user.own(path)
    if kind == "other name":
        (folder / "second").hardlink_to(path)
    elif kind == "open to all":
        path.chmod(0o666)
    elif kind == "folder open to all":
        folder.chmod(0o777)
    theirs = RunningProcess(sleeper.pid, sleeper.started, frozenset({user.uid}))
    for process in (sleeper, theirs):
        assert read(path).why_not(process).startswith(f"names process {sleeper.pid}, but {folder}")


@needs_root
def test_no_link_of_others_and_nothing_but_a_file_is_read(user: OtherUser, folder: Path) -> None:
    theirs = user.folder(folder / "theirs")
    secret = folder / "secret"
    secret.write_text("4711\n")
    (theirs / "app.pid").symlink_to(secret)
    with pytest.raises(NotSafe):
        read_pid_file(str(theirs / "app.pid"), SETTING)
    (theirs / "way").symlink_to(folder)
    user.own(theirs / "way")
    with pytest.raises(NotSafe, match="link"):
        read_pid_file(str(theirs / "way" / "secret"), SETTING)
    os.mkfifo(theirs / "pipe")
    with pytest.raises(NotSafe, match="not a regular file"):
        read_pid_file(str(theirs / "pipe"), SETTING)


def test_a_file_that_was_written_again_stays(folder: Path) -> None:
    path = folder / "app.pid"
    path.write_text("4711\n")
    found = read(path)
    os.utime(path, (1, 1))
    remove_pid_file(found)
    assert path.exists()
    remove_pid_file(read(path))
    assert not path.exists()
    remove_pid_file(found)


def test_a_signal_reaches_the_process_that_was_looked_at_and_no_other(sleeper: RunningProcess) -> None:
    another = RunningProcess(sleeper.pid, sleeper.started + 1, sleeper.uids)
    assert not another.send(signal.SIGTERM)
    assert another.ended(0)
    assert sleeper.is_there
    assert not sleeper.ended(0.01)
    assert sleeper.send(signal.SIGTERM)
    assert sleeper.ended(60)
    assert (RunningProcess.of(sleeper.pid), sleeper.send(signal.SIGTERM)) == (None, False), "not reaped yet"


def test_processes_are_found_by_what_they_inherited(sleeper: RunningProcess, mark: str) -> None:
    assert list(with_variable("MINE", mark, sleeper.started)) == [sleeper]
    assert list(with_variable("MINE", mark[:-1], 0)) == []
    assert list(with_variable("MINE", mark, sleeper.started + 1)) == []
    assert sleeper.started <= now_in_ticks()


def test_of_a_long_log_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(100_000)) + b"caf\xe9\n")
    with path.open("rb") as file:
        assert last_lines(file.fileno(), 2) == ["line 99999", "caf\\xe9"]
        assert len(last_lines(file.fileno(), 1_000_000)) < 10_000
