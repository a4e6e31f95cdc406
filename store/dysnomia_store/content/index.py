"""The contents index of a snapshot: JSON lines in zstd, one a section, written and read as a stream.

A line is ``[["table","public.orders"],{…},[offset,length]]``: what identifies the section, what it is, and where it
is. Frames hold whole lines (about 256 KiB of them), the footer says how many each, so that any page of 300,000
sections is read alone. Keys that become known after a section's line was written (pg_dump states them behind the
data) are *amendments*: a last frame of ``[kind, name, key]`` lines, which the footer points at and a reader applies.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from dysnomia_store.content import footer
from dysnomia_store.content.files import Files, PlainFiles, explained, write_all
from dysnomia_store.content.zstandard import CHECKED, CompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdError
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Form, Section
from dysnomia_store.records import index_lines

_FRAME = 256 << 10
_MOST = 1 << 30
"""No frame of lines decompresses to more: a section's line may be long, not endless."""
_MOST_LINES = 1 << 40
_OPTIONS: Mapping[int, int] = {CompressionParameter.compression_level: 3, **CHECKED}
_FORMS: Mapping[str, Form] = {form.value: form for form in Form}
_ORDER = ("form", "size", "digest", "rows", "columns", "key", "attributes", "artefact")


def encode(section: Section) -> bytes:
    """The line of a section, newline included; equal sections give equal bytes: those of ``json.dumps``, which is
    several times slower than putting them together here."""
    rest = encoded_rest(section.artefact, section.attributes, section.columns, section.key)
    what = f"{quoted(section.kind)},{quoted(section.name)}"
    line = encoded(what, section.form, section.size, section.digest, section.rows, rest, section.offset, section.length)
    return line.encode()


def encoded(
    what: str, form: Form, size: int, digest: str, rows: int | None, rest: str, offset: int | None, length: int | None
) -> str:
    """The same from its parts: ``what`` is kind and name, ``rest`` that of ``encoded_rest``, both encoded."""
    return (
        f'[[{what}],{{"form":"{form.value}","size":{size},"digest":{quoted(digest)},'
        f'"rows":{"null" if rows is None else rows}{rest}}},'
        f"[{'null' if offset is None else offset},{'null' if length is None else length}]]\n"
    )


def encoded_rest(
    artefact: str, attributes: Mapping[str, str], columns: Sequence[str] = (), key: Sequence[str] = ()
) -> str:
    """What a line says of a section where there is anything to say."""
    rest = f',"columns":{_json(columns)}' if columns else ""
    if key:
        rest += f',"key":{_json(key)}'
    if attributes:
        rest += f',"attributes":{_json_of_pairs(tuple(sorted(attributes.items())))}'
    return rest + (f',"artefact":{quoted(artefact)}' if artefact else "")


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


@lru_cache(64)
def _json_of_pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    """Attributes: the files of a tree have few different ones."""
    return _json(dict(pairs))


def decode(line: bytes) -> Section:
    """The section of a line. Raises ValueError where it is none."""
    try:
        (kind, name), about, (offset, length) = index_lines.section(line)
        form = _FORMS.get(about["form"]) or Form(about["form"])
    except (ValueError, Corrupt) as error:
        raise ValueError(f"not a line of a contents index: {line[:80]!r} ({error})") from error
    return Section(
        kind=kind,
        name=name,
        form=form,
        size=about["size"],
        digest=about["digest"],
        rows=about["rows"],
        offset=offset,
        length=length,
        artefact=about.get("artefact", ""),
        columns=tuple(about.get("columns", ())),
        key=tuple(about.get("key", ())),
        attributes=about.get("attributes", {}),
    )


def identity(kind: str, name: str) -> bytes:
    """16 bytes that identify a section's kind and name."""
    return blake2b(json.dumps([kind, name], separators=(",", ":")).encode(), digest_size=16).digest()


def identity_of(line: bytes) -> bytes:
    """The same, of a line. A quote inside a name is escaped, so the first ``"],{"form"`` is where the name ends.

    Raises Corrupt."""
    end = line.find(b'"],{"form"')
    if end < 0:
        raise Corrupt(f"not a line of a contents index: {line[:80]!r}")
    return blake2b(line[1 : end + 2], digest_size=16).digest()


def without_place(line: bytes) -> bytes:
    """A line less its offset and length: equal for the same section at any offset. Raises Corrupt."""
    end = line.rfind(b"},[")
    if end < 0:
        raise Corrupt(f"not a line of a contents index: {line[:80]!r}")
    return line[:end]


