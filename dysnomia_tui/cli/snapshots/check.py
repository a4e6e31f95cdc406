"""``dysnomia-snapshots --check --scheduled``: checks by jobs, so that who looks later knows what was checked and when.

Without ``--scheduled`` a check only reads, as Dysnomia's does, and nothing of it is kept but damage.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from dysnomia_store.names import ComponentKey
from dysnomia_tui.cli.shared.batch import BatchItem, BatchOptions, JobBatch
from dysnomia_tui.cli.shared.heard import Heard, refuse_empty
from dysnomia_tui.cli.shared.jobs import worst
from dysnomia_tui.cli.shared.output import say, write_json
from dysnomia_tui.cli.shared.parser import open_engine

if TYPE_CHECKING:
    from dysnomia_tui.cli.snapshots.command import Line
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.engine import Engine
    from dysnomia_tui.engine.plans.plan import Plan


def check_by_jobs(args: argparse.Namespace, settings: Settings, lines: Iterable[Line], hearing: Heard) -> int:
    """Check these generations, a job a component. Returns the exit code."""
    numbers: dict[ComponentKey, list[int]] = {}
    for line in lines:
        numbers.setdefault(ComponentKey(line.container, line.component), []).append(line.generation)
    engine = open_engine(settings)
    batch = JobBatch(engine, BatchOptions(1, args.reason, args.no_wait, args.dry_run, args.json))
    batch.carry_out([BatchItem(key, _planner(engine, key, chosen)) for key, chosen in numbers.items()])
    if not numbers:
        refuse_empty(settings)
        say("there is no generation that could be checked")
    hearing.batch(batch.records)
    status = worst(batch.exits)
    if args.json:
        write_json({"exit": int(status), "components": batch.records})
    return status


def _planner(engine: Engine, key: ComponentKey, numbers: Sequence[int]) -> Callable[[], Plan]:
    return lambda: engine.plan_check(key, numbers)
