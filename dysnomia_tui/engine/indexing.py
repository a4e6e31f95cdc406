"""The contents index of a snapshot that came without one (another tool's): worked out from its bytes."""

from __future__ import annotations

from pathlib import Path

from dysnomia_plugins.base import Context, StatePlugin, Stored
from dysnomia_plugins.files import FilesReader
from dysnomia_store.canonical import DigestSink
from dysnomia_store.contents import Index, IndexWriter
from dysnomia_store.model import Generation, Metadata
from dysnomia_store.snapshots import StoredSnapshot
from dysnomia_store.store import ComponentLock
from dysnomia_tui.engine.bench import Bench
from dysnomia_tui.engine.trust import made_here


def work_out(reader: StatePlugin | FilesReader, ctx: Context, stored: Stored, path: Path, snapshot_id: str) -> Metadata:
    """Write the index to ``path``. Returns what is known of the snapshot then; its manifest is not worked out.

    Raises Corrupt, PluginError, OSError.
    """
    names = stored.artefacts()
    with IndexWriter(path) as writer:
        sink = DigestSink(writer, names[0] if names and isinstance(reader, StatePlugin) else "")
        complete: bool | None = None
        if isinstance(reader, StatePlugin):
            complete = reader.rescan(ctx, stored, sink)
        else:
            reader.rescan(stored, sink)
        known = sink.close()
    return Metadata(
        id=snapshot_id,
        type=reader.type if isinstance(reader, StatePlugin) else "",
        content_size=known.content_size,
        stored_size=0,
        files=(),
        digest=known.digest if isinstance(reader, StatePlugin) else "",
        digest_version=reader.digest_version,
        complete=complete,
        sections=known.sections,
        rows=known.rows,
    )


def ensure_index(bench: Bench, lock: ComponentLock, generation: Generation) -> StoredSnapshot:
    """The stored snapshot of a generation, with a contents index: made and kept where there was none."""
    stored = bench.store.stored(bench.key, generation.id)
    if stored.index is not None:
        return stored
    reader = bench.plugin if isinstance(bench.plugin, StatePlugin) else FilesReader()
    bench.progress.phase("index")
    with bench.context(made_here=made_here(bench.store, generation)) as ctx:
        path = ctx.staging / "index.zst"
        metadata = work_out(reader, ctx, stored, path, generation.id)
        with Index(path) as index:
            bench.store.write_index(lock, generation.id, metadata, index.sections())
    return bench.store.stored(bench.key, generation.id)
