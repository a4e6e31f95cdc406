"""Rows of a stored snapshot by their keys, as they are wanted in live."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from dysnomia_plugins.base import PutRow, StatePlugin, Stored
from dysnomia_plugins.errors import NotSafe
from dysnomia_store.model import Section

FEW = 3
"""Keys up to which each is looked up by itself; more are found in one pass over the section."""
Key = tuple[str, ...]


def wanted_rows(plugin: StatePlugin, stored: Stored, section: Section, keys: Sequence[Key]) -> list[PutRow]:
    """Each key with the row that the snapshot has under it, or None.

    Raises NotSafe where two rows are shown with one key, Corrupt, PluginError."""
    rows: dict[Key, bytes] = {}
    for key, raw in _found(plugin, stored, section, keys):
        if key in rows and rows[key] != raw:
            raise NotSafe(f"two rows of {section.kind} {section.name} have the key {','.join(key)}")
        rows[key] = raw
    return [PutRow(section, key, rows.get(key)) for key in keys]


def _found(plugin: StatePlugin, stored: Stored, section: Section, keys: Sequence[Key]) -> Iterator[tuple[Key, bytes]]:
    asked = set(keys)
    batches: Iterable[Sequence[bytes]]
    if len(asked) <= FEW:
        batches = chain.from_iterable(plugin.rows_of_key(stored, section, key) for key in sorted(asked))
    else:
        batches = plugin.raw_rows(stored, section)
    for batch in batches:
        for raw in batch:
            key = plugin.parse_row(section, raw).key
            if key in asked:
                yield tuple(map(str, key)), raw


@contextmanager
def scratch_in(folder: Path) -> Iterator[None]:
    """What a type writes out for reading goes into ``folder``, and with it, however the process ends."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
