"""Views whose text is not what a dump can give back: those that name their own schema, and those that do not work.

The server writes the schema's name into a view's columns (``b`.`t`.`id``) where the definer may not see them: an
account that is gone, or that has rights on that schema alone when the view is looked at in another one. Such a name is
left out of the digest and of what is loaded.

mariadb-dump gives up at a view that does not work (its table is gone, say). So it is left out of what mariadb-dump
sees, and stands as a comment at the end of the dump. The server makes no such view: where live has it, it stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.created import created
from dysnomia_plugins.types.mysql.names import identifier, unquoted
from dysnomia_plugins.types.mysql.scanner import Part, Piece

BROKEN = "broken"
"""The note that keeps the text of broken views in a schema that is not live."""
_BEGIN, _END = b"/* dysnomia: this view does not work, and is kept as text\n", b"\n*/\n"
_KEPT = re.compile(re.escape(_BEGIN) + rb"(.*?)" + re.escape(_END), re.DOTALL)
_CHAIN = re.compile(rb"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'|`(?:[^`]|``)*+`(?:\.`(?:[^`]|``)*+`)*+", re.DOTALL)
_NAME = re.compile(rb"`(?:[^`]|``)*+`")


def own_names(text: bytes, schema: str) -> Iterator[tuple[int, int]]:
    """Where a view's text names its own schema: the places of that name, its dot included.

    ``a`.`b`.`c`` is schema, table and column. ``a`.`b`` may be alias and column too: it is taken for schema and table
    where nothing else is called like the schema."""
    chains = [(chain.start(), _NAME.findall(chain[0])) for chain in _CHAIN.finditer(text) if chain[0][:1] == b"`"]
    alone = any(len(names) == 1 and unquoted(names[0]) == schema for _, names in chains)
    for start, names in chains:
        if unquoted(names[0]) == schema and (len(names) == 3 or (len(names) == 2 and not alone)):
            yield start, start + len(names[0]) + 1


def without_schema(text: bytes, schema: str) -> bytes:
    """The text of a view, less its own schema's name."""
    parts, position = [], 0
    for start, end in own_names(text, schema):
        parts.append(text[position:start])
        position = end
    return b"".join([*parts, text[position:]])


# --- views that do not work ------------------------------------------------------------------------------------------


def ignoring(database: str, broken: Iterable[str]) -> list[str]:
    """The options by which mariadb-dump leaves them out."""
    return [f"--ignore-table={database}.{view}" for view in broken]


def texts(client: Client, database: str, broken: Sequence[str]) -> bytes:
    """Them all as comments: what stands at the end of a dump."""
    parts = []
    for view in sorted(broken):
        shown = client.script(f"SHOW CREATE VIEW {identifier(database)}.{identifier(view)};\n").split(b"\t")
        parts.append(_BEGIN + without_schema(shown[1], database).replace(b"*/", b"* /") + _END)
    return b"".join(parts)


def found_in(text: bytes) -> dict[str, bytes]:
    """The views that stand as comments in a piece of a dump, by name, each with its comment."""
    views = {}
    for one in _KEPT.finditer(text):
        if made := created(one[1]):
            views[made.name] = one[0]
    return views


def appended(pieces: Iterator[Piece], text: bytes) -> Iterator[Piece]:
    """A dump's pieces with these comments before its end marker."""
    for piece in pieces:
        if piece.part is Part.END and text:
            yield Piece(Part.TRIVIA, text)
        yield piece
