"""A store whose generations can be collected: planned, moved to the trash, brought back, freed.

What a method needs is imported when it is first called, as in ``Store``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dysnomia_store.disk.locks import ComponentLock
from dysnomia_store.model import Generation
from dysnomia_store.store_reader import ReadableStore

if TYPE_CHECKING:
    from dysnomia_store.commit.heal import Healed
    from dysnomia_store.names import ComponentKey
    from dysnomia_store.records.retention import GcLine, GcPlan, Policy, TrashEntry


class CollectedStore(ReadableStore):
    """What can be read of a store, and its garbage collection. See ``Store``."""

    def heal(self, lock: ComponentLock) -> tuple[Healed, ...]:
        """Bring back pinned generations that bash Dysnomia collected. Every writer does it first by itself."""
        from dysnomia_store.commit.heal import heal

        return heal(self._workspace, self._holding(lock))

    def plan_gc(
        self,
        keys: Collection[ComponentKey],
        policy: Callable[[ComponentKey], Policy],
        *,
        keep: Collection[tuple[ComponentKey, int]] = (),
        drop: Collection[tuple[ComponentKey, int]] = (),
        in_use: Mapping[tuple[ComponentKey, str], str] | None = None,
    ) -> GcPlan:
        """Read the store's state and plan (the pure function is ``gc.plan``). ``keep`` and ``drop`` are the
        operator's marks and overrule the policy, but never a pin nor the last good one."""
        from dysnomia_store.gc.review import review

        return review(
            self._layout,
            {key: self.reading(key) for key in sorted(set(keys))},
            policy,
            at=self._workspace.clock(),
            keep=keep,
            drop=drop,
            in_use=in_use or {},
            may_share=self.may_share if self.shares else None,
        )

    def gc_lines(
        self, keys: Collection[ComponentKey], policy: Callable[[ComponentKey], Policy]
    ) -> Mapping[tuple[ComponentKey, int], GcLine]:
        """What a policy says now of each generation of the components, quickly: a budget counts the bytes that are
        stored of each snapshot, also where it shares them with others."""
        from dysnomia_store.gc.review import lines

        return lines({key: self.reading(key) for key in keys}, policy, at=self._workspace.clock())

    def apply_gc(
        self,
        plan: GcPlan,
        *,
        grace: float,
        who: str,
        job: str,
        cancelled: Callable[[], bool] | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Sequence[TrashEntry]:
        """Carry the plan out. ``grace`` in seconds until freed; 0 frees at once. Raises Refused when stale."""
        from dysnomia_store.gc.apply import Collector

        def lock(key: ComponentKey) -> AbstractContextManager[ComponentLock]:
            return self._locked(key, who=who, job=job, doing="collecting garbage")

        collector = Collector(
            self._workspace, plan, grace=grace, who=who, job=job, cancelled=cancelled, on_step=on_step
        )
        collector.run(lock, self.heal, self.reading)
        return collector.trashed()

    def bring_back(self, names: Collection[str], *, who: str, job: str) -> Sequence[Generation]:
        """Undo a collection: snapshots, links and numbers come back as they were."""
        from dysnomia_store.gc.apply import bring_back
        from dysnomia_store.gc.trash import chosen

        entries = chosen(self._layout, names)
        generations: list[Generation] = []
        for key in sorted({entry.key for entry, _ in entries}):
            with self._locked(key, who=who, job=job, doing="bringing back what was collected"):
                numbers = bring_back(self._workspace, key, [pair for pair in entries if pair[0].key == key])
            generations.extend(self.generation(key, number) for number in numbers)
        return generations

    def empty_trash(self, names: Collection[str] | None = None) -> int:
        """Free what is due, or what is named. Returns the bytes freed."""
        from dysnomia_store.gc.trash import chosen, close_if_empty, due, free

        entries = due(self._layout, self._workspace.clock()) if names is None else chosen(self._layout, names)
        freed = 0
        for entry, collection in entries:
            with self._locked(entry.key, who="", job="", doing="emptying the trash"):
                freed += free(self._workspace, entry, collection)
                close_if_empty(self._workspace, collection)
        return freed
