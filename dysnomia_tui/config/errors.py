"""A configuration that cannot be used."""

from __future__ import annotations

from dysnomia_base.errors import DysnomiaError


class SettingsError(DysnomiaError):
    """``message`` names file, line and fault; ``hint`` names the way out, and may be empty."""
