"""The runner of child processes, on real ones."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from dysnomia_base.environment import search_path
from dysnomia_base.secrets import HIDDEN, Redactor
from dysnomia_plugins.errors import Cancelled, PluginError, ProcessFailed, ToolMissing
from dysnomia_plugins.toolkit import stalled
from dysnomia_plugins.toolkit.output import Keeper, LineSplitter
from dysnomia_plugins.toolkit.process import ProcessRunner, Stalled, TimedOut
from tests.e2e.pseudo import pseudo_terminal
from tests.plugins.other_user import passable
from tests.waiting import wait_until

PYTHON = sys.executable


class Token:
    """A cancel token to be set by a test."""

    def __init__(self) -> None:
        self.cancelled = False

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled("cancelled")


def gone(pid: int) -> bool:
    """Whether a process runs no more."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_run_gives_output_and_a_clean_environment() -> None:
    done = ProcessRunner().run(["env"], env={"MINE": "1"})
    assert set(done.stdout.decode().split()) == {
        f"PATH={search_path()}",
        "LC_ALL=C.UTF-8",
        "MINE=1",
    }


def test_run_feeds_stdin_from_bytes_and_streams() -> None:
    big = os.urandom(3 << 20)
    runner = ProcessRunner()
    assert runner.run(["cat"], stdin=big).stdout == big
    assert runner.run(["cat"], stdin=io.BytesIO(big)).stdout == big
    assert runner.run(["cat"]).stdout == b""


def test_a_status_other_than_0_fails_with_its_stderr() -> None:
    with pytest.raises(ProcessFailed) as caught:
        ProcessRunner().run(["sh", "-c", "echo why >&2; exit 7"])
    assert caught.value.status == 7
    assert caught.value.stderr == "why\n"
    assert str(caught.value) == "sh ended with status 7 (why)"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ToolMissing, match="no-such-program"):
        ProcessRunner().run(["no-such-program"])


def test_a_reader_fails_when_the_child_dies_half_way() -> None:
    got = bytearray()

    def read() -> None:
        with ProcessRunner().reading(["sh", "-c", "echo half; kill -9 $$"]) as stream:
            got.extend(stream.read())

    with pytest.raises(ProcessFailed) as caught:
        read()
    assert got == b"half\n"
    assert caught.value.status == -signal.SIGKILL


def test_a_writer_fails_when_the_child_dies_half_way() -> None:
    def write() -> None:
        with ProcessRunner().writing(["sh", "-c", "echo broken >&2; exit 3"]) as stream:
            for _ in range(1000):
                stream.write(b"x" * 100_000)

    with pytest.raises(ProcessFailed) as caught:
        write()
    assert caught.value.status == 3
    assert "broken" in caught.value.stderr


def test_a_child_that_does_not_read_its_input_to_the_end_is_a_failure() -> None:
    def write() -> None:
        with ProcessRunner().writing(["head", "-c", "1"]) as stream:
            for _ in range(1000):
                stream.write(b"x" * 100_000)

    with pytest.raises(ProcessFailed, match="before it had read all"):
        write()


def test_a_body_that_raises_kills_the_child_before_its_input_ends(tmp_path: Path) -> None:
    witness = tmp_path / "took-half-for-the-whole"

    def write() -> None:
        with ProcessRunner().writing(["sh", "-c", f"cat >/dev/null; touch {witness}"]) as stream:
            stream.write(b"half")
            raise KeyError("source is corrupt")

    with pytest.raises(KeyError):
        write()
    assert not witness.exists()


def test_lines_of_output_come_one_by_one() -> None:
    lines: list[bytes] = []
    with ProcessRunner().writing(["cat"], on_stdout=lines.append) as stream:
        stream.write(b"one\ntwo\n\nlast")
    assert lines == [b"one", b"two", b"", b"last"]


def test_a_failing_line_callback_fails_the_activity() -> None:
    def refuse(line: bytes) -> None:
        raise PluginError(f"{line!r} is wrong")

    def write() -> None:
        with ProcessRunner().writing(["cat"], on_stdout=refuse) as stream:
            stream.write(b"x\n" * 1_000_000)

    with pytest.raises(PluginError, match="is wrong"):
        write()


