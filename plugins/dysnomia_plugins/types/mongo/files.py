"""The files of a dump, as ``mongodump`` calls them: ``<collection>.bson`` and ``<collection>.metadata.json``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from dysnomia_plugins.errors import PluginError

DOCUMENTS, DEFINITION = ".bson", ".metadata.json"
_OF_THE_DUMP = frozenset({"prelude.json", "oplog.bson"})
"""But ``oplog.bson`` is of a collection of that name where it has a definition."""
_PLAIN = re.compile(r"[A-Za-z0-9_. $~@+=,()-]")
_LONGEST, _KEPT = 180, 120


def file_name(collection: str) -> str:
    """What a collection's files begin with. The name is in its definition as well: a long one is cut here."""
    escaped = "".join(one if _PLAIN.match(one) else _escaped(one) for one in collection)
    if escaped[0] in ".-":
        escaped = f"%{ord(escaped[0]):02X}{escaped[1:]}"
    if len(escaped) <= _LONGEST:
        return escaped
    return f"{escaped[:_KEPT]}%24{hashlib.sha256(collection.encode()).hexdigest()[:32]}"


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True)
class Files:
    """Of one collection or view."""

    named: str
    """What the names of the files say."""
    definition: str
    documents: str
    """``""`` for a view."""


def files_of(names: Iterable[str]) -> list[Files]:
    """The files of a snapshot by collection: ours, or those in a folder, as ``mongodump`` makes it for a database.

    Raises PluginError for any others."""
    by_base: dict[str, dict[str, str]] = {}
    folders = set()
    names = list(names)
    for name in names:
        folder, _, base = name.rpartition("/")
        if base in _OF_THE_DUMP and f"{name.removesuffix(DOCUMENTS)}{DEFINITION}" not in names:
            continue
        folders.add(folder)
        kind = next((end for end in (DEFINITION, DOCUMENTS) if base.endswith(end)), "")
        if not kind or len(folders) > 1:
            what = "the folders of several databases" if len(folders) > 1 else f"a file {name!r}"
            raise PluginError(
                f"it holds {what}: that is not a dump of one database", "make it without --gzip and --archive"
            )
        by_base.setdefault(base.removesuffix(kind), {})[kind] = name
    return [_files(base, kinds) for base, kinds in sorted(by_base.items()) if not base.startswith("system.")]


def _files(base: str, kinds: Mapping[str, str]) -> Files:
    if DEFINITION not in kinds:
        raise PluginError(f"the dump has no {base}{DEFINITION}", "make it anew: that file says what the collection is")
    return Files(unquote(base), kinds[DEFINITION], kinds.get(DOCUMENTS, ""))
