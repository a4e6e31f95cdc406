"""What a snapshot of a repository holds, and how it is written and read.

Four artefacts: ``refs``, a line of JSON for each reference; ``commits``, one for each commit; ``files.tar``, what else
stands in the repository's folder (configuration, hooks, reflogs, LFS objects…); ``repository.bundle``, all objects, as
``git clone`` takes it. The references name what the objects are, so the bundle's bytes, which depend on how git packed
them, are no part of the snapshot's id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import BinaryIO

from dysnomia_plugins.base import Draft, Row, Stored
from dysnomia_plugins.toolkit.files_reader import content_row
from dysnomia_plugins.toolkit.repositories.files import FILES
from dysnomia_plugins.toolkit.trees.contents import member_rows, rescan_tar
from dysnomia_plugins.types.git.refs import HEAD, MAX_BYTES, BadBundle, Ref, read_header
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import ContentSink

REFS = "refs"
COMMITS = "commits"
BUNDLE = "repository.bundle"

REFERENCES = ("list", "refs")
HISTORY = ("history", "commits")
_REF_COLUMNS = ("ref", "leads to", "kind")
_COMMIT_COLUMNS = ("commit", "author", "subject", "date", "parents")
_BATCH = 500
_MAX_LINE = 1 << 20
_MOST_PRINTED = 4 << 20
"""Bytes of what git prints of a commit that are looked at."""
COMMIT_FORMAT = "%H%x00%at%x00%P%x00%an <%ae>%x00%s"
"""What ``git rev-list`` is asked for; a subject holds no newline, and comes last: it may be of any length."""
_MOST_OF = (64, 64, 1 << 15, 1 << 14, 1 << 17)
"""Bytes of each of these that are kept. As JSON a byte takes six at most: a line stays below ``_MAX_LINE``."""


def write_refs(sink: ContentSink, refs: Sequence[Ref]) -> None:
    sink.begin_section(*REFERENCES, Form.ROWS, columns=_REF_COLUMNS, key=("ref",))
    for ref in refs:
        sink.write(ref.line())
    sink.end_section(len(refs))


def begin_commits(sink: ContentSink) -> None:
    sink.begin_section(*HISTORY, Form.ROWS, columns=_COMMIT_COLUMNS, key=("commit",))


def printed_commits(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of JSON of what ``git rev-list`` prints. Whoever may push says how long they are: they are cut.

    Raises BadBundle for what is no output of it."""
    while line := stream.readline(_MOST_PRINTED):
        whole = line.endswith(b"\n")
        yield _commit_line(line.removesuffix(b"\n"), whole=whole)
        while not whole and (rest := stream.readline(_MOST_PRINTED)):
            whole = rest.endswith(b"\n")


def _commit_line(raw: bytes, *, whole: bool) -> bytes:
    parts = raw.split(b"\0", 4)
    if len(parts) < 5 and whole:
        raise BadBundle("the output of git rev-list cannot be parsed", "install git 2.33 or later")
    parts += [b""] * (5 - len(parts))
    commit, at, parents, author, subject = (_cut(part, most) for part, most in zip(parts, _MOST_OF, strict=True))
    return json.dumps([commit, author, subject.replace("\0", " "), at, parents]).encode("ascii") + b"\n"


def _cut(value: bytes, most: int) -> str:
    """As text, no character of it halved."""
    if len(value) > most:
        while most and value[most] & 0xC0 == 0x80:
            most -= 1
    return value[:most].decode("utf-8", "backslashreplace")


def read_refs(stored: Stored) -> list[Ref]:
    """The references that a snapshot holds: each name once, and ``HEAD``. Raises BadBundle."""
    refs: list[Ref] = []
    names: set[str] = set()
    size = 0
    with stored.open(REFS) as stream:
        for line in lines_of(stream):
            size += len(line)
            if size > MAX_BYTES:
                raise BadBundle(f"the snapshot's list of references is longer than {MAX_BYTES:,} bytes")
            ref = Ref.read(line)
            if ref.name in names:
                raise BadBundle(f"the snapshot's list of references names {ref.name!r} twice", "nothing was loaded")
            names.add(ref.name)
            refs.append(ref)
    if HEAD not in names:
        raise BadBundle(f"the snapshot's list of references has no {HEAD}", "nothing was loaded")
    return refs


def rescan(stored: Stored, draft: Draft) -> bool | None:
    """Work out digests and contents again. Returns whether it is complete."""
    refs = read_refs(stored)
    with draft.artefact(REFS) as sink:
        write_refs(sink, refs)
    with draft.artefact(COMMITS) as sink, stored.open(COMMITS) as stream:
        begin_commits(sink)
        count = 0
        for line in lines_of(stream):
            sink.write(line)
            count += 1
        sink.end_section(count)
    with draft.artefact(FILES) as sink, stored.open(FILES) as stream:
        whole = rescan_tar(stream, sink)
    with draft.artefact(BUNDLE), stored.open(BUNDLE) as stream:
        object_format, named = read_header(stream)
        same = {(ref.name, ref.target) for ref in named} == {(ref.name, ref.target) for ref in refs if ref.target}
        return whole and same and _pack_is_whole(stream, object_format)


def _pack_is_whole(stream: BinaryIO, object_format: str) -> bool:
    """Whether a pack ends with the hash of all before it."""
    size = hashlib.new(object_format).digest_size
    seen = hashlib.new(object_format)
    rest = b""
    while chunk := stream.read(1 << 18):
        rest += chunk
        seen.update(rest[:-size])
        rest = rest[-size:]
    return len(rest) == size and rest == seen.digest()


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Each with its end. Raises BadBundle for one that has none."""
    rest = b""
    while chunk := stream.read(1 << 18):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if len(rest) > _MAX_LINE:
            raise BadBundle("the snapshot holds a line without an end")
    if rest:
        yield rest


def raw_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """References and commits as lines of JSON; files as fileset does."""
    artefact = {REFERENCES: REFS, HISTORY: COMMITS}.get((section.kind, section.name))
    if artefact is None:
        yield from member_rows(stored, section)
        return
    with stored.open(artefact) as stream:
        lines = lines_of(stream)
        while batch := list(islice(lines, _BATCH)):
            yield batch


def parse_row(section: Section, raw: bytes) -> Row:
    """A reference, a commit, or a line of a file, as cells."""
    if (section.kind, section.name) == REFERENCES:
        ref = Ref.read(raw)
        cells = tuple(map(_shown, (ref.name, ref.symbolic or ref.target, "symbolic" if ref.symbolic else ref.kind)))
        return Row(key=cells[:1], cells=cells)
    if (section.kind, section.name) == HISTORY:
        return _commit_row(raw)
    return content_row(section, raw)


def _commit_row(raw: bytes) -> Row:
    try:
        commit, author, subject, at, parents = (_text(value) for value in json.loads(raw))
    except (ValueError, TypeError, RecursionError) as error:
        raise BadBundle("the snapshot's list of commits holds an invalid line", repr(raw[:60])) from error
    short = " ".join(parent[:12] for parent in parents.split(" "))
    return Row(key=(commit,), cells=(commit, author, subject, _moment(at), short))


def _moment(seconds: str) -> str:
    """To the second: ``2026-11-22 12:44:30Z``. A date that no calendar has stays a number."""
    try:
        return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M:%S}Z"
    except (ValueError, OverflowError, OSError):
        return seconds


def _text(value: object) -> str:
    """Without the halves of characters that JSON can spell and no terminal can show."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _shown(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
