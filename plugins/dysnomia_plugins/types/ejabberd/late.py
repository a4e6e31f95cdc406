"""Writes that came without a transaction while rows were exchanged: entered into what was set aside.

The server notes them as it hears of them: a form and a line each, ``{write,set,ROW}.`` or
``{delete,bag,ROW or {table,key}}.``, after a first one that says what their tables are. Where it was killed the last
line has no end, and is none. Whether one of them is live as well does not matter: none is lost.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import groupby
from typing import BinaryIO

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.types.ejabberd import places
from dysnomia_plugins.types.ejabberd.contents import Columns, header, key_of, opened
from dysnomia_plugins.types.ejabberd.node import Server
from dysnomia_plugins.types.ejabberd.terms import Form, cells, definitions, forms, table_of

_Events = dict[bytes, dict[bytes, list[tuple[bytes, bytes, bytes]]]]
"""By table and key: what was done, the table's type, and the row (or table and key)."""


def enter(ctx: Context, server: Server, aside: Place) -> None:
    """Idempotent: until it is done the notes stay. Raises PluginError."""
    notes, making = places.beside(aside, places.LATE), places.beside(aside, places.MERGED)
    if not places.holds_file(server, notes):
        return
    places.drop(ctx, server, making)
    with places.reading(server, notes) as stream:
        tables, events = noted(stream)
    if events:
        with places.reading(server, aside) as before:
            places.write(ctx, server, making, merged(forms(before), tables, events))
        places.replace(server, making, aside)
        ctx.progress.log("writes that came during the exchange are in what was set aside")
    places.drop(ctx, server, notes)


def noted(stream: BinaryIO) -> tuple[Columns, _Events]:
    """The tables, and what was written: what has no end is left out. Raises BadTerms for what are no notes."""
    text = stream.read().partition(b"\0")[0]  # the end of a file that a machine lost with its power may be zeros
    dumped = forms(io.BytesIO(text[: text.rfind(b"\n") + 1]))
    first = next(dumped, None)
    return ({}, {}) if first is None else (definitions(first.line), _events(dumped))


def _events(dumped: Iterator[Form]) -> _Events:
    by_table: _Events = {}
    for form in dumped:
        what, kind, row = cells(form.line)
        line = row + b".\n"
        by_table.setdefault(table_of(line), {}).setdefault(key_of(line), []).append((what, kind, line))
    return by_table


def merged(before: Iterator[Form], tables: Columns, events: _Events) -> Iterator[bytes]:
    """The dump with these writes in it."""
    _, columns = opened(before)
    yield header({**columns, **{table: tables[table] for table in events}})
    waiting = dict(events)
    for table, rows in groupby(before, key=lambda form: table_of(form.line)):
        here = waiting.pop(table, {})
        kept: dict[bytes, list[bytes]] = {key: [] for key in here}
        for form in rows:
            if here and (key := key_of(form.line)) in kept:
                kept[key].append(form.line)
            else:
                yield form.line
        for key, written in here.items():
            yield from _after(kept[key], written)
    for here in waiting.values():
        for written in here.values():
            yield from _after([], written)


def _after(rows: list[bytes], written: list[tuple[bytes, bytes, bytes]]) -> list[bytes]:
    for what, kind, line in written:
        others = [row for row in rows if row != line]
        if what == b"write":
            rows = [*others, line] if kind == b"bag" else [line]
        else:
            rows = [] if sum(1 for _ in cells(line)) == 2 else others
    return rows
