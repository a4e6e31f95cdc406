"""``dysnomia-snapshots --export ID… FILE`` and ``--import FILE``: generations in one file, for another machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.names import new_outside
from dysnomia_tui.cli.shared.output import say, write_json
from dysnomia_tui.cli.shared.parser import Usage, load, open_engine
from dysnomia_tui.engine.errors import Exit, Unknown

if TYPE_CHECKING:
    from dysnomia_store.model import Generation
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.engine.engine import Engine

SHORTEST = 6
"""Least number of leading characters that may be given in place of an id."""


def export(args: argparse.Namespace, wanted: tuple[str, str]) -> int:
    """Write an archive. Raises Usage, Unknown, EngineError."""
    *ids, target = args.paths or [""]
    if not target:
        raise Usage("no file specified", "write: --export ID… FILE")
    engine = open_engine(load(args.statedir), read_only=True)
    chosen = choose(engine, ids, *wanted)
    path = new_outside(target, engine.settings.statedir)
    archive = engine.export(chosen, path)
    snapshots = sum(len(component.snapshots) for component in archive.components)
    size = path.stat().st_size
    say(f"{archive.generations} generations on {snapshots} snapshots, {size:,} bytes, are in {path}")
    if args.json:
        components = [
            {
                "container": one.key.container,
                "component": one.key.component,
                "generations": [generation.number for generation in one.generations],
                "ids": [snapshot.id for snapshot in one.snapshots],
            }
            for one in archive.components
        ]
        write_json({"file": path, "bytes": size, "components": components})
    return Exit.OK


def choose(engine: Engine, ids: Sequence[str], container: str, component: str) -> dict[ComponentKey, list[Generation]]:
    """The generations that are meant.

    An ID is ``container/component/id``, ``container/component`` (all of its generations), or the id alone (or its
    first six characters or more) among those that -C and -c leave; no ID at all means all that they leave.

    Raises Usage, Unknown, NameRejected.
    """
    from dysnomia_store.names import ComponentKey

    chosen: dict[ComponentKey, dict[int, Generation]] = {}
    among = sorted({key for key, _, _ in engine.links(container, component)})
    if not ids and not (container or component):
        raise Usage("no snapshot specified", "write: --export ID… FILE, or name a container or component")
    for text in ids:
        parts = text.rstrip("/").split("/")
        if len(parts) > 3:
            raise Usage(f"{text!r} is not a snapshot", "write container/component/id, container/component, or an id")
        keys = [ComponentKey.of(parts[0], parts[1])] if len(parts) > 1 else among
        snapshot_id = parts[-1] if len(parts) != 2 else ""
        matching = [one for key in keys for one in engine.generations(key) if _means(snapshot_id, one.id)]
        if not matching:
            raise Unknown(f"no generation of a snapshot {text!r} is in the store", "see --query-all")
        if snapshot_id and len({one.id for one in matching}) > 1:
            raise Usage(f"{text!r} matches {len({one.id for one in matching})} snapshots", "write more of its id")
        for one in matching:
            chosen.setdefault(one.key, {})[one.number] = one
    if not ids:
        chosen = {key: {one.number: one for one in engine.generations(key)} for key in among}
    if not chosen:
        raise Unknown("there is nothing to export", "see --query-all")
    return {key: [matching[number] for number in sorted(matching)] for key, matching in chosen.items()}


def _means(text: str, snapshot_id: str) -> bool:
    return not text or text == snapshot_id or (len(text) >= SHORTEST and snapshot_id.startswith(text))


def import_archive(args: argparse.Namespace, path: Path) -> int:
    """Take an archive in. Raises EngineError."""
    from dysnomia_tui.cli.shared.jobs import settle

    engine = open_engine(load(args.statedir))
    plan = engine.plan_import_archive(path)
    return settle(engine, plan, why=args.reason, dry_run=args.dry_run, no_wait=args.no_wait, as_json=args.json)
