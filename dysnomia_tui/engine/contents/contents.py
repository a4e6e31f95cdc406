"""What is in a generation: its sections, what changed since the one before, its rows; and the sides of a diff."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import Component, Context, PropertyValue, StatePlugin, Stored
from dysnomia_plugins.errors import Unsupported
from dysnomia_plugins.toolkit.files_reader import FilesReader
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_store import SnapshotDraft, StoredSnapshot, changed_between, changed_sections
from dysnomia_store.errors import NotFound
from dysnomia_store.model import Generation, Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.component.index import Rescanned, work_out
from dysnomia_tui.engine.component.journal import MemoryJournal
from dysnomia_tui.engine.component.trust import made_here
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.diff.sections import as_change
from dysnomia_tui.engine.diff.sides import SideSpec, stored_side
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.settings_json import settings_from_json, settings_to_json
from dysnomia_tui.engine.probing.child import Silent
from dysnomia_tui.engine.records import SectionChange
from dysnomia_tui.engine.redact import secrets_of


def sections_of(machine: Machine, generation: Generation, *, anew: bool = False) -> Iterator[Section]:
    """The contents index, streamed; worked out from the bytes where none was written. ``anew``: also where it was
    written by another version of the type."""
    stored = machine.store.stored(generation.key, generation.id)
    if stored.index is not None and not (anew and _of_another_version(machine, generation)):
        yield from stored.sections()
        return
    with tempfile.TemporaryDirectory(prefix="dysnomia-contents-") as scratch:
        yield from rescanned(machine, generation, stored, Path(scratch)).sections()


def remarks(machine: Machine, key: ComponentKey, number: int, sections: Sequence[Section]) -> Mapping[str, str] | None:
    """What tells a person which sections these are, by their names; None where the type has nothing to tell.

    Raises NotFound, StoreError, PluginError."""
    generation = machine.store.generation(key, number)
    reader = reader_of(machine, generation)
    if not isinstance(reader, StatePlugin) or not reader.has_remarks:
        return None
    stored = machine.store.stored(key, generation.id)
    return {section.name: remark for section in sections if (remark := reader.remark(stored, section))}


def is_meant(section: Section, name: str) -> bool:
    """Whether ``KIND:NAME``, or a name alone, means this section; ``""`` means any."""
    return not name or name in (section.name, f"{section.kind}:{section.name}")


def changes_since(machine: Machine, key: ComponentKey, number: int) -> Sequence[SectionChange]:
    """Sections that differ from the generation before; all of them as added where there is none before, and none where
    the two cannot be compared: an earlier version wrote the same values in another way."""
    generations = machine.store.generations(key)
    at = next((index for index, one in enumerate(generations) if one.number == number), None)
    if at is None:
        machine.store.generation(key, number)  # raises NotFound, naming what is there
        return ()
    new = machine.store.stored(key, generations[at].id)
    before = next((one for one in reversed(generations[:at]) if one.id), None)
    if before is None:
        return [as_change((None, section)) for section in sections_of(machine, generations[at])]
    if before.id == generations[at].id:
        return ()
    old = machine.store.stored(key, before.id)
    if _worded_otherwise(machine, before, generations[at]):
        return ()
    anew = _digested(before) != _digested(generations[at])
    if old.index is not None and new.index is not None and not anew:
        return [as_change(pair) for pair in changed_between(old.index, new.index)]
    pairs = changed_sections(sections_of(machine, before, anew=anew), sections_of(machine, generations[at], anew=anew))
    return [as_change(pair) for pair in pairs]


def _digested(generation: Generation) -> tuple[int, str]:
    """How the digests in a generation's contents index were made: by which version of its type, and in which store."""
    metadata = generation.metadata
    return (metadata.digest_version, metadata.origin) if metadata is not None else (0, "")


def _of_another_version(machine: Machine, generation: Generation) -> bool:
    """Whether its digests were made by another version of its type than the one here."""
    reader = reader_of(machine, generation)
    return isinstance(reader, StatePlugin) and _digested(generation)[0] != reader.digest_version


def rescanned(machine: Machine, generation: Generation, stored: StoredSnapshot, scratch: Path) -> Rescanned:
    """Work the contents index out, into ``scratch``."""
    path = scratch / "index.zst"
    component = machine.inventory().components.get(generation.key)
    ctx = _context(
        machine,
        Component(generation.key, component or Path("/nonexistent"), _properties(machine, generation.key)),
        scratch,
        trusted=made_here(machine.store, generation),
    )
    work_out(reader_of(machine, generation), ctx, stored, path, generation.id)
    return Rescanned(stored, path)


def _properties(machine: Machine, key: ComponentKey) -> Mapping[str, PropertyValue]:
    """Those of its container, where it is still configured."""
    container = machine.inventory().containers.get(key.container)
    return container.properties if container else {}


def reader_of(machine: Machine, generation: Generation) -> StatePlugin | FilesReader:
    """What reads a generation's snapshot: its own type's plugin, else that of its container, else file by file."""
    if generation.metadata is not None and generation.metadata.type:
        plugin = machine.plugin_of_type(generation.metadata.type)
    else:
        container = machine.inventory().containers.get(generation.key.container)
        plugin = machine.plugin_of_type(container.type) if container else None
    return plugin if isinstance(plugin, StatePlugin) else FilesReader()