class IndexWriter(AbstractContextManager["IndexWriter"]):
    """Writes a contents index. ``close`` makes it whole; without it, no reader takes it for an index.

    Raises StoreFull, NotPermitted; FileExistsError where ``path`` is taken.
    """

    def __init__(self, path: Path, *, files: Files | None = None) -> None:
        self.path = path
        self._files = files or PlainFiles()
        self._lines: list[bytes] = []
        self._size = 0
        self._frames: list[tuple[int, int]] = []
        self._amended = 0
        self._amendments: list[bytes] = []
        self._amender = ZstdCompressor(options=_OPTIONS)
        self._compressor = ZstdCompressor(options=_OPTIONS)
        with explained(path):
            self._file = self._files.create(path)

    @property
    def count(self) -> int:
        """Sections so far."""
        return sum(lines for _, lines in self._frames) + len(self._lines)

    def add(self, section: Section) -> None:
        line = encode(section)
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _FRAME:
            self._flush()

    def add_lines(self, lines: Sequence[str]) -> None:
        """Sections as ``encoded`` gives them, not many at once: they share a frame."""
        encoded_lines = [line.encode() for line in lines]
        self._lines += encoded_lines
        self._size += sum(map(len, encoded_lines))
        if self._size >= _FRAME:
            self._flush()

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        """State the key of a section, written already or not. The last word counts."""
        line = json.dumps([kind, name, key], separators=(",", ":")).encode() + b"\n"
        self._amendments.append(self._amender.compress(line))
        self._amended += 1

    def close(self) -> int:
        """Write what is left, sync, and close. Returns the number of sections. Once only."""
        with explained(self.path):
            if self._lines:
                self._flush()
            amendments = b"".join(self._amendments) + self._amender.flush() if self._amended else b""
            write_all(self._file, amendments)
            about = {
                "dysnomia-contents": footer.CONTENTS,
                "frames": self._frames,
                "amendments": [len(amendments), self._amended],
            }
            write_all(self._file, footer.encode(about))
            self._files.fsync(self._file)
            self._file.close()
        return self.count

    def abort(self) -> None:
        """Close without making it an index."""
        self._file.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
        elif not self._file.closed:
            self.close()

    def _flush(self) -> None:
        frame = self._compressor.compress(b"".join(self._lines), ZstdCompressor.FLUSH_FRAME)
        with explained(self.path):
            write_all(self._file, frame)
        self._frames.append((len(frame), len(self._lines)))
        self._lines = []
        self._size = 0


class Index(AbstractContextManager["Index"]):
    """A contents index to be read: by lines, by sections, whole or a page of it.

    Raises Corrupt, naming the file, where it is damaged or was cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO = path.open("rb", buffering=0)
        try:
            self._sizes, self._counts, self._amendments = self._directory()
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        """The number of sections."""
        return sum(self._counts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def lines(self, start: int = 0, count: int | None = None) -> Iterator[bytes]:
        """Encoded sections, amended, from the ``start``-th; without their newline."""
        left = len(self) if count is None else count
        offset = 0
        for size, held in zip(self._sizes, self._counts, strict=True):
            if left <= 0:
                return
            if start >= held:
                start -= held
            else:
                lines = self._frame(offset, size).split(b"\n")[start : min(held, start + left)]
                start = 0
                left -= len(lines)
                yield from map(self._amended, lines) if self._amendments else lines
            offset += size

    def sections(self, start: int = 0, count: int | None = None) -> Iterator[Section]:
        """The sections, in their order. Raises Corrupt."""
        for line in self.lines(start, count):
            try:
                yield decode(line)
            except ValueError as error:
                raise Corrupt(f"{self.path} is damaged: {error}") from error

    def _amended(self, line: bytes) -> bytes:
        key = self._amendments.get(identity_of(line))
        if key is None:
            return line
        identity, about, place = index_lines.section(line)
        values: Mapping[str, Any] = {**about, "key": key}
        # The order of the names is that of ``encode``, so that an amended line equals one written with its key.
        fields = {name: values[name] for name in _ORDER if name in values}
        return json.dumps([identity, fields, place], separators=(",", ":")).encode()

    def _directory(self) -> tuple[array[int], array[int], Mapping[bytes, tuple[str, ...]]]:
        directory = footer.contents(self._file, self.path)
        if directory is None:
            raise Corrupt(f"{self.path} is damaged: it was cut short, or is not a contents index")
        about, end = directory
        try:
            if sum(lines for _, lines in about["frames"]) > _MOST_LINES:
                raise ValueError("more sections than there can be")
            sizes = array("Q", (size for size, _ in about["frames"]))
            counts = array("Q", (lines for _, lines in about["frames"]))
            size, amended = about["amendments"]
            if sum(sizes) + size != end:
                raise ValueError("its frames do not cover it")
            amendments = _amendments(self._frame(sum(sizes), size).splitlines() if amended else [])
        except (ValueError, OverflowError) as error:
            raise Corrupt(f"{self.path} is damaged: {error}") from error
        return sizes, counts, amendments

    def _frame(self, offset: int, size: int) -> bytes:
        decoder = ZstdDecompressor()
        try:
            data = decoder.decompress(os.pread(self._file.fileno(), size, offset), _MOST)
        except ZstdError as error:
            raise Corrupt(f"{self.path} is damaged at byte {offset}: {error}") from error
        if not decoder.eof:
            raise Corrupt(f"{self.path} is damaged at byte {offset}: a frame is cut short")
        return data


def _amendments(lines: Iterable[bytes]) -> dict[bytes, tuple[str, ...]]:
    """The keys that were stated behind the sections, by a section's identity. Raises ValueError."""
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    amendments = {}
    try:
        for kind, name, key in map(index_lines.amendment, lines):
            amendments[identity(kind, name)] = shared.setdefault(tuple(key), tuple(key))
    except Corrupt as error:
        raise ValueError(f"an amendment: {error}") from error
    return amendments


def lines_of(sections: Iterable[Section]) -> Iterator[bytes]:
    """Sections that are not in an index yet, as an index's lines."""
    return (encode(section)[:-1] for section in sections)
