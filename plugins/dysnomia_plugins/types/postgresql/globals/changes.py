"""Which statements make a server's globals hold what a snapshot holds, and drop nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dysnomia_base.secrets import HIDDEN, shown
from dysnomia_plugins.toolkit.globals.changes import (
    Changes,
    Made,
    as_made,
    differing,
    in_words,
    surplus,
)
from dysnomia_plugins.toolkit.globals.document import Cell, Cells, Document
from dysnomia_plugins.types.postgresql.globals.facts import GRANTS, MEMBERSHIPS, ROLES, SETTINGS, TABLESPACES
from dysnomia_plugins.types.postgresql.names import identifier, literal
from dysnomia_plugins.types.postgresql.surroundings import LIST_SETTINGS, split_list

_FLAGS = ("superuser", "inherit", "createrole", "createdb", "login", "replication", "bypassrls")
AGAIN = "restore it, then restore these globals again"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is to be known of the server besides its globals."""

    me: str
    version: int
    databases: frozenset[str]
    predefined: frozenset[str]
    folders: frozenset[str]
    """Those of the snapshot's tablespaces that the server sees."""
    bootstrap: str = "postgres"
    by_password: bool = False
    """Whether we log in by a password: then ours stays, or the job could not go on."""
    depends: Mapping[str, str] = field(default_factory=dict)
    """Of roles and tablespaces (``role NAME``) that an undo would drop: what depends on them."""


