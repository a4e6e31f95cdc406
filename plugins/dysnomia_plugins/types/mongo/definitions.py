"""What a collection or view is besides its documents, as ``mongodump`` writes it into ``<collection>.metadata.json``.

The UUID that a server gave a collection is left out, indexes are in the order of their names: neither is state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import json_util
from bson.errors import BSONError
from bson.json_util import CANONICAL_JSON_OPTIONS

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.mongo.documents import canonical

_ID_INDEX = "_id_"
_NOT_STATE = frozenset({"uuid", "autoIndexId", "flags", "temp"})
"""Options of a collection that are none, or that servers of today do not take."""
_MOST = 16 << 20


@dataclass(frozen=True, slots=True)
class Definition:
    """A collection or view."""

    name: str
    options: Mapping[str, Any]
    """As ``create`` takes them."""
    indexes: Sequence[Mapping[str, Any]]
    """All of a collection, that of ``_id`` too, in the order of their names."""

    @classmethod
    def of(cls, name: str, options: Mapping[str, Any], indexes: Sequence[Mapping[str, Any]]) -> Definition:
        kept = {key: options[key] for key in sorted(options) if key not in _NOT_STATE}
        plain = [{key: value for key, value in one.items() if key not in ("ns", "background")} for one in indexes]
        return cls(name, kept, sorted(plain, key=lambda one: str(one.get("name", ""))))

    @classmethod
    def read(cls, data: bytes, named: str) -> Definition:
        """Of a file for the collection that its name says. Raises PluginError."""
        if len(data) > _MOST:
            raise PluginError(f"the definition of {named!r} is longer than {_MOST >> 20} MiB", "check the snapshot")
        try:
            parts = json.loads(data.decode("utf-8"), object_hook=_value)
        except (ValueError, TypeError, KeyError, BSONError, RecursionError) as error:
            raise PluginError(f"the definition of {named!r} is not JSON ({error})", "check the snapshot") from error
        if not isinstance(parts, dict):
            raise PluginError(f"the definition of {named!r} is not an object", "check the snapshot")
        options, indexes = parts.get("options") or {}, parts.get("indexes") or []
        name = parts.get("collectionName") or named
        right = isinstance(options, dict) and isinstance(indexes, list) and isinstance(name, str)
        if not right or not all(isinstance(one, dict) and isinstance(one.get("key"), dict) for one in indexes):
            raise PluginError(f"the definition of {named!r} does not say what it is", "check the snapshot")
        return cls.of(check_collection(name), options, indexes)

    @property
    def is_view(self) -> bool:
        return "viewOn" in self.options

    @property
    def is_capped(self) -> bool:
        return bool(self.options.get("capped"))

    @property
    def to_be_made(self) -> list[dict[str, Any]]:
        """Its indexes but those that it is made with: of ``_id``, or that by which it is clustered."""
        return [dict(one) for one in self.indexes if one.get("name") != _ID_INDEX and not one.get("clustered")]

    def written(self) -> bytes:
        """As the file has it."""
        kind = "view" if self.is_view else "collection"
        parts = {"options": self.options, "indexes": self.indexes, "collectionName": self.name, "type": kind}
        return canonical(parts).encode("utf-8", "backslashreplace") + b"\n"

    def readable(self) -> bytes:
        """The same. Raises PluginError where that would be read as something else."""
        written = self.written()
        if Definition.read(written, self.name).written() != written:
            raise PluginError(
                f"the options of {self.name!r} hold what is another value as JSON, and could not be restored",
                "leave keys as $minKey or $oid out of its validator or pipeline",
            )
        return written


def _value(parts: dict[str, Any]) -> Any:
    """A value of extended JSON: MongoDB's operator ``$regex``, which validators and views use, stays one, though
    regular expressions were once written in that way."""
    if "$regex" in parts:
        return parts
    return json_util.object_hook(parts, CANONICAL_JSON_OPTIONS)


def check_collection(name: str) -> str:
    """Return ``name`` if a collection of users can be called so. Raises PluginError."""
    if not name or "\0" in name or "$" in name or name.startswith(("system.", ".")) or name.endswith("."):
        raise PluginError(f"{name!r} cannot be the name of a collection", "check the snapshot")
    return name
