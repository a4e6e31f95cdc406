"""All jobs of a store, from their folders: what they are doing, which are interrupted, what they left behind.

A job whose plan cannot be read hides no other. Where it left something behind, its request or the audit tells on which
components, and the next writer there puts it right; where nothing tells, no writer goes on before a person has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_store.errors import Corrupt
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from dysnomia_tui.engine import audit
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.left import UnfinishedJob, half_restored, needs_settling
from dysnomia_tui.engine.errors import Unknown, Unreadable
from dysnomia_tui.engine.jobs import over
from dysnomia_tui.engine.jobs.folder import JobFolder, is_number, job_numbers
from dysnomia_tui.engine.jobs.queue import Waiting
from dysnomia_tui.engine.jobs.view import JobReading, job_view, read_job
from dysnomia_tui.engine.plans.plan import Kind, Plan
from dysnomia_tui.engine.records import JobState, JobView

if TYPE_CHECKING:
    from dysnomia_tui.engine.jobs.request import JobRequest

UNQUEUED = frozenset({Kind.MARK, Kind.ADOPT, Kind.POLICY})
"""Kinds that are done in a moment and wait for nobody."""
_TELL_OF_COMPONENTS = frozenset({Kind.SNAPSHOT, Kind.CHECK, Kind.VERIFY})
"""Kinds that the health of a component hangs on."""
_TELL_NOTHING = frozenset({JobState.CANCELLED, JobState.STALE})
LOOKED_AT = 200
"""Of the newest jobs, how many a look shows."""


class JobBoard:
    """The jobs of one store. Jobs that are over are kept in memory, and in ``over``'s file: they change no more, unless
    one is undone."""

    def __init__(self, jobs: Path) -> None:
        self.path = jobs
        self._over: dict[int, over.Over] = {}
        self._kept: dict[int, over.Over] | None = None
        self._unwell: tuple[over.Stamp, Sequence[JobView]] = (), ()
        self._told: dict[str, JobRequest | None] = {}

    def folder(self, job_id: str) -> JobFolder:
        """Raises Unknown."""
        folder = JobFolder(self.path / job_id)
        if not is_number(job_id) or not folder.path.is_dir():
            raise Unknown(
                f"there is no job {job_id[:40]!r}",
                "see dysnomia-tui jobs; of those that ended months ago, dysnomia-tui timeline tells what they did",
            )
        return folder

    def view(self, job_id: str) -> JobView:
        """Raises Unknown."""
        return self._view(self.folder(job_id))

    def views(self, limit: int) -> Sequence[JobView]:
        """Running and waiting first, then newest first. What needs someone is never left out: what left live half
        restored, what was interrupted and is not yet recovered, what cannot be read."""
        numbers = job_numbers(self.path)
        newest = numbers[::-1][:limit]
        floor = self._floor(numbers)
        older = [number for number in numbers if number > floor and number not in set(newest)]
        views = [self._of_number(number) for number in (*newest, *reversed(older))]
        views.sort(key=lambda view: (view.state.ended, -int(view.id)))
        return [*views[:limit], *filter(_needs_someone, views[limit:])]

    def earlier(self, shown: Iterable[JobView]) -> Sequence[JobView]:
        """Besides these, newest first: of each component the last snapshot that did not end well, or kept nothing, and
        the last proof, where one did not end well; and restores that keep aside what was live.

        With hundreds of components the last job on one lies behind hundreds of others."""
        stamp = over.changed(self.path)
        if self._unwell[0] != stamp:
            unwell = over.read_unwell(self.path)
            self._unwell = stamp, [unwell[number].view for number in sorted(unwell, reverse=True)]
        numbers = {view.id for view in shown}
        covered: dict[bool, set[ComponentKey]] = {True: set(), False: set()}
        earlier: list[JobView] = []
        for view in self._unwell[1]:
            keys = covered[view.kind == Kind.SNAPSHOT]
            if view.id in numbers or view.state in _TELL_NOTHING:
                continue
            if view.kind in _TELL_OF_COMPONENTS:
                if not keys.issuperset(view.keys):
                    keys.update(view.keys)
                    earlier.append(view)
            elif over.keeps_aside(view) and over.keeps_aside(now := self._of_number(int(view.id))):
                earlier.append(now)
        return earlier

    def _view(self, folder: JobFolder) -> JobView:
        return self._of_number(int(folder.id))

    def _of_number(self, number: int) -> JobView:
        """A job by its number: from memory, from the file of those that are over, or from its folder."""
        one = self._over.get(number)
        if one is not None and (not one.view.undoable or one.stamp == over.stamp(self.path, number)):
            return one.view
        if self._kept is None:
            self._kept = dict(over.read(self.path))
        one = self._kept.pop(number, None)
        if one is None or one.stamp != over.stamp(self.path, number):
            one = self._looked_at(self._numbered(number))
        if over.is_final(one.view):
            self._over[number] = one
        return one.view

    def _looked_at(self, folder: JobFolder) -> over.Over:
        # Before it is read: what changes in between is seen at the next look.
        stamp = over.stamp(self.path, int(folder.id))
        return over.Over(job_view(folder, self._tell), stamp)

    def _numbered(self, number: int) -> JobFolder:
        return JobFolder(self.path / str(number))

    def _read(self, folder: JobFolder) -> JobReading:
        return read_job(folder, self._tell)

    def _tell(self, job_id: str) -> JobRequest | None:
        """What the audit tells of a job whose own folder does not. It is read once for a job."""
        if job_id not in self._told:
            from dysnomia_tui.engine.jobs.request import from_audit

            submitted = audit.submitted(self.path.parent)
            self._told |= {job: from_audit(entry) for job, entry in submitted.items()}
        return self._told.setdefault(job_id, None)

    # What the worker asks.

    def floor(self) -> int:
        """All jobs up to this number are over, and left nothing behind."""
        return self._floor(job_numbers(self.path))

    def _floor(self, numbers: Sequence[int]) -> int:
        """One above all jobs is no floor of theirs: nothing is passed over for a number that somebody wrote there."""
        try:
            text = records.read_file(self.path / "floor").decode("ascii").strip()
        except (OSError, ValueError, Corrupt):
            return 0
        return int(text) if is_number(text) and numbers and int(text) <= numbers[-1] else 0

    def raise_floor(self) -> None:
        """Move the floor up as far as it goes. A convenience: it may fail, and then costs time only."""
        floor = self.floor()
        highest = floor
        for number in job_numbers(self.path):
            if number <= floor:
                continue
            if not is_over(self._numbered(number)):
                break
            highest = number
        if highest != floor:
            with suppress(OSError):
                temporary = self.path / f".floor-{highest}"
                temporary.write_text(str(highest))
                temporary.replace(self.path / "floor")

    def keep(self, job_id: str, group: str = "") -> None:
        """Write down how a job that is over is shown, which a ``group`` may read; and of those before it that were not
        written down, as on a full disk. A convenience, as the floor."""
        with suppress(OSError, LookupError):
            written, last = over.ids(self.path), int(job_id)
            before = [number for number in job_numbers(self.path) if number < last][-LOOKED_AT:]
            numbers = [*(number for number in before if number not in written), last]
            looked_at = map(self._looked_at, map(self._numbered, numbers))
            over.append(self.path, (one for one in looked_at if over.is_final(one.view)), group)

    def waiting(self, *, through_jobs: bool = False) -> Sequence[Waiting]:
        """The jobs that have not ended and whose worker lives; of those that work through others, or of the rest."""
        return [one for one, reading in self._waiting() if through_jobs == _through_jobs(reading)]

    def _waiting(self) -> Iterator[tuple[Waiting, JobReading]]:
        for folder in self._above_floor():
            if not folder.held or folder.record().last("result") is not None:
                continue
            reading = self._read(folder)
            if reading.kind not in UNQUEUED:
                # Of which nobody knows what it is about waits for its turn like any other: whoever changes a component
                # holds its lock.
                started = reading.record.last("started") is not None
                yield Waiting(int(folder.id), frozenset(reading.keys or ()), started), reading

    def in_use(self, keys: Collection[ComponentKey], but: str = "") -> Sequence[tuple[str, ComponentKey, str]]:
        """(job, component, snapshot) that waiting and running jobs are about.

        Raises Unreadable where one may be about a snapshot of ``keys`` and does not tell which."""
        jobs_in_use = []
        for waiting, reading in self._waiting():
            if reading.folder.id == but:
                continue
            if reading.plan is None:
                if not waiting.keys or waiting.keys & frozenset(keys):
                    raise Unreadable(
                        f"job {waiting.number} is at work, and which snapshots it needs cannot be read"
                        f" ({'; '.join(reading.problems)})",
                        "wait until it has ended",
                    )
            else:
                jobs_in_use += [(reading.folder.id, *one) for one in _needed(reading.folder.id, reading.plan)]
        return jobs_in_use

    def unsettled(self, key: ComponentKey, but: str = "") -> Sequence[UnfinishedJob]:
        """Jobs that left something behind on a component: their worker is gone, or their guard is still aside.

        Raises Unreadable where one left something behind and nothing tells on which component."""
        return self._left_on(key, but, needs_settling)

    def half_restored(self, key: ComponentKey, but: str = "") -> Sequence[UnfinishedJob]:
        """Jobs after which live of a component may be half restored, still. Raises Unreadable, as ``unsettled``."""
        return self._left_on(key, but, half_restored)

    def _left_on(
        self, key: ComponentKey, but: str, matters: Callable[[UnfinishedJob], bool]
    ) -> Sequence[UnfinishedJob]:
        left_jobs = []
        for folder in self._above_floor():
            if folder.id == but or folder.held:
                continue
            mattering = [index for index, left in _lefts(folder) if matters(left)]
            if not mattering:
                continue
            reading = self._read(folder)
            keys = reading.keys
            if keys is None:
                raise Unreadable(
                    f"job {folder.id} did not come to its end, and on which component cannot be read"
                    f" ({'; '.join(reading.problems)})",
                    f"see that what is live is whole, then move {folder.path} out of the store",
                )
            left_jobs += [
                left for index, left in reading.left() if index in mattering and keys[index : index + 1] == (key,)
            ]
        return left_jobs

    def dead_recoveries(self, job_id: str) -> Sequence[JobFolder]:
        """Recoveries of a job that were interrupted themselves; also those of which nobody can tell whose they are, and
        that left nothing behind."""
        recoveries = []
        for folder in self._above_floor():
            if folder.held or folder.record().last("result") is not None:
                continue
            reading = self._read(folder)
            if reading.kind != Kind.RECOVER:
                continue
            if reading.plan is None:
                recoverable = not any(needs_settling(left) for _, left in reading.left())
            else:
                recoverable = reading.plan.params.get("job") == job_id
            if recoverable:
                recoveries.append(folder)
        return recoveries

    def put_right(self, keys: Collection[ComponentKey], but: str = "") -> Sequence[JobFolder]:
        """Jobs on these components that left something behind, or died, of which nothing is left by now and which
        nobody has said it of. What works through others is put right as a whole, by a recovery of its own."""
        folders = []
        for folder in self._above_floor():
            if folder.id == but or folder.held or not _needs_a_word(folder.record()):
                continue
            reading = self._read(folder)
            about = frozenset(reading.keys or ()) & frozenset(keys)
            if about and not _through_jobs(reading) and not any(needs_settling(left) for _, left in reading.left()):
                folders.append(folder)
        return folders

    def left(self, job_id: str, index: int = 0) -> UnfinishedJob:
        """A job's journal, for its undo. Raises Unknown."""
        folder = self.folder(job_id)
        who = ""
        with suppress(Unreadable):
            who = folder.request().who
        return UnfinishedJob(folder.id, FileJournal(folder.path / f"journal.{index}"), who)

    def alive(self, job_id: str) -> bool:
        """Whether a job's worker, or a child of it, lives."""
        return JobFolder(self.path / job_id).held

    def _above_floor(self) -> Sequence[JobFolder]:
        numbers = job_numbers(self.path)
        floor = self._floor(numbers)
        return [self._numbered(number) for number in numbers if number > floor]


