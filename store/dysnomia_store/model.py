"""The records of the store. Frozen; times are aware datetimes in UTC; sizes are bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from dysnomia_base.escape import visible
from dysnomia_base.records import dataclass, field
from dysnomia_store.names import ComponentKey


class Reason(StrEnum):
    """Why a generation came to be."""

    MANUAL = "manual"
    SCHEDULED = "scheduled"
    GUARD = "guard"
    RESTORE = "restore"
    IMPORT = "import"
    UNKNOWN = "unknown"


class Form(StrEnum):
    """What the content of a section is, so that it can be shown and compared without knowing its type of state."""

    ROWS = "rows"
    """Records in columns, compared as a multiset, paired by key where there is one."""
    TEXT = "text"
    """Lines in an order that means something (a schema, a text file)."""
    BYTES = "bytes"
    """Opaque: only size and digest are compared."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of what a snapshot holds: a table, a file, a range of revisions. A line of the contents index."""

    kind: str
    """``table``, ``schema``, ``file``, ``folder``, ``sequence``… : a word for the screen."""
    name: str
    form: Form
    size: int
    """Bytes of canonical content."""
    digest: str
    """Hex sha256 of the section's canonical bytes (and attributes)."""
    rows: int | None = None
    """Records in it, where it has any."""
    offset: int | None = None
    """Where it starts in the artefact's uncompressed content; None where the artefact must be read whole."""
    length: int | None = None
    """Bytes of uncompressed stored content from ``offset``."""
    artefact: str = ""
    """The artefact it is in, by name without the compression suffix."""
    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    """Names of the columns that identify a row; empty where there is no primary key."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What else belongs to it and is part of its digest, ready to show: mode, owner, xattrs, a sequence's value."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a snapshot folder, as stored."""

    path: str
    """Relative to the snapshot folder, ``/`` between parts; surrogate escapes for bytes that are not UTF-8."""
    size: int
    sha256: str
    """Hex digest of the stored bytes."""


FOOTERS = "footers"
"""Among the tool versions of a snapshot that came as a folder: the ``digest_version`` that its footers name, and so the
version of its type that wrote it."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of a snapshot, written once beside it."""

    id: str
    type: str
    """The plugin's type, or ``""`` where it is unknown (a snapshot of another tool's)."""
    content_size: int
    """Bytes before compression."""
    stored_size: int
    """Bytes on disk."""
    files: tuple[FileEntry, ...]
    digest: str
    """Canonical digest; equals ``id`` for snapshots made here by built-in plugins, ``""`` where unknown."""
    digest_version: int
    complete: bool | None
    """True: every process ended well and the end marker is there. None: not known (another tool's)."""
    sections: int | None = None
    rows: int | None = None
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    """What belongs to the unit but is not in its dump (owner, grants on it, settings, comment), as JSON values.
    Not part of the identity."""
    origin: str = ""
    """The id of the store whose job made it; ``""`` for what was imported or made by another tool."""
    outline: str = ""
    """Hex digest of all but the rows of its tables: of two snapshots with the same one, only rows may differ. ``""``
    where it was not worked out."""
    lacks: tuple[str, ...] = ()
    """Parts that the component names and that were not there (a folder of a set of files): it holds none of them."""
    warnings: tuple[str, ...] = ()
    """What else was said when it was made: files that changed while they were read."""


def lacks_words(parts: Sequence[str]) -> str:
    """What a generation lacks, in words."""
    named = f"{', '.join(map(visible, parts[:3]))}{f' and {len(parts) - 3:,} more' if len(parts) > 3 else ''}"
    return f"it lacks {named}: not there when it was made"


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed from the generation before, counted when the generation was committed."""

    since: int
    """The number of the generation it is counted from."""
    since_id: str
    changed: int
    """Sections whose digest differs."""
    added: int
    removed: int
    net_rows: int | None
    schema: bool
    """True where a section of form TEXT and kind ``schema`` differs, or one of form ROWS came or went."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A later snapshot that found the same state as a generation."""

    as_of: datetime
    job: str = ""
    who: str = ""
    surroundings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class History:
    """How a generation came to be; outlives its collection."""

    number: int
    id: str
    as_of: datetime
    """When the dump's view of the data began."""
    end: datetime
    reason: Reason
    text: str = ""
    """The operator's own words for the reason (``--reason``), or what the guard guarded."""
    restored: int | None = None
    """For reason RESTORE: the generation that was restored."""
    who: str = ""
    job: str = ""
    delta: Delta | None = None
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    """Where an archive's generation was made: ``<store id>/<number>``; ``""`` for what was not in one."""


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """What is recorded with a new generation: first how the generation came to be, then how its snapshot was made.

    The second part is read where the snapshot is new in the store; for a link to a stored one it is ignored."""

    as_of: datetime
    """When the dump's view of the data began."""
    end: datetime
    reason: Reason
    text: str = ""
    """The operator's own words for the reason, or what the guard guarded."""
    restored: int | None = None
    """For reason RESTORE: the number of the generation that was restored."""
    who: str = ""
    job: str = ""
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    """What belongs to the state and is not in its dump, as JSON values (see ``Metadata``)."""
    source: str = ""
    """Of an archive's generation: ``<store id>/<number>`` where it was made."""

    type: str = ""
    digest_version: int = 0
    """The plugin's; 0 where the id is not a digest of content."""
    complete: bool | None = None
    """True: every process ended well and the end marker is there. None: not known."""
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    lacks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Verdict(StrEnum):
    """An operator's marks on a generation."""

    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Pin:
    why: str
    who: str
    at: datetime
    until: datetime | None = None
    held_by: str = ""
    """The job that holds it (guards are held for a week), ``""`` for an operator's own pin."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What operators say of a generation; counts only while link N still points at the same id."""

    pins: tuple[Pin, ...] = ()
    verdict: Verdict | None = None
    tags: tuple[str, ...] = ()
    note: str = ""


class CheckResult(StrEnum):
    OK = "ok"
    CORRUPT = "corrupt"
    MISSING = "missing"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class Check:
    """One result of a check of the bytes, or of a verify by restore."""

    at: datetime
    how: str
    """``bytes`` or ``restore``."""
    result: CheckResult
    text: str = ""
    job: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """A numbered link of a component's history, with all that is known of it."""

    key: ComponentKey
    number: int
    id: str
    """The snapshot it points at; ``""`` where the link is broken (then ``problem`` says why)."""
    as_of: datetime
    as_of_estimated: bool
    """True where only the link's own time is known (shown with ``≈``)."""
    unchanged_until: datetime
    """The last time the same state was seen; ``as_of`` where it was not seen again."""
    seen: int
    """How many snapshots found this state, the first included."""
    reason: Reason
    text: str
    restored: int | None
    who: str
    job: str
    delta: Delta | None
    metadata: Metadata | None
    """None where nothing was written beside the snapshot (another tool's)."""
    marks: Marks
    last_check: Check | None
    suspicious: str
    """Why it is suspicious (no sections; under half the median; a part that was there before), or ``""``."""
    problem: str
    """What is wrong with the link (broken, unexpected target), or ``""``."""

    @property
    def good(self) -> bool:
        """Complete, never failed a check, not suspicious, not marked bad."""
        failed = self.last_check is not None and self.last_check.result in (CheckResult.CORRUPT, CheckResult.MISSING)
        complete = self.metadata is None or self.metadata.complete is not False
        if self.marks.verdict is Verdict.GOOD:
            return complete and not failed and not self.problem
        return complete and not failed and not self.suspicious and not self.problem and self.marks.verdict is None
