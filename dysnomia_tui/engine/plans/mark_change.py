"""A change of an operator's marks on a generation, merged with the marks at that time.

A plan holds the change alone and the job merges it with what is there at that moment: a pin of somebody else, or the
hold of a guard, is never taken away by an operator who did not see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from dysnomia_store.model import Marks, Pin, Verdict
from dysnomia_store.records.typed import shaped
from dysnomia_tui.engine.component.trust import TRUSTED_TAG
from dysnomia_tui.engine.errors import Stale
from dysnomia_tui.engine.plans.json_codec import marks_to_json

LONGEST = 60
"""Characters of an operator's words that a title repeats."""


@dataclass(frozen=True)
class MarkChange:
    """The difference between two marks. ``None`` where the verdict or the note stays as it is."""

    pins_added: tuple[Pin, ...] = ()
    pins_removed: tuple[Pin, ...] = ()
    """Operators' own only: what a job holds is let go by the job's own rules."""
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    verdict: tuple[Verdict | None, Verdict | None] | None = None
    """What the operator saw, and what they say."""
    note: tuple[str, str] | None = None

    @property
    def trusts(self) -> bool:
        """Whether an imported snapshot would be loaded as one that was made here."""
        return TRUSTED_TAG in self.tags_added

    def to_json(self) -> dict[str, Any]:
        return {
            "add": marks_to_json(Marks(pins=self.pins_added, tags=self.tags_added)),
            "remove": marks_to_json(Marks(pins=self.pins_removed, tags=self.tags_removed)),
            "verdict": [one.value if one else None for one in self.verdict] if self.verdict else None,
            "note": list(self.note) if self.note else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MarkChange:
        """Raises Corrupt."""
        record = shaped(data, _Change, "the change of marks in plan.json")
        return cls(
            pins_added=record["add"].pins,
            pins_removed=record["remove"].pins,
            tags_added=record["add"].tags,
            tags_removed=record["remove"].tags,
            verdict=record["verdict"],
            note=record["note"],
        )


class _Change(TypedDict):
    add: Marks
    remove: Marks
    verdict: tuple[Verdict | None, Verdict | None] | None
    note: tuple[str, str] | None


def between(seen: Marks, wanted: Marks) -> MarkChange:
    """What an operator who saw ``seen`` asks for by ``wanted``."""
    return MarkChange(
        pins_added=tuple(pin for pin in wanted.pins if pin not in seen.pins),
        pins_removed=tuple(pin for pin in seen.pins if pin not in wanted.pins and not pin.held_by),
        tags_added=tuple(tag for tag in wanted.tags if tag not in seen.tags),
        tags_removed=tuple(tag for tag in seen.tags if tag not in wanted.tags),
        verdict=(seen.verdict, wanted.verdict) if seen.verdict is not wanted.verdict else None,
        note=(seen.note, wanted.note) if seen.note != wanted.note else None,
    )


def merged(marks: Marks, change: MarkChange, who: str) -> Marks:
    """``said`` with the change. A new pin without a name gets ``who``.

    Raises Stale where somebody else gave another verdict or wrote another note since the operator looked: there can
    be only one, and theirs would be gone without a word.
    """
    added = tuple(pin if pin.who else replace(pin, who=who) for pin in change.pins_added)
    verdict, note = marks.verdict, marks.note
    if change.verdict is not None:
        if marks.verdict not in change.verdict:
            raise Stale(f"it was marked {_known(marks.verdict)} by another user", "check the mark, then try again")
        verdict = change.verdict[1]
    if change.note is not None:
        if marks.note not in change.note:
            raise Stale(
                f"another user changed its note to: {shortened(marks.note) or '(no note)'}",
                "check the note, then try again",
            )
        note = change.note[1]
    kept = tuple(pin for pin in marks.pins if pin not in change.pins_removed or pin.held_by)
    tags = tuple(tag for tag in marks.tags if tag not in change.tags_removed)
    return Marks(
        pins=(*kept, *(pin for pin in added if pin not in kept)),
        verdict=verdict,
        tags=(*tags, *(tag for tag in change.tags_added if tag not in tags)),
        note=note,
    )


def words(change: MarkChange, what: str) -> tuple[str, ...]:
    """What the change does to ``what`` ("generation 10 of sqlite/orders"), the weightiest first; each a title."""
    parts: list[str] = []
    if change.trusts:
        parts.append(f"trust {what}")
    if TRUSTED_TAG in change.tags_removed:
        parts.append(f"trust {what} no longer")
    if change.verdict is not None:
        before, now = change.verdict
        parts.append(f"mark {what} {_known(now)}" if now else f"mark {what} no longer {_known(before)}")
    for pin in change.pins_added:
        until = f" until {pin.until:%Y-%m-%d %H:%M} UTC" if pin.until else ""
        parts.append(_with(f"pin {what}{until}", pin.why))
    parts += [_with(f"unpin {what}", pin.why) for pin in change.pins_removed]
    if change.note is not None:
        parts.append(_with(f"note on {what}", change.note[1]) if change.note[1] else f"take the note off {what}")
    parts += [f"tag {what} {shortened(tag)}" for tag in change.tags_added if tag != TRUSTED_TAG]
    parts += [f"take the tag {shortened(tag)} off {what}" for tag in change.tags_removed if tag != TRUSTED_TAG]
    return tuple(parts)


def _known(verdict: Verdict | None) -> str:
    return f"known {verdict.value}" if verdict else "neither good nor bad"


def _with(label: str, text: str) -> str:
    return f"{label}: {shortened(text)}" if text else label


def shortened(text: str) -> str:
    """One line of an operator's words, at most ``LONGEST`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