def _through_jobs(reading: JobReading) -> bool:
    return reading.plan is not None and reading.plan.through_jobs


def _needed(job: str, plan: Plan) -> Sequence[tuple[ComponentKey, str]]:
    """Raises Unreadable."""
    try:
        return tuple(_snapshots_of(plan))
    except (TypeError, ValueError) as error:
        message = f"job {job} is at work, and which snapshots it needs cannot be read ({error})"
        raise Unreadable(message, "wait until it has ended") from error


def _snapshots_of(plan: Plan) -> Iterator[tuple[ComponentKey, str]]:
    """The stored snapshots that a plan is about: of a group's, those of its components."""
    for data in plan.params.get("members", ()):
        yield from _snapshots_of(Plan.from_json(data))
    if plan.keys and isinstance(plan.params.get("id"), str):
        yield plan.keys[0], str(plan.params["id"])


def _needs_a_word(record: FileJournal) -> bool:
    """Whether a job's record lacks the end of what the job left: of one that died, or failed and could not clean up."""
    result = record.last("result")
    return record.last("recovered") is None and (result is None or bool(result.get("details", {}).get("uncleared")))


def _needs_someone(view: JobView) -> bool:
    """Whether there is an alarm of a job: it does not end with the jobs that come after it."""
    return view.to_recover or any(view.details.get(name) for name in ("half", "aside", "stays", "unreadable"))


def is_over(folder: JobFolder) -> bool:
    """Whether a job has ended and left nothing behind that a later one must put right."""
    record = folder.record()
    if not _began(folder) and not folder.held and not list(folder.journals()):
        return True  # no job of ours: that has its record before it can be seen
    if record.last("result") is None and (record.last("recovered") is None or folder.held):
        return False
    return not any(needs_settling(left) or half_restored(left) for _, left in _lefts(folder))


def _began(folder: JobFolder) -> bool:
    """Whether there is a record, readable or not."""
    try:
        (folder.path / "record").lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _lefts(folder: JobFolder) -> Sequence[tuple[int, UnfinishedJob]]:
    """The journals of a job. A damaged one of a job that ended well left nothing behind: all was done before that."""
    result = folder.record().last("result")
    well = result is not None and result["state"] == JobState.DONE.value
    lefts = [(index, UnfinishedJob(folder.id, journal)) for index, journal in folder.journals()]
    return [(index, left) for index, left in lefts if not (well and left.damage)]
