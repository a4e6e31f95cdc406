"""Definitions as an operator has them: a file of ours, or what ``rabbitmqctl export_definitions`` writes of a server.

Of such an export what belongs to one virtual host is taken, and what it has besides our fields left out.
"""

from __future__ import annotations

import json
from typing import Any

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.rabbitmq.definitions import ARTEFACT, KINDS, OPERATOR, Document, read

_GROUPS = frozenset(kind.group for kind in KINDS)
_INTERNAL = ("vhost-limits", "exchange-delete-in-progress", "imported_definition_hash_value")
_QUEUE_TYPE = "x-queue-type"


def of_file(content: bytes, vhost: str) -> Document:
    """Raises NotSafe for what cannot be read."""
    try:
        groups = json.loads(content)
    except (ValueError, RecursionError):
        raise NotSafe(
            f"{ARTEFACT} of the component is not JSON", "write it as rabbitmqctl export_definitions"
        ) from None
    if not isinstance(groups, dict):
        raise NotSafe(f"{ARTEFACT} of the component has no lists of definitions", "see docs/configuration.md")
    made = {
        group: [_own(group, one) for one in ones if isinstance(one, dict) and _belongs(group, one, vhost)]
        for group, ones in groups.items()
        if group in _GROUPS and isinstance(ones, list)
    }
    if not made.get("vhosts"):
        made["vhosts"] = [{"limits": {}, "metadata": {}}]
    for one in groups.get("parameters") or ():
        if isinstance(one, dict) and one.get("component") == "vhost-limits" and one.get("vhost") == vhost:
            made["vhosts"][0]["limits"] = one.get("value")
    named = {one.get("user") for group in ("permissions", "topic_permissions") for one in made.get(group, ())}
    made["users"] = [one for one in made.get("users", ()) if one.get("name") in named]
    return read(json.dumps(made).encode())


def _belongs(group: str, one: dict[str, Any], vhost: str) -> bool:
    if group == "parameters" and one.get("component") in _INTERNAL:
        return False
    if group == "queues" and (
        one.get("durable") is False or one.get("auto_delete") or str(one.get("name"))[:4] == "amq."
    ):
        return False
    if group == "exchanges" and (one.get("durable") is False or one.get("auto_delete")):
        return False
    return bool(one.get("name" if group == "vhosts" else "vhost", vhost) == vhost)


def _own(group: str, one: dict[str, Any]) -> dict[str, Any]:
    """The fields that a file of ours has."""
    fields = {name: value for name, value in one.items() if name != "vhost"}
    if group == "vhosts":
        metadata, limits = fields.get("metadata"), fields.get("limits")
        return {"metadata": metadata or {}, "limits": limits if isinstance(limits, dict) else {}}
    value = fields.get("value")
    if fields.get("component") == OPERATOR and isinstance(value, dict) and isinstance(value.get("definition"), list):
        pairs = [one for one in value["definition"] if isinstance(one, list) and len(one) == 2]  # as 3.10 writes it
        fields["value"] = {**value, "definition": {str(name): inner for name, inner in pairs}}
    if group == "queues":
        kind = fields.pop("type", "classic")
        if kind != "classic":
            fields["arguments"] = {_QUEUE_TYPE: kind, **fields.get("arguments", {})}
    return {"internal": False, **fields} if group == "exchanges" else fields
