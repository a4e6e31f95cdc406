"""Reads of the engine that take several of its calls."""

from __future__ import annotations

from itertools import islice

from dysnomia_store.model import Generation
from dysnomia_tui.app.present import detail
from dysnomia_tui.app.present.detail import Contents
from dysnomia_tui.engine.engine import Engine


def read_contents(engine: Engine, generation: Generation) -> Contents:
    """What is in a generation, and what changed: two reads of indexes, no dump."""
    changes = tuple(engine.changes(generation.key, generation.number))
    stream = engine.sections(generation.key, generation.number)
    listed = tuple(islice(stream, detail.AT_MOST))
    total = generation.metadata.sections if generation.metadata is not None else None
    more = max((total or 0) - len(listed), 0) if len(listed) == detail.AT_MOST else 0
    return Contents(changes[: detail.AT_MOST], listed, more)
