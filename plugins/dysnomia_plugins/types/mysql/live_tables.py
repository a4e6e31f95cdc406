"""What a table of live is by now, as far as rows are put back into it: columns, keys, references, triggers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from dysnomia_plugins.types.mysql.created import TABLE
from dysnomia_plugins.types.mysql.granted import Scope, scopes
from dysnomia_plugins.types.mysql.literals import Column
from dysnomia_plugins.types.mysql.names import identifier, literal
from dysnomia_plugins.types.mysql.talk import Talk
from dysnomia_store.model import Form, Section

PRIMARY = "PRIMARY"
_GENERATED = ("VIRTUAL", "STORED", "PERSISTENT")
_TURNED = {"parents": ("table", "referenced_table"), "children": ("referenced_table", "table")}


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key, seen from the table at one end."""

    name: str
    columns: tuple[str, ...]
    other: str
    """As SQL has it."""
    theirs: tuple[str, ...]
    index: str
    """An index of the other table that begins with the first of its columns: InnoDB has one for each foreign key."""
    key: tuple[Column, ...]
    """The other table's own; empty where it has none."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of live."""

    name: str
    """As SQL has it."""
    columns: tuple[Column, ...]
    """Those of the snapshot's records, in their order."""
    key_columns: tuple[str, ...]
    unique: tuple[tuple[str, tuple[str, ...]], ...]
    """Unique keys of whole columns that are written: the index, and its columns."""
    triggers: tuple[tuple[str, str], ...]
    """Their names, and for what they fire: ``INSERT``, ``UPDATE``, ``DELETE``."""
    counter: tuple[str, int] | None
    """The column of AUTO_INCREMENT, and the next number."""
    parents: tuple[Reference, ...]
    children: tuple[Reference, ...]

    @property
    def ancestors(self) -> tuple[str, ...]:
        return ()

    @property
    def unique_columns(self) -> tuple[tuple[str, ...], ...]:
        return tuple(columns for _, columns in self.unique)

    @property
    def references(self) -> tuple[tuple[Reference, ...], tuple[Reference, ...]]:
        return self.parents, self.children


@dataclass(frozen=True, slots=True)
class Described:
    """Columns and indexes of any table."""

    columns: tuple[Column, ...]
    indexes: dict[str, tuple[str, ...]]
    """Their columns in order; the primary key is called ``PRIMARY``."""
    unique: frozenset[str]
    """Those that are unique, of whole values."""

    @property
    def key(self) -> tuple[str, ...]:
        return self.indexes.get(PRIMARY, ()) if PRIMARY in self.unique else ()


