"""What belongs to a database and is not in its dump: owner, grants on it, settings, limit, comment, labels.

Read as JSON values (they are kept with each snapshot), and turned into the SQL that gives them to another database.
``pg_dump`` leaves them to ``pg_dumpall`` (see its documentation, "Notes").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.names import identifier, literal
from dysnomia_plugins.types.postgresql.server import NoDatabase

Surroundings = Mapping[str, Any]
REORDERED = "reordered"
"""Beside the rest, with a snapshot: tables whose columns pg_dump could not give back in their order."""

LIST_SETTINGS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
"""Settings that are lists of quoted names (GUC_LIST_QUOTE in ``src/backend/utils/misc/guc_tables.c``)."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What only a session on the database itself sees, and its dump does not say."""

    absent: tuple[str, ...] = ()
    """Statements that take from a new database what this one lacks, and pg_dump says nothing of."""
    reordered: tuple[str, ...] = ()
    """Tables whose columns pg_dump cannot give back in their order: they came to a parent by ALTER TABLE INHERIT."""
    unseen: tuple[str, ...] = ()
    """What the server does not show to our role, in words: pg_dump leaves it out."""


def read(client: Client, database: str) -> Surroundings | None:
    """All of it, or None where there is no such database."""
    facts = client.ask(f"SELECT json_build_object({_FACTS}) {_of(database)}")
    return None if facts is None else _noted(client, facts)


def read_inside(client: Client, database: str) -> tuple[Surroundings, Inside]:
    """The same in a session on the database itself, with what can be seen there only. Raises NoDatabase."""
    facts = client.ask(
        f"SELECT json_build_object({_FACTS}, 'absent', {_ABSENT}, 'reordered', {_REORDERED}, 'unseen', {_UNSEEN})"
        f" {_of(database)}",
        database,
    )
    if facts is None:
        raise NoDatabase(
            f"there is no database {database} on the server at {client.server}", "activate the component first"
        )
    inside = Inside(*(tuple(facts.pop(name) or ()) for name in ("absent", "reordered", "unseen")))
    return _noted(client, facts), inside


def _noted(client: Client, answer: dict[str, Any]) -> Surroundings:
    client.note(answer.pop("version"), answer.pop("superuser"))
    return answer


def _of(database: str) -> str:
    return f"FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = {literal(database)}"


_FACTS = """
          'version', current_setting('server_version_num')::int,
          'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = session_user),
          'owner', pg_get_userbyid(d.datdba)::text,
          'acl', (SELECT json_agg(json_build_object(
                'grantor', pg_get_userbyid(a.grantor)::text,
                'grantee', CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END,
                'privilege', a.privilege_type, 'grantable', a.is_grantable) ORDER BY a.n)
              FROM (SELECT (x).*, n FROM (SELECT aclexplode(d.datacl) AS x, row_number() OVER () AS n) e) a),
          'default_acl', d.datacl IS NULL,
          'limit', d.datconnlimit,
          'template', d.datistemplate,
          'comment', shobj_description(d.oid, 'pg_database'),
          'labels', (SELECT json_agg(json_build_array(l.provider, l.label) ORDER BY l.provider)
              FROM pg_shseclabel l WHERE l.objoid = d.oid AND l.classoid = 'pg_database'::regclass),
          'settings', (SELECT json_agg(json_build_array(r.rolname::text, c) ORDER BY r.rolname, n)
              FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole,
              unnest(s.setconfig) WITH ORDINALITY AS u(c, n) WHERE s.setdatabase = d.oid),
          'encoding', pg_encoding_to_char(d.encoding),
          'collate', d.datcollate::text, 'ctype', d.datctype::text,
          'provider', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
          'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
          'tablespace', t.spcname::text"""


DROP_PUBLIC = "DROP SCHEMA public;"
DROP_INFORMATION = "DROP SCHEMA information_schema CASCADE;"
DROP_PLPGSQL = "DROP EXTENSION plpgsql;"
ABSENT = (DROP_PUBLIC, DROP_INFORMATION, DROP_PLPGSQL)
"""What may stand at the start of a dump: a new database begins with all of it, and pg_dump only says what is there."""

