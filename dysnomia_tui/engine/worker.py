"""The detached worker of one job: ``python -m dysnomia_tui.engine.worker JOBDIR LOCKFD``.

The process that is started forks and ends at once; its child leads a session of its own, does not end by SIGHUP, and
has no terminal, so that neither a lost line nor the end of the program that submitted the job touches it. It holds the
job's lock (descriptor LOCKFD) until it ends, and so do its children.

A command that has one thread and nothing else to do forks it from itself instead (``forked``): that saves the start of
a second interpreter and all its imports. Such a worker keeps nothing of the command but its code.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from dysnomia_base.clock import utc_now
from dysnomia_base.environment import child_environment
from dysnomia_base.python_child import import_path
from dysnomia_tui.engine.memory import keep_memory

if TYPE_CHECKING:
    from dysnomia_tui.engine.errors import EngineError
    from dysnomia_tui.engine.jobs.context import JobContext, Outcome
    from dysnomia_tui.engine.jobs.folder import JobFolder

POLL = 0.05
"""Seconds between two looks at whether it is this job's turn."""
UMASK = 0o077


def main(argv: list[str]) -> int:
    folder, lock = Path(argv[1]), int(argv[2])
    os.umask(UMASK)
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        return 0 if os.read(ready, 1) == b"1" else 1
    os.close(ready)
    _lead(folder, lock, tell)
    return 0


def _lead(folder: Path, lock: int, tell: int) -> None:
    """The worker itself, from its first step on."""
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup, or in the background of a script
            signal.signal(number, _unheard)
    _detach(folder)
    keep_memory()
    run(folder, lock, tell)


def _unheard(_number: int, _frame: FrameType | None) -> None:
    """A handler, and not SIG_IGN: the services that a job starts would ignore it too, and no shell can undo that."""


def forked(folder: Path, lock: int, tell: int) -> NoReturn:
    """Be the worker in a process that was just forked from a command. ``tell`` is written to when it is there."""
    status = 1
    try:
        if os.fork() == 0:
            _forget_the_command((lock, tell))
            _lead(folder, lock, tell)
            for thread in threading.enumerate():
                if thread is not threading.current_thread() and not thread.daemon:
                    thread.join()
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())
        os._exit(status)  # no handler of the command's runs here, and nothing that it has buffered is written


