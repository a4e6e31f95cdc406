"""Root's client programs have a terminal of their own: they cannot type on root's, and notice no difference."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.e2e.pseudo import Pseudo, pseudo_terminal
from tests.e2e.terminal import alive
from tests.plugins.other_user import passable
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root's clients have a terminal of their own"),
]

PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
"""For the other user, who may not be let in where ours is."""
DRIVER = """
import os, sys
from dysnomia_tui.app.terminal.own_terminal import OwnTerminal
with OwnTerminal(sys.argv[1:], os.environ) as started:
    print("status", started.wait(), "end", flush=True)
input()
print("typed", flush=True)
"""
APPS_DRIVER = """
import os, sys
from dysnomia_tui.app.terminal.ending import Ending
ending = Ending(None)
with ending.handled():
    print("status", ending.run_client(sys.argv[1:], dict(os.environ)), "end", flush=True)
    input()
    print("typed", flush=True)
"""
"""As the app does it, with its signals; slower to start."""

INJECTOR = """
import fcntl, os, pathlib, signal, sys, termios, time
folder = pathlib.Path(sys.argv[1])
terminal = os.open("/dev/tty", os.O_RDWR)
def inject():
    for one in b"echo owned\\n":
        fcntl.ioctl(terminal, termios.TIOCSTI, bytes([one]))
try:
    inject()
    (folder / "own").touch()
except OSError:  # Linux 6.2 and later, unless told otherwise
    (folder / "forbidden").touch()
signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork():
    os._exit(0)
while not (folder / "ended").exists():
    time.sleep(0.01)
try:
    inject()
except OSError:
    pass
(folder / "done").touch()
"""

LISTENER = """
import os, signal, sys, tty
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted"))
signal.signal(signal.SIGTSTP, lambda *_: os.write(1, b"stopped"))
print("ready", flush=True)
for line in sys.stdin:
    print("got", line, flush=True)
tty.setraw(0)
"""
"""Says what it gets, and leaves its terminal in disorder at the end of its input."""


def client(*argv: str, driver: str = DRIVER) -> AbstractContextManager[Pseudo]:
    """A client that is started in a terminal of the test's."""
    return pseudo_terminal([sys.executable, "-c", driver, *argv], os.environ)


def shell(script: str) -> AbstractContextManager[Pseudo]:
    return client("sh", "-c", script)


@contextmanager
def ready(script: str, driver: str = DRIVER) -> Iterator[Pseudo]:
    """A shell that has said ``ready``."""
    with client("sh", "-c", script, driver=driver) as window:
        window.wait_for(b"ready")
        yield window


def test_a_client_of_another_user_cannot_type_on_roots_terminal(tmp_path: Path) -> None:
    """Neither while it runs nor, from a process that it leaves behind, afterwards."""
    tmp_path.chmod(0o777)
    passable(tmp_path)
    another = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
    with client(*another, PYTHON, "-I", "-c", INJECTOR, str(tmp_path), driver=APPS_DRIVER) as window:
        window.wait_for(b"status 0 end")
        (tmp_path / "ended").touch()
        wait_until((tmp_path / "done").exists)
        if (tmp_path / "forbidden").exists():
            pytest.skip("this kernel lets nobody type on a terminal")
        window.send(b"\n")
        window.wait_for(b"typed")
        after = bytes(window.output).split(b"end\r\n", 1)[1]
        assert after.strip().splitlines() == [b"typed"]


@pytest.mark.parametrize(("ends", "status"), [("exit 7", b"7"), ("kill -9 $$", b"-9"), ("true", b"0")])
def test_the_status_is_the_clients(ends: str, status: bytes) -> None:
    with shell(ends) as window:
        window.wait_for(b"status " + status + b" end")


def test_it_leads_a_session_in_the_foreground_of_its_terminal() -> None:
    with shell("ps -o tpgid=,pid=,sid= -p $$; true") as window:
        window.wait_for(b"status 0 end")
        numbers = bytes(window.output).split(b"status")[0].split()
        assert (len(numbers), len({*numbers})) == (3, 1)


def test_the_size_is_ours_and_follows() -> None:
    with ready("trap 'stty size' WINCH; stty size; echo ready; while :; do sleep 0.02; done") as window:
        assert b"24 80" in window.output
        termios.tcsetwinsize(window.master, (31, 99))
        window.wait_for(b"31 99")


def test_all_output_arrives() -> None:
    with shell("seq 150000") as window:
        window.wait_for(b"status 0 end")
        expected = b"".join(b"%d\r\n" % number for number in range(1, 150001))
        assert bytes(window.output).split(b"status")[0] == expected


def test_all_input_arrives_however_late_it_is_read() -> None:
    text = os.urandom(150_000)
    with ready("stty raw -echo; printf ready; sleep 0.2; head -c 150000 | sha256sum") as window:
        window.send(text)
        window.wait_for(hashlib.sha256(text).hexdigest().encode())


def test_keys_are_the_clients_and_the_modes_are_ours_again() -> None:
    with client(sys.executable, "-I", "-c", LISTENER) as window:
        window.wait_for(b"ready")
        for key, answer in ((b"\x03", b"interrupted"), (b"\x1a", b"stopped"), (b"yes\n", b"got yes")):
            window.send(key)
            window.wait_for(answer)
        window.send(b"\x04")
        window.wait_for(b"status 0 end")
        assert not window.modes_left_on()


def test_what_the_client_did_not_read_is_not_typed_on_our_terminal() -> None:
    with ready("stty -echo; echo ready; read line") as window:
        window.send(b"first\nsecond\n")
        window.wait_for(b"status 0 end")
        window.send(b"\n")
        window.wait_for(b"typed")
        assert b"second" not in window.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_client_that_ignores_it(number: signal.Signals) -> None:
    with ready("trap '' TERM HUP; echo $$ ready; read line", APPS_DRIVER) as window:
        shell_pid = int(window.output.split(b"ready")[0].split()[-1])
        os.kill(window.pid, number)
        wait_until(lambda: window.ended)
        assert window.status == -number
        assert not alive(shell_pid)
        assert not window.modes_left_on()


@pytest.mark.parametrize("driver", [DRIVER, APPS_DRIVER], ids=["we die of it", "we handle it"])
def test_a_client_ends_with_our_terminal(driver: str) -> None:
    with ready("trap '' HUP; echo $$ ready; while echo; do sleep 0.02; done", driver) as window:
        shell_pid = int(window.output.split(b"ready")[0].split()[-1])
        window.close()
        wait_until(lambda: not alive(shell_pid))
        wait_until(lambda: window.ended)


def test_a_job_left_behind_that_writes_on_does_not_hold_us() -> None:
    with shell("trap '' HUP; yes & sleep 0.1") as window:
        window.wait_for(b"status 0 end")
        window.send(b"\n")
        window.wait_for(b"typed")


def test_a_client_that_closes_its_terminal_is_waited_for_without_a_busy_processor() -> None:
    with ready("echo ready; exec <&- >&- 2>&-; sleep 0.7; exit 3") as window:
        before = _spent(window.pid)
        window.wait_for(b"status 3 end")
        assert _spent(window.pid) - before < 0.3


def test_a_program_that_is_missing_is_named() -> None:
    with client("no-such-program") as window:
        window.wait_for(b"FileNotFoundError")


def _spent(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
