"""The type ``echo``: says what it is asked to do and does nothing, to try a configuration out."""

from __future__ import annotations

from typing import ClassVar

from dysnomia_plugins.base import Context, Plugin


class Echo(Plugin):
    """Says each activity in the job's log. Holds no state."""

    type: ClassVar[str] = "echo"
    title: ClassVar[str] = "echo"
    stateless: ClassVar[str] = "it does nothing, so there is nothing to keep"

    def activities(self) -> frozenset[str]:
        return frozenset({"activate", "deactivate", "lock", "unlock"})

    def activate(self, ctx: Context) -> None:
        _say(ctx, "Activate")

    def deactivate(self, ctx: Context) -> None:
        _say(ctx, "Deactivate")

    def lock(self, ctx: Context) -> None:
        _say(ctx, "Lock")

    def unlock(self, ctx: Context) -> None:
        _say(ctx, "Unlock")


def _say(ctx: Context, activity: str) -> None:
    """The line Dysnomia's echo module prints, then the names of the properties (their values may be secret)."""
    ctx.progress.log(f"Echo module: {activity} service: {ctx.component.path}")
    for name in sorted(ctx.component.properties):
        ctx.progress.log(f"property: {name}")