class Planner:
    """Compares a snapshot with live, and says what is to be done."""

    def __init__(self, wanted: Document, live: Document, facts: Facts, made: Sequence[Made]) -> None:
        self.wanted = wanted
        self.live = live
        self.facts = facts
        self.undone = {one for one in made if one[0] in live.facts}
        self.changes = Changes()
        roles = {key[0] for document in (wanted, live) for key in document.of("roles") if key[0]}
        self.roles = roles | facts.predefined
        self.tablespaces = {str(key[0]) for key in live.of("tablespaces")}

    def plan(self) -> Changes:
        """In the order in which they must be made."""
        self._roles()
        self._tablespaces()
        self._memberships()
        self._settings()
        self._grants()
        self._take_back()
        self._more()
        return self.changes

    # Roles.

    def _roles(self) -> None:
        for key, cells in sorted(self.wanted.of("roles").items()):
            name, live = str(key[0]), self.live.of("roles").get(key)
            differences = differing(ROLES, cells, live)
            if live is not None and name == self.facts.me:
                for flag in ("superuser", "login", *(("password", "until") if self.facts.by_password else ())):
                    if flag in differences and (differences[flag][1] == "no" or flag in ("password", "until")):
                        del differences[flag]
                        self.changes.leave(ROLES, key, f"role {name}: {flag} stays, for it is the one we are")
            if not differences:
                continue
            made = () if live is not None else (as_made("roles", key),)
            verb = "alter" if live is not None else "create"
            statements = list(_role(name, differences, create=live is None))
            words = in_words(ROLES, differences) if live is not None else _described(differences)
            self.changes.change(f"{verb} role {name}" + (f": {words}" if words else ""), *statements, made=made)

    # Tablespaces.

    def _tablespaces(self) -> None:
        for key, cells in sorted(self.wanted.of("tablespaces").items()):
            name, values, live = str(key[0]), TABLESPACES.values(cells), self.live.of("tablespaces").get(key)
            location, owner = values["location"] or "", values["owner"] or ""
            if live is None and not location:
                self._no_tablespace(key, f"tablespace {name} is left out: its folder is inside of the server's own")
            elif live is None and location not in self.facts.folders:
                self._no_tablespace(
                    key, f"tablespace {name} is left out: the server has no folder {location} (make it, give it to the"
                    " server's user, then restore again)",
                )  # fmt: skip
            elif owner not in self.roles:
                self._no_tablespace(key, f"tablespace {name} is left out: there is no role {owner}, its owner")
            else:
                self._tablespace(name, key, cells, live)

    def _no_tablespace(self, key: Cells, why: str) -> None:
        self.changes.leave(TABLESPACES, key, why)

    def _tablespace(self, name: str, key: Cells, cells: Cells, live: Cells | None) -> None:
        differences = differing(TABLESPACES, cells, live)
        where = differences.pop("location", None)
        if live is not None and where is not None:
            self.changes.leave(
                TABLESPACES, key, f"tablespace {name} stays at {where[0]} (in the snapshot it was at {where[1]})"
            )
        self.tablespaces.add(name)
        if live is None:
            assert where is not None
            self.changes.change(
                f"create tablespace {name} at {where[1]} (by itself, before all else)",
                made=[as_made("tablespaces", key)],
            )
        if not differences:
            return
        statements = list(_tablespace(name, differences))
        if statements:
            self.changes.change(f"alter tablespace {name}: {in_words(TABLESPACES, differences)}", *statements)

    # Memberships.

    def _memberships(self) -> None:
        waiting = [cells for _, cells in sorted(self.wanted.of("memberships").items(), key=str)]
        for cells in self._in_order(waiting):
            self._membership(cells)

    def _in_order(self, waiting: list[Cells]) -> Iterator[Cells]:
        """Each after the one that lets its grantor grant it, where there is such a one."""
        admins = {(c[0], c[1]) for c in self.live.of("memberships").values() if c[3] == "yes"}
        supers = {r[0] for d in (self.wanted, self.live) for r in d.of("roles").values() if r[1] == "yes"}
        while waiting:
            ready = [c for c in waiting if c[2] is None or c[2] in supers or (c[0], c[2]) in admins] or waiting
            yield from ready
            admins |= {(c[0], c[1]) for c in ready if c[3] == "yes"}
            waiting = [c for c in waiting if c not in ready]

    def _membership(self, cells: Cells) -> None:
        key = MEMBERSHIPS.key(cells)
        values = MEMBERSHIPS.values(cells)
        role, member, grantor = str(key[0]), str(key[1]), key[2]
        for name in (role, member, *([grantor] if grantor else [])):
            if name not in self.roles:
                why = f"membership of {member} in {role} is left out: there is no role {name}"
                self.changes.leave(MEMBERSHIPS, key, why)
                return
        live = self.live.of("memberships").get(key)
        if live is None and self.facts.version < 160000:
            live = self._by_another(key)
        options = {name: pair for name, pair in differing(MEMBERSHIPS, cells, live).items() if pair[1] is not None}
        if live is not None and not options:
            return
        by = f" GRANTED BY {identifier(grantor)}" if grantor and self.facts.version >= 140000 else ""
        whom = f"{identifier(role)} TO {identifier(member)}"
        if self.facts.version >= 160000:
            words = [f"{name.upper()} {'TRUE' if values[name] == 'yes' else 'FALSE'}"
                     for name in ("admin", "inherit", "set") if values[name] is not None]  # fmt: skip
            statement = f"GRANT {whom} WITH {', '.join(words)}{by};"
        elif values["admin"] == "no" and live is not None:
            statement = f"REVOKE ADMIN OPTION FOR {identifier(role)} FROM {identifier(member)};"
        else:
            statement = f"GRANT {whom}{' WITH ADMIN OPTION' if values['admin'] == 'yes' else ''}{by};"
        text = f"make {member} a member of {role}" if live is None else f"alter membership of {member} in {role}"
        added = in_words(MEMBERSHIPS, options) if live is not None else "with admin option" * (values["admin"] == "yes")
        made = () if live is not None else (as_made("memberships", key),)
        self.changes.change(f"{text}{': ' if live is not None else ' ' if added else ''}{added}", statement, made=made)

    def _by_another(self, key: Cells) -> Cells | None:
        """Before version 16 one member is once in a role: who granted that is noted, and does not change."""
        for other, cells in self.live.of("memberships").items():
            if other[:2] == key[:2]:
                self.changes.leave(
                    MEMBERSHIPS, key,
                    f"{key[1]} is a member of {key[0]} by {other[2]}, and was by {key[2]}: that stays",
                )  # fmt: skip
                return cells
        return None

    # Settings and grants.

    def _settings(self) -> None:
        for key, cells in sorted(self.wanted.of("settings").items(), key=str):
            role, database, name = key
            value, live = str(cells[3]), self.live.of("settings").get(key)
            if live == cells:
                continue
            whose = _whose_words(role, database)
            if role is not None and role not in self.roles:
                why = f"setting {name} for {whose} is left out: there is no role {role}"
                self.changes.leave(SETTINGS, key, why)
            elif database is not None and database not in self.facts.databases:
                why = f"setting {name} for {whose} is left out: there is no database {database} ({AGAIN})"
                self.changes.leave(SETTINGS, key, why)
            else:
                new = _shown_value(str(name), value)
                words = f"{_shown_value(str(name), str(live[3]))} -> {new}" if live is not None else new
                self.changes.change(
                    f"set {name} for {whose}: {words}",
                    f"{_whose(role, database)} SET {_setting(str(name))} TO {_value(str(name), value)};",
                    made=() if live is not None else [as_made("settings", key)],
                )

    def _grants(self) -> None:
        for key, cells in sorted(self.wanted.of("grants").items(), key=str):
            live = self.live.of("grants").get(key)
            if live == cells:
                continue
            what = f"grant of {key[4]} on {key[0]} {key[1]} to {key[3] or 'everyone'}"
            why = self._no_grant(key)
            if why:
                self.changes.leave(GRANTS, key, f"{what} is left out: {why}")
            elif live is not None and cells[5] == "no":
                self.changes.change(f"{what}: grantable yes -> no", *_grant(key, "REVOKE GRANT OPTION FOR"))
            else:
                option = " with grant option" if cells[5] == "yes" else ""
                made = () if live is not None else [as_made("grants", key)]
                self.changes.change(
                    f"make the {what}{option}", *_grant(key, "GRANT", grantable=bool(option)), made=made
                )

    def _no_grant(self, key: Cells) -> str:
        kind, name, grantor, grantee, _ = key
        for role in (grantor, grantee):
            if role is not None and role not in self.roles:
                return f"there is no role {role}"
        if kind == "database" and name not in self.facts.databases:
            return f"there is no database {name} ({AGAIN})"
        if kind == "tablespace" and name not in self.tablespaces:
            return f"there is no tablespace {name}"
        if kind == "parameter" and self.facts.version < 150000:
            return "the server is older than 15"
        return ""

    # What an undo takes back, and what stays.

    def _take_back(self) -> None:
        """Only what the restore that is undone made, the last of it first."""
        for kind in (GRANTS, SETTINGS, MEMBERSHIPS):
            for key in surplus(kind, self.wanted, self.live):
                if as_made(kind.name, key) in self.undone:
                    self.changes.change(*_taking_back(kind.name, key))
        for kind, word in ((TABLESPACES, "tablespace"), (ROLES, "role")):
            for key in surplus(kind, self.wanted, self.live):
                name = str(key[0])
                if as_made(kind.name, key) not in self.undone:
                    continue
                if depends := self._dependent(word, name):
                    self.changes.more.append(f"{word} {name} stays, though the restore made it: {depends}")
                elif word == "role":
                    self.changes.change(f"drop role {name}, which the restore made", f"DROP ROLE {identifier(name)};")
                else:
                    self.changes.change(
                        f"drop tablespace {name}, which the restore made (by itself, after all else)",
                        f"ALTER TABLESPACE {identifier(name)} OWNER TO CURRENT_USER;",
                    )

    def _dependent(self, word: str, name: str) -> str:
        if name in (self.facts.me, self.facts.bootstrap) and word == "role":
            return "it is in use"
        if depends := self.facts.depends.get(f"{word} {name}"):
            return depends
        if word == "role":
            for key in self.live.of("memberships"):
                if name in (key[0], key[2]) and as_made("memberships", key) not in self.undone:
                    return f"{key[1]} is a member of {key[0]} by it"
            for key in self.live.of("grants"):
                if name in (key[2], key[3]) and as_made("grants", key) not in self.undone:
                    return f"it has or gave {key[4]} on {key[0]} {key[1]}"
        return ""

    def _more(self) -> None:
        for kind in (ROLES, TABLESPACES, MEMBERSHIPS, SETTINGS, GRANTS):
            keys = [key for key in surplus(kind, self.wanted, self.live) if as_made(kind.name, key) not in self.undone]
            if keys:
                names = "; ".join(" ".join(cell or "everyone" for cell in key) for key in keys)
                self.changes.more.append(f"live has {kind.name} that the snapshot has not, and they stay: {names}")


