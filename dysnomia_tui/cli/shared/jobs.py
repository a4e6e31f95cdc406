"""Carry a plan out from a command: submit it, follow its job, and end with the exit code that fits.

The job is a process of its own. Ctrl-C asks it to cancel and waits for its answer; a second one leaves it to itself.
SIGHUP and SIGTERM end the command alone: the job goes on, and ``dysnomia-tui jobs`` shows it.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dysnomia_tui.cli.shared.moving import MovingLine
from dysnomia_tui.cli.shared.output import jsonable, say, size, visible, write_json, write_line
from dysnomia_tui.engine.errors import Blocked, Busy, Exit
from dysnomia_tui.engine.records import Event, JobState, JobView

if TYPE_CHECKING:
    from types import FrameType

    from dysnomia_tui.engine.engine import Engine
    from dysnomia_tui.engine.plans.plan import Plan

_EXITS = {
    JobState.DONE: Exit.OK,
    JobState.PARTLY: Exit.PARTLY,
    JobState.CANCELLED: Exit.CANCELLED,
    JobState.STALE: Exit.REFUSED,
}


def exit_of(job: JobView) -> Exit:
    """The exit code for how a job ended. A failed one may say more exactly what it failed at."""
    if job.state is JobState.FAILED:
        with contextlib.suppress(ValueError, TypeError):
            return Exit(int(job.details.get("exit", Exit.FAILED)))
    return _EXITS.get(job.state, Exit.FAILED)


def worst(exits: Sequence[Exit]) -> Exit:
    """One exit code for several jobs: theirs where they agree, PARTLY where some went well."""
    kinds = set(exits)
    if not kinds:
        return Exit.OK
    if len(kinds) == 1:
        return kinds.pop()
    return Exit.PARTLY if Exit.OK in kinds or Exit.PARTLY in kinds else Exit.FAILED


@dataclass
class Interrupts:
    """Ctrl-C, held back while a job is being submitted, so that none is ever started and forgotten."""

    armed: bool = False
    pending: bool = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """The handler of a signal. Raises KeyboardInterrupt while one is listened for."""
        if self.armed:
            raise KeyboardInterrupt
        self.pending = True

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Let Ctrl-C through, and one that came before at once. Raises KeyboardInterrupt where a signal came before."""
        self.armed = True
        try:
            if self.pending:
                self.pending = False
                raise KeyboardInterrupt
            yield
        finally:
            self.armed = False


@contextlib.contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Take SIGINT over for the time of a job."""
    holder = Interrupts()
    before = signal.signal(signal.SIGINT, holder.handle)
    try:
        yield holder
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass
class Follower:
    """Shows a job's events on standard error: a line that moves in a terminal, else only what is worth a line.

    What a module wrote on its standard output goes to ours, as it is; among the messages where ours is JSON."""

    show: Callable[[str], None] = say
    prefix: str = "  "
    pass_on: bool = True
    """Whether standard output is the modules'."""
    moving: MovingLine = field(default_factory=MovingLine)
    _phase: str = ""

    def event(self, event: Event) -> None:
        data = event.data
        if event.kind == "phase":
            self._phase = str(data.get("name", ""))
            self.moving.show(self._phase)
        elif event.kind == "progress":
            self.moving.show(_progress(self._phase, data))
        elif self.pass_on and "output" in data:
            self.end()
            write_line(str(data["output"]))
            sys.stdout.flush()
        elif event.kind in ("log", "queued", "cancel"):
            text = str(data.get("line") or data.get("text") or data.get("message") or "")
            if text:
                self.end()
                self.show(f"{self.prefix}{text}")

    def end(self) -> None:
        """Take the moving line away."""
        self.moving.end()


def _progress(phase: str, data: Any) -> str:
    done, total, unit = data.get("done", 0), data.get("total"), data.get("unit", "bytes")
    amount = size(int(done)) if unit == "bytes" else f"{done} {unit}"
    percent = f" {100 * int(done) // int(total)}%" if total else ""
    return f"{phase}{percent} {amount}"


def _refuse_busy(engine: Engine, plan: Plan) -> None:
    keys = set(plan.keys)
    for job in engine.jobs():
        if not job.state.ended and keys.intersection(job.keys):
            raise Busy(
                f"job {job.id} ({job.title}) is working on the component",
                "try again when it has ended, or leave --no-wait out",
            )


def follow(engine: Engine, job: JobView, hold: Interrupts, follower: Follower) -> JobView:
    """Show a job's events until it has ended. Ctrl-C asks it to cancel; again, it is left to itself."""
    seen, asked = 0, False
    while True:
        try:
            with hold.listening():
                for event in itertools.islice(engine.follow(job.id), seen, None):
                    seen += 1
                    follower.event(event)
            follower.end()
            return engine.job(job.id)
        except KeyboardInterrupt:
            follower.end()
            if asked:
                say(f"job {job.id} goes on in the background; see it with: dysnomia-tui jobs")
                raise
            asked = True
            engine.cancel(job.id)
            say(f"cancel requested for job {job.id}; Ctrl-C again stops waiting for it")