def _context(machine: Machine, component: Component, scratch: Path, *, trusted: bool) -> Context:
    """A context for reading: it journals nothing and is never cancelled; its process is killed instead."""
    return Context(
        component=component,
        runner=ProcessRunner(secrets=secrets_of(component.properties)),
        progress=Silent(),
        cancel=NeverCancelled(),
        journal=MemoryJournal(),
        staging=scratch,
        tag=f"{machine.store.id[:8]}_look{scratch.name[-8:]}",
        made_here=trusted,
    )


# --- sides of a diff: described here, opened in the comparing process ------------------------------------------------


def sides(machine: Machine, key: ComponentKey, old: int | str, new: int | str) -> tuple[SideSpec, SideSpec]:
    """Describe two generations, or one and what is live, so that they can be compared with each other.

    Digests of two versions of a type tell of changes that nobody made: those that are not of the version here are
    worked out anew. What no digest can mend (rows that were written in another way) is said.
    Raises NotFound, Unknown, Unsupported."""
    generations = [machine.store.generation(key, which) for which in (old, new) if isinstance(which, int)]
    if len(generations) < 2:
        before = generations[0] if generations else None
        return _with_live(machine, key, old, before), _with_live(machine, key, new, before)
    anew = _digested(generations[0]) != _digested(generations[1])
    first, second = side(machine, key, old, anew=anew), side(machine, key, new, anew=anew)
    return first, replace(second, remark=_worded_otherwise(machine, *generations))


def _worded_otherwise(machine: Machine, old: Generation, new: Generation) -> str:
    reader = reader_of(machine, new)
    return reader.worded_otherwise(old.metadata, new.metadata) if isinstance(reader, StatePlugin) else ""


def _with_live(machine: Machine, key: ComponentKey, which: int | str, other: Generation | None) -> SideSpec:
    """One side of a comparison with what is live."""
    live_side = side(machine, key, which, anew=True)
    if isinstance(which, int) or other is None:
        return live_side
    return replace(live_side, args={**live_side.args, "like": other.number})


def side(machine: Machine, key: ComponentKey, which: int | str, *, anew: bool = False) -> SideSpec:
    """Describe a generation, or what is live. ``anew``: a generation's contents index by this version of its type.
    Raises NotFound, Unknown, Unsupported."""
    if not isinstance(which, int):
        if not isinstance(machine.plugin(key), StatePlugin):
            raise Unsupported(f"what is live of {key} cannot be read without a snapshot", "take one, and compare that")
        return SideSpec("live", f"{__name__}:open_live", _args(machine.settings, key))
    generation = machine.store.generation(key, which)
    title = f"{which} {'≈' if generation.as_of_estimated else ''}{generation.as_of.isoformat(timespec='seconds')}"
    stored = machine.store.stored(key, generation.id)
    if stored.index is None or (anew and _of_another_version(machine, generation)):
        return SideSpec(title, f"{__name__}:open_rescanned", {**_args(machine.settings, key), "number": which})
    reader = reader_of(machine, generation)
    return stored_side(
        title,
        statedir=machine.settings.statedir,
        key=key,
        snapshot_id=generation.id,
        type_name=reader.type if isinstance(reader, StatePlugin) else "",
        modules_path=machine.settings.modules_path,
        libexec=machine.settings.libexec,
    )


def _args(settings: Settings, key: ComponentKey) -> Mapping[str, Any]:
    return {"settings": settings_to_json(settings), "key": str(key)}


def nothing() -> SideSpec:
    """An empty side: compared with it, everything in the other is there to be looked at."""
    return SideSpec("nothing", f"{__name__}:open_nothing")


@contextmanager
def open_nothing(args: Mapping[str, Any], scratch: Path) -> Iterator[Opened]:
    draft = SnapshotDraft(scratch)
    with draft.artefact("nothing"):
        pass
    yield Opened(FilesReader(), draft.stored())


@contextmanager
def open_live(args: Mapping[str, Any], scratch: Path) -> Iterator[Opened]:
    """Dump what is live into the diff's private folder, outside the store.

    Raises Unsupported where the type cannot be read without a snapshot."""
    machine = Machine(settings_from_json(args["settings"]))
    key = ComponentKey.parse(args["key"])
    plugin = machine.plugin(key)
    if not isinstance(plugin, StatePlugin):
        raise Unsupported(f"what is live of {key} cannot be read without a snapshot")
    base = scratch / "live"
    base.mkdir(mode=0o700)
    component = machine.component(key)
    ctx = _context(machine, component, scratch, trusted=True)
    frames = None
    if "like" in args:
        other = machine.store.generation(key, int(args["like"]))
        plugin.dump_like(ctx, other.metadata)
        frames = machine.store.stored(key, other.id).borrowed()
    draft = SnapshotDraft(base, frames=frames)
    plugin.dump(ctx, plugin.live(component), draft)
    yield Opened(plugin, draft.stored())


@contextmanager
def open_rescanned(args: Mapping[str, Any], scratch: Path) -> Iterator[Opened]:
    """Open a stored snapshot whose contents index is worked out anew: it has none (another tool's), or that of another
    version of its type.

    Raises NotFound for a broken link."""
    machine = Machine(settings_from_json(args["settings"]))
    generation = machine.store.generation(ComponentKey.parse(args["key"]), int(args["number"]))
    if not generation.id:
        raise NotFound(f"generation {generation.number} is a broken link", generation.problem)
    stored: Stored = rescanned(machine, generation, machine.store.stored(generation.key, generation.id), scratch)
    yield Opened(reader_of(machine, generation), stored)
