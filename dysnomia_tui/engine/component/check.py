"""Two proofs of a snapshot: its bytes are what was written (check), and it is a backup (verify by restore)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from dysnomia_plugins.base import Context, Place, Purpose, StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_store import Proofs, SnapshotDraft, StoredSnapshot
from dysnomia_store.errors import Corrupt, StoreError
from dysnomia_store.model import Check, CheckResult, Form, Generation, Section
from dysnomia_store.sink import ContentSink
from dysnomia_tui.engine.component.context import ComponentJob, settle_others, state_plugin
from dysnomia_tui.engine.component.index import Rescanned, ensure_index, in_this_version
from dysnomia_tui.engine.component.left import SETTLED
from dysnomia_tui.engine.component.trust import made_here

BAD = (CheckResult.CORRUPT, CheckResult.MISSING)


def check(component_job: ComponentJob, number: int, proofs: Proofs | None = None) -> Check:
    """Read every byte of a generation's snapshot, compare it with what was written, and record the result.

    A snapshot without a contents index (another tool's) gets one. Frames that ``proofs`` knows are not read again.
    """
    generation = component_job.store.generation(component_job.key, number)
    component_job.progress.phase("check")
    total = generation.metadata.stored_size if generation.metadata else None
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        component_job.cancel.check()
        component_job.progress.advance(done, total)

    recorded = component_job.store.check_and_record(
        component_job.key,
        generation.id,
        at=component_job.clock(),
        job=component_job.job,
        on_bytes=advance,
        proofs=proofs,
    )
    if component_job.store.stored(component_job.key, generation.id).index is None and recorded.result not in BAD:
        with component_job.locked(f"index {number}") as lock:
            ensure_index(component_job, lock, generation)
    return recorded


def require_sound(component_job: ComponentJob, generation: Generation) -> None:
    """Check before a module gets it, which verifies nothing itself. Raises Corrupt."""
    result = component_job.store.check(component_job.key, generation.id)
    if result.result in BAD:
        raise Corrupt(
            f"generation {generation.number} of {component_job.key} is {result.result}: {result.text}", "take another"
        )


def verify(component_job: ComponentJob, number: int) -> Check:
    """Load a generation into a scratch place, dump that, and compare the digests: the proof that it can come back.

    Records the result. Raises what load and dump raise for reasons that say nothing of the snapshot (a server that
    is down, a full disk, a cancel); a snapshot that does not load is a result, not an error.
    """
    plugin = state_plugin(component_job)
    with component_job.locked(f"verify {number}") as lock:
        settle_others(component_job, lock)
        generation = component_job.store.generation(component_job.key, number)
        stored = ensure_index(component_job, lock, generation)
        component_job.journal.step("load", number=number, id=generation.id)
        result, text = _prove(component_job, plugin, generation, stored)
    if result in BAD:  # which bytes, and which other generations share them
        component_job.store.check_and_record(
            component_job.key, generation.id, at=component_job.clock(), job=component_job.job
        )
    recorded = Check(at=component_job.clock(), how="restore", result=result, text=text, job=component_job.job)
    component_job.store.record_check(component_job.key, generation.id, recorded)
    return recorded


def _prove(
    component_job: ComponentJob, plugin: StatePlugin, generation: Generation, stored: StoredSnapshot
) -> tuple[CheckResult, str]:
    with component_job.context(made_here=made_here(component_job.store, generation)) as ctx:
        scratch = plugin.place(ctx, Purpose.SCRATCH)
        try:
            component_job.progress.phase("load")
            try:
                plugin.load(ctx, stored, scratch)
            except Corrupt as error:
                return CheckResult.CORRUPT, error.message
            component_job.progress.phase("dump")
            again = DigestDraft(ctx.staging)
            plugin.dump_like(ctx, stored.metadata)
            dumped = plugin.dump(ctx, scratch, again)
            component_job.progress.phase("compare")
            known = in_this_version(plugin, ctx, stored)
            expected = _digests(known.sections())
            before = stored.metadata.tool_versions if stored.metadata else {}
            same_tools = dict(before) == dict(dumped.tool_versions)
            differ = {
                name for name in expected.keys() & again.sections.keys() if expected[name] != again.sections[name]
            }
            tables = {name for name in differ if expected[name][1] is Form.ROWS}
            moved = _in_another_order(component_job, plugin, ctx, scratch, known, tables) if tables else frozenset()
        finally:
            with component_job.shielded():
                plugin.drop(ctx, scratch)
            component_job.journal.step(SETTLED, swapped=False)  # where it cannot be dropped, the next writer does it
        result, text = compare(expected, again.sections, same_tools=same_tools, moved=moved)
        return result, text + _version_note(plugin, known)


def _version_note(plugin: StatePlugin, compared: StoredSnapshot | Rescanned) -> str:
    """How a snapshot of another version of the type was compared; ``""`` for one of this version."""
    if not isinstance(compared, Rescanned):
        return ""
    return (
        f" (its digests are of version {compared.metadata.digest_version} of the type, and were worked out anew for"
        f" version {plugin.digest_version})"
    )


Name = tuple[str, str]
"""Kind and name of a section."""
Digests = dict[Name, tuple[str, Form]]


def _in_another_order(
    component_job: ComponentJob,
    plugin: StatePlugin,
    ctx: Context,
    scratch: Place,
    stored: StoredSnapshot | Rescanned,
    tables: Set[Name],
) -> Set[Name]:
    """Those of the tables that differ in a restored copy which do so in the order of their rows alone.

    To be compared row by row the copy is dumped once more, and kept while it is. Raises what a dump raises.
    """
    from dysnomia_tui.engine.diff.multiset import OrderCheck  # rarely needed, and slow to import

    if not plugin.order_varies:
        return frozenset()
    base = ctx.staging / "again"
    base.mkdir(mode=0o700)
    draft = SnapshotDraft(base)
    plugin.dump(ctx, scratch, draft)
    check = OrderCheck(plugin, stored, draft.stored(), ctx.staging, lambda rows: component_job.cancel.check())
    differ = {
        (section.kind, section.name)
        for pair in check.changed()
        if (section := pair[1] or pair[0]) is not None and not check.same_rows(pair)
    }
    return tables - differ


def same_state(
    component_job: ComponentJob, plugin: StatePlugin, known: str, draft: SnapshotDraft, folder: Path
) -> bool:
    """Whether a snapshot in the making differs from a stored one in the order of its rows alone.

    One that cannot be read vouches for nothing, so the new one is kept. ``folder`` is for temporary files.
    Raises Cancelled.
    """
    from dysnomia_tui.engine.diff.multiset import OrderCheck  # rarely needed, and slow to import

    if not plugin.order_varies:
        return False
    stored = component_job.store.stored(component_job.key, known)
    if stored.index is None:
        return False
    component_job.progress.phase("compare")
    check = OrderCheck(plugin, stored, draft.stored(), folder, lambda rows: component_job.cancel.check())
    try:
        return check.same_state()
    except StoreError:
        return False


def compare(
    expected: Digests, actual: Digests, *, same_tools: bool, moved: Collection[Name] = ()
) -> tuple[CheckResult, str]:
    """Compare the sections of a snapshot with those of its restored copy. Data sections decide.

    Wording of schema (form TEXT) by another version of the tools is not comparable, and no fault of the snapshot.
    ``moved`` are those whose rows are the same in another order.
    """
    differ = sorted(
        name for name in expected.keys() | actual.keys() if name not in moved and expected.get(name) != actual.get(name)
    )
    wording = [
        name for name in differ if all(side[name][1] is Form.TEXT for side in (expected, actual) if name in side)
    ]
    data = [name for name in differ if name not in wording]
    if data or (wording and same_tools):
        shown = ", ".join(" ".join(name) for name in (data or wording)[:5])
        more = len(data or wording) - 5
        return CheckResult.CORRUPT, f"its restored copy differs in {shown}" + (f" and {more} more" if more > 0 else "")
    if wording:
        return CheckResult.OK, (
            f"the data is the same; {len(wording)} sections of schema are worded by another version of the tools"
        )
    order = f", {len(moved)} of them with their rows in another order" if moved else ""
    return CheckResult.OK, f"restored and dumped again: {len(expected)} sections are the same{order}"


def _digests(sections: Iterable[Section]) -> Digests:
    return {(section.kind, section.name): (section.digest, section.form) for section in sections}


@contextmanager
def _digesting(name: str, draft: DigestDraft) -> Iterator[ContentSink]:
    from dysnomia_store import DigestSink

    sink = DigestSink(draft, name)
    yield sink
    sink.close()


class DigestDraft:
    """A draft that keeps nothing but the digests of its sections (the plugin layer's ``Draft``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sections: Digests = {}

    def artefact(self, name: str) -> AbstractContextManager[ContentSink]:
        return _digesting(name, self)

    def claim(self, snapshot_id: str) -> None:
        """A module that names its snapshots itself is never verified by a digest.

        Raises PluginError: an id that is claimed says nothing of the content."""
        raise PluginError("a snapshot whose id the module chose cannot be verified by its digest")

    def add(self, section: Section) -> None:
        self.sections[section.kind, section.name] = (section.digest, section.form)

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        """The key of a section is no part of its digest."""
