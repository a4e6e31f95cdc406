"""Child processes of the plugins: argv lists, a clean environment, a process group of their own.

A child is started through ``setpriv --pdeathsig KILL``, which asks for the parent-death signal *after* the change of
user (the kernel forgets it at that change), and needs no Python code between fork and exec, where other threads may
hold locks. The signal comes when the *thread* that started the child ends, so call from a thread that outlives it.

What a child prints on stderr is kept bounded, and secrets are taken out before anything else sees it.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import io
import os
import pwd
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Unpack

from dysnomia_base.children import kill_group
from dysnomia_base.environment import search_path
from dysnomia_base.secrets import Redactor, secrets_of
from dysnomia_plugins.base import CancelToken, Finished
from dysnomia_plugins.errors import Cancelled, PluginError, ProcessFailed, ToolMissing
from dysnomia_plugins.interface.context import Argv
from dysnomia_plugins.toolkit.daemons import LockKeeper, read_on
from dysnomia_plugins.toolkit.output import Drain, Keeper, LineSplitter
from dysnomia_plugins.toolkit.stalled import StallWatch

if TYPE_CHECKING:
    from dysnomia_plugins.interface.options import ChildOptions, FollowOptions, ReadOptions, RunOptions, WriteOptions

OUTPUT_LIMIT = 64 << 20
"""Bytes of standard output that ``run`` keeps; more is an error, not memory."""
STDERR_LIMIT = 64 << 10
LINE_LIMIT = 64 << 10
"""Bytes of a line that ``follow`` hands on: such lines are for a log."""
PIPE_SIZE = 1 << 20
CHUNK = 1 << 18
POLL = 0.1
"""Seconds between two looks at the cancel token."""
LINGER = 2.0
"""Seconds that output is still read after a child has ended (a daemon it started may hold the pipe for ever)."""


DAEMON_LINGER = 0.2
"""The same where daemons are expected: what the program itself wrote is in the pipe when it ends."""


class TimedOut(ProcessFailed):
    """A child process did not end within the time it was given, and was killed."""


class Stalled(TimedOut):
    """A child process did nothing any more, and was killed."""

    def __init__(self, program: str, status: int, stderr: str) -> None:
        PluginError.__init__(
            self,
            f"{program} was ended: it waited for a file that gives nothing, such as a pipe",
            "see what is no plain file where the state is: find FOLDER -type p",
        )
        self.program, self.status, self.stderr = program, status, stderr


class NeverCancelled:
    """A cancel token for work that nobody cancels (a probe with a deadline of its own)."""

    @property
    def cancelled(self) -> bool:
        return False

    def check(self) -> None:
        return None


class ProcessRunner:
    """The plugin layer's ``Runner``.

    Args:
        cancel: when it says so, the running child's whole group is killed and Cancelled is raised.
        tool_path: where programs are looked for, and the children's PATH (``search_path`` where it is empty).
        inherit: descriptors every child inherits (the component's lock, so that it is held while a child lives).
        secrets: texts that must never leave in a message.
    """

    def __init__(
        self,
        cancel: CancelToken | None = None,
        *,
        tool_path: str = "",
        inherit: Sequence[int] = (),
        secrets: Sequence[str] = (),
    ) -> None:
        self._cancel: CancelToken = cancel if cancel is not None else NeverCancelled()
        self._tool_path = tool_path or search_path()
        self._inherit = tuple(inherit)
        self._secrets = tuple(secrets)

    def run(self, argv: Argv, **options: Unpack[RunOptions]) -> Finished:
        """Run to the end.

        Raises ProcessFailed (TimedOut after ``timeout`` seconds), Cancelled, ToolMissing; PluginError for too
        much output."""
        keeper = Keeper(OUTPUT_LIMIT, strict=True)
        stdin, timeout = options.get("stdin"), options.get("timeout")
        child = self._start(argv, options, write=stdin is not None, sink=keeper.feed, timeout=timeout)
        with child:
            if stdin is not None:
                child.pump(io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin)
        if keeper.overflowed:
            raise PluginError(f"{child.program} printed more than {OUTPUT_LIMIT >> 20} MiB")
        return Finished(keeper.content(), child.stderr())

    @contextlib.contextmanager
    def reading(self, argv: Argv, **options: Unpack[ReadOptions]) -> Iterator[BinaryIO]:
        """Run while its standard output is read. On leaving, raises ProcessFailed unless it ended with 0."""
        errors = LineSplitter(options.get("on_stderr") or _ignore)
        child = self._start(argv, options, read=True, errors=errors.feed, source=options.get("source"))
        try:
            with child:
                yield child.stdout
        finally:
            errors.finish()

    def follow(self, argv: Argv, **options: Unpack[FollowOptions]) -> None:
        """Run to the end of the program itself, handing on each line that it prints.

        It inherits no lock, and a daemon that it leaves behind holds none. Until it has ended a keeper holds them: when
        we die the keeper ends all of the program's group first, so that no half of an activity goes on unlocked.

        Raises ProcessFailed (TimedOut after ``timeout`` seconds), Cancelled, ToolMissing."""
        out = LineSplitter(options.get("on_stdout") or _ignore, LINE_LIMIT)
        errors = LineSplitter(options.get("on_stderr") or _ignore, LINE_LIMIT)
        timeout = options.get("timeout")
        with LockKeeper((*self._inherit, *options.get("pass_fds", ())), self._tool_path) as keeper:
            heard = errors.feed if options.get("on_stderr") else None
            child = self._start(argv, options, sink=out.feed, errors=heard, timeout=timeout, keeper=keeper)
            try:
                with child:
                    pass
            finally:
                out.finish()
                errors.finish()

    @contextlib.contextmanager
    def writing(self, argv: Argv, **options: Unpack[WriteOptions]) -> Iterator[BinaryIO]:
        """Run while its standard input is written. On leaving, raises ProcessFailed unless it ended with 0.

        When the body raises, the child is killed before its input ends, so that it cannot take half of it for the
        whole."""
        lines = LineSplitter(options.get("on_stdout") or _ignore)
        child = self._start(argv, options, write=True, sink=lines.feed)
        with child:
            yield child.stdin
        lines.finish()

    def _start(
        self,
        argv: Argv,
        options: ChildOptions,
        *,
        read: bool = False,
        write: bool = False,
        sink: Callable[[bytes], None] | None = None,
        errors: Callable[[bytes], None] | None = None,
        timeout: float | None = None,
        keeper: LockKeeper | None = None,
        source: BinaryIO | None = None,
    ) -> _Child:
        self._cancel.check()
        full_env = {"PATH": self._tool_path, "LC_ALL": "C.UTF-8", **(options.get("env") or {})}
        program, wrapped = self._wrap(argv, full_env["PATH"], keeper)
        redactor = Redactor((*self._secrets, *secrets_of(full_env)))
        identity = _identity(options.get("user"))
        try:
            process = subprocess.Popen(
                wrapped,
                env=full_env,
                cwd=options.get("cwd") or "/",
                stdin=subprocess.PIPE if write else source or (keeper and keeper.ear) or subprocess.DEVNULL,
                stdout=subprocess.PIPE if read or sink is not None else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                bufsize=CHUNK,
                start_new_session=True,
                pass_fds=() if keeper else tuple({*self._inherit, *options.get("pass_fds", ())}),
                user=identity[0],
                group=identity[1],
                extra_groups=identity[2],
                umask=options.get("umask", -1),
            )
        except OSError as error:
            raise PluginError(f"{program} could not be started ({error.strerror})") from error
        leave = functools.partial(read_on, self._tool_path) if keeper else None
        patience = options.get("patience")
        stall = None if patience is None else StallWatch(process.pid, patience)
        return _Child(process, program, self._cancel, redactor, sink, errors, timeout, leave, stall)

    def _wrap(self, argv: Argv, path: str, keeper: LockKeeper | None) -> tuple[str, list[str | bytes]]:
        first = os.fsdecode(argv[0])
        program = shutil.which(first, path=path)
        if program is None:
            raise ToolMissing(f"the program {first} is not installed", f"it was looked for in {path}")
        setpriv = shutil.which("setpriv", path=self._tool_path)
        if setpriv is None:
            raise ToolMissing("the program setpriv is not installed", "it is in the package util-linux")
        ours = [program, *argv[1:]]
        announced = ours if keeper is None else keeper.announced(ours)
        return _name_of(argv), [setpriv, "--pdeathsig", "KILL", "--", *announced]


class _Child:
    """One running child; a context manager that ends with it reaped, and raises when it did not end well."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        program: str,
        cancel: CancelToken,
        redactor: Redactor,
        sink: Callable[[bytes], None] | None,
        errors: Callable[[bytes], None] | None,
        timeout: float | None,
        leave: Callable[[IO[bytes]], None] | None = None,
        stall: StallWatch | None = None,
    ) -> None:
        self.program = program
        self._leave = leave
        self._stall = stall
        self._process = process
        self._cancel = cancel
        self._redactor = redactor
        self._errors = Keeper(STDERR_LIMIT)
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._timeout = timeout
        self._killed_for = ""
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # over the user's limit of pipe pages: works with the default size
                    fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        assert process.stderr is not None
        self._heard = errors
        self._drains = [Drain(process.stderr, self._hear)]
        if sink is not None and process.stdout is not None:
            self._drains.append(Drain(process.stdout, sink))
        self._pidfd = os.pidfd_open(process.pid)
        self._watch = threading.Thread(target=self._watched, name=f"watch {program}", daemon=True)
        self._watch.start()

    @property
    def stdin(self) -> BinaryIO:
        assert self._process.stdin is not None
        return self._process.stdin  # type: ignore[return-value]  # Popen says IO[bytes]

    @property
    def stdout(self) -> BinaryIO:
        assert self._process.stdout is not None
        return self._process.stdout  # type: ignore[return-value]

    def _hear(self, data: bytes) -> None:
        self._errors.feed(data)
        if self._heard is not None:
            self._heard(data)

    def stderr(self) -> str:
        """What it printed there so far, bounded, without secrets."""
        return self._redactor.redact(self._errors.content())

    def pump(self, source: BinaryIO) -> None:
        """Write all of ``source`` to its standard input. A child that reads no more decides by its status."""
        try:
            while chunk := source.read(CHUNK):
                self.stdin.write(chunk)
            self.stdin.flush()
        except BrokenPipeError:
            return

    def _watched(self) -> None:
        poller = select.poll()
        poller.register(self._pidfd, select.POLLIN)
        while not poller.poll(POLL * 1000):
            if not self._killed_for and self._cancel.cancelled:
                self._kill("cancel")
            elif not self._killed_for and self._deadline is not None and time.monotonic() > self._deadline:
                self._kill("timeout")
            elif not self._killed_for and self._stall is not None and self._does_nothing(self._stall):
                self._kill("stall")

    def _does_nothing(self, stall: StallWatch) -> bool:
        """What a thread of ours reads is read at once: the child waits for us where we read ourselves."""
        taken = self._process.stdout if len(self._drains) == 1 else None
        return stall.is_stalled(self._process.stdin, taken)

    def _kill(self, why: str) -> None:
        """End the whole group. Safe: its leader is not reaped before the watching thread has ended."""
        self._killed_for = why
        kill_group(self._process.pid)

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        broken = isinstance(error, BrokenPipeError)
        if error is not None and not broken:
            self._kill(self._killed_for or "error")
        self._close(self._process.stdin)
        if self._process.stdout is not None and len(self._drains) == 1:
            self._close(self._process.stdout)
        self._watch.join()
        for drain in self._drains:
            drain.finish(LINGER if self._leave is None else DAEMON_LINGER, leave=self._leave)
        status = self._process.wait()
        os.close(self._pidfd)
        self._raise(status, error, broken)

    def _close(self, stream: Any) -> None:
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _raise(self, status: int, error: BaseException | None, broken: bool) -> None:
        for drain in self._drains:
            if drain.error is not None and error is None:
                raise drain.error
        if self._killed_for == "cancel":
            raise Cancelled(f"{self.program} was stopped because a cancel was asked for") from error
        if self._killed_for == "timeout":
            raise TimedOut(self.program, status, self.stderr(), f"it did not end within {self._timeout:g} s")
        if self._killed_for == "stall":
            raise Stalled(self.program, status, self.stderr()) from error
        if error is not None and not broken:
            return
        if status != 0:
            raise ProcessFailed(self.program, status, self.stderr()) from error
        if broken:
            raise ProcessFailed(self.program, 0, self.stderr(), "it ended before it had read all of its input")


def _identity(user: str | None) -> tuple[int | None, int | None, list[int] | None]:
    """uid, gid and groups to change to; three times None where no change is needed or we are not root."""
    if user is None or os.geteuid() != 0:
        return None, None, None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise PluginError(f"there is no user {user!r} on this machine") from None
    if entry.pw_uid == 0:
        return None, None, None
    return entry.pw_uid, entry.pw_gid, os.getgrouplist(user, entry.pw_gid)


def _name_of(argv: Argv) -> str:
    """For messages: the program that is meant, behind one that only changes the user (``acting.as_command``)."""
    words = [os.fsdecode(word) for word in argv]
    first = Path(words[0]).name
    behind = words[words.index("--") + 1 :] if first == "setpriv" and "--" in words else []
    return Path(behind[0]).name if behind else first


def _ignore(_line: bytes) -> None:
    return None
