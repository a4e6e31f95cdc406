"""What can go wrong in the store, each with a message for the operator and the way out."""

from __future__ import annotations

from dysnomia_base.errors import DysnomiaError


class StoreError(DysnomiaError):
    """Anything the store refuses or fails at.

    ``message`` names the thing; ``hint`` names the way out, and may be empty.
    """


class NameRejected(StoreError):
    """A name that is not allowed in the store."""

    def __init__(self, name: str, what: str, why: str) -> None:
        super().__init__(f"{name!r} cannot be the name of a {what}, because {why}", "choose another name")
        self.name = name
        self.why = why


class NotFound(StoreError):
    """A component, generation or snapshot that is not there."""


class Locked(StoreError):
    """Another process writes this component; ``holder`` is its owner, if readable."""

    def __init__(self, message: str, holder: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.holder = holder


class Corrupt(StoreError):
    """Bytes that are not what was written."""


class UnknownFormat(Corrupt):
    """A store or a record whose format is not the number of a version: nobody can tell what wrote it."""


class NewerFormat(UnknownFormat):
    """A store or a record that a later version of this program wrote: whole, and not ours to read or change."""


class Incomplete(StoreError):
    """A dump that ended before its end marker."""


class StoreFull(StoreError):
    """No space left where the store is."""


class NotPermitted(StoreError):
    """The store, or a part of it, may not be read or written by this user."""


class Refused(StoreError):
    """The request would break an invariant of the store (a stale plan, a pinned generation)."""
