"""The groups of config.toml as the main screen shows them: each with the health of its worst component. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dysnomia_store.names import ComponentKey
from dysnomia_tui.config.model import GroupSettings
from dysnomia_tui.engine.records import ComponentView, ContainerView, GroupView, Health

WORST_FIRST = (
    Health.FAILED,
    Health.GONE,
    Health.NEVER,
    Health.STALE,
    Health.UNKNOWN,
    Health.INACTIVE,
    Health.GARBAGE,
    Health.FOUND,
    Health.BUSY,
    Health.OK,
)
"""A component that is gone or has no generation forbids a restore of the whole group."""


def views(groups: Mapping[str, GroupSettings], containers: Sequence[ContainerView]) -> Iterator[GroupView]:
    """In the order of their names."""
    known = {view.key: view for container in containers for view in container.components}
    for name, group in sorted(groups.items()):
        yield view(name, group, known)


def view(name: str, group: GroupSettings, known: Mapping[ComponentKey, ComponentView]) -> GroupView:
    """One group; a component of it that is neither configured nor in the store is gone."""
    members = tuple(known[key] for key in group.components if key in known)
    missing = tuple(key for key in group.components if key not in known)
    healths = [Health.GONE, *(one.health for one in members)] if missing else [one.health for one in members]
    return GroupView(
        name=name,
        keys=group.components,
        components=members,
        missing=missing,
        health=min(healths, key=WORST_FIRST.index),
        before=group.before,
        after=group.after,
        time_limit=group.time_limit,
    )
