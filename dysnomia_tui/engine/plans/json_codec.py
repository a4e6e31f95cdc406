"""A GC plan and an operator's marks as JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypedDict

from dysnomia_store.model import Marks
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcLine, GcPlan, GcSnapshot
from dysnomia_store.records.schema import Count
from dysnomia_store.records.typed import shaped


def gc_to_json(plan: GcPlan) -> dict[str, Any]:
    """``at`` is left out: it is no part of what would happen."""
    return {
        "lines": [
            [str(line.key), line.number, line.id, line.keep, list(line.rules), line.content_size, line.stored_size]
            for line in plan.lines
        ],
        "snapshots": [[str(one.key), one.id, one.stored_size, one.orphan] for one in plan.snapshots],
        "broken_links": [[str(key), name] for key, name in plan.broken_links],
        "freed": plan.freed,
        "at": plan.at.isoformat(),
        "generations": dict(plan.generations),
    }


class _Review(TypedDict):
    lines: list[tuple[str, Count, str, bool, tuple[str, ...], Count | None, Count]]
    snapshots: list[tuple[str, str, Count, bool]]
    broken_links: list[tuple[str, str]]
    freed: Count
    at: datetime
    generations: dict[str, str]


def gc_from_json(data: Mapping[str, Any]) -> GcPlan:
    """Raises Corrupt, NameRejected."""
    record = shaped(data, _Review, "the review in plan.json")
    return GcPlan(
        lines=tuple(GcLine(ComponentKey.parse(line[0]), *line[1:]) for line in record["lines"]),
        snapshots=tuple(GcSnapshot(ComponentKey.parse(one[0]), *one[1:]) for one in record["snapshots"]),
        broken_links=tuple((ComponentKey.parse(key), name) for key, name in record["broken_links"]),
        freed=record["freed"],
        at=record["at"],
        generations=record["generations"],
    )


def marks_to_json(marks: Marks) -> dict[str, Any]:
    data = asdict(marks)
    data["verdict"] = marks.verdict.value if marks.verdict else None
    for pin in data["pins"]:
        pin["at"] = pin["at"].isoformat()
        pin["until"] = pin["until"].isoformat() if pin["until"] else None
    return data
