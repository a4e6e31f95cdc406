"""What a server says of a table into which rows are to be put: its columns, keys, references, triggers, sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dysnomia_plugins.types.postgresql.names import identifier, literal
from dysnomia_plugins.types.postgresql.talk import Talk
from dysnomia_store.model import Form, Section

TABLE = "table"
_KINDS = {
    "v": "is a view, which holds no rows of its own",
    "m": "is a materialized view, which its query fills",
    "f": "is a foreign table, whose rows are elsewhere",
    "p": "is partitioned now: its rows are in its partitions",
}
_NAME = "quote_ident({0}s.nspname) || '.' || quote_ident({0}.relname)"
_OPERATOR = """(SELECT 'OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')' FROM pg_operator o
  JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid = {})"""
_COLUMN = "(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = {} AND a.attnum = {})"


def _listed(array: str, relation: str) -> str:
    """The names of the columns in an array of their numbers."""
    return (
        f"(SELECT json_agg({_COLUMN.format(relation, 'u.n')} ORDER BY u.at)"
        f" FROM unnest({array}) WITH ORDINALITY u(n, at))"
    )


def _operators(array: str) -> str:
    return f"(SELECT json_agg({_OPERATOR.format('u.o')} ORDER BY u.at) FROM unnest({array}) WITH ORDINALITY u(o, at))"


_BASE = """(WITH RECURSIVE b(oid) AS (SELECT a.atttypid
  UNION ALL SELECT y.typbasetype FROM b JOIN pg_type y ON y.oid = b.oid AND y.typtype = 'd')
  SELECT b.oid FROM b JOIN pg_type y ON y.oid = b.oid AND y.typtype <> 'd')"""
"""The type below a domain: what a domain checks may be anybody's function, and is run by the insert alone."""
_INSIDE = f"""(WITH RECURSIVE d(oid) AS (SELECT {_BASE} UNION SELECT x.oid FROM d JOIN pg_type y ON y.oid = d.oid,
  LATERAL (SELECT y.typelem UNION SELECT y.typbasetype UNION SELECT e.atttypid FROM pg_attribute e
    WHERE e.attrelid = y.typrelid AND e.attnum > 0 AND NOT e.attisdropped UNION SELECT r.rngsubtype FROM pg_range r
    WHERE y.oid IN (r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid)) x(oid) WHERE x.oid <> 0)
  SELECT EXISTS (SELECT FROM d JOIN pg_type y ON y.oid = d.oid AND y.typtype = 'd'))"""
"""Whether a type has a domain within (an array, a row, a range of it): reading a value runs what that checks."""
_PRIMARY = "SELECT x.indkey::int2[] FROM pg_index x WHERE x.indrelid = {} AND x.indisprimary"
_PARTS = f"""SELECT json_agg(json_build_object(
    'column', {_COLUMN.format("i.indrelid", "i.indkey[p]")},
    'equals', (SELECT {_OPERATOR.format("m.amopopr")} FROM pg_opclass c JOIN pg_amop m ON m.amopfamily = c.opcfamily
      WHERE c.oid = i.indclass[p] AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
      AND m.amopstrategy = 3 AND m.amoppurpose = 's'),
    'collation', (SELECT quote_ident(n.nspname) || '.' || quote_ident(l.collname) FROM pg_collation l
      JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = i.indcollation[p])) ORDER BY p)
  FROM generate_series(0, i.indnkeyatts - 1) p"""


def _references(of: str, other: str, columns: str, theirs: str) -> str:
    """Foreign keys by which ``of`` is the one end: those that PostgreSQL copies for partitions of the other end are not
    among them, since the other end is asked whole."""
    return f"""SELECT json_agg(json_build_object('name', f.conname, 'columns', {_listed("f." + columns, "f." + of)},
      'other', {_NAME.format("r")}, 'only', r.relkind <> 'p', 'theirs', {_listed("f." + theirs, "f." + other)},
      'equals', {_operators("f.conpfeqop")},
      'key', {_listed(f"({_PRIMARY.format('r.oid')})", "r.oid")}) ORDER BY f.oid)
    FROM pg_constraint f JOIN pg_class r ON r.oid = f.{other} JOIN pg_namespace rs ON rs.oid = r.relnamespace
    WHERE f.contype = 'f' AND f.{of} = t.oid AND NOT EXISTS (
      SELECT FROM pg_constraint p WHERE p.oid = f.conparentid AND p.{of} = f.{of})"""


_CALLS = """(SELECT p.oid::regprocedure::text FROM regexp_matches({}, ':(?:op)?funcid ([0-9]+)', 'g') m
  JOIN pg_proc p ON p.oid = m[1]::oid JOIN pg_roles w ON w.oid = p.proowner AND NOT w.rolsuper LIMIT 1)"""
