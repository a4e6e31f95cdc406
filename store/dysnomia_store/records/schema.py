"""The schema of each record on disk, as types that msgspec checks (``typed`` reads records by them).

Imported where a record is read, not before: msgspec takes longer to import than most commands need for all else.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

Count = Annotated[int, Meta(ge=0, le=(1 << 62))]
"""Bytes, rows, numbers: what SQLite can hold, with room to add them up."""
Signed = Annotated[int, Meta(ge=-(1 << 62), le=(1 << 62))]


class Described(TypedDict):
    """Of a snapshot's metadata, all but its manifest."""

    id: str
    type: str
    content_size: Count
    stored_size: Count
    digest: str
    digest_version: Count
    complete: bool | None
    sections: Count | None
    rows: Count | None
    tool_versions: dict[str, str]
    host: str
    surroundings: dict[str, Any]
    origin: str
    outline: NotRequired[str]
    lacks: NotRequired[list[str]]
    warnings: NotRequired[list[str]]


class Metadata(Described):
    files: list[tuple[str, Count, str]]


class Delta(TypedDict):
    since: Count
    since_id: str
    changed: Count
    added: Count
    removed: Count
    net_rows: Signed | None
    schema: bool


class History(TypedDict):
    number: Count
    id: str
    as_of: str
    end: str
    reason: str
    text: str
    restored: Count | None
    who: str
    job: str
    delta: Delta | None
    surroundings: dict[str, Any]
    source: NotRequired[str]


class Seen(TypedDict):
    number: Count
    id: str
    as_of: str
    job: NotRequired[str]
    who: NotRequired[str]
    surroundings: NotRequired[dict[str, Any]]


class Pin(TypedDict):
    why: str
    who: str
    at: str
    until: str | None
    held_by: str


class Marks(TypedDict):
    id: str
    pins: list[Pin]
    verdict: Literal["good", "bad"] | None
    tags: list[str]
    note: str


class Check(TypedDict):
    at: str
    how: str
    result: str
    text: NotRequired[str]
    job: NotRequired[str]


class Noted(TypedDict):
    """The first line of what a dump noted for the next one."""

    id: str
    type: str
    digest_version: Count
    read: str


class Collection(TypedDict):
    """``collection.json`` of the trash."""

    container: str
    component: str
    collected: str
    freed_on: str
    who: str
    job: str
    why: str
    sizes: dict[str, Count]


class Holding(TypedDict):
    """What a lock's file says of its holder."""

    who: str
    job: str
    doing: str
    pid: Count
    since: str


class AboutSnapshot(TypedDict, total=False):
    """What an artefact's footer repeats of its snapshot."""

    component: str
    type: str
    digest_version: Count


Frames = list[tuple[Count, Count]]
"""Of each frame its stored size, and the size of its content or the number of its lines."""
ArtefactFooter = TypedDict(
    "ArtefactFooter",
    {
        "dysnomia-artefact": Literal[1],
        "name": NotRequired[str],
        "digest": str,
        "content_size": Count,
        "rows": Count | None,
        "sections": Count | None,
        "stored": str,
        "about": AboutSnapshot,
        "frames": Frames,
    },
)


class FolderFrames(TypedDict):
    digests: str
    sizes: list[Count]


FolderFooter = TypedDict(
    "FolderFooter",
    {
        "dysnomia-artefact": Literal[2],
        "name": NotRequired[str],
        "digest": str,
        "content_size": Count,
        "rows": Count | None,
        "sections": Count | None,
        "about": AboutSnapshot,
        "frames": FolderFrames,
    },
)
IndexFooter = TypedDict(
    "IndexFooter", {"dysnomia-contents": Literal[1], "frames": Frames, "amendments": tuple[Count, Count]}
)
Amendment = tuple[str, str, list[str]]
"""Kind and name of a section, and its key."""


class SectionAbout(TypedDict):
    """The second part of an index's line."""

    form: str
    size: Count
    digest: str
    rows: Count | None
    artefact: NotRequired[str]
    columns: NotRequired[list[str]]
    key: NotRequired[list[str]]
    attributes: NotRequired[dict[str, str]]


SectionLine = tuple[tuple[str, str], SectionAbout, tuple[Count | None, Count | None]]
