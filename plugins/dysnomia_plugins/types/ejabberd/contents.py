"""What a snapshot of ejabberd holds: one dump, a section for each table that has rows, its rows sorted.

Tables without a row are no part of it: the server's modules make theirs when it starts. The rows of another tool's
dump stand as it has written them, and count as ours would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from dysnomia_plugins.base import Context, Row, Stored
from dysnomia_plugins.types.ejabberd.program import MARK
from dysnomia_plugins.types.ejabberd.sorting import Sorter
from dysnomia_plugins.types.ejabberd.terms import (
    BadTerms,
    Form,
    cells,
    definitions,
    forms,
    name_of,
    shown,
    table_of,
    without_secrets,
)
from dysnomia_store import model
from dysnomia_store.sink import ContentSink

DUMP = "dump"
"""As Dysnomia's own module calls the file."""
TABLE = "table"
HIDDEN = "(hidden)"
SECRET = {"passwd": {"password"}, "oauth_token": {"token"}, "oauth_client": {"options"}, "push_session": {"xml"},
          "private_storage": {"xml"}}  # fmt: skip
"""Columns whose cells are shown nowhere: of private storage, because bookmarks hold the passwords of rooms."""
_BATCH = 200
_BATCH_BYTES = 1 << 20
_OURS = MARK.encode()
Columns = dict[bytes, tuple[tuple[str, ...], bytes]]


def opened(dumped: Iterator[Form]) -> tuple[Form, Columns]:
    """The first form, and what it says of the tables. Raises BadTerms."""
    first = next(dumped, None)
    if first is None:
        raise BadTerms("the dump is empty", "expected the output of ejabberdctl dump")
    return first, definitions(first.line)


def header(columns: Columns) -> bytes:
    """The first form of a dump with these tables."""
    return b"{tables,[" + b",".join(definition for _, definition in columns.values()) + b"]}.\n"


def write_dump(
    ctx: Context, sink: ContentSink, dumped: Iterator[Form], on_bytes: Callable[[int], None], *, as_it_is: bool = False
) -> int:
    """Put a dump into a sink, its rows sorted. Returns how many rows. Raises BadTerms.

    Args:
        as_it_is: its bytes are what is stored already; only what stands for them in the digests is sorted."""
    first, columns = opened(dumped)
    sink.store_only(first.raw if as_it_is else header(columns))
    seen: set[bytes] = set()
    count = done = 0
    for table, rows in groupby(dumped, key=lambda form: table_of(form.line)):
        if table in seen or table not in columns:
            raise BadTerms(
                f"the dump has rows of {name_of(table)} where they should not be",
                "expected all rows of a table together",
            )
        seen.add(table)
        if table == _OURS:
            for form in rows:
                if as_it_is:
                    sink.store_only(form.raw)
            continue
        names = columns[table][0]
        sink.begin_section(TABLE, name_of(table), model.Form.ROWS, columns=names)
        with Sorter(ctx) as sorter:
            for form in rows:
                sorter.add(form.line)
                if as_it_is:
                    sink.store_only(form.raw)
                done += len(form.raw)
                on_bytes(done)
            key, rows_here = _put(sink, sorter.lines(), digest_only=as_it_is)
        sink.describe_section(key=names[:1] if key else ())
        sink.end_section(rows=rows_here)
        count += rows_here
    return count


def _put(sink: ContentSink, lines: Iterable[bytes], *, digest_only: bool) -> tuple[bool, int]:
    """Returns whether the first column is a key, and the number of rows."""
    before, unique, count = b"", True, 0
    for line in lines:
        if digest_only:
            sink.digest_only(line)
        else:
            sink.write(line)
        if unique:
            key = key_of(line)
            unique, before = key != before, key
        count += 1
    return unique, count


def key_of(line: bytes) -> bytes:
    """The first cell of a row after its table's name."""
    elements = cells(line)
    next(elements, None)
    return next(elements, b"")


def raw_rows(stored: Stored, section: model.Section) -> Iterator[Sequence[bytes]]:
    """The rows of a table in batches, each in the one way of writing. Raises BadTerms."""
    if section.offset is None or section.length is None:
        raise BadTerms(f"the contents index does not say where {section.name!r} is", "check the snapshot")
    batch: list[bytes] = []
    size = 0
    with stored.open_range(section.artefact or DUMP, section.offset, section.length) as stream:
        for form in forms(stream):
            batch.append(form.line)
            size += len(form.line)
            if len(batch) >= _BATCH or size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def parse_row(section: model.Section, raw: bytes) -> Row:
    """A row, with secrets hidden."""
    dumped = [shown(without_secrets(cell)) for cell in list(cells(raw))[1:]]
    secret = SECRET.get(section.name, set())
    for number, column in enumerate(section.columns[: len(dumped)]):
        if column in secret:
            dumped[number] = HIDDEN
    dumped = dumped[: len(section.columns)] + [""] * (len(section.columns) - len(dumped))
    return Row(key=tuple(dumped[:1]) if section.key else (), cells=tuple(dumped))