_MET = f"""(WITH RECURSIVE met(oid) AS (SELECT t.oid UNION SELECT x.oid FROM met, LATERAL (
    SELECT f.confrelid FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = t.oid
    UNION SELECT f.conrelid FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = t.oid
    UNION SELECT h.inhrelid FROM pg_inherits h WHERE h.inhparent = met.oid
    UNION SELECT a.oid FROM pg_partition_ancestors(met.oid) a(oid)) x(oid))
  SELECT called FROM met, LATERAL (SELECT i.indexprs::text || coalesce(i.indpred::text, '') FROM pg_index i
      WHERE i.indrelid = met.oid UNION ALL SELECT i.indpred::text FROM pg_index i WHERE i.indrelid = met.oid
    UNION ALL SELECT k.partexprs::text FROM pg_partitioned_table k WHERE k.partrelid = met.oid
    UNION ALL SELECT k.conbin::text FROM pg_constraint k WHERE k.contype = 'c' AND k.conrelid = met.oid
      AND met.oid <> t.oid) e(tree), LATERAL {_CALLS.format("e.tree")} c(called) LIMIT 1)"""
"""A function of an owner's that PostgreSQL may call as soon as a query on the table, or on one that a foreign key ties
to it, is planned: in an index, in a key of partitions, in a check of one that inherits."""


_FACTS = f"""SELECT json_build_object(
  'oid', t.oid::bigint, 'name', {_NAME.format("t")}, 'kind', t.relkind, 'own', pg_has_role(t.relowner, 'USAGE'),
  'as', (SELECT quote_ident(o.rolname) FROM pg_roles o JOIN pg_roles us ON us.rolname = current_user
    WHERE o.oid = t.relowner AND us.rolsuper AND NOT o.rolsuper),
  'ancestors', (SELECT json_agg({_NAME.format("r")}) FROM pg_partition_ancestors(t.oid) u(oid) JOIN pg_class r
    ON r.oid = u.oid AND r.oid <> t.oid JOIN pg_namespace rs ON rs.oid = r.relnamespace),
  'policies', row_security_active(t.oid), 'calls', {_MET},
  'columns', (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type({_BASE}, -1),
      'always', a.attidentity = 'a', 'made', a.attgenerated <> '', 'inside', {_INSIDE}) ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'key', (SELECT ({_PARTS}) FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary),
  'unique', (SELECT json_agg(({_PARTS}) ORDER BY i.indexrelid) FROM pg_index i WHERE i.indrelid = t.oid
    AND i.indisunique AND i.indislive AND i.indpred IS NULL AND i.indexprs IS NULL
    AND coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) IS FALSE),
  'triggers', (SELECT json_agg(json_build_object('name', g.tgname, 'always', g.tgenabled = 'A') ORDER BY g.tgname)
    FROM pg_trigger g WHERE g.tgrelid = t.oid AND g.tgenabled IN ('O', 'A') AND (NOT g.tgisinternal
    OR (g.tgconstraint = 0 AND coalesce((to_jsonb(g) ->> 'tgparentid')::oid, 0) <> 0))),
  'rules', (SELECT json_agg(w.rulename ORDER BY w.rulename) FROM pg_rewrite w
    WHERE w.ev_class = t.oid AND w.ev_type <> '1' AND w.ev_enabled IN ('O', 'A')),
  'sequences', (SELECT json_agg(json_build_object('name', {_NAME.format("q")},
      'column', {_COLUMN.format("t.oid", "d.refobjsubid")},
      'step', s.seqincrement, 'own', pg_has_role(q.relowner, 'USAGE')) ORDER BY q.oid)
    FROM pg_depend d JOIN pg_class q ON q.oid = d.objid JOIN pg_namespace qs ON qs.oid = q.relnamespace
    JOIN pg_sequence s ON s.seqrelid = q.oid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
    AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')),
  'parents', ({_references("conrelid", "confrelid", "conkey", "confkey")}),
  'children', ({_references("confrelid", "conrelid", "confkey", "conkey")}))
FROM pg_class t JOIN pg_namespace ts ON ts.oid = t.relnamespace WHERE t.oid = to_regclass({{0}})"""


@dataclass(frozen=True, slots=True)
class Part:
    """A column of a key, and how its index compares."""

    column: str
    equals: str
    collation: str

    def test(self, left: str, right: str) -> str:
        collate = f" COLLATE {self.collation}" if self.collation else ""
        return f"{left} {self.equals} ({right}{collate})"


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key, seen from the table at one end."""

    name: str
    columns: tuple[str, ...]
    other: str
    """As SQL has it."""
    only: bool
    """Whether rows of tables that inherit from the other one do not count."""
    theirs: tuple[str, ...]
    equals: tuple[str, ...]
    """Operators: the one that is referred to is at their left."""
    key: tuple[str, ...]
    """The other table's own; empty where it has none."""

    @property
    def source(self) -> str:
        return f"ONLY {self.other}" if self.only else self.other