_ABSENT = f"""(SELECT json_agg(a.drop ORDER BY a.n) FROM (VALUES
      (1, '{DROP_PUBLIC}', EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public')),
      (2, '{DROP_INFORMATION}', EXISTS (SELECT FROM pg_namespace WHERE nspname = 'information_schema')),
      (3, '{DROP_PLPGSQL}', EXISTS (SELECT FROM pg_extension WHERE extname = 'plpgsql'))) AS a(n, drop, there)
    WHERE NOT a.there)"""
_REORDERED = """(SELECT json_agg(c.name ORDER BY c.name) FROM (
      SELECT format('%I.%I', n.nspname, k.relname) AS name,
        (SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
          WHERE a.attrelid = k.oid AND a.attnum > 0 AND NOT a.attisdropped) AS is,
        (SELECT array_agg(a.attname ORDER BY f.seq, f.num, a.attnum) FROM pg_attribute a LEFT JOIN LATERAL (
            SELECT i.inhseqno AS seq, p.attnum AS num FROM pg_inherits i
              JOIN pg_attribute p ON p.attrelid = i.inhparent AND p.attname = a.attname AND p.attnum > 0
              WHERE i.inhrelid = k.oid ORDER BY i.inhseqno, p.attnum LIMIT 1) f ON true
          WHERE a.attrelid = k.oid AND a.attnum > 0 AND NOT a.attisdropped) AS becomes
      FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace
      WHERE k.relkind IN ('r', 'f') AND NOT k.relispartition AND k.oid IN (SELECT inhrelid FROM pg_inherits)) c
    WHERE c.is <> c.becomes)"""
_UNSEEN = """(SELECT json_agg(u.what ORDER BY u.what) FROM (
      SELECT format('the subscription %I', s.subname) AS what FROM pg_subscription s WHERE s.subdbid = d.oid
      UNION ALL SELECT format('the options of the user mapping for %I on server %I', m.usename, m.srvname)
        FROM pg_user_mappings m JOIN pg_foreign_server f ON f.oid = m.srvid WHERE m.umoptions IS NULL
          AND NOT (CASE WHEN m.umuser = 0 THEN pg_has_role(f.srvowner, 'USAGE')
            ELSE m.usename = current_user AND has_server_privilege(f.oid, 'USAGE') END)) u
    WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))"""
"""Of what pg_dump says nothing to who is no superuser (``pg_user_mappings`` in the manual has the condition)."""


def creation(around: Surroundings | None, version: int) -> str:
    """The options of CREATE DATABASE that cannot be changed later: encoding, locale, provider, tablespace."""
    if not around:
        return "TEMPLATE template0"
    parts = ["TEMPLATE template0", f"ENCODING {literal(around['encoding'])}"]
    provider = around.get("provider", "c")
    if version >= 150000 and provider in ("i", "b"):
        keyword = {"i": "ICU_LOCALE", "b": "BUILTIN_LOCALE"}[provider]
        parts.append(f"LOCALE_PROVIDER {'icu' if provider == 'i' else 'builtin'}")
        if around.get("locale"):
            parts.append(f"{keyword} {literal(around['locale'])}")
    parts += [f"LC_COLLATE {literal(around['collate'])}", f"LC_CTYPE {literal(around['ctype'])}"]
    if around.get("tablespace", "pg_default") != "pg_default":
        parts.append(f"TABLESPACE {identifier(around['tablespace'])}")
    return " ".join(parts)


def own_settings(around: Surroundings | None) -> dict[str, str]:
    """What was set for the database itself, whoever connects, by name."""
    pairs = [setting.partition("=") for role, setting in (around or {}).get("settings") or () if not role]
    return {name: value for name, _, value in pairs}


def setting(around: Surroundings, database: str) -> str:
    """The SQL that gives a new database these settings: data may depend on them, so they come before it."""
    return "".join(f"{line}\n" for line in _settings(around, identifier(database), None))


def giving(around: Surroundings, database: str, present: Surroundings | None = None) -> str:
    """The SQL that gives ``database`` these surroundings. It may run in a transaction, by a superuser or the owner.

    Args:
        around: what it shall have.
        database: its name.
        present: what it has now; None for one that was just created.
    """
    name = identifier(database)
    lines = [
        f"ALTER DATABASE {name} OWNER TO {identifier(around['owner'])};",
        *_grants(around, name, present),
        f"ALTER DATABASE {name} WITH CONNECTION LIMIT {int(around.get('limit', -1))};",
        f"COMMENT ON DATABASE {name} IS {'NULL' if around.get('comment') is None else literal(around['comment'])};",
        *_labels(around, name, present),
        *_settings(around, name, present),
    ]
    if around.get("template") or (present or {}).get("template"):
        lines.append(f"ALTER DATABASE {name} WITH IS_TEMPLATE {'true' if around.get('template') else 'false'};")
    return "\n".join(lines) + "\n"