@dataclass
class Schema:
    """Asks ``information_schema`` about tables of the session's database, and those that refer to them."""

    talk: Talk
    _known: dict[tuple[str, str], Described] = field(default_factory=dict)

    def table(self, section: Section) -> tuple[Table | None, str]:
        """The table of a section, or why no row can be put back into it."""
        if section.form is not Form.ROWS or section.kind != TABLE:
            return None, f"{section.kind} {section.name} holds no rows that can be put back one by one: only tables do"
        rows = self.talk.rows(
            "SELECT JSON_ARRAY(DATABASE(), table_type, engine, auto_increment) FROM information_schema.tables"
            f" WHERE table_schema = DATABASE() AND {_is('table_name', section.name)}"
        )
        if not rows:
            return None, f"there is no table {section.name} in what is live"
        database, kind, engine, counter = rows[0]
        if reason := _unfit(str(kind), str(engine)) or self._hidden(str(database), section.name):
            return None, f"table {section.name} {reason}"
        table = self._table(str(database), section, counter)
        return (table, "") if isinstance(table, Table) else (None, f"table {section.name} {table}")

    def _hidden(self, database: str, name: str) -> str:
        """Whether triggers there may be cannot be seen: the server shows none to an account without the right."""
        if any(scope.covers(database, name) for scope in self._scopes("TRIGGER")):
            return ""
        return "may have triggers that we cannot see, and they would fire: the account needs TRIGGER on it"

    def sees_all(self) -> bool:
        """Whether every table that refers to one of ours is seen, in whatever database it is."""
        return any(scope.everything for scope in self._scopes("SELECT"))

    def _scopes(self, privilege: str) -> list[Scope]:
        """On what the account, or the role that it has on, was granted a right."""
        return scopes(self.talk.ask("SHOW GRANTS;"), privilege)

    def _table(self, database: str, section: Section, counter: object) -> Table | str:
        described = self.described(database, section.name)
        by_name = {one.name: one for one in described.columns}
        if reason := _other_columns(section, described.columns):
            return reason
        if not section.key or described.key != section.key:
            return "has no primary key (of whole values) by which both states know its rows"
        if rounded := next((one.name for one in described.columns if one.type == "float"), ""):
            return f"has the FLOAT column {rounded}, of which a dump keeps six digits: a row would not be what it was"
        references = {side: self._references(database, section.name, side) for side in _TURNED}
        for reference in (*references["parents"], *references["children"]):
            if not set(reference.columns) <= set(section.columns):
                return f"has the foreign key {reference.name} of a generated column, which cannot be looked at before"
            if not reference.index:
                return f"has the foreign key {reference.name}, and the index of {reference.other} for it is not seen"
        return Table(
            name=identifier(section.name),
            columns=tuple(by_name[name] for name in section.columns),
            key_columns=described.key,
            unique=tuple(
                (name, parts)
                for name, parts in described.indexes.items()
                if name != PRIMARY and name in described.unique and set(parts) <= set(section.columns)
            ),
            triggers=self._triggers(section.name),
            counter=self._counter(section.name, counter),
            parents=references["parents"],
            children=references["children"],
        )

    def described(self, database: str, name: str) -> Described:
        """The columns and indexes of a table."""
        known = self._known.get((database, name))
        if known is None:
            where = f"table_schema = {literal(database)} AND {_is('table_name', name)}"
            known = self._known[database, name] = self._described(where)
        return known

    def _described(self, where: str) -> Described:
        columns = self.talk.rows(
            "SELECT JSON_ARRAY(column_name, LOWER(data_type), numeric_precision, UPPER(extra))"
            f" FROM information_schema.columns WHERE {where} ORDER BY ordinal_position"
        )
        indexes: dict[str, tuple[str, ...]] = {}
        several: set[str] = set()
        for index, column, part, repeats in self.talk.rows(
            "SELECT JSON_ARRAY(index_name, column_name, sub_part, non_unique) FROM information_schema.statistics"
            f" WHERE {where} ORDER BY index_name, seq_in_index"
        ):
            indexes[index] = (*indexes.get(index, ()), str(column))
            if part is not None or int(repeats):
                several.add(index)
        return Described(
            tuple(
                Column(
                    str(name), str(kind), int(bits or 0) if kind == "bit" else 0, any(g in extra for g in _GENERATED)
                )
                for name, kind, bits, extra in columns
            ),
            indexes,
            frozenset(indexes.keys() - several),
        )

    def _triggers(self, name: str) -> tuple[tuple[str, str], ...]:
        rows = self.talk.rows(
            "SELECT JSON_ARRAY(trigger_name, event_manipulation) FROM information_schema.triggers"
            f" WHERE event_object_schema = DATABASE() AND {_is('event_object_table', name)} ORDER BY trigger_name"
        )
        return tuple((str(trigger), str(event)) for trigger, event in rows)

    def _counter(self, name: str, following: object) -> tuple[str, int] | None:
        rows = self.talk.rows(
            "SELECT JSON_ARRAY(column_name) FROM information_schema.columns WHERE table_schema = DATABASE()"
            f" AND {_is('table_name', name)} AND LOWER(extra) LIKE '%auto_increment%'"
        )
        return (str(rows[0][0]), int(str(following))) if rows and following is not None else None

    def _references(self, database: str, name: str, side: str) -> tuple[Reference, ...]:
        ours, theirs = _TURNED[side]
        parts = {"table": "column_name", "referenced_table": "referenced_column_name"}
        references: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
        for constraint, other_schema, other, our, their in self.talk.rows(
            f"SELECT JSON_ARRAY(constraint_name, {theirs}_schema, {theirs}_name, {parts[ours]}, {parts[theirs]})"
            f" FROM information_schema.key_column_usage WHERE {ours}_schema = {literal(database)}"
            f" AND {_is(f'{ours}_name', name)} AND referenced_table_name IS NOT NULL"
            f" ORDER BY constraint_name, ordinal_position"
        ):
            references[str(constraint), str(other_schema), str(other)].append((str(our), str(their)))
        return tuple(
            self._reference(database, constraint, schema, other, columns)
            for (constraint, schema, other), columns in references.items()
        )

    def _reference(
        self, database: str, constraint: str, schema: str, other: str, pairs: Sequence[tuple[str, str]]
    ) -> Reference:
        described = self.described(schema, other)
        theirs = tuple(their for _, their in pairs)
        by_name = {one.name: one for one in described.columns}
        begins = (name for name, parts in described.indexes.items() if parts[0] == theirs[0])
        name = identifier(other) if schema == database else f"{identifier(schema)}.{identifier(other)}"
        key = tuple(by_name[one] for one in described.key if one in by_name)
        return Reference(constraint, tuple(our for our, _ in pairs), name, theirs, next(begins, ""), key)


def _is(column: str, name: str) -> str:
    """A name in ``information_schema``, which compares without regard to case though the server may know both."""
    return f"{column} = {literal(name)} AND BINARY {column} = {literal(name)}"


def _unfit(kind: str, engine: str) -> str:
    if kind == "SYSTEM VERSIONED":
        return "keeps its history, which would tell of the rows that go and come: an undo could not take that back"
    if kind != "BASE TABLE":
        return f"is a {kind.lower()} now"
    if engine.lower() != "innodb":
        return (
            f"is of the engine {engine}: rows are put back in one transaction, and InnoDB's tables alone are sure of it"
        )
    return ""


def _other_columns(section: Section, columns: Sequence[Column]) -> str:
    """A dump has the values of generated columns, but for one of MySQL's."""
    then, now = set(section.columns), {one.name for one in columns}
    made = {one.name for one in columns if one.made}
    if then in (now, now - made):
        return ""
    changed = [*(f"+{one}" for one in sorted(now - then)), *(f"-{one}" for one in sorted(then - now))]
    return f"has other columns now ({' '.join(changed)})"
