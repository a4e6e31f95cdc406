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
from dysnomia_plugins.types.git.refs import MAX_BYTES, BadBundle, Ref, read_header
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
COMMIT_FORMAT = "%H%x00%an <%ae>%x00%s%x00%at%x00%P"
"""What ``git rev-list`` is asked for; a subject holds no newline."""


def write_refs(sink: ContentSink, refs: Sequence[Ref]) -> None:
    sink.begin_section(*REFERENCES, Form.ROWS, columns=_REF_COLUMNS, key=("ref",))
    for ref in refs:
        sink.write(ref.line())
    sink.end_section(len(refs))


def begin_commits(sink: ContentSink) -> None:
    sink.begin_section(*HISTORY, Form.ROWS, columns=_COMMIT_COLUMNS, key=("commit",))


def commit_line(raw: bytes) -> bytes:
    """A line of JSON of what ``git rev-list`` printed."""
    values = raw.rstrip(b"\n").decode("utf-8", "backslashreplace").split("\0")
    if len(values) < 5:
        raise BadBundle("the output of git rev-list cannot be parsed", "install git 2.33 or later")
    commit, author, *subject, at, parents = values
    return json.dumps([commit, author, " ".join(subject), at, parents]).encode("ascii") + b"\n"


def read_refs(stored: Stored) -> list[Ref]:
    """The references that a snapshot holds. Raises BadBundle."""
    found: list[Ref] = []
    size = 0
    with stored.open(REFS) as stream:
        for line in lines_of(stream):
            size += len(line)
            if size > MAX_BYTES:
                raise BadBundle(f"the snapshot's list of references is longer than {MAX_BYTES:,} bytes")
            found.append(Ref.read(line))
    return found


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
        commit, author, subject, at, parents = (str(value) for value in json.loads(raw))
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


def _shown(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
