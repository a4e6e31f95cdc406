"""What a review of a collection is asked for, and its answer, read from the engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcPlan, Policy
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import EngineError

GenerationKey = tuple[ComponentKey, int]
"""A component, and the number of one of its generations."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a review is asked for."""

    keys: tuple[ComponentKey, ...]
    policy: Policy | None
    keep: frozenset[GenerationKey]
    drop: frozenset[GenerationKey]
    planned: bool = False
    """The collection that waits for a person, as it was planned; nothing else of the question counts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A review, and what is needed to show it."""

    review: GcPlan
    as_of: dict[GenerationKey, datetime]
    made: datetime | None = None
    """Of a collection that waits: when it was planned."""


class OutOfDate(EngineError):
    """The collection that waits can no longer be applied as it was planned."""


def read_review(engine: Engine, question: Question, without_times: Iterable[ComponentKey]) -> Answer:
    """The review that is asked for, with the times of the generations of some components.

    Raises:
        OutOfDate: the collection that waits is asked for, and none does that can be applied.
        EngineError: the review could not be made.
    """
    if question.planned:
        return _waiting(engine)
    review = engine.gc_review(question.keys, question.policy, keep=question.keep, drop=question.drop)
    return Answer(review, _times_of(engine, without_times))


def _waiting(engine: Engine) -> Answer:
    """The collection that waits. Raises OutOfDate where none does that can be applied."""
    collection = engine.planned_collection()
    if collection is None:
        raise OutOfDate("no collection waits any longer; this is the review by the policy")
    if collection.stale:
        raise OutOfDate(
            f"the collection that waits is out of date: {collection.stale}; this is the review by the policy"
        )
    keys = {line.key for line in collection.review.lines}
    return Answer(collection.review, _times_of(engine, keys), collection.made)


def _times_of(engine: Engine, keys: Iterable[ComponentKey]) -> dict[GenerationKey, datetime]:
    """The time of each generation."""
    return {(key, generation.number): generation.as_of for key in keys for generation in engine.generations(key)}
