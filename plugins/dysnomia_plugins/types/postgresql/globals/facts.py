"""Which facts make up the globals of a PostgreSQL server, and the question that gives them.

What a snapshot of a database already holds of the database itself (``surroundings``) is here too, as far as it names
roles: grants on it, settings for it. Left out: predefined roles and tablespaces (``pg_*``), what jobs of ours make.
"""

from __future__ import annotations

import re

from dysnomia_plugins.toolkit.globals.document import Cell, Check, Kind, anything, number, text, yes_or_no
from dysnomia_plugins.types.postgresql.names import MAX_BYTES

_PASSWORD = re.compile(r"SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+|md5[0-9a-f]{32}")
_UNTIL = re.compile(r"-infinity|[0-9]{4,6}-[0-9]{2}-[0-9]{2} [0-9:.]+(?:[+-][0-9:]+)?(?: BC)?")
_SETTING = re.compile(r"[A-Za-z_\x80-\U0010ffff][\w$]*(?:\.[A-Za-z_\x80-\U0010ffff][\w$]*)*")
_OPTIONS = re.compile(r"[a-z_]+=[0-9.eE+-]+(?:,[a-z_]+=[0-9.eE+-]+)*")
PRIVILEGES = {
    "database": ("CREATE", "CONNECT", "TEMPORARY"),
    "tablespace": ("CREATE",),
    "parameter": ("SET", "ALTER SYSTEM"),
}
_ALL = {privilege for privileges in PRIVILEGES.values() for privilege in privileges}


def _name(cell: Cell) -> bool:
    return cell is not None and 0 < len(cell.encode("utf-8", "surrogateescape")) <= MAX_BYTES


def _name_or_none(cell: Cell) -> bool:
    return cell is None or _name(cell)


def _matching(pattern: re.Pattern[str]) -> Check:
    return lambda cell: cell is None or pattern.fullmatch(cell) is not None


def _absolute(cell: Cell) -> bool:
    return cell is not None and (cell.startswith("/") or cell == "")


ROLES = Kind(
    "roles",
    {
        "role": _name, "superuser": yes_or_no, "inherit": yes_or_no, "createrole": yes_or_no, "createdb": yes_or_no,
        "login": yes_or_no, "replication": yes_or_no, "bypassrls": yes_or_no, "connections": number,
        "until": _matching(_UNTIL), "password": _matching(_PASSWORD), "comment": anything,
    },
    keys=1,
    secret=frozenset({"password"}),
)  # fmt: skip
TABLESPACES = Kind(
    "tablespaces",
    {
        "tablespace": _name, "owner": _name, "location": _absolute, "options": _matching(_OPTIONS), "comment": anything,
    },
    keys=1,
)  # fmt: skip
MEMBERSHIPS = Kind(
    "memberships",
    {
        "role": _name, "member": _name, "grantor": _name_or_none, "admin": yes_or_no,
        "inherit": lambda cell: cell is None or yes_or_no(cell), "set": lambda cell: cell is None or yes_or_no(cell),
    },
    keys=3,
)  # fmt: skip
SETTINGS = Kind(
    "settings",
    {"role": _name_or_none, "database": _name_or_none, "setting": _matching(_SETTING), "value": text},
    keys=3,
    named="setting",
)
"""No role: for whoever connects. No database: for all."""
GRANTS = Kind(
    "grants",
    {
        "on": lambda cell: cell in PRIVILEGES, "object": text, "grantor": _name_or_none, "grantee": _name_or_none,
        "privilege": lambda cell: cell in _ALL, "grantable": yes_or_no,
    },
    keys=5,
)  # fmt: skip
"""No grantor: the owner, whose own rights are no facts. No grantee: everyone (PUBLIC)."""
KINDS = (ROLES, TABLESPACES, MEMBERSHIPS, SETTINGS, GRANTS)

_OURS = "%s !~ '^dysnomia_[0-9a-f]{8}_[0-9a-z_]+$'"


def _yes(expression: str) -> str:
    return f"CASE WHEN {expression} THEN 'yes' ELSE 'no' END"


