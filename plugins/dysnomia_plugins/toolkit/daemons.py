"""Programs that leave daemons behind: who holds our locks meanwhile, and who reads what the daemons print later."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from typing import IO

_KEEPER = """
read -r group || exit 0
read -r ended && exit 0
kill -s KILL -- "-$group" 2>/dev/null
while kill -s 0 -- "-$group" 2>/dev/null; do sleep 0.05; done
"""
"""Told the process group, then that its leader has ended. End of file instead: whoever started it has died."""


class LockKeeper:
    """Holds descriptors (of locks) while a program runs that does not inherit them.

    A lock that the program inherited would be held by every daemon that it starts, and every later job would wait for
    that. But when we are killed the program's children live on for a moment, and must not work unlocked: the keeper,
    which has the locks as well, kills the whole group first, waits until nothing of it is left, and only then ends.
    """

    def __init__(self, descriptors: Sequence[int], path: str) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        shell = shutil.which("sh", path=path)
        if descriptors and shell is not None:
            self._process = subprocess.Popen(
                [shell, "-c", _KEEPER], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={"PATH": path}, cwd="/", start_new_session=True, pass_fds=tuple({*descriptors}),
            )  # fmt: skip

    def watch(self, group: int) -> None:
        """Say which group is to be ended with us."""
        self._say(f"{group}\n")

    def __enter__(self) -> LockKeeper:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None or self._process.stdin is None:
            return
        self._say("ended\n")
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def read_on(path: str, pipe: IO[bytes]) -> None:
    """Leave somebody behind who reads what a daemon prints into the pipe that it inherited: it would be killed by
    SIGPIPE at its next line once we have closed our end. What it prints is dropped; its reader ends with it."""
    shell = shutil.which("sh", path=path)
    if shell is None:
        return
    with contextlib.suppress(OSError):
        subprocess.run(
            [shell, "-c", "exec 3<&0; cat <&3 >/dev/null & exit 0"], stdin=pipe, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={"PATH": path}, cwd="/", start_new_session=True, check=False,
        )  # fmt: skip
