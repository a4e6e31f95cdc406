"""Programs that leave daemons behind: who holds our locks meanwhile, and who reads what the daemons print later."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from typing import IO

_KEEPER = """
read -r group || exit 0
[ "$group" = ended ] && exit 0
read -r ended && exit 0
kill -s KILL -- "-$group" 2>/dev/null
while kill -s 0 -- "-$group" 2>/dev/null; do sleep 0.05; done
"""
"""Told the process group, then that its leader has ended. End of file instead: whoever started it has died."""
_ANNOUNCED = 'echo "$$" >&0; exec </dev/null; exec "$@"'
"""What runs before the program and becomes it: its standard input is the keeper's ear until the keeper knows the group.
Were it we who told the keeper, the program would already run for a moment that the keeper knows nothing of."""


class LockKeeper:
    """Holds descriptors (of locks) while a program runs that does not inherit them.

    A lock that the program inherited would be held by every daemon that it starts, and every later job would wait for
    that. But when we are killed the program's children live on for a moment, and must not work unlocked: the keeper,
    which has the locks as well, kills the whole group first, waits until nothing of it is left, and only then ends.
    """

    def __init__(self, descriptors: Sequence[int], path: str) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._shell = shutil.which("sh", path=path) if descriptors else None
        if self._shell is not None:
            self._process = subprocess.Popen(
                [self._shell, "-c", _KEEPER], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, env={"PATH": path}, cwd="/", start_new_session=True,
                pass_fds=tuple({*descriptors}),
            )  # fmt: skip

    @property
    def ear(self) -> IO[bytes] | None:
        """What the program is to have as its standard input, where there is a keeper."""
        return None if self._process is None else self._process.stdin

    def announced(self, argv: Sequence[str | bytes]) -> list[str | bytes]:
        """``argv`` behind a step that tells the keeper its process group before any of the program runs."""
        return [*argv] if self._shell is None else [self._shell, "-c", _ANNOUNCED, "announced", *argv]

    def __enter__(self) -> LockKeeper:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"ended\n")
            self._process.stdin.close()
        self._process.wait()


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