def test_cancel_kills_the_whole_group(tmp_path: Path) -> None:
    token = Token()
    pids = tmp_path / "pids"
    failures: list[BaseException] = []

    def work() -> None:
        try:
            ProcessRunner(token).run(["sh", "-c", f"sleep 600 & echo $! $$ >{pids}; wait"])
        except Cancelled as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    token.cancelled = True
    thread.join(60)
    assert len(failures) == 1
    for pid in map(int, pids.read_text().split()):
        wait_until(partial(gone, pid))


def test_nothing_is_started_once_cancelled() -> None:
    token = Token()
    token.cancelled = True
    with pytest.raises(Cancelled):
        ProcessRunner(token).run(["true"])


def test_a_timeout_kills_and_says_so() -> None:
    with pytest.raises(TimedOut, match=r"within 0\.2 s"):
        ProcessRunner().run(["sleep", "600"], timeout=0.2)


def test_a_child_that_waits_at_a_pipe_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Stalled, match="cat was ended: it waited for a file that gives nothing"):
        ProcessRunner().run(["cat", str(tmp_path / "pipe")], patience=0.5)
    with (
        pytest.raises(Stalled),
        ProcessRunner().reading(["sh", "-c", f"echo x; cat {tmp_path}/pipe"], patience=0.5) as out,
    ):
        assert out.read() == b"x\n"
    with pytest.raises(Stalled), ProcessRunner().writing(["cat", str(tmp_path / "pipe")], patience=0.5) as stdin:
        stdin.write(b"x")


def let_pass(seconds: float) -> None:
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > until)


def test_a_child_that_waits_for_us_or_works_is_left(tmp_path: Path) -> None:
    """Each for much longer than its patience."""
    runner = ProcessRunner()
    with runner.reading(["sh", "-c", "head -c 3000000 /dev/zero"], patience=0.3) as out:
        let_pass(1.5)
        assert len(out.read()) == 3_000_000
    with runner.writing(["sh", "-c", "cat >/dev/null"], patience=0.3) as stdin:
        stdin.write(b"x")
        stdin.flush()
        let_pass(1.5)
    busy = "end=$(($(date +%s) + 2)); while [ $(date +%s) -lt $end ]; do :; done"
    runner.run(["sh", "-c", busy], patience=0.3)
    runner.run(["sleep", "1"])