# --- statements -------------------------------------------------------------------------------------------------------


def _role(name: str, differences: Mapping[str, tuple[Cell, Cell]], *, create: bool) -> Iterator[str]:
    words = [f"{'' if differences[flag][1] == 'yes' else 'NO'}{flag.upper()}" for flag in _FLAGS if flag in differences]
    if "connections" in differences:
        words.append(f"CONNECTION LIMIT {int(differences['connections'][1] or -1)}")
    if "until" in differences and (differences["until"][1] is not None or not create):
        words.append(f"VALID UNTIL {literal(differences['until'][1] or 'infinity')}")
    if "password" in differences and (differences["password"][1] is not None or not create):
        password = differences["password"][1]
        words.append("PASSWORD " + (literal(password) if password is not None else "NULL"))
    if words:
        yield f"{'CREATE' if create else 'ALTER'} ROLE {identifier(name)} WITH {' '.join(words)};"
    if "comment" in differences and (differences["comment"][1] is not None or not create):
        yield f"COMMENT ON ROLE {identifier(name)} IS {_or_null(differences['comment'][1])};"


def _described(differences: Mapping[str, tuple[Cell, Cell]]) -> str:
    """A new role's: what is not as it usually is."""
    usual = {"connections": "-1", "inherit": "yes"}
    values = {name: new for name, (_, new) in differences.items() if new is not None and new != usual.get(name, "no")}
    words = {name: HIDDEN if name == "password" else str(value) for name, value in values.items()}
    return ", ".join(name if word == "yes" else f"{name} {word}" for name, word in words.items())


