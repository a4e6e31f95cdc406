# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""Which mail a message is, in a snapshot and in what is live: beside its file name, which says nothing to a person."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from dysnomia_plugins.base import LiveLook, LiveRow, PutRow, Stored
from dysnomia_plugins.toolkit.guarded.folder import Folder, NotAFile
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.trees.contents import ARTEFACT
from dysnomia_plugins.toolkit.trees.member import Kind
from dysnomia_plugins.toolkit.trees.tarread import TarReader
from dysnomia_plugins.types.maildir import names as naming
from dysnomia_plugins.types.maildir.headers import HEAD, about
from dysnomia_plugins.types.maildir.put_back import MailTree
from dysnomia_store.model import Section

DESCRIBED = 1000
"""Rows of a plan that are told by their mail; it shows fewer."""


def about_stored(stored: Stored, section: Section) -> Mapping[str, str]:
    """Of a section that is a message; nothing of any other. Raises Corrupt, PluginError."""
    if section.kind != Kind.FILE or naming.message(section.name) is None:
        return {}
    if section.offset is None or not section.length:
        return {}
    with stored.open_range(section.artefact or ARTEFACT, section.offset, section.length) as stream:
        for entry in TarReader(stream):
            head = bytearray()
            for offset, data in entry.content():
                head += bytes(offset - len(head)) + data
                if len(head) >= HEAD:
                    break
            return about(bytes(head[:HEAD]))
    return {}


def with_stored(stored: Stored, rows: Sequence[PutRow]) -> list[PutRow]:
    """Rows of a plan, with what the snapshot's messages are. Raises Corrupt, PluginError."""
    return [_told(stored, row) if at < DESCRIBED else row for at, row in enumerate(rows)]


def _told(stored: Stored, row: PutRow) -> PutRow:
    if row.wanted is None:
        return row
    return replace(row, wanted=_with(row.wanted, about_stored(stored, row.section)))


def _with(raw: bytes, parts: Mapping[str, str]) -> bytes:
    if not parts:
        return raw
    item = json.loads(raw)
    item["shown"] = {**parts, **item["shown"]}
    return json.dumps(item).encode()


def with_live(tree: MailTree, rows: Sequence[PutRow], look: LiveLook) -> LiveLook:
    """What live has, with what its messages are."""
    pairs = zip(rows, look.rows, strict=False)
    described = [_told_live(tree, row, now) if at < DESCRIBED else now for at, (row, now) in enumerate(pairs)]
    return replace(look, rows=tuple(described))


def _told_live(tree: MailTree, row: PutRow, now: LiveRow) -> LiveRow:
    if now.raw is None or naming.message(row.section.name) is None:
        return now
    return replace(now, raw=_with(now.raw, about(_head(tree, row.section.name))))


def _head(tree: MailTree, name: str) -> bytes:
    """The first bytes of a live message; nothing where they cannot be read."""
    with suppress(OSError, LinkInTheWay, NotAFile), tree.parent(name) as (above, leaf):
        folder = Folder(os.dup(above), name)
        with folder, folder.file(leaf) as descriptor:
            return os.pread(descriptor, HEAD, 0)
    return b""