def begin(engine: Engine, plan: Plan, *, why: str = "", no_wait: bool = False) -> JobView:
    """Submit a plan.

    Raises Busy with ``no_wait`` where another job is on a component of the plan, and what ``submit`` raises.
    """
    if no_wait:
        _refuse_busy(engine, plan)
    job = engine.submit(plan, why=why)
    if no_wait and job.behind:
        engine.cancel(job.id)
        raise Busy(f"job {job.behind} came first", "try again when it has ended, or leave --no-wait out")
    say(f"job {job.id}: {job.title}")
    return job


def say_ended(job: JobView) -> None:
    """How it ended; of one that failed also the way out."""
    parts = (f"job {job.id} {job.state}", job.message, str(job.details.get("hint", "")))
    say(": ".join(one for one in parts if one))


def carry_out(
    engine: Engine, plan: Plan, *, why: str = "", no_wait: bool = False, pass_on: bool = True
) -> JobView:  # fmt: skip
    """Submit a plan and follow its job to the end. Raises what ``begin`` raises.

    ``pass_on``: whether what modules write on standard output goes to ours.
    """
    with interrupts() as hold:
        job = begin(engine, plan, why=why, no_wait=no_wait)
        ended = follow(engine, job, hold, Follower(pass_on=pass_on))
    say_ended(ended)
    return ended


def report(plan: Plan, job: JobView) -> dict[str, Any]:
    """What ``--json`` writes of a plan that was carried out."""
    return {"exit": int(exit_of(job)), "job": jsonable(job), "plan": plan_json(plan)}


def plan_json(plan: Plan) -> dict[str, Any]:
    """A plan, with its digest."""
    data: dict[str, Any] = jsonable(plan)
    return data | {"digest": plan.digest}


def show_plan(plan: Plan, *, as_json: bool) -> Exit:
    """``--dry-run``: print what would happen. The exit code says whether it could."""
    if as_json:
        write_json({"plan": plan_json(plan)})
    else:
        for line in plan_lines(plan):
            write_line(visible(line))
    return could(plan)


def could(plan: Plan) -> Exit:
    """Whether a plan could be carried out; if not, what its blockers stand for: a corrupt snapshot, a server that is
    down, a name that cannot be, else a refusal."""
    return Exit(plan.params.get("blocked", Exit.REFUSED)) if plan.blockers else Exit.OK


def refuse_blocked(plan: Plan) -> None:
    """Raises Blocked, with the exit code that fits, where the plan says itself that it cannot be; says its
    warnings otherwise."""
    if plan.blockers:
        blocked = Blocked(f"cannot {plan.title}", "; ".join(plan.blockers))
        blocked.exit = could(plan)
        raise blocked
    for warning in plan.warnings:
        say(f"warning: {warning}")


def refuse_untrusted(plan: Plan, *, yes: bool) -> None:
    """Raises Blocked where the plan is dangerous for what it would load: nobody types a name here, so an option must
    say that it is meant."""
    if plan.params.get("dangerous") and not yes:
        raise Blocked(
            f"will not {plan.title}: it is not trusted",
            "see its plan with --dry-run; then trust it (dysnomia-tui trust), or give --yes-untrusted",
        )


def plan_lines(plan: Plan) -> Iterator[str]:
    """A plan for a person."""
    yield f"would {plan.title}"
    for number, step in enumerate(plan.steps, 1):
        yield f"  {number}. {step.text}"
    if plan.replaces:
        yield f"  replaces: {plan.replaces}"
    for need in plan.space:
        about = "about " if need.estimated else ""
        yield f"  space ({need.where}): {about}{size(need.needs)} of {size(need.has)} free"
    yield from (f"  note: {text}" for text in plan.notes)
    yield from (f"  warning: {text}" for text in plan.warnings)
    yield from (f"  cannot: {text}" for text in plan.blockers)
    yield f"  grade {int(plan.grade)} ({_GRADES[int(plan.grade)]})"


_GRADES = ("reads only", "adds only", "can be undone", "cannot be undone")


def settle(
    engine: Engine, plan: Plan, *, why: str, dry_run: bool, no_wait: bool, as_json: bool, yes_untrusted: bool = False
) -> Exit:
    """One plan through a command: printed, or carried out. Returns the exit code.

    Raises Blocked where the plan says itself that it cannot be, or is dangerous and that was not accepted.
    """
    if dry_run:
        return show_plan(plan, as_json=as_json)
    refuse_blocked(plan)
    refuse_untrusted(plan, yes=yes_untrusted)
    job = carry_out(engine, plan, why=why, no_wait=no_wait, pass_on=not as_json)
    if as_json:
        write_json(report(plan, job))
    return exit_of(job)
