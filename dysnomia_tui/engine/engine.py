"""The engine: what the app and the commands talk to. Reads the world, makes plans, submits jobs and watches them.

Every method may be called from any thread; none needs a terminal; none that reads ever waits for a writer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from dysnomia_plugins.base import Found, Probe
from dysnomia_store.gcmodel import GcPlan, Policy
from dysnomia_store.model import Generation, Marks, Reason, Section
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Usage
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.plan import Plan
from dysnomia_tui.engine.restoring import RestoreTarget
from dysnomia_tui.engine.views import Event, JobView, Overview, RowChange, SectionChange, TrashView

__all__ = ["LIVE", "Diff", "Engine", "RestoreTarget", "Side"]

LIVE = "live"
Side = int | str
"""One side of a diff: a generation's number, or ``LIVE``."""


class Diff:
    """A comparison under way: a child process that spills to private files. Close it when done."""

    old_title: str
    new_title: str

    @property
    def ready(self) -> bool:
        """Whether every section has been compared."""
        raise NotImplementedError

    @property
    def error(self) -> str:
        """Why it failed, or ``""``."""
        raise NotImplementedError

    def progress(self) -> tuple[int, int | None]:
        raise NotImplementedError

    def sections(self) -> Sequence[SectionChange]:
        """What differs, schema first, then in order of name; grows and gains counts while it runs."""
        raise NotImplementedError

    def rows(self, section: SectionChange, start: int, count: int) -> Sequence[RowChange]:
        """Changed rows of one section from ``start``; compares the section first where that was not done yet."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Engine:
    """One state directory and one configuration, as one user may see and change them."""

    settings: Settings

    def __init__(
        self, settings: Settings, *, read_only: bool = False, clock: Callable[[], datetime] | None = None
    ) -> None: ...

    # Reading.

    def overview(self) -> Overview:
        """Everything the main screen lists. Quick: from configuration and the store's cache; asks no server."""
        raise NotImplementedError

    def generations(self, key: ComponentKey) -> tuple[Generation, ...]:
        """Newest first."""
        raise NotImplementedError

    def sections(self, key: ComponentKey, number: int) -> Iterator[Section]:
        """The contents of a generation, streamed from its index (rescanned where there is none)."""
        raise NotImplementedError

    def changes(self, key: ComponentKey, number: int) -> Sequence[SectionChange]:
        """Sections that differ from the generation before, from the two indexes; no dump is read."""
        raise NotImplementedError

    def browse(
        self, key: ComponentKey, number: int, section: Section, start: int, count: int
    ) -> Sequence[tuple[str | None, ...]]:
        """Rows (or lines) of a section."""
        raise NotImplementedError

    def find_time(self, key: ComponentKey, when: datetime) -> Generation | None:
        """The newest good generation whose state held at or before ``when``."""
        raise NotImplementedError

    def probe(self, container: str) -> Probe:
        """Ask the container's server, in a process that gets two seconds. Never raises for a server that is down."""
        raise NotImplementedError

    def discover(self) -> Sequence[Found]:
        """State on this machine that is not configured."""
        raise NotImplementedError

    def usage(self) -> Usage:
        raise NotImplementedError

    def trash(self) -> Sequence[TrashView]:
        raise NotImplementedError

    def diff(self, key: ComponentKey, old: Side, new: Side) -> Diff:
        """Begin to compare two generations, or one with what is live."""
        raise NotImplementedError

    def shell(self, key: ComponentKey) -> tuple[Sequence[str], Mapping[str, str]]:
        """argv and environment of the server's own client on the component."""
        raise NotImplementedError

    # Planning. A plan never changes anything.

    def plan_snapshot(self, keys: Collection[ComponentKey], *, reason: Reason = Reason.MANUAL, text: str = "") -> Plan:
        raise NotImplementedError

    def plan_restore(
        self, key: ComponentKey, number: int, target: RestoreTarget | None = None, *, text: str = ""
    ) -> Plan:
        raise NotImplementedError

    def plan_undo(self, job_id: str) -> Plan:
        """Undo a restore (from its guard) or a collection (from the trash)."""
        raise NotImplementedError

    def gc_review(
        self,
        keys: Collection[ComponentKey],
        policy: Policy | None,
        *,
        keep: Collection[tuple[ComponentKey, int]] = (),
        drop: Collection[tuple[ComponentKey, int]] = (),
    ) -> GcPlan:
        """What a collection would do: recomputed as the operator types. ``policy`` None takes config.toml's."""
        raise NotImplementedError

    def plan_gc(self, review: GcPlan, *, now: bool = False, text: str = "") -> Plan:
        """The plan that carries a review out; ``now`` frees at once (grade 3)."""
        raise NotImplementedError

    def plan_empty_trash(self, names: Collection[str] | None = None) -> Plan:
        raise NotImplementedError

    def plan_bring_back(self, names: Collection[str]) -> Plan:
        raise NotImplementedError

    def plan_check(self, key: ComponentKey, numbers: Collection[int]) -> Plan:
        """Read every byte of the generations' snapshots."""
        raise NotImplementedError

    def plan_verify(self, key: ComponentKey, number: int) -> Plan:
        """Verify by restore into a scratch place."""
        raise NotImplementedError

    def plan_mark(self, key: ComponentKey, number: int, marks: Marks, text: str = "") -> Plan:
        """Pin, known good or bad, tags, note."""
        raise NotImplementedError

    def plan_activity(self, key: ComponentKey, activity: str) -> Plan:
        """``activate``, ``deactivate``, ``collect-garbage``, ``lock``, ``unlock``."""
        raise NotImplementedError

    def plan_adopt(self, found: Found) -> Plan:
        """The files that would be written for found state."""
        raise NotImplementedError

    def plan_import(self, key: ComponentKey, folders: Collection[Path]) -> Plan:
        raise NotImplementedError

    # Running.

    def submit(self, plan: Plan, *, why: str = "") -> JobView:
        """Start a detached worker on exactly this plan. Raises ReadOnly, Blocked, Stale."""
        raise NotImplementedError

    def jobs(self, limit: int = 200) -> Sequence[JobView]:
        """Running first, then newest first. Interrupted ones are seen here."""
        raise NotImplementedError

    def job(self, job_id: str) -> JobView:
        raise NotImplementedError

    def events(self, job_id: str, after: int = 0) -> tuple[Sequence[Event], int]:
        """Events of a job from byte ``after`` of its file, and the next ``after``."""
        raise NotImplementedError

    def follow(self, job_id: str) -> Iterator[Event]:
        """Events as they come, until the result."""
        raise NotImplementedError

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop. It says itself when it has."""
        raise NotImplementedError

    def recover(self) -> Sequence[JobView]:
        """Submit the recovery of interrupted jobs, where this user may write; otherwise does nothing."""
        raise NotImplementedError

    def timeline(self, key: ComponentKey | None = None) -> str:
        """The audit as a UTC timeline of an incident, for handing over."""
        raise NotImplementedError
