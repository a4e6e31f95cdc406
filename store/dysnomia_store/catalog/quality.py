"""Which generations are good, and which are suspicious, in the light of those before them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection

from dysnomia_store.catalog.component import ComponentReading, GenerationRow, SnapshotRow
from dysnomia_store.catalog.middle import median
from dysnomia_store.model import CheckResult, Verdict, lacks_words

WINDOW = 5
"""How many good generations before it one is measured by."""
FAILED = frozenset({CheckResult.CORRUPT.value, CheckResult.MISSING.value})


def rate_generations(reading: ComponentReading) -> None:
    """Fill in ``suspicious``, ``trouble`` and ``good`` of every generation, in the order of their numbers.

    A generation is suspicious where it has no sections, where its content is under half the median of the last five
    good ones before it, or where it lacks a part that the good one before it had. One marked known good is not, and
    what comes after is measured by it.
    """
    lacked: tuple[str, ...] | None = None
    window: deque[int] = deque(maxlen=WINDOW)
    for number in sorted(reading.gens):
        gen = reading.gens[number]
        snap = reading.snaps.get(gen.id)
        verdict = json.loads(gen.marks)["verdict"] if gen.marks else None
        gen.trouble = _trouble(gen, snap)
        gen.suspicious = "" if verdict == Verdict.GOOD or snap is None else suspicion(snap, window, lacked)
        gen.good = (
            not gen.trouble
            and not gen.suspicious
            and verdict != Verdict.BAD
            and snap is not None
            and snap.complete is not False
            and not failed(snap)
        )
        if gen.good and snap is not None:
            lacked = snap.lacks
        if gen.good and snap is not None and snap.content_size is not None:
            if verdict == Verdict.GOOD:
                window.clear()
            window.append(snap.content_size)


def suspicion(snap: SnapshotRow, window: deque[int], lacked: Collection[str] | None) -> str:
    """Why a snapshot is suspicious after those whose content sizes are in ``window``, or ``""``.

    ``lacked``: what the good one before it lacks; None where there is none."""
    if snap.sections == 0:
        return "it holds no sections"
    lost = [] if lacked is None else [part for part in snap.lacks if part not in lacked]
    if lost:
        return lacks_words(lost)
    if snap.content_size is None or not window:
        return ""
    usual = median(window)
    if snap.content_size * 2 < usual:
        return f"it holds {snap.content_size:,} bytes, under half of the usual {usual:,.0f}"
    return ""


def is_known_bad(gen: GenerationRow) -> bool:
    """Whether somebody has said that it is bad, and so knows of it."""
    return gen.marks is not None and json.loads(gen.marks)["verdict"] == Verdict.BAD


def failed(snap: SnapshotRow) -> bool:
    """Whether its last check failed."""
    return snap.check is not None and json.loads(snap.check)["result"] in FAILED


def _trouble(gen: GenerationRow, snap: SnapshotRow | None) -> str:
    if gen.problem:
        return gen.problem
    if snap is not None and snap.file:
        return f"its snapshot {gen.id} is a file, not a folder: only bash Dysnomia restores it"
    if snap is None or not snap.exists:
        return f"its snapshot {gen.id} is missing"
    return snap.metadata_error
