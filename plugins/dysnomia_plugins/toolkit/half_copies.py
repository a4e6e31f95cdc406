"""What a job may have left behind, for types whose copies are noted in the journal when they are begun and ended."""

from __future__ import annotations

from dysnomia_plugins.base import Context, Place, Purpose, StatePlugin


def may_be_left(ctx: Context, plugin: StatePlugin, begun: str, ended: str) -> list[Place]:
    """The places of the job, and copies that were not loaded to their end.

    Args:
        begun, ended: the journal's steps of a copy, each with its ``name``.
    """
    steps = ctx.journal.steps()
    whole = {data["name"] for step, data in steps if step == ended}
    half = [str(data["name"]) for step, data in steps if step == begun and data["name"] not in whole]
    names = dict.fromkeys([*(plugin.place(ctx, purpose).name for purpose in Purpose), *half])
    return [*map(Place, names)]
