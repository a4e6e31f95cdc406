"""The reading half of a store. Readers never wait and never write (besides the cache)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.errors import NotFound, NotPermitted
from dysnomia_store.records.summary import Summary, Usage
from dysnomia_store.store_base import OpenedStore

if TYPE_CHECKING:
    from pathlib import Path

    from dysnomia_store.archive.format import Archive
    from dysnomia_store.catalog.cache import Glance
    from dysnomia_store.catalog.component import ComponentReading
    from dysnomia_store.content.proofs import Proofs
    from dysnomia_store.content.snapshots import StoredSnapshot
    from dysnomia_store.model import Check, Generation, History, Seen
    from dysnomia_store.names import ComponentKey
    from dysnomia_store.records.retention import TrashEntry


OnRead = Callable[[int, int], None]
"""Called with the number of components that were read, and of all."""
_AT_ONE_GO = 200
"""Components that are read of the index before another process may write to it."""
_MOST_LOOKED_INTO = 2000
"""Snapshots of a component whose frames are looked at to say what each alone holds."""


def not_told(done: int, of: int) -> None:
    """For who does not ask how far a reading is."""


class ReadableStore(OpenedStore):
    """The queries of a store."""

    def keys(self) -> tuple[ComponentKey, ...]:
        """Every component that has snapshots, generations or a marker; names that are no names are left out
        (see ``strange``)."""
        from dysnomia_store.catalog.survey import keys

        return keys(self._layout)

    def strange(self) -> tuple[str, ...]:
        """What neither we nor Dysnomia put in the store, and what cannot be read of it, as sentences for the alarms."""
        from dysnomia_store.catalog.survey import strange

        sentences = strange(self._layout)
        if os.path.lexists(self._layout.top("trash")):  # what reads it takes as long to import as the rest of a status
            from dysnomia_store.gc.trash import unreadable

            sentences = (*sentences, *unreadable(self._layout))
        return (*sentences, *self._workspace.unreadable())

    def all_generations(
        self, container: str | None = None, component: str | None = None
    ) -> Iterator[tuple[ComponentKey, int, str]]:
        """(key, number, id) of every generation, sorted, straight from the links. ``""`` as id: a broken link."""
        from dysnomia_store.catalog.survey import all_generations

        return all_generations(self._layout, container, component)

    def summaries(self, on_read: OnRead = not_told) -> Mapping[ComponentKey, Summary]:
        """All components at a glance, quick also with 100,000 generations.

        Args:
            on_read: called with how many components were read, of how many: without the cache each takes some
                seconds for 10,000 generations.
        """
        from dysnomia_store.catalog.generations import generations_of

        keys = self.keys()
        read = {}
        for start in range(0, len(keys), _AT_ONE_GO):
            some = keys[start : start + _AT_ONE_GO]
            glances = self._cache.glances(some)
            own: dict[ComponentKey, list[Generation]] = {key: [] for key in some}
            for one in generations_of((key, line) for key, glance in glances.items() for line in glance.lines):
                own[one.key].append(one)
            for done, key in enumerate(some, start):
                on_read(done, len(keys))
                glance = glances.get(key)
                read[key] = self.summary(key) if glance is None else self._summary(key, glance, own[key])
        return read

    def summary(self, key: ComponentKey) -> Summary:
        """One component at a glance. Unreadable parts count as empty, and ``readable`` is False."""
        from dysnomia_store.catalog.generations import generations
        from dysnomia_store.disk.markers import marked_as

        try:
            glance = self._cache.glance(key)
            return self._summary(key, glance, generations(key, glance.lines))
        except NotPermitted:
            active, garbage = marked_as(self._layout, key)
            return Summary(key, 0, None, None, 0, active, garbage, 0, readable=False)

    def _summary(self, key: ComponentKey, glance: Glance, generations: Iterable[Generation]) -> Summary:
        """From what the index has of a component."""
        from dysnomia_store.disk.markers import marked_as

        active, garbage = marked_as(self._layout, key)
        by_number = {one.number: one for one in generations}
        return Summary(
            key=key,
            generations=glance.count,
            newest=None if glance.newest is None else by_number.get(glance.newest),
            newest_good=None if glance.newest_good is None else by_number.get(glance.newest_good),
            stored_size=glance.stored,
            active=active,
            garbage=garbage,
            problems=glance.problems,
            lost=tuple(glance.lost),
            usually=glance.usually,
        )

    def generations(self, key: ComponentKey) -> tuple[Generation, ...]:
        """In the order of their numbers. Works on a store of Dysnomia's alone (times estimated).

        Raises NotPermitted.
        """
        from dysnomia_store.catalog.cache import NEVER
        from dysnomia_store.catalog.generations import generations

        with self._mutex:
            known, mark, result = self._listed
        changes = self._cache.since(key, mark if known == key else NEVER)
        if known == key and changes.mark == mark:
            return result
        changed = generations(key, changes.lines)
        if changes.numbers is None:
            result = changed
        else:
            by_number = {one.number: one for one in result} | {one.number: one for one in changed}
            result = tuple(by_number[number] for number in changes.numbers)
        with self._mutex:
            self._listed = key, changes.mark, result
        return result

    def generation(self, key: ComponentKey, number: int) -> Generation:
        """Raises NotFound, naming what is there."""
        from dysnomia_store.catalog.generations import generations

        matching = generations(key, self._cache.lines(key, (number,)))
        if not matching:
            numbers = sorted(number for _, number, _ in self.all_generations(key.container, key.component))
            span = f"it has {len(numbers)}, {numbers[0]} to {numbers[-1]}" if numbers else "it has none"
            raise NotFound(f"{key} has no generation {number}", span)
        return matching[0]

    def is_active(self, key: ComponentKey) -> bool:
        """Whether a component is marked as activated."""
        from dysnomia_store.disk.markers import marked_as

        return marked_as(self._layout, key)[0]

    def is_garbage(self, key: ComponentKey) -> bool:
        """Whether a component is marked as garbage: deactivated, its state still there."""
        from dysnomia_store.disk.markers import marked_as

        return marked_as(self._layout, key)[1]

    def history(self, key: ComponentKey, number: int) -> History | None:
        """How a generation came to be, with the surroundings of its time; None where nothing was written."""
        from dysnomia_store.commit.heal import history_at

        return history_at(self._workspace, key, number, self.generation(key, number).id)

    def seen(self, key: ComponentKey, number: int) -> tuple[Seen, ...]:
        """The later snapshots that found a generation's state again, oldest first."""
        from dysnomia_store.catalog.component import seen_of

        return seen_of(self._layout, key, number, self.generation(key, number).id)

    def checks(self, key: ComponentKey, snapshot_id: str) -> tuple[Check, ...]:
        """Every result of check and verify, oldest first."""
        from dysnomia_store.catalog.checks import results

        return results(self._layout, key, snapshot_id)

    def stored(self, key: ComponentKey, snapshot_id: str) -> StoredSnapshot:
        """Raises NotFound."""
        from dysnomia_store.commit.install import metadata_at
        from dysnomia_store.content.snapshots import StoredSnapshot

        folder = self._layout.snapshot(key, snapshot_id)
        with in_words(f"looking for snapshot {snapshot_id} of {key}"):
            if not snapshot_id or not folder.is_dir():
                raise NotFound(f"{key} has no snapshot {snapshot_id}", "it may have been collected: look in the trash")
        metadata = metadata_at(self._workspace, key, snapshot_id)
        return StoredSnapshot(folder, metadata, self._layout.index(key, snapshot_id))

    def newest_good_before(self, key: ComponentKey, when: datetime) -> Generation | None:
        """By as-of time; a generation counts until it was last seen."""
        from dysnomia_store.catalog.generations import newest_good_before

        number = newest_good_before(self.reading(key), when)
        return None if number is None else self.generation(key, number)

    def usage(self) -> Usage:
        """Where the space is, and how it grew."""
        from dysnomia_store.usage import usage

        return usage(self)

    def alone(self, key: ComponentKey) -> Mapping[str, int]:
        """Of each snapshot of a component, by id, the bytes that come back when it alone is deleted.

        None of a component with more than a few thousand snapshots: that takes a look at each frame's name."""
        from dysnomia_store.gc.sharing import alone

        snaps = [snap for snap in self.reading(key).snaps.values() if snap.exists]
        held = {snap.id: snap.stored_size for snap in snaps}
        if not self.shares:
            return held
        sharing = {snap.id: self._layout.snapshot(key, snap.id) for snap in snaps if self.may_share(snap.content_size)}
        if len(sharing) > _MOST_LOOKED_INTO:
            return {}
        return {**held, **alone(self._layout, sharing)}

    @property
    def shares(self) -> bool:
        """Whether snapshots of this store may share frames."""
        return self._workspace.shares

    def may_share(self, content_size: int | None) -> bool:
        """Whether a snapshot of so much content may hold frames: a small artefact is one file."""
        from dysnomia_store.content.cutting import DEFAULT

        whole = DEFAULT.whole if self._cutting is None else self._cutting.whole
        return content_size is None or content_size > min(whole, DEFAULT.whole)

    def reading(self, key: ComponentKey) -> ComponentReading:
        """What was read of a component, undigested, for those who count over all of it."""
        return self._cache.light(key)

    def orphans(self, key: ComponentKey) -> tuple[str, ...]:
        """Ids of snapshots no generation points at."""
        reading = self.reading(key)
        linked = {gen.id for gen in reading.gens.values()}
        return tuple(sorted(snap.id for snap in reading.snaps.values() if snap.exists and snap.id not in linked))

    def check(
        self,
        key: ComponentKey,
        snapshot_id: str,
        *,
        on_bytes: Callable[[int], None] | None = None,
        proofs: Proofs | None = None,
    ) -> Check:
        """Read every byte and compare with manifest or Dysnomia's checksum. Does not record.

        ``proofs`` holds what was found of frames before: one that several snapshots share is read once."""
        from dysnomia_store.catalog.checks import check

        return check(self._layout, key, snapshot_id, self._workspace.clock(), on_bytes, proofs)

    def trash(self) -> tuple[TrashEntry, ...]:
        """What lies in the trash, oldest first."""
        from dysnomia_store.gc.trash import listed

        return tuple(entry for entry, _ in listed(self._layout))

    def activated_path(self, key: ComponentKey) -> Path | None:
        """Of an active component, or one that is garbage: where it stood when it was activated, else its marker, as
        Dysnomia hands that about. None where it is neither."""
        from dysnomia_store.disk.markers import activated_path

        return activated_path(self._layout, key)

    def recorded_path(self, key: ComponentKey) -> Path | None:
        """Where a component stood when it was activated here; None where another tool activated it, or nobody did."""
        from dysnomia_store.disk.markers import remembered

        return remembered(self._layout, key)

    def was_listed(self, key: ComponentKey) -> bool:
        """Whether an active component, or one that is garbage, was found by a look at its server, and nobody
        activated it."""
        from dysnomia_store.disk.markers import was_listed

        return was_listed(self._layout, key)

    def listed_at(self, key: ComponentKey) -> datetime | None:
        """Since when a look at its server finds a component; None where it was activated, or never found."""
        from dysnomia_store.disk.markers import listed_at

        at = listed_at(self._layout, key)
        return None if at is None else datetime.fromtimestamp(at, UTC)

    def missing_of(self, archive: Archive) -> int:
        """Bytes of an archive that are not here yet."""
        from dysnomia_store.archive.read import missing

        return missing(self._workspace, archive)

    def free_bytes(self) -> int | None:
        """Free bytes on the store's file system; None where that is not known."""
        from dysnomia_store.disk.workspace import free_bytes

        try:
            return free_bytes(self.root)
        except OSError:
            return None
