"""The contents index of a snapshot that came without one (another tool's): worked out from its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import Context, StatePlugin, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.files_reader import FilesReader
from dysnomia_store import Digested, DigestSink, Index, IndexWriter, SectionTarget, StoredSnapshot, identity
from dysnomia_store.model import Generation, Metadata, Section
from dysnomia_store.sink import ContentSink
from dysnomia_store.store import ComponentLock
from dysnomia_tui.engine.component.context import ComponentJob
from dysnomia_tui.engine.component.trust import made_here, monotonic_times


def work_out(reader: StatePlugin | FilesReader, ctx: Context, stored: Stored, path: Path, snapshot_id: str) -> Metadata:
    """Write the index to ``path``. Returns what is known of the snapshot then; its manifest is not worked out.

    Raises Corrupt, PluginError, OSError.
    """
    with IndexWriter(path) as writer:
        draft = DigestingDraft(path.parent, writer)
        complete: bool | None = None
        if isinstance(reader, StatePlugin):
            complete = reader.rescan_artefacts(ctx, stored, draft)
        else:
            with draft.artefact("") as sink:
                reader.rescan(stored, sink)
    known = draft.results.values()
    rows = [one.rows for one in known if one.rows is not None]
    return Metadata(
        id=snapshot_id,
        type=reader.type if isinstance(reader, StatePlugin) else "",
        content_size=sum(one.content_size for one in known),
        stored_size=0,
        files=(),
        digest=draft.digest if isinstance(reader, StatePlugin) else "",
        digest_version=reader.digest_version,
        complete=complete,
        sections=sum(one.sections for one in known),
        rows=sum(rows) if rows else None,
    )


@dataclass
class DigestingDraft:
    """A draft that stores nothing: it works out digests, and hands on the sections (the plugin layer's ``Draft``)."""

    folder: Path
    target: SectionTarget
    results: dict[str, Digested] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The id that a snapshot of these artefacts has."""
        return identity({name: one.digest for name, one in self.results.items()})

    @contextmanager
    def artefact(self, name: str) -> Iterator[ContentSink]:
        sink = DigestSink(self.target, name)
        yield sink
        self.results[name] = sink.close()

    def claim(self, snapshot_id: str) -> None:
        """Raises PluginError: an id that is claimed says nothing of the content."""
        raise PluginError("a snapshot whose id the module chose has no digest to compute")


@dataclass(frozen=True)
class Rescanned:
    """A stored snapshot with a contents index that was worked out from its bytes by this version of its type."""

    stored: StoredSnapshot
    index: Path

    @property
    def metadata(self) -> Any:
        return self.stored.metadata

    @property
    def folder(self) -> Path:
        return self.stored.folder

    def artefacts(self) -> tuple[str, ...]:
        return self.stored.artefacts()

    def open(self, artefact: str | None = None) -> Any:
        return self.stored.open(artefact)

    def open_range(self, artefact: str, offset: int, length: int) -> Any:
        return self.stored.open_range(artefact, offset, length)

    def sections(self) -> Iterator[Section]:
        with Index(self.index) as index:
            yield from index.sections()


def in_this_version(plugin: StatePlugin, ctx: Context, stored: StoredSnapshot) -> StoredSnapshot | Rescanned:
    """A stored snapshot with the digests that this version of its type gives it: its own, or worked out anew.

    Raises Corrupt, PluginError, OSError."""
    metadata = stored.metadata
    if metadata is None or metadata.digest_version == plugin.digest_version:
        return stored
    path = ctx.staging / "digests-anew.zst"
    work_out(plugin, ctx, stored, path, metadata.id)
    return Rescanned(stored, path)


def ensure_index(component_job: ComponentJob, lock: ComponentLock, generation: Generation) -> StoredSnapshot:
    """The stored snapshot of a generation, with a contents index: made and kept where there was none.

    What an imported one says of its surroundings is not taken over until it is trusted.
    """
    stored = component_job.store.stored(component_job.key, generation.id)
    if stored.index is not None:
        return monotonic_times(component_job.store, generation, stored)
    reader = component_job.plugin if isinstance(component_job.plugin, StatePlugin) else FilesReader()
    component_job.progress.phase("index")
    with component_job.context(made_here=made_here(component_job.store, generation)) as ctx:
        path = ctx.staging / "index.zst"
        metadata = work_out(reader, ctx, stored, path, generation.id)
        with Index(path) as index:
            component_job.store.write_index(lock, generation.id, metadata, index.sections())
    return monotonic_times(
        component_job.store, generation, component_job.store.stored(component_job.key, generation.id)
    )
