"""A runner whose programs run inside a container (``exec``), with the environment passed by name and never as a word.

What ``exec`` has started goes on when the client of Docker or Podman is killed. So whatever only reads is started by a
shell that waits for the end of our pipe besides: when we are cancelled, or die, the pipe ends, and so does the program.
What reads its standard input sees that end instead. A program that takes SQL runs what it has of it: its transaction is
then open and is taken back by the server, or it fills a database that the next step or job drops, with its sessions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from dysnomia_plugins.base import Finished, Runner
from dysnomia_plugins.errors import PluginError, ProcessFailed, ServerDown, ToolMissing, Unsupported
from dysnomia_plugins.interface.context import Argv
from dysnomia_plugins.toolkit.containers.engine import Reference

if TYPE_CHECKING:
    from dysnomia_plugins.interface.options import ChildOptions, FollowOptions, ReadOptions, RunOptions, WriteOptions

_GUARD = (
    'exec 3<&0; "$@" </dev/null 3<&- & program=$!;'
    " { read -r line; kill -9 $program; } <&3 >/dev/null 2>&1 & watch=$!; exec 3<&-;"
    " wait $program; status=$?; kill $watch 2>/dev/null; wait $watch 2>/dev/null; exit $status"
)
"""Runs its arguments, and ends them when its standard input ends. It leaves after all of its children: an orphan goes
to the container's first process, and PostgreSQL takes one that was killed for a crash of its own, and ends all
sessions."""
_READ = '[ ! -L "$1" ] || exit 71; [ -f "$1" ] || exit 72; exec head -c "$2" -- "$1"'
_WHY_NOT_READ = {71: "it is a symbolic link", 72: "it is not there, or is no file"}
SECRET_HINT = "write the user name and the password into the container's file, or correct the variable"
MOST = 1 << 16
"""Bytes of a file that holds a secret."""
_NO_PROGRAM = "executable file not found"
_GONE = (
    "is not running", "No such container", "no such container", "is paused",
    "can only create exec sessions on running containers",  # Podman's
)  # fmt: skip


class InsideRunner:
    """A ``Runner`` of programs in a container. ``user``, ``cwd`` and ``umask`` are the container's."""

    def __init__(self, runner: Runner, container: Reference) -> None:
        self._runner = runner
        self._container = container

    def run(self, argv: Argv, **options: Unpack[RunOptions]) -> Finished:
        """Run to the end. Raises ProcessFailed, ServerDown, ToolMissing, Cancelled."""
        words, env = self._words(argv, options, guarded=False)
        with self._explained(argv):
            return self._runner.run(words, env=env, timeout=options.get("timeout"), stdin=options.get("stdin") or b"")

    @contextmanager
    def reading(self, argv: Argv, **options: Unpack[ReadOptions]) -> Iterator[BinaryIO]:
        """Run while its standard output is read. Raises as ``run`` does, on leaving."""
        words, env = self._words(argv, options, guarded=True)
        on_stderr: Callable[[bytes], Any] | None = options.get("on_stderr")
        with (
            self._explained(argv),
            _pipe() as source,
            self._runner.reading(words, env=env, on_stderr=on_stderr, source=source) as stream,
        ):
            yield stream

    def follow(self, argv: Argv, **options: Unpack[FollowOptions]) -> None:
        """No daemon is started inside a container. Raises Unsupported."""
        raise Unsupported("no daemon is started inside a container")

    @contextmanager
    def writing(self, argv: Argv, **options: Unpack[WriteOptions]) -> Iterator[BinaryIO]:
        """Run while its standard input is written. Raises as ``run`` does, on leaving."""
        words, env = self._words(argv, options, guarded=False)
        with self._explained(argv), self._runner.writing(words, env=env, on_stdout=options.get("on_stdout")) as stdin:
            yield stdin

    def _words(self, argv: Argv, options: ChildOptions, *, guarded: bool) -> tuple[list[str | bytes], dict[str, str]]:
        assert not options.get("pass_fds"), "a descriptor cannot be passed into a container"
        engine = self._container.engine
        given = {"LC_ALL": "C.UTF-8", **(options.get("env") or {})}
        given.pop("HOME", None)  # of a user of this machine; the client of Docker needs its own
        names = [word for name in given for word in ("--env", name)]
        words = [*engine.argv, "exec", "--interactive", *names, self._container.exact]
        return [*words, *(("sh", "-c", _GUARD, "sh") if guarded else ()), *argv], {**given, **engine.environment}

    @contextmanager
    def _explained(self, argv: Argv) -> Iterator[None]:
        """Tell what is Docker's from what is the program's."""
        try:
            yield
        except ProcessFailed as error:
            program = os.fsdecode(argv[0])
            if type(error) is not ProcessFailed:
                raise
            if error.status in (126, 127) or _NO_PROGRAM in error.stderr:
                raise ToolMissing(
                    f"the program {program} (or sh) is not in the {self._container}",
                    "install the server's client on this machine: it is used where it reaches the server",
                ) from error
            if any(sign in error.stderr for sign in _GONE):
                start = f"{self._container.engine.program} start {self._container.name}"
                raise ServerDown(f"the {self._container} does not run", start) from error
            raise ProcessFailed(program, error.status, error.stderr, error.hint) from error


@contextmanager
def _pipe() -> Iterator[BinaryIO]:
    """The end of a pipe that is read from, and has nothing in it until we leave or die."""
    read, write = os.pipe()
    try:
        with os.fdopen(read, "rb") as source:
            yield source
    finally:
        os.close(write)


def variable(runner: Runner, container: Reference, name: str) -> str:
    """An environment variable as processes inside have it; ``name`` is not quoted. Raises PluginError."""
    data = InsideRunner(runner, container).run(["sh", "-c", f'printf %s "${name}"'], timeout=10).stdout
    return data.decode("utf-8", "surrogateescape")


def readable(runner: Runner, container: Reference, path: str, most: int = MOST) -> bytes:
    """A small file inside the container. No more than ``most`` bytes and one are read of it.

    Raises PluginError where it is larger, is not there, or is no file but a link, a folder or a device."""
    words = ["sh", "-c", _READ, "sh", path, str(most + 1)]
    try:
        data = InsideRunner(runner, container).run(words, timeout=10).stdout
    except ProcessFailed as error:
        if type(error) is not ProcessFailed:
            raise
        why = _WHY_NOT_READ.get(error.status, error.stderr.strip() or f"status {error.status}")
        raise PluginError(f"the file {path} in the {container} cannot be read: {why}", SECRET_HINT) from error
    if len(data) > most:
        raise PluginError(
            f"the file {path} in the {container} has more than {most >> 10} KiB, and is not read as a password",
            SECRET_HINT,
        )
    return data