def _forget_the_command(kept: tuple[int, ...]) -> None:
    """Let go of all that a process of its own would not have: descriptors, signal handlers, folder, surroundings."""
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with suppress(OSError):  # the folder that was listed
                os.close(int(name))
    os.umask(UMASK)
    os.chdir("/")
    environ = child_environment(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    sys.path[:] = import_path()
    sys.argv[:] = ["-c"]


def _detach(folder: Path) -> None:
    """No terminal; what Python itself says when something unforeseen happens goes to a file."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        err = os.open(folder / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        err = null
    for target, source in ((0, null), (1, null), (2, err)):
        os.dup2(source, target)


def run(path: Path, lock: int, tell: int) -> None:
    """Say who we are, let the starter go, wait for our turn, run, and leave the outcome behind."""
    from dysnomia_tui.engine.jobs.folder import JobFolder
    from dysnomia_tui.engine.machine.identity import ProcessIdentity

    folder = JobFolder(path)
    me = ProcessIdentity.of(os.getpid())
    assert me is not None
    folder.record().step("worker", pid=me.pid, start=me.start, boot=me.boot, space=me.space)
    os.write(tell, b"1")
    os.close(tell)
    from dysnomia_tui.engine.errors import Unreadable

    try:
        worker = _Worker(folder, lock)
    except Unreadable as error:  # somebody changed its folder since it was submitted
        _refuse(folder, error)
    else:
        worker.run()


def _refuse(folder: JobFolder, error: EngineError) -> None:
    """The end of a job that cannot be begun."""
    from dysnomia_tui.engine.records import JobState

    folder.record().step(
        "result", state=JobState.FAILED.value, exit=int(error.exit), message=f"nothing was touched: {error.message}",
        hint=error.hint, details={}, at=utc_now().isoformat(),
    )  # fmt: skip


_SAID_IN = ("failed", "nothing", "warnings")
"""Of an outcome's details: what components failed of, and what was said of them."""


class _Worker:
    """Everything after the start. Imports are here: they take longer than the start itself."""

    def __init__(self, folder: JobFolder, lock: int) -> None:
        from dysnomia_tui.engine.component.runner import CancelShield
        from dysnomia_tui.engine.errors import Unreadable
        from dysnomia_tui.engine.jobs.board import JobBoard
        from dysnomia_tui.engine.jobs.context import JobCancel, JobContext, secrets_in
        from dysnomia_tui.engine.jobs.events import EventLog
        from dysnomia_tui.engine.machine.machine import Machine
        from dysnomia_tui.engine.machine.settings_json import settings_from_json
        from dysnomia_tui.engine.redact import Redactor

        request = folder.request()
        cancel = JobCancel(folder)
        signal.signal(signal.SIGTERM, lambda number, frame: cancel.ask())
        if request.settings is None:
            raise Unreadable("request.json cannot be read: it tells no settings", f"see {folder.path}")
        machine = Machine(settings_from_json(request.settings))
        self.record = folder.record()
        plan = folder.plan()
        self.redactor = Redactor(secrets_in(machine, plan))
        self.work = JobContext(
            machine=machine,
            board=JobBoard(machine.jobs),
            folder=folder,
            plan=plan,
            who=request.who,
            why=request.why,
            host=request.host,
            log=EventLog(folder.events, self.redactor, utc_now),
            cancel=CancelShield(cancel),
            lock=lock,
            clock=utc_now,
        )

    def run(self) -> None:
        from dysnomia_tui.engine.jobs import stuck

        stuck.watch(lambda line: self.work.log.write("log", line=line))
        outcome = self._outcome()
        self._end(outcome)

    def _outcome(self) -> Outcome:
        from dysnomia_tui.engine.errors import Exit, Stale
        from dysnomia_tui.engine.jobs.context import Outcome
        from dysnomia_tui.engine.records import JobState
        from dysnomia_tui.engine.translate import Expected, exit_of, words_of

        try:
            slot = self._wait()
            try:
                return self._perform()
            finally:
                os.close(slot)
        except Expected as error:
            message, hint = words_of(error)
            code = exit_of(error)
            if code is Exit.CANCELLED:
                return Outcome(JobState.CANCELLED, message, code, hint)
            state = JobState.STALE if isinstance(error, Stale) else JobState.FAILED
            return Outcome(state, message, code, hint, _after_failure(self.work))

    def _wait(self) -> int:
        """Wait for our turn. Returns the descriptor of the slot we run in. Raises Cancelled."""
        from dysnomia_tui.engine.jobs.board import UNQUEUED
        from dysnomia_tui.engine.jobs.queue import Waiting, turn

        plan, work = self.work.plan, self.work
        if plan.kind in UNQUEUED:
            self.record.step("started", at=utc_now().isoformat())
            return os.open(os.devnull, os.O_RDONLY)
        me = Waiting(int(work.id), frozenset(plan.keys), started=False)
        at_once = sys.maxsize if plan.through_jobs else work.machine.settings.jobs_at_once
        reported = (-1, False)
        while True:
            work.cancel.check()
            waiting = work.board.waiting(through_jobs=plan.through_jobs)
            now = turn(me, waiting, at_once)
            slot = self._slot(at_once) if now.may else None
            if slot is not None:
                self.record.step("started", at=utc_now().isoformat())
                work.log.write("started")
                return slot
            if now.behind is not None:
                ahead = (now.behind, any(one.started for one in waiting if one.number == now.behind))
                if ahead != reported:  # another job, or the same, which runs now
                    reported = ahead
                    work.log.write("waiting", behind=str(now.behind), text=_waits(work, now.behind, now.why))
            time.sleep(POLL)

    def _slot(self, at_once: int) -> int | None:
        """One of the places to run in. A job that works through others takes none: they could wait for it for ever."""
        if self.work.plan.through_jobs:
            return os.open(os.devnull, os.O_RDONLY)
        return _slot(self.work.machine.settings.statedir, at_once)

    def _perform(self) -> Outcome:
        from dysnomia_tui.engine.errors import Stale
        from dysnomia_tui.engine.plans.staleness import why_stale

        if self.work.plan.digest != self.work.folder.request().digest:
            raise Stale(
                "nothing was touched: the plan in the job's folder differs from the submitted one", "plan it again"
            )
        reason = why_stale(self.work.machine, self.work.plan)
        if reason:
            raise Stale(f"nothing was touched: {reason}", "look at the plan again")
        self._audit("started", "")
        outcome = _performer(self.work)(self.work)
        self._housekeeping()
        return outcome.warning(self.work.log.warned)

    def _housekeeping(self) -> None:
        """Every writer empties what is due. What cannot be done now is done by the next."""
        from dysnomia_tui.engine.plans.plan import Kind
        from dysnomia_tui.engine.translate import Expected

        if self.work.plan.kind in (Kind.SNAPSHOT, Kind.GC):
            with suppress(*Expected):
                self.work.machine.store.empty_trash()

    def _end(self, outcome: Outcome) -> None:
        from dysnomia_tui.engine.component.left import UnfinishedJob, left_over

        clean = self.redactor.clean
        left, left_words = left_over(
            [UnfinishedJob(self.work.id, journal) for _, journal in self.work.folder.journals()]
        )
        event: dict[str, Any] = {
            "state": outcome.state.value, "exit": int(outcome.exit), "message": clean(outcome.message + left_words),
            "hint": clean(outcome.hint), "details": {**self._worded(outcome.details), **left},
            "at": utc_now().isoformat(),
        }  # fmt: skip
        try:
            self.record.step("result", **event)
        except OSError:  # longer than what was set aside, on a full disk
            event["details"] = {
                name: event["details"][name] for name in ("guard", "undoable", "uncleared") if name in event["details"]
            }
            self.record.step("result", **event)
        self.work.log.write("result", **event)
        self._audit(outcome.state.value, self.redactor.hide(outcome.message))
        with suppress(OSError):
            self.work.folder.trim()
        self._close_put_right()
        self.work.board.raise_floor()
        self.work.board.keep(self.work.id, self.work.machine.settings.group)
        from dysnomia_tui.engine.jobs import old

        old.remove(self.work.board, utc_now())

    def _worded(self, details: Mapping[str, Any]) -> Mapping[str, Any]:
        """The details of an outcome with no known secret in what servers said; names and ids in them stay."""
        hide = self.redactor.hide
        worded = dict(details)
        for name in _SAID_IN:
            words = worded.get(name)
            if isinstance(words, Mapping):
                worded[name] = {key: hide(str(text)) for key, text in words.items()}
            elif isinstance(words, (list, tuple)):
                worded[name] = [hide(str(text)) for text in words]
        return worded

    def _close_put_right(self) -> None:
        """Of what earlier jobs left on our components nothing is left by now: then nobody need be told of it."""
        from dysnomia_tui.engine.jobs.board import UNQUEUED

        work = self.work
        folders = () if work.plan.kind in UNQUEUED else work.board.put_right(work.plan.keys, but=work.id)
        if folders:
            from dysnomia_tui.engine.operations.recover import close_put_right
            from dysnomia_tui.engine.translate import Expected

            with suppress(*Expected):  # the next job does it
                close_put_right(work, folders)

    def _audit(self, event: str, message: str) -> None:
        from dysnomia_tui.engine import audit

        work = self.work
        entry = audit.entry_of(work.id, work.plan, event, who=work.who, why=work.why, host=work.host, message=message)
        try:
            audit.append(work.machine.settings.statedir, utc_now(), entry, work.machine.settings.group)
        except OSError as error:
            work.log.write("log", line=f"the audit could not be written: {error.strerror}")


_PERFORMERS = {
    "snapshot": ("snapshot", "run_snapshot"),
    "restore": ("restore", "run_restore"),
    "put-back": ("put_back", "run_put_back"),
    "check": ("check", "run_check"),
    "verify": ("check", "run_verify"),
    "activity": ("activity", "run_activity"),
    "gc": ("gc", "run_gc"),
    "empty-trash": ("trash", "run_empty_trash"),
    "bring-back": ("trash", "run_bring_back"),
    "mark": ("mark", "run_mark"),
    "import": ("import_folder", "run_import"),
    "adopt": ("adopt", "run_adopt"),
    "recover": ("recover", "run_recover"),
    "deploy": ("deploy", "run_deploy"),
    "optimise": ("optimise", "run_optimise"),
    "undo": ("undo", "run_undo_restore"),
    "group": ("group_job", "run_group"),
    "policy": ("policy", "run_policy"),
}
"""By the kind of a plan: the module of ``operations`` and the function in it that does it."""


def _performer(work: JobContext) -> Callable[[JobContext], Outcome]:
    """The function that does what the plan's kind says. Only its module is imported: a job does one thing."""
    from dysnomia_tui.engine.plans.plan import Kind

    kind = work.plan.kind
    if kind is Kind.UNDO:
        kind = {"gc": Kind.BRING_BACK, "put-back": Kind.PUT_BACK}.get(work.plan.params["of"], kind)
    module, name = _PERFORMERS[kind.value]
    performer: Callable[[JobContext], Outcome] = getattr(
        import_module(f"dysnomia_tui.engine.operations.{module}"), name
    )
    return performer


def _after_failure(work: JobContext) -> Mapping[str, Any]:
    """A module's restore that failed half-way can be undone from its guard; a swap that failed was taken back."""
    from dysnomia_tui.engine.plans.plan import Kind

    if work.plan.kind not in (Kind.RESTORE, Kind.UNDO) or not work.plan.keys:
        return {}
    steps = {name: data for _, journal in work.folder.journals() for name, data in journal.steps()}
    guard = steps.get("swap", {}).get("guard")
    return {"guard": guard, "undoable": True} if guard and "reverted" not in steps else {}


def _waits(work: JobContext, number: int, why: str) -> str:
    """Behind whose job, on what, and since when."""
    from dysnomia_tui.engine.errors import Unknown

    try:
        other = work.board.view(str(number))
    except Unknown:
        return f"waits for job {number}: {why}"
    since = f", running since {other.started:%H:%M:%S} UTC" if other.started else ", waiting itself"
    return f"waits for job {number} ({other.title}) by {other.who}{since}: {why}"


def _slot(statedir: Path, at_once: int) -> int | None:
    """One of the N places to run in, or None where all are taken. Held by the descriptor."""
    import fcntl

    folder = statedir / "jobs"
    for number in range(at_once):
        fd = os.open(folder / f".slot.{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        return fd
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv))
