"""An engine that keeps the contract from memory: for the app's tests and for looking at its screens.

It writes down every plan that was submitted, so that a test can tell what the app really asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from dysnomia_plugins.base import Found
from dysnomia_store.model import Marks, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcLine, GcPlan, GcSnapshot, Policy
from dysnomia_tui.config import Settings
from dysnomia_tui.engine import RowsAsked
from dysnomia_tui.engine.engine import RestoreTarget
from dysnomia_tui.engine.errors import Blocked, ReadOnly
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, SpaceNeed, Step
from dysnomia_tui.engine.records import Application, JobState, JobView, WaitingCollection
from tests.app.fake_reading import FakeReading
from tests.app.fake_world import NOW, ORDERS, SETTINGS, World, job


class FakeEngine(FakeReading):
    """The contract, from a ``World``."""

    def __init__(self, world: World, settings: Settings | None = None, *, read_only: bool = False) -> None:
        super().__init__(world, settings, read_only=read_only)
        self.submitted: list[Plan] = []
        self.cancelled: list[str] = []
        self.recovered = 0

    # Planning.

    def _plan(
        self,
        kind: Kind,
        title: str,
        keys: Collection[ComponentKey],
        grade: Grade,
        *steps: str,
        confirm: str = "",
        **more: object,
    ) -> Plan:
        plan = Plan(kind, title, tuple(keys), grade, tuple(Step(text) for text in steps), confirm=confirm, made=NOW)
        return replace(plan, **more)  # type: ignore[arg-type]

    def plan_snapshot(self, keys: Collection[ComponentKey], *, reason: Reason = Reason.MANUAL, text: str = "") -> Plan:
        names = ", ".join(str(key) for key in keys)
        return self._plan(
            Kind.SNAPSHOT,
            f"snapshot {names}",
            keys,
            Grade.ADDS,
            *(f"would dump {key} (~1.2G) and commit it as the next generation" for key in keys),
            command=("dysnomia-containers", "--snapshot"),
        )

    def plan_restore(
        self, key: ComponentKey, number: int, target: RestoreTarget | None = None, *, text: str = ""
    ) -> Plan:
        target = target or RestoreTarget()
        if target.kind != "replace":
            return self._plan(
                Kind.RESTORE,
                f"restore generation {number} of {key} as {target.where}",
                (key,),
                Grade.ADDS,
                f"would load it as {target.name}; live would stay as it is",
                params={
                    "target": target.kind,
                    "name": target.name,
                    "sections": list(target.sections),
                    "container": target.container,
                },
            )
        return self._plan(
            Kind.RESTORE,
            f"restore generation {number} of {key}",
            (key,),
            Grade.UNDOABLE,
            "would check the snapshot while it is read, and load it beside what is live",
            "would swap the two: 7 clients would lose their connection for about a second",
            "would keep what was live as generation 215, held for a week",
            confirm=str(number),
            replaces=f"the live database {key.component} (~1.2G, 7 clients)",
            space=(
                SpaceNeed("/var/lib/postgresql", 1_300_000_000, 126_701_535_232),
                SpaceNeed("/var/state/dysnomia", 110_000_000, 126_701_535_232),
            ),
            command=(
                "dysnomia",
                "-o",
                "restore",
                "-c",
                key.component,
                "-C",
                key.container,
                "--generation",
                str(number),
            ),
        )

    def plan_put_back(self, key: ComponentKey, number: int, rows: Sequence[RowsAsked], *, text: str = "") -> Plan:
        keys = [",".join(cells) for one in rows for cells in one.keys] + [text for one in rows for text in one.texts]
        return self._plan(
            Kind.PUT_BACK,
            f"put {len(keys)} rows of generation {number} back into {key}",
            (key,),
            Grade.UNDOABLE,
            f"in one transaction, and nothing else would change: table orders: {len(keys)} inserted; what changes"
            " before that is left",
            "what is live would be kept as a guard, held for a week; an undo takes exactly these rows back",
            *(f"+ {name} | pending | [b]x[/y]\x1b[2J (live has no row {name})" for name in keys),
            confirm=str(len(keys)),
            warnings=("left as it is: the key 7 of table orders is used again, by the row 7 | new",),
            params={"asked": [one.to_json() for one in rows]},
        )

    def plan_group_snapshot(self, name: str, *, text: str = "") -> Plan:
        keys = tuple(self.members(name))
        params = {"group": name, "action": "snapshot"}
        return self._plan(Kind.GROUP, f"snapshot group {name}", keys, Grade.ADDS, params=params)

    def plan_group_restore(self, name: str, when: datetime, *, text: str = "") -> Plan:
        found = self.standing(name, when)
        return self._plan(
            Kind.GROUP,
            f"restore group {name} to {when:%Y-%m-%d %H:%M:%S} UTC",
            [one.key for one in found],
            Grade.UNDOABLE,
            *(f"{one.key}: generation {one.generation.number} would replace it" for one in found if one.generation),
            "where one fails, those before it would be swapped back; one undo takes all of them back",
            confirm=str(len(found)),
            replaces=f"what is live of {len(found)} components",
            params={"group": name, "action": "restore", "when": when.isoformat()},
            blockers=tuple(f"{one.key} has no good generation" for one in found if one.generation is None),
        )

    def plan_undo(self, job_id: str) -> Plan:
        done = self.job(job_id)
        return self._plan(
            Kind.UNDO,
            f"undo J{job_id}",
            done.keys,
            Grade.UNDOABLE,
            "would swap the guard back",
            confirm="212",
            warnings=("31 rows were written since; they would be in the new guard",),
        )

    def planned_collection(self) -> WaitingCollection | None:
        self.gate.wait()
        return self.world.waiting

    def gc_review(
        self,
        keys: Collection[ComponentKey],
        policy: Policy | None,
        *,
        keep: Collection[tuple[ComponentKey, int]] = (),
        drop: Collection[tuple[ComponentKey, int]] = (),
    ) -> GcPlan:
        self.gate.wait()
        lines = []
        for key in keys:
            for at, item in enumerate(self.world.lines.get(key, ())):
                size = item.metadata.stored_size if item.metadata else 0
                dropped = (key, item.number) in set(drop)
                if policy is not None and policy.last and at >= policy.last and not item.marks.pins:
                    dropped = True
                if (key, item.number) in set(keep):
                    dropped = False
                rule = "marked" if dropped else (f"pinned: {item.marks.pins[0].why}" if item.marks.pins else "no rule")
                lines.append(GcLine(key, item.number, item.id, not dropped, (rule,), size * 12, size))
        kept = {line.id for line in lines if line.keep}
        gone = {line.id: line for line in lines if not line.keep and line.id not in kept}
        snapshots = tuple(GcSnapshot(line.key, line.id, line.stored_size, False) for line in gone.values())
        return GcPlan(tuple(lines), snapshots, (), sum(s.stored_size for s in snapshots), NOW)

    def plan_gc(self, review: GcPlan, *, now: bool = False, text: str = "") -> Plan:
        count = len(review.dropped)
        keys = tuple(dict.fromkeys(line.key for line in review.dropped))
        return self._plan(
            Kind.GC,
            f"collect {count} generations",
            keys,
            Grade.FINAL if now else Grade.UNDOABLE,
            f"would move {count} to the trash",
            confirm=keys[0].component if now and keys else str(count),
            blockers=() if count else ("nothing would be collected",),
        )

    def plan_policy(self, keys: Collection[ComponentKey], pattern: str, policy: Policy) -> Plan:
        return self._plan(
            Kind.POLICY,
            f"save the retention of {pattern} in /etc/dysnomia-tui/config.toml",
            tuple(keys),
            Grade.ADDS,
            f"last = {policy.last} would be written",
        )

    def plan_empty_trash(self, names: Collection[str] | None = None) -> Plan:
        return self._plan(
            Kind.EMPTY_TRASH, "empty the trash", (ORDERS,), Grade.FINAL, "would free 100M for good", confirm="orders"
        )

    def plan_bring_back(self, names: Collection[str]) -> Plan:
        return self._plan(
            Kind.BRING_BACK, "bring back", (ORDERS,), Grade.ADDS, *(f"would bring back {n}" for n in names)
        )

    def plan_optimise(self, keys: Collection[ComponentKey] | None = None) -> Plan:
        there = tuple(keys or (ORDERS, SETTINGS))
        return self._plan(Kind.OPTIMISE, f"optimise {len(there)} components", there, Grade.ADDS)

    def plan_check(self, key: ComponentKey, numbers: Collection[int]) -> Plan:
        return self._plan(Kind.CHECK, f"check {len(numbers)} of {key}", (key,), Grade.READ, "would read every byte")

    def plan_verify(self, key: ComponentKey, number: int) -> Plan:
        return self._plan(
            Kind.VERIFY,
            f"verify generation {number} of {key}",
            (key,),
            Grade.ADDS,
            "would load it into a scratch database and drop it again",
        )

    def plan_verify_several(self, generations: Sequence[tuple[ComponentKey, int]]) -> Plan:
        return self._plan(
            Kind.VERIFY,
            f"verify {len(generations)} components by restoring their newest generation",
            tuple(key for key, _ in generations),
            Grade.ADDS,
            *(f"would load generation {number} into a scratch place and drop it again" for _, number in generations),
        )

    def plan_trust(self, key: ComponentKey, number: int, *, trusted: bool = True) -> Plan:
        return self._plan(
            Kind.MARK,
            f"trust generation {number} of {key}",
            (key,),
            Grade.UNDOABLE,
            "would trust it",
            confirm=str(number),
        )

    def plan_mark(
        self, key: ComponentKey, number: int, marks: Marks, text: str = "", *, seen: Marks | None = None
    ) -> Plan:
        return self._plan(
            Kind.MARK,
            f"mark generation {number} of {key}",
            (key,),
            Grade.ADDS,
            "would write the marks",
            params={
                "number": number,
                "note": marks.note,
                "pins": len(marks.pins),
                "verdict": marks.verdict.value if marks.verdict else "",
            },
        )

    def plan_activity(self, key: ComponentKey, activity: str) -> Plan:
        grade = Grade.FINAL if activity == "collect-garbage" else Grade.UNDOABLE
        return self._plan(
            Kind.ACTIVITY, f"{activity} {key}", (key,), grade, f"would {activity} {key}", confirm=key.component
        )

    def plan_deploy(self, container: str = "") -> Plan:
        steps = self.deployment(container).steps
        return self._plan(
            Kind.DEPLOY,
            f"deploy {container or 'all containers'}",
            tuple(key for _, key in steps),
            Grade.UNDOABLE,
            *(f"{key} would be {activity}d" for activity, key in steps),
            confirm=str(len(steps)),
            blockers=() if steps else ("all that is available is active",),
        )

    def plan_adopt(self, *found: Found, timers: bool = False) -> Plan:
        keys = tuple(ComponentKey(one.container, one.component) for one in found)
        written = [f"{one.container}/{one.component}" for one in found]
        return self._plan(
            Kind.ADOPT,
            f"adopt {found[0].type} {keys[0]}" if len(keys) == 1 else f"adopt {len(keys)} components",
            keys,
            Grade.ADDS,
            *(f"would write /etc/dysnomia/containers/{one.container}" for one in found),
            *(f"would write /etc/dysnomia/components/{name}" for name in written),
            *(["would write and start timers"] if timers else []),
        )

    def plan_adopt_application(self, application: Application) -> Plan:
        group = f"would write [groups.{application.name}]"
        return self._plan(Kind.ADOPT, f"adopt {application.title}", application.keys, Grade.ADDS, group)

    def plan_import(self, key: ComponentKey, folders: Collection[Path], *, move: bool = False) -> Plan:
        return self._plan(Kind.IMPORT, f"import into {key}", (key,), Grade.ADDS)

    # Running.

    def submit(self, plan: Plan, *, why: str = "") -> JobView:
        if self.overview().read_only:
            raise ReadOnly("nothing can be changed here", self.overview().read_only)
        if plan.blockers:
            raise Blocked(plan.blockers[0])
        self.submitted.append(plan)
        made = job(
            92 + len(self.submitted),
            JobState.DONE,
            kind=plan.kind.value,
            title=plan.title,
            keys=plan.keys,
            who="alice",
            why=why,
            created=NOW,
            ended=NOW,
            message="done",
            undoable=plan.kind in (Kind.RESTORE, Kind.GC) or plan.params.get("action") == "restore",
            details={name: plan.params[name] for name in ("group", "action") if name in plan.params},
        )
        self.world.jobs = (made, *self.world.jobs)
        return made

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def recover(self) -> Sequence[JobView]:
        self.recovered += 1
        return ()
