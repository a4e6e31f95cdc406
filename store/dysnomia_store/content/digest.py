"""The identity of an artefact: sha256 over its canonical content, section by section.

A *section's* digest is the sha256 of its canonical bytes; where it has attributes, the sha256 of that hex digest and
the attributes. The *artefact's* digest is the sha256 of one JSON line a section (kind, name, attributes, digest) and
one a run of bytes between sections, in order. So no byte is hashed twice, two artefacts with the same digest hold the
same sections with the same bytes at the same places (moving bytes from one file to the next is another digest), and
the digest also vouches for the digests in the contents index.

The *outline* is the same digest with the number of rows in place of the digest of each section of form ROWS. Two
artefacts with one outline can differ in those rows alone: whether they differ in more than their order is told by
comparing them.

The version below is that of this construction; what the bytes of a section are is the plugin's ``digest_version``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Protocol, runtime_checkable

from dysnomia_store.content.index import decode, encoded, encoded_rest
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Form, Section
from dysnomia_store.records import index_lines
from dysnomia_store.sink import Buffer, WholeSection

CONSTRUCTION = b"dysnomia canonical content 1\n"
OUTLINE = b"dysnomia outline 1\n"
_LINES = 500
"""Of an index, handed on together."""


class SectionTarget(Protocol):
    """Where finished sections go: an ``IndexWriter``, a list in a test."""

    def add(self, section: Section) -> None: ...

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None: ...


@runtime_checkable
class LineTarget(SectionTarget, Protocol):
    """One that stores sections as the lines of a contents index, and takes many of them as such."""

    def add_lines(self, lines: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Digested:
    """What a whole artefact came to."""

    digest: str
    """Canonical digest, hex."""
    content_size: int
    """Bytes of stored content, before compression."""
    rows: int | None
    """Records in all sections that count them; None where none does."""
    sections: int
    outline: str = ""
    """Hex digest of all but the rows of sections of form ROWS."""


@dataclass(slots=True)
class _Open:
    """The section that is under way."""

    kind: str
    name: str
    form: Form
    columns: tuple[str, ...]
    key: tuple[str, ...]
    attributes: Mapping[str, str]
    offset: int
    canonical: int = 0
    digest_only: bool = False


@dataclass(slots=True)
class SectionDigester:
    """Digests and counts an artefact while it streams by, and tells a target of each section that ended."""

    target: SectionTarget
    artefact: str
    position: int = 0
    """Bytes of stored content so far."""
    _rows: int | None = None
    _sections: int = 0
    _whole: hashlib._Hash = field(default_factory=lambda: hashlib.sha256(CONSTRUCTION))
    _outline: hashlib._Hash = field(default_factory=lambda: hashlib.sha256(OUTLINE))
    _part: hashlib._Hash = field(default_factory=hashlib.sha256)
    _between: int = 0
    _open: _Open | None = None

    def begin(
        self,
        kind: str,
        name: str,
        form: Form,
        columns: tuple[str, ...],
        key: tuple[str, ...],
        attributes: Mapping[str, str] | None,
    ) -> None:
        """Begin a section. Raises ValueError inside of another."""
        if self._open is not None:
            raise ValueError(f"section {name!r} begins inside section {self._open.name!r}")
        self._close_run()
        self._open = _Open(kind, name, form, columns, key, dict(attributes or {}), self.position)

    def stored(self, size: int) -> None:
        """``size`` bytes of content were stored."""
        self.position += size

    def canonical(self, data: Buffer) -> None:
        """``data`` is part of the identity."""
        self._part.update(data)
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        if self._open is None:
            self._between += size
        else:
            self._open.canonical += size

    def unstored(self, data: Buffer) -> None:
        """``data`` is part of the identity, and what it stands for cannot be found by offset."""
        self.canonical(data)
        if self._open is not None:
            self._open.digest_only = True

    def describe(self, columns: tuple[str, ...] | None, key: tuple[str, ...] | None) -> None:
        current = self._current()
        if columns is not None:
            current.columns = columns
        if key is not None:
            current.key = key

    def end(self, rows: int | None, size: int | None) -> None:
        current = self._current()
        self._open = None
        section = self._finished(current, self._part.hexdigest(), rows, size)
        self._tell(section.kind, section.name, section.attributes, section.digest, section.form, section.columns, rows)
        self._part = hashlib.sha256()
        self.target.add(section)

    def whole(self, sections: Sequence[WholeSection]) -> None:
        """Sections that were stored one behind the other: what ``begin``, ``canonical`` and ``end`` do, in one go.

        Raises ValueError inside of another section."""
        if self._open is not None:
            raise ValueError(f"sections begin inside section {self._open.name!r}")
        self._close_run()
        section_lines: list[str] = []
        lines: list[str] | None = [] if isinstance(self.target, LineTarget) else None
        shown: Mapping[str, str] | None = None
        pairs = about = ""
        sha256 = hashlib.sha256
        for kind, name, form, size, attributes, canonical, stored in sections:
            if attributes is not shown:
                shown = attributes
                pairs = _pairs(tuple(sorted(attributes.items())))
                about = encoded_rest(self.artefact, attributes)
            digest = sha256(canonical).hexdigest()
            if attributes:
                digest = sha256(f'["{digest}",{pairs}]\n'.encode()).hexdigest()
            what = f"{quoted(kind)},{quoted(name)}"
            section_lines.append(f'[{what},{pairs},"{digest}"]\n')
            length = sum(map(len, stored))
            if lines is None:
                self.target.add(
                    Section(
                        kind, name, form, size, digest, None, self.position, length, self.artefact,
                        attributes=attributes,
                    )
                )  # fmt: skip
            else:
                lines.append(encoded(what, form, size, digest, None, about, self.position, length))
            self.position += length
        if isinstance(self.target, LineTarget) and lines:
            self.target.add_lines(lines)
        line = "".join(section_lines).encode()
        self._whole.update(line)
        self._outline.update(line)
        self._sections += len(sections)

    def taken_over(self, lines: Iterable[bytes]) -> tuple[int, int, int]:
        """Sections of another artefact of this name, in order, as lines of its contents index: what ``end`` does with
        the digests that stand there. Returns where they are in that artefact, their length, and how many they are.

        Raises Corrupt where they do not stand one behind the other.
        """
        if self._open is not None:
            raise ValueError(f"sections begin inside section {self._open.name!r}")
        self._close_run()
        start: int | None = None
        end = count = 0
        moved: list[str] = []
        for line in lines:
            (kind, name), about, (offset, length) = index_lines.section(line)
            if offset is None or length is None or (start is not None and offset != end):
                raise Corrupt(f"the contents index is damaged: {name!a} is not where the section before it ends")
            start = offset if start is None else start
            end = offset + length
            count += 1
            self._tell(
                kind, name, about.get("attributes", {}), about["digest"], about["form"], about.get("columns", ()),
                about["rows"],
            )  # fmt: skip
            moved.append(f"{line[: line.rindex(b',[')].decode()},[{self.position + offset - start},{length}]]\n")
            if len(moved) >= _LINES:
                self._hand_on(moved)
                moved = []
        self._hand_on(moved)
        self.position += end - (start or 0)
        return start or 0, end - (start or 0), count

    def _hand_on(self, lines: Sequence[str]) -> None:
        if isinstance(self.target, LineTarget):
            self.target.add_lines(lines)
        else:
            for line in lines:
                self.target.add(decode(line.encode()))

    def _tell(
        self,
        kind: str,
        name: str,
        attributes: Mapping[str, str],
        digest: str,
        form: str,
        columns: Sequence[str],
        rows: int | None,
    ) -> None:
        """Put a finished section into the digests, and count it."""
        what = f"[{quoted(kind)},{quoted(name)},{_pairs(tuple(sorted(attributes.items())))}"
        line = f"{what},{quoted(digest)}]\n".encode()
        self._whole.update(line)
        if form == Form.ROWS:
            named = json.dumps(columns, separators=(",", ":"))
            line = f"{what},{named},{'null' if rows is None else rows}]\n".encode()
        self._outline.update(line)
        self._sections += 1
        if rows is not None:
            self._rows = rows + (self._rows or 0)

    def result(self) -> Digested:
        """The digest of all of it. Raises ValueError while a section is open."""
        if self._open is not None:
            raise ValueError(f"section {self._open.name!r} has not ended")
        self._close_run()
        outline = self._outline.hexdigest()
        return Digested(self._whole.hexdigest(), self.position, self._rows, self._sections, outline)

    def _current(self) -> _Open:
        if self._open is None:
            raise ValueError("no section has been started")
        return self._open

    def _close_run(self) -> None:
        if self._between:
            line = _line(self._between, self._part.hexdigest())
            self._whole.update(line)
            self._outline.update(line)
            self._part = hashlib.sha256()
            self._between = 0

    def _finished(self, current: _Open, digest: str, rows: int | None, size: int | None) -> Section:
        if current.attributes:
            digest = hashlib.sha256(_line(digest, sorted(current.attributes.items()))).hexdigest()
        length = self.position - current.offset
        by_offset = not current.digest_only or length > 0
        return Section(
            kind=current.kind,
            name=current.name,
            form=current.form,
            size=current.canonical if size is None else size,
            digest=digest,
            rows=rows,
            offset=current.offset if by_offset else None,
            length=length if by_offset else None,
            artefact=self.artefact,
            columns=current.columns,
            key=current.key,
            attributes=current.attributes,
        )


@lru_cache(64)
def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    """Attributes as they stand in a digest: the files of a tree have few different ones."""
    return json.dumps(pairs, separators=(",", ":"))


def _line(*values: object) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


class TallySink:
    """The part of a ``ContentSink`` that counts; ``_keep`` is what a sink that stores adds to it."""

    def __init__(self, target: SectionTarget, artefact: str) -> None:
        self._target = target
        self._tally = SectionDigester(target, artefact)

    def _keep(self, data: Buffer) -> None:
        """Store bytes. Nothing is stored here."""

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
        self._tally.begin(kind, name, form, columns, key, attributes)

    def write(self, data: Buffer) -> None:
        self._tally.canonical(data)
        self.store_only(data)

    def write_masked(self, data: Buffer, canonical: Buffer) -> None:
        self._tally.canonical(canonical)
        self.store_only(data)

    def digest_only(self, canonical: Buffer) -> None:
        self._tally.unstored(canonical)

    def store_only(self, data: Buffer) -> None:
        self._keep(data)
        self._tally.stored(data.nbytes if isinstance(data, memoryview) else len(data))

    def describe_section(self, *, columns: tuple[str, ...] | None = None, key: tuple[str, ...] | None = None) -> None:
        self._tally.describe(columns, key)

    def end_section(self, rows: int | None = None, *, size: int | None = None) -> None:
        self._tally.end(rows, size)

    def amend_section(self, kind: str, name: str, *, key: tuple[str, ...]) -> None:
        self._target.amend(kind, name, key)

    def write_sections(self, sections: Sequence[WholeSection]) -> None:
        # Outside of any section: those of a frame's size, which would start one, are not written like this.
        self._keep(b"".join([piece for section in sections for piece in section.stored]))
        self._tally.whole(sections)


class DigestSink(TallySink):
    """A ``ContentSink`` that stores nothing and works out digest and contents (of another tool's snapshot)."""

    def close(self) -> Digested:
        """What the content came to. Raises ValueError while a section is open."""
        return self._tally.result()
