"""Generations opened for reading, one after the other, in the process that looks into them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dysnomia_plugins.base import StatePlugin
from dysnomia_store.model import Generation, Section
from dysnomia_tui.engine.contents.contents import reader_of, rescanned
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.machine.machine import Machine

Known = tuple[str, int, str, str]


@contextmanager
def opened(machine: Machine, generation: Generation, scratch: Path) -> Iterator[Opened]:
    """Its rows and its contents index, which is worked out where there is none.

    Raises StoreError, PluginError, OSError."""
    stored = machine.store.stored(generation.key, generation.id)
    reader = reader_of(machine, generation)
    if stored.index is not None:
        yield Opened(reader, stored)
        return
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        yield Opened(reader, rescanned(machine, generation, stored, Path(folder)))


def content_of(generation: Generation, section: Section) -> Known:
    """Equal for two sections that hold the same rows: digests say so where one version of a type made both, in one
    store. An index that was not written with its snapshot tells of that snapshot alone."""
    metadata = generation.metadata
    if metadata is None or not metadata.digest_version:
        return generation.id, 0, "", section.digest
    return metadata.type, metadata.digest_version, metadata.origin, section.digest


def rows_of_key(opened: Opened, section: Section, key: tuple[str, ...]) -> Iterator[bytes]:
    """The records that may have the key: all of them where the type cannot tell quickly."""
    reader = opened.reader
    if isinstance(reader, StatePlugin):
        batches = reader.rows_of_key(opened.stored, section, key)
    else:
        batches = reader.raw_rows(opened.stored, section)
    for batch in batches:
        yield from batch
