"""Restore drills: which generations are due to be restored into a scratch place and compared, and in what order.

Only such a restore proves that a generation is a backup; reading its bytes proves no more than that they are those that
were written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from dysnomia_plugins.base import StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_store.model import CheckResult, Generation
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component.trust import made_here
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.records import Drill

NEVER = datetime.min.replace(tzinfo=UTC)


def due(machine: Machine, keys: Collection[ComponentKey] | None = None) -> tuple[Drill, ...]:
    """Those whose turn it is, the first first: of each component the newest generation and the newest good one, where
    no restore has proved them yet; then all others, those that waited longest first, the components in turn.

    The newest is tried where it is suspicious, too: whether it can be restored is what a person has to know of it. Left
    out are others that are suspicious, and what cannot be tried: types that hold no state, generations without a
    snapshot, known to be damaged or marked bad, imported ones that are not trusted. Raises StoreError."""
    components = machine.inventory().components
    newest: list[Drill] = []
    others: list[tuple[datetime, int, Drill]] = []
    for key in sorted(components if keys is None else keys):
        if not _has_state(machine, key):
            continue
        first = True
        for rank, drill in enumerate(_of(machine, key)):
            if first and drill.proved is None:
                newest.append(drill)
            else:
                others.append((drill.proved or NEVER, rank, drill))
            first = first and bool(drill.suspicious)
    others.sort(key=lambda entry: entry[:2])
    return (*newest, *(drill for _, _, drill in others))


def _has_state(machine: Machine, key: ComponentKey) -> bool:
    try:
        return isinstance(machine.plugin(key), StatePlugin)
    except (EngineError, PluginError):  # its container cannot be read, or its type is not here: status says so
        return False


def _of(machine: Machine, key: ComponentKey) -> Iterator[Drill]:
    """Each snapshot of a component once, by the newest generation that has it."""
    seen: set[str] = set()
    newest = True
    for generation in reversed(machine.store.generations(key)):
        tried = _whole(generation) if newest else generation.good
        newest = False
        if generation.id in seen or not tried or not made_here(machine.store, generation):
            continue
        seen.add(generation.id)
        suspicious = "" if generation.good else generation.suspicious
        yield Drill(key, generation.number, generation.as_of, _proved(machine, generation), suspicious)


def _whole(generation: Generation) -> bool:
    """Whether nothing but a suspicion is against it."""
    return replace(generation, suspicious="").good


def _proved(machine: Machine, generation: Generation) -> datetime | None:
    """When a restore last proved it."""
    checks = machine.store.checks(generation.key, generation.id)
    proofs = [check.at for check in checks if check.how == "restore" and check.result is CheckResult.OK]
    return max(proofs, default=None)
