"""``--query-all --json``: the generations with what is known of each. Apart, since the plain queries open no record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store

if TYPE_CHECKING:
    from dysnomia_store.model import Generation
    from dysnomia_tui.cli.snapshots.command import Line


def documents(statedir: Path, lines: Iterable[Line]) -> list[dict[str, Any]]:
    """An object for each; of a generation that was collected meanwhile only its name."""
    store = Store(statedir)
    return [
        line._asdict() | {"path": line.path} | facts
        for (container, component), of in groupby(lines, key=lambda line: (line.container, line.component))
        for line, facts in _with_facts(store, ComponentKey(container, component), of)
    ]


def _with_facts(store: Store, key: ComponentKey, lines: Iterable[Line]) -> Iterator[tuple[Line, dict[str, Any]]]:
    known = {(one.number, one.id): one for one in store.generations(key)}
    for line in lines:
        one = known.get((line.generation, line.id))
        yield line, {} if one is None else _facts(one)


def _facts(one: Generation) -> dict[str, Any]:
    """Times are ISO 8601 in UTC, sizes bytes; None where nothing was written of it (snapshots of another tool)."""
    metadata, check = one.metadata, one.last_check
    return {
        "as_of": one.as_of,
        "as_of_estimated": one.as_of_estimated,
        "unchanged_until": one.unchanged_until,
        "content_size": None if metadata is None else metadata.content_size,
        "stored_size": None if metadata is None else metadata.stored_size,
        "rows": None if metadata is None else metadata.rows,
        "reason": one.reason,
        "text": one.text,
        "restored": one.restored,
        "who": one.who,
        "job": one.job,
        "good": one.good,
        "suspicious": one.suspicious,
        "problem": one.problem,
        "lacks": [] if metadata is None else metadata.lacks,
        "warnings": [] if metadata is None else metadata.warnings,
        "verdict": one.marks.verdict,
        "pins": one.marks.pins,
        "tags": one.marks.tags,
        "checked": None if check is None else {"at": check.at, "how": check.how, "result": check.result},
    }
