"""What each step of a journal says: its schema, so that whoever reads one needs to doubt nothing.

A step that is not in the table is a later version's, and taken as it is. Fields that are not named here may come with a
step; those that are ``NotRequired`` are missing in journals of earlier versions or of other kinds of jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from dysnomia_store.records.schema import Count
from dysnomia_store.records.typed import shaped

Name = Annotated[str, Meta(min_length=1)]
State = Literal["done", "partly", "failed", "cancelled", "stale", "interrupted"]


class Made(TypedDict):
    """A generation that a job made."""

    key: str
    number: Count
    id: str


class Checked(TypedDict):
    result: str
    text: str


class Details(TypedDict, total=False):
    """What a result tells besides its words."""

    generations: list[Made]
    failed: dict[str, str]
    nothing: dict[str, str]
    warnings: list[str]
    checks: dict[str, Checked]
    clients: list[str]
    restored: Count | None
    guard: Count | None
    aside: str
    stays: str
    copy: str
    undoable: bool
    uncleared: bool
    put: Count
    rows_left: list[str]
    bytes: Count
    hint: str


class Result(TypedDict):
    state: State
    exit: Annotated[int, Meta(ge=0, le=255)]
    message: str
    hint: NotRequired[str]
    details: NotRequired[Details]
    at: datetime


class Worker(TypedDict):
    pid: Count
    start: Count
    boot: str
    space: NotRequired[str]


class _At(TypedDict):
    at: datetime


class _Recovered(TypedDict):
    by: str
    at: datetime
    text: str
    details: NotRequired[Details]


class _By(TypedDict):
    by: NotRequired[str]


class _Swap(TypedDict):
    guard: Count
    id: str
    restored: Count | None
    text: str
    try_guard: NotRequired[bool]
    in_place: NotRequired[bool]
    of: NotRequired[str]
    beside: NotRequired[str]


class _Copy(TypedDict):
    place: Name
    component: NotRequired[Name]
    path: NotRequired[Name]


class _Number(TypedDict):
    number: Count


class _Aside(TypedDict):
    aside: str


class _Activity(TypedDict):
    name: str
    active: NotRequired[bool]


class _Settled(TypedDict):
    swapped: NotRequired[bool]
    half: NotRequired[bool]


class _PutBack(TypedDict):
    guard: Count
    id: str
    restored: Count
    rows: list[tuple[Name, tuple[str, ...], str, str]]


class _Put(TypedDict):
    left: list[Count]


class _Member(TypedDict):
    index: int
    job: str


class _Outcome(TypedDict):
    outcome: str


class _Plugin(TypedDict):
    step: str
    data: dict[str, Any]


STEPS: Mapping[str, type] = {
    # Of a job's record.
    "worker": Worker,
    "started": _At,
    "result": Result,
    "recovered": _Recovered,
    "undone": _By,
    # Of a group's record.
    "member": _Member,
    "outcome": _Outcome,
    # Of a component's journal.
    "load": _Number,
    "swap": _Swap,
    "copy": _Copy,
    "put-back": _PutBack,
    "put": _Put,
    "linked": _Number,
    "guarded": _Number,
    "unguarded": _Aside,
    "activity": _Activity,
    "settled": _Settled,
    "resolved": _By,
    "plugin": _Plugin,
}


def check_step(name: str, data: Mapping[str, Any]) -> None:
    """Raises Corrupt where a step does not say what it must."""
    shape = STEPS.get(name)
    if shape is not None:
        shaped(data, shape, f"the step {name!r}")


_ENTRY: Any = tuple[str, dict[str, Any]]


def entry_of(value: object) -> tuple[str, dict[str, Any]]:
    """A line of a journal. Raises Corrupt."""
    name, data = shaped(value, _ENTRY, "the entry")
    check_step(name, data)
    return name, data
