"""The operator's own OpenSSH: one call of the program on a host, bounded in time and bytes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dysnomia_base.environment import child_environment
from dysnomia_tui.config import HostSettings
from dysnomia_tui.engine.errors import EngineError

PATIENCE = 15.0
"""Seconds until a host that does not even connect is given up."""
MOST = 8 << 20
"""Bytes of an answer that are read; a report of 10,000 components has less."""
LONGEST_FOLDER = 48
"""Of the path of a folder of sockets: ssh adds 58 to it, and the kernel takes 107."""
PERSIST = "10m"
"""How long a connection is kept for the next call."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to."""

    status: int
    """The program's on the host; 255 where ssh itself failed, 127 where the host has no such program."""
    out: bytes
    err: str
    """The last line of standard error."""


def surroundings() -> dict[str, str]:
    """The environment of ssh: the operator's, less what changes what programs do."""
    return child_environment(os.environ)


def ssh_words(host: HostSettings, control: Path | None, *options: str) -> list[str]:
    """The words that begin a call of ssh; the remote command follows. Raises EngineError where there is no ssh."""
    program = shutil.which(host.ssh, path=surroundings()["PATH"])
    if program is None:
        raise EngineError(f"the program {host.ssh} is not installed", "it is in the package openssh-client")
    kept: Sequence[str] = ()
    if control is not None:
        kept = ("-o", "ControlMaster=auto", "-o", f"ControlPath={control}/%C", "-o", f"ControlPersist={PERSIST}")
    port = () if host.port is None else ("-p", str(host.port))
    return [program, *kept, *port, *options, "--", host.address]


def ask(host: HostSettings, words: Sequence[str], control: Path | None, limit: float) -> Answer:
    """Call the program on a host, without asking anybody for anything. Raises TimeoutError, EngineError."""
    connecting = f"ConnectTimeout={max(1, round(min(limit, PATIENCE)))}"
    options = ("-T", "-o", "BatchMode=yes", "-o", connecting, "-o", "ServerAliveInterval=15")
    argv = [*ssh_words(host, control, *options), " ".join([host.command, *words])]
    with subprocess.Popen(
        argv, env=surroundings(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit, give_up)
        timer.start()
        tail = bytearray()
        listener = threading.Thread(target=_last, args=(process.stderr.fileno(), tail), daemon=True)
        listener.start()
        try:
            out = process.stdout.read(MOST + 1)
            if len(out) > MOST:
                process.kill()
            status = process.wait()
        finally:
            timer.cancel()
            process.kill()
        # A master that ssh leaves behind holds its standard error: what it said by now is enough.
        listener.join(0.2)
    if late.is_set():
        raise TimeoutError
    lines = bytes(tail).decode("utf-8", "replace").split("\n")
    errors = [line.strip() for line in lines if line.strip()]
    return Answer(status, out[: MOST + 1], errors[-1] if errors else "")


def why_no_connection(answer: Answer) -> str:
    """What ssh said, less the name of the host, which whoever shows it shows too."""
    reason = re.sub(r"^ssh: (connect to host \S+ port \d+: )?", "", answer.err)
    return f"ssh: {reason or 'no connection'}"


def _last(descriptor: int, tail: bytearray) -> None:
    try:
        while data := os.read(descriptor, 4096):
            tail += data
            del tail[:-2000]
    except OSError:
        return


def control_folder(environ: Mapping[str, str]) -> Path | None:
    """Where connections are kept: a folder of the operator's alone. None where there is no such place."""
    top = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    folder = Path("/run/dysnomia-tui/ssh" if os.geteuid() == 0 else f"{top}/dysnomia-tui-ssh")
    if len(str(folder)) > LONGEST_FOLDER:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    ours = status.st_uid == os.geteuid() and not status.st_mode & 0o077
    return folder if ours and folder.is_dir() and not folder.is_symlink() else None
