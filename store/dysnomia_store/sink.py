"""What a plugin writes a snapshot's content into, section by section, while it streams.

The same scan of a dump can go into a writer that stores it (a snapshot), or into one that only works out its
digest and contents (a check of another tool's snapshot). Both are a ``ContentSink``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from dysnomia_store.model import Form

Buffer = bytes | bytearray | memoryview


class WholeSection(NamedTuple):
    """A small section that is known whole before any of it is written: of form TEXT or BYTES."""

    kind: str
    name: str
    form: Form
    size: int
    attributes: Mapping[str, str]
    """Sections that follow one another and have the same ones are quickest with the same object."""
    canonical: bytes
    """What stands for it in the digests."""
    stored: tuple[Buffer, ...]
    """Its bytes, in pieces."""


class ContentSink(Protocol):
    """Takes content in order. Bytes outside any section are stored and digested, and belong to no section."""

    def begin_section(
        self,
        kind: str,
        name: str,
        form: Form,
        *,
        columns: tuple[str, ...] = (),
        key: tuple[str, ...] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Start a section; the one before must have ended. Attributes go into the section's digest, sorted.

        Kind and name together identify it: no other section of the snapshot has both."""

    def write(self, data: Buffer) -> None:
        """Add bytes that are both stored and part of the identity."""

    def write_masked(self, data: Buffer, canonical: Buffer) -> None:
        """Store ``data``, but let ``canonical`` stand for it in the digests (a restrict key, a version header)."""

    def digest_only(self, canonical: Buffer) -> None:
        """Add canonical bytes to the digests and store nothing (a typed reader over a page copy)."""

    def store_only(self, data: Buffer) -> None:
        """Store bytes that are no part of the identity (padding, an mtime)."""

    def describe_section(self, *, columns: tuple[str, ...] | None = None, key: tuple[str, ...] | None = None) -> None:
        """Set what was not known when the current section began."""

    def end_section(self, rows: int | None = None, *, size: int | None = None) -> None:
        """End the current section. ``size`` overrides the count of canonical bytes where another size is meant."""

    def amend_section(self, kind: str, name: str, *, key: tuple[str, ...]) -> None:
        """Set the key of a section that has already ended (pg_dump states primary keys after the data)."""

    def write_sections(self, sections: Sequence[WholeSection]) -> None:
        """Write many small sections, each as ``begin_section``, ``write_masked`` and ``end_section`` would: a tree
        has a million of them, and a dozen calls for each is what its snapshot would spend its time with."""
