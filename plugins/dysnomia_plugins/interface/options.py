"""How a child process may be started: what a runner takes besides the words of the command. For type checkers alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypedDict


class ChildOptions(TypedDict, total=False):
    """How a child process is started. Each may be left out."""

    env: Mapping[str, str] | None
    """Its whole environment besides PATH and LC_ALL."""
    user: str | None
    """Whom it runs as, where we are root; else as we do."""
    cwd: Path | None
    umask: int
    """What it leaves out of the mode of what it makes; ours where it is left out."""
    pass_fds: Sequence[int]
    """Descriptors it inherits, besides those of the runner."""
    patience: float
    """Seconds after which it is killed if it does nothing and does not wait for us; never, where it is left out. For
    programs that wait for nothing but files."""


class RunOptions(ChildOptions, total=False):
    """Of one that is run to its end."""

    stdin: bytes | BinaryIO | None
    timeout: float | None
    """Seconds."""


class ReadOptions(ChildOptions, total=False):
    """Of one whose output is read."""

    on_stderr: Callable[[bytes], Any] | None
    """Called in another thread for each line of errors, without its newline."""
    source: BinaryIO | None
    """An open file that is its standard input."""


class FollowOptions(ReadOptions, total=False):
    """Of one whose output is handed on as it comes, and which may leave daemons behind."""

    timeout: float | None
    """Seconds."""
    on_stdout: Callable[[bytes], Any] | None
    """Called in another thread for each line of output, without its newline."""


class WriteOptions(ChildOptions, total=False):
    """Of one whose input is written."""

    on_stdout: Callable[[bytes], Any] | None
    """Called in another thread for each line of output, without its newline."""
