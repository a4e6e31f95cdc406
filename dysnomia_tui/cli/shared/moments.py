"""A time that was named on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from dysnomia_base.clock import utc_now
from dysnomia_tui.cli.shared.parser import Usage
from dysnomia_tui.config import Settings
from dysnomia_tui.config.moments import TimeNotUnderstood, parse_time


def moment(text: str, settings: Settings, given: str) -> datetime:
    """The time, in UTC. Raises Usage, which begins with how it was ``given``: ``--at``."""
    try:
        return parse_time(text, utc_now(), UTC if settings.zone == "utc" else None)
    except TimeNotUnderstood as error:
        raise Usage(f"{given}: {error}") from None
