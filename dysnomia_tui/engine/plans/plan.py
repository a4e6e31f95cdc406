"""A plan: the immutable record of what a change would do. What the operator saw is the object that runs."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dysnomia_base.records import dataclass, field
from dysnomia_store.names import ComponentKey


class Grade(enum.IntEnum):
    """How dangerous an action is, and so how it is confirmed."""

    READ = 0
    """Nothing is asked."""
    ADDS = 1
    """Enter."""
    UNDOABLE = 2
    """Type the generation's number, or the count."""
    FINAL = 3
    """Type the component's name."""


class Kind(enum.StrEnum):
    """What a plan does. ``engine/planning`` makes the plan of each, ``engine/jobs`` runs it."""

    SNAPSHOT = "snapshot"
    RESTORE = "restore"
    PUT_BACK = "put-back"
    UNDO = "undo"
    GC = "gc"
    EMPTY_TRASH = "empty-trash"
    BRING_BACK = "bring-back"
    CHECK = "check"
    VERIFY = "verify"
    MARK = "mark"
    ACTIVITY = "activity"
    IMPORT = "import"
    ADOPT = "adopt"
    RECOVER = "recover"
    DEPLOY = "deploy"
    OPTIMISE = "optimise"
    GROUP = "group"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the job would do, in words that say *would*."""

    text: str
    key: str = ""
    """``container/component`` where it is about one."""


@dataclass(frozen=True, slots=True)
class SpaceNeed:
    """Bytes needed and had in one place."""

    where: str
    needs: int
    has: int | None
    estimated: bool = True


@dataclass(frozen=True)
class Plan:
    """What would happen.

    ``params`` holds the kind's own arguments as JSON values; ``depends`` what the plan rests on (checked again when
    the job starts: another value makes the plan stale).
    """

    kind: Kind
    title: str
    """``restore generation 211 of postgresql/orders``."""
    keys: tuple[ComponentKey, ...]
    grade: Grade
    steps: tuple[Step, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    depends: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    """Why it cannot run; a plan with blockers is refused by ``submit``."""
    notes: tuple[str, ...] = ()
    """What the operator may want to know, and nothing has to be done about."""
    replaces: str = ""
    """What is replaced, in words; ``""`` where nothing is."""
    space: tuple[SpaceNeed, ...] = ()
    command: tuple[str, ...] = ()
    """The equivalent command line."""
    confirm: str = ""
    """What the operator types to confirm: the number, the count, the component's name; ``""`` for Enter."""
    made: datetime | None = None

    @property
    def through_jobs(self) -> bool:
        """Whether its job works through jobs of its own: then these wait for their components, and it does not."""
        return "members" in self.params

    @property
    def digest(self) -> str:
        """Hex sha256 over everything but ``made`` and the notes: two plans that would do the same have the same."""
        import hashlib  # takes as long to import as a dozen modules of ours

        return hashlib.sha256(
            json.dumps(self.to_json() | {"made": None, "notes": None}, sort_keys=True).encode()
        ).hexdigest()

    def to_json(self) -> dict[str, Any]:
        from dataclasses import asdict  # imported where a plan is written: a look at a store makes none

        data = asdict(self)
        data["made"] = self.made.isoformat() if self.made else None
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Raises ValueError, naming the field that is not what it should be."""
        from dysnomia_base.shapes import convert  # only where a plan is read

        try:
            return convert(data, cls)
        except (ValueError, RecursionError) as error:  # a lone surrogate, too, where no text is wanted
            raise ValueError(str(error)) from None