def _grants(kind: str, name: str, acl: str, owner: str, source: str) -> str:
    return f"""SELECT json_build_array('{kind}', {name},
        CASE WHEN (x).grantor = {owner} THEN NULL ELSE pg_get_userbyid((x).grantor)::text END,
        CASE WHEN (x).grantee <> 0 THEN pg_get_userbyid((x).grantee)::text END, (x).privilege_type,
        {_yes("(x).is_grantable")}) AS f
      FROM (SELECT *, aclexplode({acl}) AS x FROM {source}) g
      WHERE (x).grantee <> {owner} AND (x).grantee NOT IN (SELECT oid FROM pg_roles WHERE rolname ~ '^pg_')"""


def question(version: int) -> str:
    """The query that gives all facts as one JSON value. Only a superuser may ask it."""
    role = "pg_get_userbyid(%s)::text"
    options = ("inherit_option", "set_option")
    inherit, may_set = (_yes(f"m.{name}") for name in options) if version >= 160000 else ("NULL::text", "NULL::text")
    grants = [
        _grants("database", "datname::text", "datacl", "datdba",
                f"pg_database WHERE datacl IS NOT NULL AND datname <> 'template0' AND {_OURS % 'datname'}"),
        _grants("tablespace", "spcname::text", "spcacl", "spcowner", "pg_tablespace WHERE spcname !~ '^pg_'"),
    ]  # fmt: skip
    if version >= 150000:
        grants.append(_grants("parameter", "parname", "paracl", "10", "pg_parameter_acl"))
    return f"""SELECT json_build_object(
      'roles', (SELECT json_agg(json_build_array(rolname::text, {_yes("rolsuper")}, {_yes("rolinherit")},
          {_yes("rolcreaterole")}, {_yes("rolcreatedb")}, {_yes("rolcanlogin")}, {_yes("rolreplication")},
          {_yes("rolbypassrls")}, rolconnlimit::text, nullif(rolvaliduntil::text, 'infinity'), rolpassword,
          shobj_description(oid, 'pg_authid'))) FROM pg_authid WHERE rolname !~ '^pg_' AND {_OURS % "rolname"}),
      'tablespaces', (SELECT json_agg(json_build_array(spcname::text, {role % "spcowner"},
          CASE WHEN pg_tablespace_location(oid) LIKE '/%' THEN pg_tablespace_location(oid) ELSE '' END,
          array_to_string(spcoptions, ','), shobj_description(oid, 'pg_tablespace')))
        FROM pg_tablespace WHERE spcname !~ '^pg_'),
      'memberships', (SELECT json_agg(json_build_array({role % "m.roleid"}, {role % "m.member"}, g.rolname::text,
          {_yes("m.admin_option")}, {inherit}, {may_set}))
        FROM pg_auth_members m LEFT JOIN pg_roles g ON g.oid = m.grantor
        JOIN pg_roles u ON u.oid = m.member
        JOIN pg_roles r ON r.oid = m.roleid
        WHERE u.rolname !~ '^pg_' AND {_OURS % "u.rolname"} AND {_OURS % "r.rolname"}),
      'settings', (SELECT json_agg(json_build_array(r.rolname::text, d.datname::text, split_part(c, '=', 1),
          substr(c, strpos(c, '=') + 1)))
        FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
          LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS c
        WHERE (d.datname IS NULL OR {_OURS % "d.datname"}) AND (r.rolname IS NULL OR {_OURS % "r.rolname"})),
      'grants', (SELECT json_agg(f) FROM ({" UNION ALL ".join(grants)}) a))"""


FACTS = """SELECT json_build_object(
  'me', session_user::text, 'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = session_user),
  'standby', pg_is_in_recovery(),
  'predefined', (SELECT coalesce(json_agg(rolname::text), '[]') FROM pg_roles WHERE rolname ~ '^pg_'),
  'databases', (SELECT coalesce(json_agg(datname::text), '[]') FROM pg_database),
  'labels', (SELECT count(*) FROM pg_shseclabel),
  'bootstrap', (SELECT rolname::text FROM pg_roles WHERE oid = 10))"""
"""What else is to be known of a server before it is changed."""
