"""Definitions as rows that are put back into live: which one of live's is meant, and what comes with each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from dysnomia_plugins.base import LiveRow, PutRow, Stored
from dysnomia_plugins.types.rabbitmq import contents
from dysnomia_plugins.types.rabbitmq.changes import Target
from dysnomia_plugins.types.rabbitmq.definitions import (
    BINDINGS,
    BY_TITLE,
    EXCHANGES,
    PERMISSIONS,
    QUEUES,
    SECTION,
    TOPICS,
    USERS,
    Document,
    Key,
    Kind,
    Object,
    name_of,
    to_line,
)
from dysnomia_plugins.types.rabbitmq.live import Live
from dysnomia_store.model import Form, Section

THERE = "there"
"""The digest of a user that the server has: whatever he is, for he is not of this virtual host."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row, as definitions."""

    kind: Kind
    key: Key | None
    """None where neither side has it, or live has several that are shown with one key."""
    one: Object | None
    """What is wanted; None where live's is to go."""
    ambiguous: bool = False

    @property
    def target(self) -> Target | None:
        return None if self.key is None else (self.kind.name, self.key)


def shown_key(kind: Kind, one: Object) -> tuple[str, ...]:
    """The cells of a definition's key, as the contents show them."""
    return tuple(map(str, contents.parse_row(section_of(kind), to_line(one)).key))


def section_of(kind: Kind) -> Section:
    return Section(SECTION, kind.title, Form.ROWS, 0, "")


def wanted(rows: Sequence[PutRow], live: Live) -> list[Wanted]:
    """Each row as a definition. What live has is looked for by what is shown of it."""
    by_shown: dict[str, Mapping[tuple[str, ...], list[Key]]] = {}
    made = []
    for row in rows:
        kind = BY_TITLE[row.section.name]
        if row.wanted is not None:
            one = json.loads(row.wanted)
            made.append(Wanted(kind, kind.key_of(one), one))
            continue
        if kind.name not in by_shown:
            by_shown[kind.name] = _by_shown(kind, live)
        keys = by_shown[kind.name].get(row.key, [])
        made.append(Wanted(kind, keys[0] if len(keys) == 1 else None, None, len(keys) > 1))
    return made


def _by_shown(kind: Kind, live: Live) -> Mapping[tuple[str, ...], list[Key]]:
    by_shown: dict[tuple[str, ...], list[Key]] = {}
    for key, one in live.document.of[kind.name].items():
        by_shown.setdefault(shown_key(kind, one), []).append(key)
    return by_shown


def row_of(want: Wanted, live: Live, users: frozenset[bytes]) -> LiveRow:
    """What live has of it. ``users``: those that the server has."""
    one = live.document.of[want.kind.name].get(want.key) if want.key is not None else None
    raw = None if one is None else to_line(one)
    if want.kind is USERS:
        known = want.key is not None and want.key[0] in users
        return LiveRow(raw, THERE if known else "", "" if want.one is None else THERE)
    return LiveRow(raw, digest(one), digest(want.one))


def digest(one: Object | None) -> str:
    """Of a definition; ``""`` where there is none."""
    return "" if one is None else sha256(to_line(one)).hexdigest()


def companions(stored: Stored, live: Live, rows: Sequence[PutRow]) -> Iterator[PutRow]:
    """What goes with rows: the bindings of a queue or an exchange, and the user whom a permission names.

    Only bindings that live lacks and whose other end is in live or comes too; where a queue or an exchange would go,
    those that live has of it."""
    sections = {section.name: section for section in stored.sections() if section.kind == SECTION}
    wants = wanted(rows, live)
    known = {(row.section.name, row.key) for row in rows}
    for row in (*_bindings(stored, sections, live, wants), *_users(stored, sections, wants)):
        if (row.section.name, row.key) not in known:
            known.add((row.section.name, row.key))
            yield row


def _bindings(stored: Stored, sections: Mapping[str, Section], live: Live, wants: Sequence[Wanted]) -> Iterator[PutRow]:
    section = sections.get(BINDINGS.title)
    ends = {want.target for want in wants if want.kind in (QUEUES, EXCHANGES)}
    if section is None or not ends:
        return
    coming = {want.target for want in wants if want.kind in (QUEUES, EXCHANGES) and want.one is not None}
    for raw, one in _all(stored, section):
        if not coming.intersection(ends_of(one)) or BINDINGS.key_of(one) in live.document.of[BINDINGS.name]:
            continue
        if all(end in coming or has_end(live.document, end) for end in ends_of(one)):
            yield PutRow(section, shown_key(BINDINGS, one), raw)
    going = ends - coming
    for one in live.document.of[BINDINGS.name].values():
        if going.intersection(ends_of(one)):
            yield PutRow(section, shown_key(BINDINGS, one), None)


def _users(stored: Stored, sections: Mapping[str, Section], wants: Sequence[Wanted]) -> Iterator[PutRow]:
    names = {name_of(want.one, "user") for want in wants if want.kind in (PERMISSIONS, TOPICS) and want.one is not None}
    if not names or USERS.title not in sections:
        return
    for raw, one in _all(stored, sections[USERS.title]):
        if name_of(one, "name") in names:
            yield PutRow(sections[USERS.title], shown_key(USERS, one), raw)


def _all(stored: Stored, section: Section) -> Iterator[tuple[bytes, Object]]:
    for batch in contents.raw_rows(stored, section):
        for raw in batch:
            yield raw, json.loads(raw)


def ends_of(binding: Object) -> tuple[Target, Target]:
    """What a binding joins."""
    return (
        (EXCHANGES.name, (name_of(binding, "source"),)),
        (str(binding["destination_type"]), (name_of(binding, "destination"),)),
    )


def has_end(document: Document, end: Target) -> bool:
    """Whether a binding may have it. Every virtual host has exchanges of its own."""
    kind, key = end
    return key in document.of[kind] or (kind == EXCHANGES.name and key[0].startswith(b"amq."))


def with_rows(document: Document, wants: Iterable[Wanted]) -> Document:
    """What live would be with them."""
    after = Document({name: dict(ones) for name, ones in document.of.items()})
    for want in wants:
        if want.key is None:
            continue
        if want.one is None:
            after.of[want.kind.name].pop(want.key, None)
        else:
            after.of[want.kind.name][want.key] = want.one
    return after
