"""What can go wrong in an activity, with a message for the operator and the way out."""

from __future__ import annotations

from dysnomia_base.errors import DysnomiaError


class PluginError(DysnomiaError):
    """An activity failed. ``message`` names the thing; ``hint`` names the way out, and may be empty.

    Neither ever holds a secret: what a child process printed is redacted before it comes here.
    """


class ProcessFailed(PluginError):
    """A child process ended with another status than 0, or was killed."""

    def __init__(self, program: str, status: int, stderr: str, hint: str = "") -> None:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        last = stderr.strip().splitlines()[-1] if stderr.strip() else ""
        super().__init__(f"{program} {how}" + (f" ({last})" if last else ""), hint)
        self.program = program
        self.status = status
        self.stderr = stderr


class ServerDown(PluginError):
    """The server does not answer, or refuses the connection."""


class WrongCredentials(PluginError):
    """The server answers and refuses the login."""


class Truncated(PluginError):
    """A dump ended before its end marker."""


class Cancelled(PluginError):
    """The operator asked to cancel, and the activity stopped where nothing is lost."""


class Unsupported(PluginError):
    """This type of state does not have what was asked for."""


class NothingKept(PluginError):
    """A module that was asked for a snapshot ended well and made none: it keeps no state."""


class NotSafe(PluginError):
    """What was asked would lose data, and was refused before anything was touched."""


class OutcomeUnknown(PluginError):
    """A transaction was ended while its server went away: only ``look_at_rows`` will tell how, once it answers."""


class ToolMissing(PluginError):
    """A client program that the type needs is not installed."""


class BadProperties(PluginError):
    """A file of ``key=value`` lines that cannot be read; names file and line."""


UNAVAILABLE = (ServerDown, WrongCredentials, ToolMissing)
"""What stands against any work with a server, whatever the work is: each ends a command with 8."""
