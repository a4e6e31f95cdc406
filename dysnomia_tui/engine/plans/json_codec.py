"""A GC plan and an operator's marks as JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from dysnomia_store.model import Marks, Pin, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcLine, GcPlan, GcSnapshot


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


def gc_from_json(data: Mapping[str, Any]) -> GcPlan:
    return GcPlan(
        lines=tuple(
            GcLine(ComponentKey.parse(key), number, snapshot_id, keep, tuple(rules), content, stored)
            for key, number, snapshot_id, keep, rules, content, stored in data["lines"]
        ),
        snapshots=tuple(
            GcSnapshot(ComponentKey.parse(key), snapshot_id, size, orphan)
            for key, snapshot_id, size, orphan in data["snapshots"]
        ),
        broken_links=tuple((ComponentKey.parse(key), name) for key, name in data["broken_links"]),
        freed=data["freed"],
        at=datetime.fromisoformat(data["at"]),
        generations=data["generations"],
    )


def marks_to_json(marks: Marks) -> dict[str, Any]:
    data = asdict(marks)
    data["verdict"] = marks.verdict.value if marks.verdict else None
    for pin in data["pins"]:
        pin["at"] = pin["at"].isoformat()
        pin["until"] = pin["until"].isoformat() if pin["until"] else None
    return data


def marks_from_json(data: Mapping[str, Any]) -> Marks:
    pins = (
        Pin(
            why=pin["why"],
            who=pin["who"],
            at=datetime.fromisoformat(pin["at"]),
            until=datetime.fromisoformat(pin["until"]) if pin["until"] else None,
            held_by=pin["held_by"],
        )
        for pin in data["pins"]
    )
    verdict = Verdict(data["verdict"]) if data["verdict"] else None
    return Marks(pins=tuple(pins), verdict=verdict, tags=tuple(data["tags"]), note=data["note"])
