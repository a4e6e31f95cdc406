"""A snapshot written as a dump beside what is live, in the one way of writing that the exchange reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import Context, Place, Stored
from dysnomia_plugins.types.ejabberd import places
from dysnomia_plugins.types.ejabberd.contents import DUMP, header, opened, raw_rows
from dysnomia_plugins.types.ejabberd.node import Server
from dysnomia_plugins.types.ejabberd.program import MARK
from dysnomia_plugins.types.ejabberd.terms import BadTerms, Form, forms, name_of, table_of
from dysnomia_store.model import Section

_SAID = 1 << 20


def load(ctx: Context, server: Server, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
    """All tables, or some. Raises PluginError, Corrupt; what was made then is the caller's to drop."""
    with stored.open(DUMP) as stream:
        dumped = forms(stream)
        if sections is None:
            write(ctx, server, place, dumped)
            return
        first, _ = opened(dumped)
    write(ctx, server, place, _some(stored, sections, first))


def write(ctx: Context, server: Server, place: Place, dumped: Iterator[Form]) -> None:
    """Make the dump. Raises PluginError."""
    places.write(ctx, server, place, _lines(ctx, dumped))


def _lines(ctx: Context, dumped: Iterator[Form]) -> Iterator[bytes]:
    _, columns = opened(dumped)
    columns.pop(MARK.encode(), None)
    yield header(columns)
    done = reported = 0
    for form in dumped:
        table = table_of(form.line)
        if table == MARK.encode():
            continue
        if table not in columns:
            raise BadTerms(f"the dump has rows of {name_of(table)} and does not say what it is", "take another")
        yield form.line
        done += len(form.line)
        if done - reported >= _SAID:
            reported = done
            ctx.cancel.check()
            ctx.progress.advance(done)


def _some(stored: Stored, sections: Sequence[Section], first: Form) -> Iterator[Form]:
    yield first
    for section in sections:
        for batch in raw_rows(stored, section):
            for line in batch:
                yield Form(line, line)
