"""What the engine refuses or fails at, with a message for the operator, the way out, and the exit code of a command."""

from __future__ import annotations

import enum

from dysnomia_base.errors import DysnomiaError


class Exit(enum.IntEnum):
    """Exit codes of the commands; ``docs/commands.md`` has their table."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTLY = 3
    LOCKED = 4
    NOT_FOUND = 5
    REFUSED = 6
    """Read-only, a stale plan, a blocker, a confirmation that is missing."""
    CORRUPT = 7
    UNAVAILABLE = 8
    """A server that is down or not answering, wrong credentials, a missing tool."""
    NO_SPACE = 9
    CANCELLED = 10
    INTERRUPTED = 130


class EngineError(DysnomiaError):
    """What the engine refuses or fails at."""

    exit = Exit.FAILED


class ReadOnly(EngineError):
    """A change was requested from an engine that is read-only."""

    exit = Exit.REFUSED


class Stale(EngineError):
    """What the plan rests on has changed."""

    exit = Exit.REFUSED


class Blocked(EngineError):
    """The plan has a blocker."""

    exit = Exit.REFUSED


class Unknown(EngineError):
    """A container, component, generation or job that is not there."""

    exit = Exit.NOT_FOUND


class Unanswered(EngineError):
    """What was asked for could not be looked at in time."""

    exit = Exit.UNAVAILABLE


class Unreadable(EngineError):
    """A record of a job that cannot be read: damaged, of a later version, or closed to this user."""

    exit = Exit.CORRUPT


class ConfigError(EngineError):
    """A configuration file that cannot be read; names file and line."""

    exit = Exit.USAGE


class Busy(EngineError):
    """Another job is on the component and ``--no-wait`` was given."""

    exit = Exit.LOCKED
