"""What a role that is no superuser cannot give back: told with the snapshot and in the plan."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.names import literal
from dysnomia_plugins.types.postgresql.needs import Needs
from dysnomia_plugins.types.postgresql.surroundings import Surroundings

SHOWN = 10


def beyond(client: Client, needs: Needs, around: Surroundings | None) -> Iterator[str]:
    """What the dump and its surroundings hold that our role could not make, a line each; nothing for a superuser."""
    if client.superuser:
        return
    facts = _asked(client, needs, around)
    user = client.server.user
    if facts["extensions"]:
        yield f"only a superuser can create {_several('extension', facts['extensions'])}, and {user} is not one"
    if facts["owners"]:
        yield f"some of it belongs to {_several('role', facts['owners'])}, of which {user} is not a member"
    if needs.privileged:
        yield f"only a superuser can create {_listed(needs.privileged)}, and {user} is not one"
    if facts["settings"]:
        yield f"only a superuser can give the database {_several('setting', facts['settings'])}, and {user} is not one"
    grantors = {grant["grantor"] for grant in (around or {}).get("acl") or ()} - {(around or {}).get("owner")}
    if grantors:
        yield f"only a superuser can repeat grants by {_several('role', grantors)}, and {user} is not one"


def _asked(client: Client, needs: Needs, around: Surroundings | None) -> Mapping[str, Any]:
    names = {setting.partition("=")[0].lower() for _, setting in (around or {}).get("settings") or ()}
    granted = "has_parameter_privilege(name, 'SET')" if client.version >= 150000 else "false"
    answer: Mapping[str, Any] = client.ask(
        f"""SELECT json_build_object(
          'extensions', (SELECT json_agg(DISTINCT v.name::text) FROM pg_available_extension_versions v
              JOIN pg_available_extensions e ON e.name = v.name AND e.default_version = v.version
              WHERE v.superuser AND NOT v.trusted AND v.name IN ({_values(needs.extensions)})),
          'owners', (SELECT json_agg(rolname::text) FROM pg_roles WHERE rolname IN ({_values(needs.owners)})
              AND rolname <> 'pg_database_owner' AND NOT pg_has_role(oid, 'MEMBER')),
          'settings', (SELECT json_agg(name) FROM pg_settings WHERE lower(name) IN ({_values(names)})
              AND context = 'superuser' AND NOT {granted}))"""
    )
    return answer


def _values(names: Collection[str]) -> str:
    return ", ".join(map(literal, sorted(names))) or "NULL"


def _several(what: str, names: Collection[str]) -> str:
    return f"the {what}{'s' if len(names) > 1 else ''} {_listed(names)}"


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:SHOWN]
    return ", ".join(shown) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
