"""Times on the screen: every one in a zone that is named, and the times that an operator types after ``@``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from dysnomia_tui.app.present.sizes import age
from dysnomia_tui.config import moments
from dysnomia_tui.config.moments import EXAMPLES, TimeNotUnderstood

__all__ = ["EXAMPLES", "TimeNotUnderstood", "Times", "ZoneKind", "parse_time"]


class ZoneKind(StrEnum):
    """How times are shown; ``t`` goes round."""

    SERVER = "server"
    UTC = "utc"
    RELATIVE = "relative"

    @property
    def following(self) -> ZoneKind:
        kinds = list(ZoneKind)
        return kinds[(kinds.index(self) + 1) % len(kinds)]


@dataclass(frozen=True, slots=True)
class Times:
    """How times are written: the zone, and what time it is."""

    kind: ZoneKind
    now: datetime
    """Aware."""
    server: tzinfo | None = None
    """The server's zone; None takes the system's, with its changes of clocks."""

    def at(self, now: datetime) -> Times:
        """The same at another moment."""
        return replace(self, now=now)

    def local(self, when: datetime) -> datetime:
        """``when`` in the zone that is shown (the server's where times are relative)."""
        try:
            return when.astimezone(UTC) if self.kind is ZoneKind.UTC else when.astimezone(self.server)
        except (OverflowError, ValueError):
            return when  # at the very edge of the calendar there is no other zone to show it in

    @property
    def name(self) -> str:
        """The zone's name, as it stands on every screen."""
        if self.kind is ZoneKind.RELATIVE:
            return "relative"
        return self.local(self.now).tzname() or "local"

    def clock(self) -> str:
        """``14:22:07 UTC``: the time of day, and the zone's name."""
        return f"{self.local(self.now):%H:%M:%S} {self.local(self.now).tzname() or ''}".rstrip() + (
            " relative" if self.kind is ZoneKind.RELATIVE else ""
        )

    def clock_of(self, when: datetime) -> str:
        """``14:22:07``, the time of day alone (relative: how long ago)."""
        return self.ago(when) if self.kind is ZoneKind.RELATIVE else f"{self.local(when):%H:%M:%S}"

    def short(self, when: datetime) -> str:
        """In at most thirteen cells: ``22 Nov 12:00``, ``3h ago``, ``22Nov24 12:00`` for another year."""
        if self.kind is ZoneKind.RELATIVE:
            return self.ago(when)
        local = self.local(when)
        if local.year != self.local(self.now).year:
            return f"{local.day:2}{local:%b%y %H:%M}"
        return f"{local.day:2} {local:%b %H:%M}"

    def long(self, when: datetime) -> str:
        """To the second, with the year where it is another: ``22 Nov 12:00:04``; ``3h ago`` where relative."""
        if self.kind is ZoneKind.RELATIVE:
            return self.ago(when)
        local = self.local(when)
        if local.year != self.local(self.now).year:
            return f"{local.day:2} {local:%b %Y %H:%M}"
        return f"{local.day:2} {local:%b %H:%M:%S}"

    def full(self, when: datetime) -> str:
        """Whole, and with the zone: ``22 Nov 2025 12:00:04 UTC``, whatever the screen shows."""
        local = self.local(when)
        return f"{local.day} {local:%b %Y %H:%M:%S} {local.tzname() or ''}".rstrip()

    def ago(self, when: datetime) -> str:
        span = self.now - when
        if span < timedelta(0):
            return f"in {age(-span)}" if -span >= timedelta(minutes=1) else "now"
        short = age(span)
        return short if short == "now" else f"{short} ago"


def parse_time(typed: str, times: Times) -> datetime:
    """The moment an operator means, in UTC. Raises TimeNotUnderstood."""
    return moments.parse_time(typed, times.now, UTC if times.kind is ZoneKind.UTC else times.server)