def test_a_daemon_that_keeps_the_pipes_open_does_not_hold_us(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    done = ProcessRunner().run(["sh", "-c", f"sleep 600 & echo $! >{pid}; echo out"])
    assert done.stdout == b"out\n"
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_children_die_with_their_parent(tmp_path: Path) -> None:
    """Also under another user, where the kernel forgets the death signal at the change."""
    pid = tmp_path / "pid"
    tmp_path.chmod(0o777)
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    pid.touch()
    pid.chmod(0o666)
    passable(tmp_path)
    code = (
        "from dysnomia_plugins.toolkit.process import ProcessRunner;"
        f"ProcessRunner().run(['sh','-c','echo $$ > {pid}; exec sleep 600'], user={user!r})"
    )
    parent = subprocess.Popen([PYTHON, "-c", code])
    wait_until(lambda: pid.read_text().endswith("\n"))
    child = psutil.Process(int(pid.read_text()))
    if os.geteuid() == 0:
        assert child.username() == "nobody"
    parent.kill()
    parent.wait()
    wait_until(lambda: not child.is_running() or child.status() == "zombie")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_is_taken_on_with_its_groups() -> None:
    done = ProcessRunner().run(["id"], user="nobody")
    assert done.stdout.startswith(b"uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)")
    with pytest.raises(PluginError, match="no user 'no-such-user'"):
        ProcessRunner().run(["id"], user="no-such-user")


def test_descriptors_are_inherited(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        done = ProcessRunner(inherit=(lock.fileno(),)).run(["readlink", f"/proc/self/fd/{lock.fileno()}"])
        assert done.stdout.decode().strip() == str(tmp_path / "lock")
        assert ProcessRunner().run(["sh", "-c", f"test ! -e /proc/self/fd/{lock.fileno()}"]).stdout == b""


def test_secrets_are_redacted_from_messages() -> None:
    runner = ProcessRunner(secrets=["hunter2"])
    with pytest.raises(ProcessFailed) as caught:
        runner.run(["sh", "-c", "echo hunter2 $PGPASSWORD >&2; exit 1"], env={"PGPASSWORD": "sesame"})
    assert caught.value.stderr == f"{HIDDEN} {HIDDEN}\n"
    assert "hunter2" not in str(caught.value)
    assert "sesame" not in repr(caught.value)


def test_stderr_and_stdout_are_bounded() -> None:
    with pytest.raises(ProcessFailed) as caught:
        ProcessRunner().run(["sh", "-c", "yes noise | head -c 3000000 >&2; echo the end >&2; exit 1"])
    assert len(caught.value.stderr) < 70_000
    assert caught.value.stderr.endswith("the end\n")
    with pytest.raises(PluginError, match="more than 64 MiB"):
        ProcessRunner().run(["head", "-c", str(65 << 20), "/dev/zero"])


def test_what_is_cut_goes_by_whole_lines_so_no_half_secret_stays() -> None:
    keeper = Keeper(64)
    keeper.feed(b"a" * 10 + b"\n" + b"my-secret-that-is-long" * 20 + b"\nlast line\n")
    assert keeper.content() == b"aaaaaaaaaa\n[...]\nlast line\n"
    bounded = Keeper(64)
    bounded.feed(b"secret" * 100)
    assert bounded.content() == b"[...]\n"


def test_redactor_takes_the_longest_first_and_bytes_that_are_no_text() -> None:
    redactor = Redactor(["pass", "password1", "", "\udcff\udcfe!"])
    assert redactor.redact(b"password1 pass \xff\xfe! ok") == f"{HIDDEN} {HIDDEN} {HIDDEN} ok"


def test_lines_are_split_across_chunks() -> None:
    lines: list[bytes] = []
    splitter = LineSplitter(lines.append)
    for chunk in (b"a", b"b\n", b"\nc\nd"):
        splitter.feed(chunk)
    splitter.finish()
    splitter.finish()
    assert lines == [b"ab", b"", b"c", b"d"]


def test_a_line_that_is_too_long_is_not_kept_and_none_is_cut() -> None:
    lines: list[bytes] = []
    splitter = LineSplitter(lines.append, 4)
    for chunk in (b"abcd\nabcde\nab", b"cde", b"f" * 100, b"\nab", b"cd\n", b"abcdef"):
        splitter.feed(chunk)
        assert len(splitter._rest) <= 4
    splitter.finish()
    splitter.finish()
    assert lines == [b"abcd", b"[a line of 5 bytes]", b"[a line of 105 bytes]", b"abcd", b"[a line of 6 bytes]"]


def test_what_is_followed_may_have_a_time_limit() -> None:
    with pytest.raises(TimedOut, match="did not end within"):
        ProcessRunner().follow(["sh", "-c", "sleep 60"], timeout=0.2)


DAEMON = """
sleep 60 {to} & echo $!
echo started
"""


@pytest.mark.parametrize("to", ["</dev/null >/dev/null 2>&1", "</dev/null", ""])
def test_a_daemon_that_is_left_behind_holds_no_lock_and_is_not_waited_for(tmp_path: Path, to: str) -> None:
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    lines: list[bytes] = []
    began = time.monotonic()
    ProcessRunner(inherit=(lock,)).follow(["sh", "-c", DAEMON.format(to=to)], on_stdout=lines.append, pass_fds=(lock,))
    assert time.monotonic() - began < 30
    daemon = int(lines[0])
    try:
        assert lines[1:] == [b"started"]
        held: list[str] = []

        def are_read() -> bool:
            held[:] = _descriptors(daemon)
            return bool(held)

        wait_until(are_read)
        assert str(tmp_path / "lock") not in held
        os.close(lock)
        other = os.open(tmp_path / "lock", os.O_RDWR)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
    finally:
        os.kill(daemon, signal.SIGKILL)


def _descriptors(pid: int) -> list[str]:
    """What a process has open; nothing where it closed one while they were read: then they are read again."""
    folder = f"/proc/{pid}/fd"
    try:
        return [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


def test_a_daemon_that_prints_later_is_not_killed_for_it(tmp_path: Path) -> None:
    text = f"(for n in 1 2 3 4 5 6 7 8 9; do sleep 0.1; echo line || exit; done; touch {tmp_path}/ended) & echo started"
    ProcessRunner().follow(["sh", "-c", text])
    wait_until(lambda: (tmp_path / "ended").exists())


KILLED = """
import fcntl, os, sys
from dysnomia_plugins.toolkit.process import ProcessRunner
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
said = lambda line: print(line.decode(), flush=True)
ProcessRunner(inherit=(lock,)).follow(["sh", "-c", "sh -c 'echo $$; sleep 60; true'; true"], on_stdout=said)
"""


def test_when_we_are_killed_nothing_of_it_goes_on_once_the_lock_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([PYTHON, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        grandchild = int(process.stdout.readline())
        process.kill()
    other = os.open(path, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)  # waits for whoever holds it on
    os.close(other)
    wait_until(lambda: state_of(grandchild) == "Z")  # it was killed before: a busy machine is late in ending it


EXITING = 0x4
"""``PF_EXITING`` of the kernel's ``include/linux/sched.h``, in the ninth field of ``/proc/PID/stat``."""
KILLED_AT_ONCE = """
import fcntl, os, signal, subprocess, sys
from dysnomia_plugins.toolkit.process import ProcessRunner

class Dies(subprocess.Popen):
    def __init__(self, argv, *args, **options):
        super().__init__(argv, *args, **options)
        if sys.argv[2] in argv:
            if sys.argv[3] == "late":
                self.stdout.read(1)
            print(self.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

subprocess.Popen = Dies
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
ProcessRunner(inherit=(lock,)).follow(["sh", "-c", sys.argv[2]], on_stdout=print)
"""


@pytest.mark.parametrize("when", ["at once", "late"])
def test_when_we_die_before_a_line_after_the_start_nothing_of_it_goes_on(tmp_path: Path, when: str) -> None:
    """Between the start of a program and the next line of ours there is time enough to be killed."""
    path, marker = tmp_path / "lock", tmp_path / "marker"
    work = f"trap '' HUP; (echo; while :; do echo >> {marker}; sleep 0.01; done) & wait"
    killed = subprocess.run([PYTHON, "-c", KILLED_AT_ONCE, str(path), work, when], stdout=subprocess.PIPE, text=True)
    assert killed.returncode == -signal.SIGKILL
    other = os.open(path, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    os.close(other)
    assert [one for one in psutil.pids() if runs_in(one, int(killed.stdout))] == []


def runs_in(pid: int, group: int) -> bool:
    """Whether a process of the group can still do something: one that the kernel is ending closed its files, and with
    them its end of a pipe that somebody waits for, some time before its state says so."""
    try:
        if os.getpgid(pid) != group:
            return False
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return fields[0] != "Z" and not int(fields[6]) & EXITING


def state_of(pid: int) -> str:
    """The state of a process as the kernel has it; that of a zombie where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def test_a_child_has_no_terminal_to_type_on() -> None:
    """TIOCSTI works on the terminal of one's own session alone."""
    program = """
from dysnomia_plugins.toolkit.process import ProcessRunner
open("/dev/tty").close()
looks = ["sh", "-c", "(exec 3</dev/tty) 2>/dev/null && echo a terminal || echo nothing"]
print("found", ProcessRunner().run(looks).stdout.decode(), "end")
"""
    with pseudo_terminal([PYTHON, "-c", program], os.environ) as window:
        window.wait_for(b"end")
        assert b"found nothing" in window.output


def test_where_proc_shows_nothing_nobody_is_called_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a chroot without one: a program that works would be ended."""
    patience = 0.01
    idle = stalled.StallWatch(os.getpgid(0) + 10**9, patience)

    listdir = os.listdir

    def missing(path: str) -> list[str]:
        if path == "/proc":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", missing)
    until = time.monotonic() + 5 * patience
    while time.monotonic() < until:
        assert not idle.is_stalled(None, None)