def _grants(around: Surroundings, name: str, present: Surroundings | None) -> Iterator[str]:
    """The ACL, in its order: each grant by the role that gave it. A default one stays as it is on a new database."""
    owner = around["owner"]
    if around.get("default_acl", True):
        if present is None or present.get("default_acl", True):
            return
        grants: Sequence[Mapping[str, Any]] = [
            {"grantor": owner, "grantee": None, "privilege": privilege, "grantable": False}
            for privilege in ("TEMPORARY", "CONNECT")
        ] + [
            {"grantor": owner, "grantee": owner, "privilege": privilege, "grantable": False}
            for privilege in ("CREATE", "TEMPORARY", "CONNECT")
        ]
    else:
        grants = around.get("acl") or ()
    holders = {grant["grantee"] for grant in (present or {}).get("acl") or ()} | {None, owner}
    for holder in sorted(holders, key=lambda role: role or ""):
        whom = "PUBLIC" if holder is None else identifier(holder)
        yield f"REVOKE ALL ON DATABASE {name} FROM {whom} CASCADE;"
    for grant in grants:
        whom = "PUBLIC" if grant["grantee"] is None else identifier(grant["grantee"])
        option = " WITH GRANT OPTION" if grant["grantable"] and grant["grantee"] != owner else ""
        line = f"GRANT {grant['privilege']} ON DATABASE {name} TO {whom}{option};"
        if grant["grantor"] == owner:
            yield line
        else:
            yield f"SET LOCAL SESSION AUTHORIZATION {identifier(grant['grantor'])};"
            yield line
            yield "RESET SESSION AUTHORIZATION;"


def _labels(around: Surroundings, name: str, present: Surroundings | None) -> Iterator[str]:
    for provider, _ in (present or {}).get("labels") or ():
        yield f"SECURITY LABEL FOR {identifier(provider)} ON DATABASE {name} IS NULL;"
    for provider, label in around.get("labels") or ():
        yield f"SECURITY LABEL FOR {identifier(provider)} ON DATABASE {name} IS {literal(label)};"


def _settings(around: Surroundings, name: str, present: Surroundings | None) -> Iterator[str]:
    for role in {role for role, _ in (present or {}).get("settings") or ()}:
        yield f"{_whose(role, name)} RESET ALL;"
    for role, setting in around.get("settings") or ():
        key, _, value = setting.partition("=")
        yield f"{_whose(role, name)} SET {_setting_name(key)} TO {_setting_value(key, value)};"


def _whose(role: str | None, name: str) -> str:
    return f"ALTER ROLE {identifier(role)} IN DATABASE {name}" if role else f"ALTER DATABASE {name}"


def _setting_name(key: str) -> str:
    return ".".join(identifier(part) for part in key.split("."))


def _setting_value(key: str, value: str) -> str:
    if key.lower() not in LIST_SETTINGS:
        return literal(value)
    elements = list(split_list(value))
    return ", ".join(literal(element) for element in elements) if elements else "''"


def split_list(value: str) -> Iterator[str]:
    """The elements of a setting that is a list: ``"$user", public`` (SplitGUCList of the server's)."""
    position = 0
    while position < len(value):
        if value[position] in ", ":
            position += 1
        elif value[position] == '"':
            end = position + 1
            while (end := value.index('"', end)) + 1 < len(value) and value[end + 1] == '"':
                end += 2
            yield value[position + 1 : end].replace('""', '"')
            position = end + 1
        else:
            end = value.find(",", position)
            end = len(value) if end < 0 else end
            yield value[position:end].rstrip()
            position = end


def roles(around: Surroundings) -> set[str]:
    """The roles these surroundings name."""
    names = {around["owner"]}
    for grant in around.get("acl") or ():
        names |= {grant["grantor"], grant["grantee"] or around["owner"]}
    settings: Sequence[Sequence[Any]] = around.get("settings") or ()
    return names | {role for role, _ in settings if role}
