"""Danger grades, and what is typed to confirm them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import Settings
from dysnomia_tui.config.model import labels_of
from dysnomia_tui.engine.plans.plan import Grade

PROD = "PROD"


def graded(settings: Settings, keys: Collection[ComponentKey], grade: Grade) -> Grade:
    """One grade more where a component is labelled ``PROD`` (reading stays reading)."""
    if grade is Grade.READ or not any(PROD in labels_of(settings, key) for key in keys):
        return grade
    return Grade(min(Grade.FINAL, grade + 1))


def confirmation(grade: Grade, keys: Sequence[ComponentKey], count: str) -> str:
    """What is typed: nothing, the generation's number or the count, the component's name.

    A final action on several components asks for their container's name, or ``all`` where they are of several.
    """
    if grade <= Grade.ADDS:
        return ""
    if grade is Grade.UNDOABLE:
        return count
    if len(keys) == 1:
        return keys[0].component
    containers = {key.container for key in keys}
    return next(iter(containers)) if len(containers) == 1 else "all"
