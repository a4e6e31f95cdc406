"""Durations as config.toml has them: the grammar that all prompts and commands share."""

from __future__ import annotations

from dysnomia_base.durations import UNITS, format_duration, parse_duration

__all__ = ["UNITS", "format_duration", "parse_duration"]
