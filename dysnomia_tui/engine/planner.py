"""The engine's plans: each change is first one of these, an immutable record of what would happen. Making one changes
nothing, asks a server at most for a second, and needs no right to change anything.

Each verb is imported when it is planned: a command plans one of them, and must not wait for what all of them need."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_store.model import Marks, Reason
from dysnomia_tui.engine.component.target import RestoreTarget
from dysnomia_tui.engine.errors import ReadOnly
from dysnomia_tui.engine.lister import Lister
from dysnomia_tui.engine.machine.identity import who
from dysnomia_tui.engine.translate import translated

if TYPE_CHECKING:
    from dysnomia_plugins.base import Found
    from dysnomia_store.names import ComponentKey
    from dysnomia_store.records.retention import GcPlan, Policy
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.applications.model import Application
    from dysnomia_tui.engine.component.rows import RowsAsked
    from dysnomia_tui.engine.jobs.board import JobBoard
    from dysnomia_tui.engine.machine.machine import Machine
    from dysnomia_tui.engine.plans.plan import Plan
    from dysnomia_tui.engine.records import WaitingCollection


class Planner(Lister):
    """Makes plans. All methods raise EngineError."""

    settings: Settings
    _world: Machine
    _board: JobBoard
    _clock: Callable[[], datetime]

    @property
    @abstractmethod
    def read_only(self) -> str:
        """Why nothing can be changed, or ``""``."""

    def plan_snapshot(self, keys: Collection[ComponentKey], *, reason: Reason = Reason.MANUAL, text: str = "") -> Plan:
        from dysnomia_tui.engine.operations import snapshot

        self.look_for(keys)
        with translated():
            return snapshot.plan_snapshot(self._world, keys, reason, text, self._clock())

    def plan_restore(
        self, key: ComponentKey, number: int, target: RestoreTarget | None = None, *, text: str = ""
    ) -> Plan:
        from dysnomia_tui.engine.operations import restore

        self.look_for([key])
        with translated():
            return restore.plan_restore(self._world, key, number, target or RestoreTarget(), text, self._clock())

    def plan_put_back(self, key: ComponentKey, number: int, rows: Sequence[RowsAsked], *, text: str = "") -> Plan:
        """Put rows of a generation back into what is live."""
        from dysnomia_tui.engine.operations import put_back

        with translated():
            return put_back.plan_put_back(self._world, key, number, rows, text, self._clock())

    def plan_group_snapshot(self, name: str, *, text: str = "") -> Plan:
        """All components of a group (of config.toml, or a container), as near in time as can be."""
        from dysnomia_tui.engine.operations import group

        self.look_at_group(name)
        with translated():
            return group.plan_group_snapshot(self._world, name, text, self._clock())

    def plan_group_restore(self, name: str, when: datetime, *, text: str = "") -> Plan:
        """All components of a group as they were at a time, or none."""
        from dysnomia_tui.engine.operations import group

        with translated():
            return group.plan_group_restore(self._world, name, when, text, self._clock())

    def plan_undo(self, job_id: str) -> Plan:
        """Undo a restore or rows put back (from the guard), or a collection (from the trash)."""
        from dysnomia_tui.engine.operations import undo

        with translated():
            return undo.plan_undo(self._world, self._board, job_id, self._clock())

    def gc_review(
        self,
        keys: Collection[ComponentKey],
        policy: Policy | None,
        *,
        keep: Collection[tuple[ComponentKey, int]] = (),
        drop: Collection[tuple[ComponentKey, int]] = (),
    ) -> GcPlan:
        """What a collection would do: recomputed as the operator types. ``policy`` None takes config.toml's."""

        def of(key: ComponentKey) -> Policy:
            return policy if policy is not None else self.settings.component(key.container, key.component).policy

        with translated():
            return self._world.store.plan_gc(keys, of, keep=keep, drop=drop, in_use=self._in_use(keys))

    def planned_collection(self) -> WaitingCollection | None:
        """The collection that waits for a person, as a review of the store as it is now."""
        from dysnomia_tui.engine.operations import planned

        with translated():
            return planned.waiting(self._world, self._in_use(self._world.store.keys()))

    def let_wait(self, review: GcPlan) -> WaitingCollection | None:
        """Let a review wait for a person, in the place of the one that did; None where it would remove nothing.

        Raises ReadOnly."""
        from dysnomia_tui.engine.operations import planned

        if self.read_only:
            raise ReadOnly(f"no collection was planned: {self.read_only}", "changes are refused here")
        with translated():
            in_use = self._in_use(self._world.store.keys())
            return planned.keep(self._world, review, in_use, who=who(os.environ), now=self._clock())

    def _in_use(self, keys: Collection[ComponentKey]) -> Mapping[tuple[ComponentKey, str], str]:
        """Snapshots that waiting and running jobs are about."""
        return {(key, snapshot_id): f"job {job}" for job, key, snapshot_id in self._board.in_use(keys)}

    def plan_gc(self, review: GcPlan, *, now: bool = False, text: str = "") -> Plan:
        """The plan that carries a review out; ``now`` frees at once (grade 3)."""
        from dysnomia_tui.engine.operations import gc

        with translated():
            return gc.plan_gc(self._world, review, free_now=now, text=text, now=self._clock())

    def plan_policy(self, keys: Collection[ComponentKey], pattern: str, policy: Policy) -> Plan:
        """Write the policy that was reviewed for ``keys`` into config.toml, for the components of a pattern."""
        from dysnomia_tui.engine.operations import policy as saving

        with translated():
            return saving.plan_policy(self._world, keys, pattern, policy, self._clock())

    def plan_empty_trash(self, names: Collection[str] | None = None) -> Plan:
        from dysnomia_tui.engine.operations import trash

        with translated():
            return trash.plan_empty_trash(self._world, names, self._clock())

    def plan_bring_back(self, names: Collection[str]) -> Plan:
        from dysnomia_tui.engine.operations import trash

        with translated():
            return trash.plan_bring_back(self._world, names, self._clock())

    def plan_optimise(self, keys: Collection[ComponentKey] | None = None) -> Plan:
        """Convert snapshots of the old form, and let equal frames be one file again; of all that is stored, if no
        components are given."""
        from dysnomia_tui.engine.operations import optimise

        with translated():
            return optimise.plan_optimise(self._world, keys, self._clock())

    def plan_check(self, key: ComponentKey, numbers: Collection[int]) -> Plan:
        """Read every byte of the generations' snapshots."""
        from dysnomia_tui.engine.operations import check

        with translated():
            return check.plan_check(self._world, key, numbers, self._clock())

    def plan_verify(self, key: ComponentKey, number: int) -> Plan:
        """Verify by restore into a scratch place."""
        from dysnomia_tui.engine.operations import check

        with translated():
            return check.plan_verify(self._world, key, number, self._clock())

    def plan_verify_several(self, generations: Sequence[tuple[ComponentKey, int]]) -> Plan:
        """Verify a generation of each of several components, one after the other."""
        from dysnomia_tui.engine.operations import check

        with translated():
            return check.plan_verify_several(self._world, generations, self._clock())

    def plan_mark(
        self, key: ComponentKey, number: int, marks: Marks, text: str = "", *, seen: Marks | None = None
    ) -> Plan:
        """Pin, known good or bad, tags, note: what differs from ``seen``, the marks that the operator had before
        them (those of this moment, if not given). Merged with what others said meanwhile."""
        from dysnomia_tui.engine.operations import mark

        with translated():
            return mark.plan_mark(self._world, key, number, marks, seen, text, self._clock())

    def plan_trust(self, key: ComponentKey, number: int, *, trusted: bool = True) -> Plan:
        """Let an imported generation be loaded as one that was made here, or no longer."""
        from dysnomia_tui.engine.operations import mark

        with translated():
            return mark.plan_trust(self._world, key, number, trusted, self._clock())

    def plan_activity(self, key: ComponentKey, activity: str) -> Plan:
        """``activate``, ``deactivate``, ``collect-garbage``, ``lock``, ``unlock``; of a module, any."""
        from dysnomia_tui.engine.operations import activity as activities

        self.look_for([key])
        with translated():
            return activities.plan_activity(self._world, key, activity, self._clock())

    def plan_deploy(self, container: str = "") -> Plan:
        """Deactivate what is no longer available, activate what is new; of one container, or of all."""
        from dysnomia_tui.engine.operations import deploy

        self.look_at_servers({container} if container else None)
        with translated():
            return deploy.plan_deploy(self._world, container, self._clock())

    def plan_adopt(self, *found: Found, timers: bool = False) -> Plan:
        """The files that would be written for found state; ``timers``: with those of the schedule."""
        from dysnomia_tui.engine.operations import adopt

        with translated():
            return adopt.plan_adopt(self._world, found, self._clock(), timers=timers)

    def plan_adopt_application(self, application: Application) -> Plan:
        """The files that would be written for an application, and the group that config.toml would get."""
        from dysnomia_tui.engine.operations import adopt_application

        with translated():
            return adopt_application.plan_adopt_application(self._world, application, self._clock())

    def plan_import(self, key: ComponentKey, folders: Collection[Path], *, move: bool = False) -> Plan:
        from dysnomia_tui.engine.operations import import_folder

        with translated():
            return import_folder.plan_import(self._world, key, folders, self._clock(), move=move)

    def plan_import_archive(self, path: Path) -> Plan:
        """An archive that ``export`` wrote."""
        from dysnomia_tui.engine.operations import import_archive

        with translated():
            return import_archive.plan_import_archive(self._world, path, self._clock())

    def plan_recover(self, job_id: str) -> Plan:
        """Put right what an interrupted job left behind."""
        from dysnomia_tui.engine.operations import recover

        with translated():
            return recover.plan_recover(self._board, job_id, self._clock(), self.settings.groups)