@dataclass(frozen=True, slots=True)
class Numbers:
    """One that gives the values of a column."""

    name: str
    column: str
    step: int
    own: bool

    @property
    def last(self) -> str:
        """The number it gave out last, as SQL; of one that gave out none, the one before its first."""
        return f"CASE WHEN is_called THEN last_value ELSE last_value::numeric - {1 if self.step > 0 else -1} END"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of live."""

    name: str
    """As SQL has it."""
    ancestors: tuple[str, ...]
    """The partitioned tables that it is a part of."""
    own: bool
    writer: str
    """As whom rows are written: its owner, where we are a superuser and that is none; ``""`` for ourselves."""
    types: Mapping[str, str]
    """Of each column that is written, without a length, so that a value is never cut, and without its domain."""
    always: frozenset[str]
    """Identity columns that only ``OVERRIDING SYSTEM VALUE`` writes."""
    key: tuple[Part, ...]
    unique: tuple[tuple[Part, ...], ...]
    triggers: tuple[tuple[str, bool], ...]
    """Those that would fire; whether each does so always."""
    sequences: tuple[Numbers, ...]
    parents: tuple[Reference, ...]
    children: tuple[Reference, ...]

    @property
    def key_columns(self) -> tuple[str, ...]:
        return tuple(part.column for part in self.key)

    @property
    def unique_columns(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(part.column for part in parts) for parts in self.unique)

    @property
    def references(self) -> tuple[tuple[Reference, ...], tuple[Reference, ...]]:
        return self.parents, self.children

    def same(self, live: str, wanted: str) -> str:
        """The condition that two rows have one key."""
        pairs = ((part, identifier(part.column)) for part in self.key)
        return " AND ".join(part.test(f"{live}.{name}", f"{wanted}.{name}") for part, name in pairs)


def table_of(talk: Talk, section: Section) -> tuple[Table | None, str]:
    """The table of a section in live, or why no row can be put back into it."""
    if section.form is not Form.ROWS or section.kind != TABLE:
        return None, f"{section.kind} {section.name} holds no rows that can be put back one by one: only tables do"
    facts = talk.value(_FACTS.format(literal(section.name)))
    if facts is None:
        return None, f"there is no table {section.name} in what is live"
    reason = _refusal(facts, section)
    return (None, f"table {section.name} {reason}") if reason else (_table(facts), "")


def _refusal(facts: Mapping[str, Any], section: Section) -> str:
    if facts["kind"] != "r":
        return _KINDS.get(facts["kind"], "is not a table now")
    now = {one["name"] for one in facts["columns"] or () if not one["made"]}
    then = set(section.columns)
    if now != then:
        changed = [*(f"+{one}" for one in sorted(now - then)), *(f"-{one}" for one in sorted(then - now))]
        return f"has other columns now ({' '.join(changed)})"
    key = tuple(part["column"] for part in facts["key"] or ())
    if not section.key or key != section.key:
        return "has no primary key by which both states know its rows"
    if facts["policies"]:
        return "has row-level security that counts for our role: its owner, or a superuser, sees all rows"
    if facts["rules"]:
        return f"has the rule {facts['rules'][0]}, which would change what is written"
    if facts["triggers"] and not facts["own"]:
        name = facts["triggers"][0]["name"]
        return f"has the trigger {name}, which would fire: only the table's owner (or a superuser) can stop that"
    inside = [one["name"] for one in facts["columns"] if one["inside"]]
    if facts["as"] and inside:
        return (
            f"is not owned by a superuser, and column {inside[0]} has a domain within its type, whose checks would run"
            " as one: connect as the table's owner"
        )
    if facts["as"] and facts["calls"]:
        return (
            f"is not owned by a superuser, and {facts['calls']}, which an index or a check calls, would run as one:"
            " connect as the table's owner"
        )
    return ""


def _table(facts: Mapping[str, Any]) -> Table:
    columns = [one for one in facts["columns"] if not one["made"]]
    return Table(
        name=facts["name"],
        ancestors=tuple(facts["ancestors"] or ()),
        own=facts["own"],
        writer=facts["as"] or "",
        types={one["name"]: one["type"] for one in columns},
        always=frozenset(one["name"] for one in columns if one["always"]),
        key=_parts(facts["key"]),
        unique=tuple(
            parts for parts in map(_parts, facts["unique"] or ()) if _known((part.column for part in parts), columns)
        ),
        triggers=tuple((one["name"], one["always"]) for one in facts["triggers"] or ()),
        sequences=tuple(
            Numbers(one["name"], one["column"], one["step"], one["own"]) for one in facts["sequences"] or ()
        ),
        parents=_references_of(facts["parents"], columns),
        children=_references_of(facts["children"], columns),
    )


def _parts(parts: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
    return tuple(Part(one["column"], one["equals"], one["collation"] or "") for one in parts)


def _known(names: Iterable[str], columns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a key is one of columns that are written: of generated ones the transaction alone tells."""
    return set(names) <= {one["name"] for one in columns}


def _references_of(
    references: Sequence[Mapping[str, Any]] | None, columns: Sequence[Mapping[str, Any]]
) -> tuple[Reference, ...]:
    return tuple(_reference(one) for one in references or () if _known(one["columns"], columns))


def _reference(reference: Mapping[str, Any]) -> Reference:
    return Reference(
        name=reference["name"],
        columns=tuple(reference["columns"]),
        other=reference["other"],
        only=reference["only"],
        theirs=tuple(reference["theirs"]),
        equals=tuple(reference["equals"]),
        key=tuple(reference["key"] or ()),
    )
