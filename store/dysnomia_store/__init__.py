"""The snapshot store on disk. Knows no plugin.

From outside: ``store`` (the facade), ``model``, ``names``, ``errors``, ``sink``, ``records.retention``, and
what is named here. The rest is the store's own.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers know the name; the module typing costs a query 10 ms

if TYPE_CHECKING:
    from dysnomia_store.archive.format import Archive
    from dysnomia_store.archive.read import ArchiveReader
    from dysnomia_store.catalog.survey import all_generations, latest_generations
    from dysnomia_store.content.digest import Digested, DigestSink, SectionTarget
    from dysnomia_store.content.excerpt import Excerpt, unshared
    from dysnomia_store.content.in_place import difference
    from dysnomia_store.content.index import Index, IndexWriter, decode, encode
    from dysnomia_store.content.index_diff import Pair, changed_between, changed_sections, is_schema
    from dysnomia_store.content.proofs import Proofs
    from dysnomia_store.content.snapshots import SnapshotDraft, StoredSnapshot, identity
    from dysnomia_store.disk.layout import Layout
    from dysnomia_store.records.codec import moment

_HOMES = {
    "Archive": "dysnomia_store.archive.format",
    "ArchiveReader": "dysnomia_store.archive.read",
    "DigestSink": "dysnomia_store.content.digest",
    "Digested": "dysnomia_store.content.digest",
    "Excerpt": "dysnomia_store.content.excerpt",
    "Index": "dysnomia_store.content.index",
    "IndexWriter": "dysnomia_store.content.index",
    "Layout": "dysnomia_store.disk.layout",
    "Pair": "dysnomia_store.content.index_diff",
    "Proofs": "dysnomia_store.content.proofs",
    "SectionTarget": "dysnomia_store.content.digest",
    "SnapshotDraft": "dysnomia_store.content.snapshots",
    "StoredSnapshot": "dysnomia_store.content.snapshots",
    "all_generations": "dysnomia_store.catalog.survey",
    "changed_between": "dysnomia_store.content.index_diff",
    "changed_sections": "dysnomia_store.content.index_diff",
    "decode": "dysnomia_store.content.index",
    "encode": "dysnomia_store.content.index",
    "identity": "dysnomia_store.content.snapshots",
    "is_schema": "dysnomia_store.content.index_diff",
    "latest_generations": "dysnomia_store.catalog.survey",
    "moment": "dysnomia_store.records.codec",
    "difference": "dysnomia_store.content.in_place",
    "unshared": "dysnomia_store.content.excerpt",
}
"""Where each name is defined. It is imported when it is first asked for: queries must start quickly."""

__all__ = [
    "Archive",
    "ArchiveReader",
    "DigestSink",
    "Digested",
    "Excerpt",
    "Index",
    "IndexWriter",
    "Layout",
    "Pair",
    "Proofs",
    "SectionTarget",
    "SnapshotDraft",
    "StoredSnapshot",
    "all_generations",
    "changed_between",
    "changed_sections",
    "decode",
    "difference",
    "encode",
    "identity",
    "is_schema",
    "latest_generations",
    "moment",
    "unshared",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
