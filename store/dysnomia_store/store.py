"""The snapshot store of one state directory: the one class that engine code uses.

Readers never wait and never write (besides the cache); writers hold the component's lock. Opening a store makes nothing
and imports little: what a method needs is imported when it is first called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.clock import Clock
from dysnomia_store.disk.locks import ComponentLock, Holder
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.errors import Refused
from dysnomia_store.model import Check, CommitInfo, Generation, Marks, Metadata, Section
from dysnomia_store.records.summary import Committed, Imported, Optimised, Summary, Usage
from dysnomia_store.store_collected import CollectedStore
from dysnomia_store.store_reader import OnRead, not_told

if TYPE_CHECKING:
    from dysnomia_store.archive.format import Archive
    from dysnomia_store.commit.earlier import Earlier
    from dysnomia_store.content.proofs import Proofs
    from dysnomia_store.content.snapshots import SnapshotDraft
    from dysnomia_store.names import ComponentKey

__all__ = [
    "Clock", "Committed", "ComponentLock", "Holder", "Imported", "OnRead", "Optimised", "Store", "Summary",
    "Usage", "not_told",
]  # fmt: skip


class Store(CollectedStore):
    """A state directory, to be read and written. See ``OpenedStore`` for what it is opened with."""

    # Markers, as Dysnomia has them.

    def set_state(
        self,
        key: ComponentKey,
        *,
        active: bool,
        garbage: bool,
        component: Path | None = None,
        listed: bool = False,
    ) -> None:
        """Set or delete the two marker files; of what is activated, ``component`` is its path; ``listed``: a look at
        its server found it, and nobody activated it.

        Raises StoreError."""
        from dysnomia_store.disk.markers import mark_as, remember, remember_listed

        self._workspace.ready()
        if component is not None:
            remember(self._workspace, key, component)
        elif listed:
            remember_listed(self._workspace, key)
        mark_as(self._workspace, key, active=active, garbage=garbage)

    # Writing: all under the component's lock.

    def allow_traverse(self, folder: Path) -> None:
        """Grant o+x (traverse, not list) on a store folder and its parents, for modules that switch to another user.

        Raises StoreError."""
        from dysnomia_store.commit.install import allow_traverse

        with in_words(f"granting access to {folder}"):
            allow_traverse(self._workspace, folder)

    def import_for_snapshots(self) -> None:
        """Import what each snapshot takes, to make or to load: for a process that forks many that do."""
        import dysnomia_store.catalog.cache
        import dysnomia_store.commit.commit
        import dysnomia_store.commit.damage
        import dysnomia_store.commit.draft
        import dysnomia_store.commit.heal  # noqa: F401
        from dysnomia_store.content.cutting import available

        available()

    def reserve(self, lock: ComponentLock) -> int:
        """Give out the next generation number for good."""
        from dysnomia_store.disk.numbers import reserve

        self.heal(lock)
        return reserve(self._workspace, lock.key)

    def draft(
        self,
        key: ComponentKey,
        *,
        job: str,
        compression: str = "zstd",
        level: int | None = None,
        type: str = "",  # noqa: A002
        digest_version: int = 1,
        reader: str = "",
    ) -> AbstractContextManager[SnapshotDraft]:
        """A new folder in staging, swept on leaving unless it was committed.

        ``reader`` names a user who may read the snapshot besides the owner: bash Dysnomia's module becomes another.
        Entering raises NotFound, StoreError.
        """
        from dysnomia_store.commit.draft import begin_draft
        from dysnomia_store.content.cutting import DEFAULT

        return begin_draft(
            self._workspace,
            key,
            job=job,
            compression=compression,
            level=level,
            about={"component": str(key), "type": type, "digest_version": digest_version},
            reader=reader,
            cutting=self._cutting or DEFAULT,
        )

    def earlier(self, lock: ComponentLock, type: str, digest_version: int, *, read_all_every: float) -> Earlier | None:  # noqa: A002
        """The newest generation's snapshot, for a dump that need not read what did not change since.

        None where it is not of this type and version, or not known to be sound; where its dump noted nothing; or where
        it is ``read_all_every`` seconds since everything was read.
        """
        from dysnomia_store.commit.earlier import newest_earlier

        return newest_earlier(self._workspace, self._holding(lock), (type, digest_version), read_all_every)

    def see_again(self, lock: ComponentLock, earlier: Earlier, info: CommitInfo) -> Committed:
        """Record that what is live is what the newest generation holds. Raises Refused where that is another by now."""
        from dysnomia_store.commit.commit import see_newest

        key = self._holding(lock)
        return Committed(self.generation(key, see_newest(self._workspace, key, earlier.id, info)), new=False)

    def commit(
        self,
        lock: ComponentLock,
        draft: SnapshotDraft,
        info: CommitInfo,
        *,
        number: int | None = None,
        same_rows: Callable[[str], bool] | None = None,
        read: datetime | None = None,
    ) -> Committed:
        """Make a draft a generation, or record that the newest generation's state was seen again.

        Args:
            info: what is recorded of the generation and of its snapshot.
            read: when all of what the draft holds was last read from what was live; None for the time of ``info``.
            number: one that was reserved (a guard's): then a generation is always made.
            same_rows: told the newest snapshot's id where the draft and it can differ in the rows of tables alone;
                returns whether only the order of rows differs. Then no generation is made.

        Raises:
            StoreError: nothing was added.
        """
        from dysnomia_store.commit.commit import commit, metadata_of
        from dysnomia_store.commit.damage import mend_later
        from dysnomia_store.commit.earlier import keep_note

        key = self._holding(lock)
        self.heal(lock)
        metadata = metadata_of(draft.seal(), info, self.id)
        made, new = commit(self._workspace, key, draft, metadata, info, number, same_rows)
        mend_later(self._workspace, draft.replaced)
        keep_note(self._workspace, key, metadata, draft, read or info.as_of)
        return Committed(self.generation(key, made), new)

    def link(self, lock: ComponentLock, snapshot_id: str, info: CommitInfo, *, number: int | None = None) -> Generation:
        """Make a new generation of a snapshot that is in the store already (after a restore).

        Raises NotFound, Refused, StoreError."""
        from dysnomia_store.commit.commit import generation

        key = self._holding(lock)
        self.heal(lock)
        return self.generation(key, generation(self._workspace, key, snapshot_id, info, number))

    def write_index(
        self, lock: ComponentLock, snapshot_id: str, metadata: Metadata, sections: Iterable[Section]
    ) -> None:
        """Write metadata and contents index of a snapshot of another tool's, worked out afterwards."""
        from dysnomia_store.commit.describe import write_index

        write_index(self._workspace, self._holding(lock), snapshot_id, metadata, sections)

    def mark(self, key: ComponentKey, number: int, marks: Marks, *, who: str) -> None:
        """Replace the marks of a generation. Raises NotFound, NotPermitted, Refused, StoreError."""
        self.update_marks(key, number, lambda before: marks, who=who)

    def update_marks(self, key: ComponentKey, number: int, how: Callable[[Marks], Marks], *, who: str) -> None:
        """Change what operators say of a generation, from what is said at that moment, under the lock of its
        records. Raises NotFound, NotPermitted, Refused, and what ``how`` raises."""
        from dysnomia_store.catalog.marks import change

        generation = self.generation(key, number)
        if not generation.id:
            raise Refused(f"generation {number} of {key} cannot be marked", generation.problem)
        self._workspace.ready()
        change(self._workspace, key, number, generation.id, how, who)

    def record_check(self, key: ComponentKey, snapshot_id: str, check: Check) -> None:
        """Add a result to what is known of a snapshot. Raises StoreError."""
        from dysnomia_store.catalog.checks import record

        self._workspace.ready()
        record(self._workspace, key, snapshot_id, check)

    def check_and_record(
        self,
        key: ComponentKey,
        snapshot_id: str,
        *,
        at: datetime,
        job: str = "",
        on_bytes: Callable[[int], None] | None = None,
        proofs: Proofs | None = None,
    ) -> Check:
        """Check a snapshot and record the result, for every snapshot that shares what was found damaged as well.

        Raises NotPermitted, StoreError."""
        from dysnomia_store.content.proofs import Proofs

        proofs = proofs if proofs is not None else Proofs()
        outcome = self.check(key, snapshot_id, on_bytes=on_bytes, proofs=proofs)
        check = Check(at, outcome.how, outcome.result, outcome.text, job)
        return self.record_damage(key, snapshot_id, check, proofs)

    def record_damage(self, key: ComponentKey, snapshot_id: str, check: Check, proofs: Proofs) -> Check:
        """Record a check that has been made, for every snapshot that shares what it found damaged as well. Returns it
        with those named. Raises NotPermitted, StoreError."""
        from dysnomia_store.commit.damage import spread

        if damaged := proofs.take_damaged():
            self._workspace.ready()
            check = spread(self._workspace, (key, snapshot_id), damaged, check)
        self.record_check(key, snapshot_id, check)
        return check

    def import_folder(
        self, lock: ComponentLock, folder: Path, *, who: str = "", job: str = "", move: bool = False, reader: str = ""
    ) -> Committed:
        """Take a snapshot folder (named by its id) made elsewhere. Verified where it explains itself. ``reader`` as of
        ``draft``."""
        from dysnomia_store.catalog.generations import just_made
        from dysnomia_store.commit.draft import group_of
        from dysnomia_store.commit.import_folder import import_folder

        key = self._holding(lock)
        self.heal(lock)
        made, new = import_folder(self._workspace, key, folder, who=who, job=job, move=move, reader=group_of(reader))
        # Many are imported one by one: none of them may cost a look at all that are there.
        generation = just_made(self._layout, key, made) if new else None
        return Committed(generation or self.generation(key, made), new)

    # Archives: several snapshots with what is known of them, in one file.

    def export(
        self,
        chosen: Mapping[ComponentKey, Sequence[Generation]],
        path: Path,
        *,
        host: str = "",
        on_bytes: Callable[[int], None] | None = None,
    ) -> Archive:
        """Write generations and their snapshots to a file that is not there yet. Changes nothing in the store.

        Raises NotFound, Corrupt, Refused, StoreError: then there is no file.
        """
        from dysnomia_store.archive.write import describe, write

        archive = describe(self._workspace, chosen, host)
        write(self._workspace, archive, path, on_bytes)
        return archive

    def import_archive(
        self,
        path: Path,
        *,
        digest: str = "",
        who: str = "",
        job: str = "",
        on_bytes: Callable[[int], None] | None = None,
        reader: Callable[[ComponentKey], str] = lambda _: "",
    ) -> Imported:
        """Import an archive: all of it is verified before anything is stored. Run again, it resumes.

        Args:
            digest: of the record it had when it was looked at (``ArchiveReader.digest``).
            on_bytes: told of each piece, first as it is verified, then as it is copied.
            reader: a component's, as of ``draft``.

        Raises NotFound, Refused, NameRejected, Corrupt, StoreError.
        """
        from contextlib import ExitStack

        from dysnomia_store.archive.read import opened, unpack
        from dysnomia_store.commit.draft import group_of

        self._workspace.ready()
        with opened(path, digest) as opened_archive, in_words(f"importing {path}"), ExitStack() as stack:
            opened_archive.verify(on_bytes)
            keys = sorted(component.key for component in opened_archive.archive.components)
            for key in keys:
                self.heal(stack.enter_context(self._locked(key, who=who, job=job, doing="import")))
            groups = ((key, group_of(reader(key))) for key in keys)
            readers = {key: group for key, group in groups if group is not None}
            unpacked = unpack(self._workspace, opened_archive, who=who, job=job, on_bytes=on_bytes, readers=readers)
        return Imported(tuple(self.generation(key, number) for key, number in unpacked.made), unpacked.already)

    def optimise(
        self,
        key: ComponentKey,
        *,
        who: str,
        job: str,
        on_bytes: Callable[[int], None] | None = None,
        proofs: Proofs | None = None,
    ) -> Iterator[tuple[str, Optimised]]:
        """Make the snapshots of a component share what they can, oldest first, each under a lock of its own.

        Yields each id and what came of it; it may be left between two of them. What ``on_bytes`` raises ends it, and
        leaves the snapshot as it was. ``proofs`` as of ``check``.

        Raises Locked, StoreError.
        """
        from dysnomia_store.commit.optimise import Run, optimise
        from dysnomia_store.content.cutting import DEFAULT
        from dysnomia_store.content.proofs import Proofs

        run = Run(self._cutting or DEFAULT, proofs if proofs is not None else Proofs(), on_bytes)
        self._workspace.ready()
        for snapshot_id in dict.fromkeys(one.id for one in self.generations(key) if one.id):
            with self._locked(key, who=who, job=job, doing="optimise"):
                yield snapshot_id, optimise(self._workspace, key, snapshot_id, run, job)

    # Recovery.

    def sweep(self, *, alive: Callable[[str], bool]) -> Iterator[str]:
        """Delete staging folders of jobs that are not alive; put the cache and half-made commits right."""
        from dysnomia_store.sweep import sweep

        yield from sweep(self, self._workspace, alive)
        self._cache.forget()