def _tablespace(name: str, differences: Mapping[str, tuple[Cell, Cell]]) -> Iterator[str]:
    quoted = identifier(name)
    if "owner" in differences:
        yield f"ALTER TABLESPACE {quoted} OWNER TO {identifier(str(differences['owner'][1]))};"
    if "options" in differences:
        old, new = (_options(cell) for cell in differences["options"])
        if gone := set(old) - set(new):
            yield f"ALTER TABLESPACE {quoted} RESET ({', '.join(sorted(map(identifier, gone)))});"
        if new:
            pairs = ", ".join(f"{identifier(key)} = {literal(value)}" for key, value in new.items())
            yield f"ALTER TABLESPACE {quoted} SET ({pairs});"
    if differences.get("comment", (None, None)) != (None, None):
        yield f"COMMENT ON TABLESPACE {quoted} IS {_or_null(differences['comment'][1])};"


def _options(cell: Cell) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in cell.split(",")) if cell else {}


def _or_null(cell: Cell) -> str:
    return "NULL" if cell is None else literal(cell)


def _whose(role: Cell, database: Cell) -> str:
    if role is None:
        return f"ALTER DATABASE {identifier(database)}" if database is not None else "ALTER ROLE ALL"
    return f"ALTER ROLE {identifier(role)}" + (f" IN DATABASE {identifier(database)}" if database is not None else "")


def _whose_words(role: Cell, database: Cell) -> str:
    where = f" in database {database}" if role is not None and database is not None else ""
    return f"role {role}{where}" if role is not None else f"database {database}" if database is not None else "all"


def _setting(name: str) -> str:
    return ".".join(identifier(part) for part in name.split("."))


def _value(name: str, value: str) -> str:
    if name.lower() not in LIST_SETTINGS:
        return literal(value)
    return ", ".join(map(literal, split_list(value))) or "''"


def _shown_value(name: str, value: str) -> str:
    """An application's own setting may be a secret, by its name."""
    return repr(shown(name, value)[:60])


def _grant(key: Cells, verb: str, *, grantable: bool = False) -> Iterator[str]:
    kind, name, grantor, grantee, privilege = key
    quoted = ".".join(map(identifier, str(name).split("."))) if kind == "parameter" else identifier(str(name))
    whom = "PUBLIC" if grantee is None else identifier(grantee)
    word = "TO" if verb == "GRANT" else "FROM"
    if grantor is not None:
        yield f"SET LOCAL SESSION AUTHORIZATION {identifier(grantor)};"
    option = " WITH GRANT OPTION" if grantable else ""
    yield f"{verb} {privilege} ON {str(kind).upper()} {quoted} {word} {whom}{option};"
    if grantor is not None:
        yield "RESET SESSION AUTHORIZATION;"


def _taking_back(kind: str, key: Cells) -> tuple[str, ...]:
    if kind == "grants":
        what = f"take back {key[4]} on {key[0]} {key[1]} from {key[3] or 'everyone'}, which the restore granted"
        return (what, *_grant(key, "REVOKE"))
    if kind == "settings":
        what = f"reset {key[2]} for {_whose_words(key[0], key[1])}, which the restore set"
        return what, f"{_whose(key[0], key[1])} RESET {_setting(str(key[2]))};"
    by = f" GRANTED BY {identifier(key[2])}" if key[2] is not None else ""
    what = f"end the membership of {key[1]} in {key[0]}, which the restore made"
    return what, f"REVOKE {identifier(str(key[0]))} FROM {identifier(str(key[1]))}{by};"


def names_of(kind: str, made: Iterable[Made]) -> list[str]:
    """Of what a restore made, the names of one kind."""
    return [one[1] for one in made if one[0] == kind]
