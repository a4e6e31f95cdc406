"""Which statements make a MariaDB server's globals hold what a snapshot holds, and drop nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dysnomia_base.secrets import HIDDEN
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.globals.changes import Changes, Made, as_made, differing, in_words, surplus
from dysnomia_plugins.toolkit.globals.document import Cell, Cells, Document, Kind
from dysnomia_plugins.types.mysql.globals.facts import (
    ACCOUNTS,
    GRANT_OPTION,
    KINDS,
    MEMBERSHIPS,
    PRIVILEGES,
    PUBLIC,
    ROLES,
)
from dysnomia_plugins.types.mysql.names import identifier, literal

AGAIN = "restore its database, then restore these globals again"
_OWN = ("authentication", "password", "tls", "locked", "expired")
"""What is not changed of the account that we are: the job could not go on."""
_LIMITS = {
    "queries": "MAX_QUERIES_PER_HOUR", "updates": "MAX_UPDATES_PER_HOUR", "connections": "MAX_CONNECTIONS_PER_HOUR",
    "at once": "MAX_USER_CONNECTIONS", "seconds": "MAX_STATEMENT_TIME",
}  # fmt: skip


_PLAIN = json.dumps(["NONE", "", "", ""])


@dataclass(frozen=True, slots=True)
class Facts:
    """What is to be known of the server besides its globals."""

    me: tuple[str, str]
    objects: frozenset[tuple[str, str, str]]
    """Tables (``table``) and routines (by their kind) on which something is granted in the snapshot, and that are."""
    definers: Mapping[str, str] = field(default_factory=dict)
    """Of accounts and roles, as SQL has them: what runs as them."""


class Planner:
    """Compares a snapshot with live, and says what is to be done."""

    def __init__(self, wanted: Document, live: Document, facts: Facts, made: Sequence[Made]) -> None:
        self.wanted = wanted
        self.live = live
        self.facts = facts
        self.undone = set(made)
        self.administered: dict[str, Cells | None] = {}
        """Roles that we administer for this: our membership before."""
        self.changes = Changes()
        self.there = {key for document in (wanted, live) for key in document.of("accounts")}
        self.there |= {(key[0], "") for document in (wanted, live) for key in document.of("roles")} | {(PUBLIC, "")}

    def plan(self) -> Changes:
        """In the order in which they must be made."""
        self._roles()
        self._accounts()
        self._memberships()
        self._privileges()
        self._default_roles()
        self._take_back()
        self._administer_no_more()
        self._drops()
        self._more()
        return self.changes

    def _roles(self) -> None:
        for key in sorted(self.wanted.of("roles")):
            if key in self.live.of("roles"):
                continue
            name = str(key[0])
            statement = f"CREATE ROLE {identifier(name)} WITH ADMIN {_account(*self.facts.me)}"
            self.administered[name] = None
            made = [as_made("roles", key), as_made("memberships", (name, *self.facts.me))]
            self.changes.change(f"create role {name}", statement, made=made)

    def _administer(self, role: str) -> None:
        """Whoever grants a role must administer it; an account with all privileges may note itself that it does."""
        own = self.live.of("memberships").get((role, *self.facts.me))
        if role in self.administered or (own is not None and own[3] == "yes"):
            return
        self.administered[role] = own
        user, host = map(literal, self.facts.me)
        self.changes.change(
            f"administer role {role}, for the changes that follow",
            "REPLACE INTO mysql.roles_mapping (Host, User, Role, Admin_option)"
            f" VALUES ({host}, {user}, {literal(role)}, 'Y')",
            "FLUSH PRIVILEGES",
            made=[as_made("memberships", (role, *self.facts.me))] if own is None else [],
        )

    def _administer_no_more(self) -> None:
        """What was no membership of ours before, and is none in the snapshot, is none afterwards."""
        gone = {key[0] for key in self.live.of("roles") if key not in self.wanted.of("roles")} & {
            made[1] for made in self.undone if made[0] == "roles"
        }
        for role, before in sorted(self.administered.items()):
            wanted = self.wanted.of("memberships").get((role, *self.facts.me), before)
            option = "ADMIN OPTION FOR " if wanted is not None else ""
            if role not in gone and (wanted is None or wanted[3] == "no"):
                statement = f"REVOKE {option}{identifier(role)} FROM {_account(*self.facts.me)}"
                self.changes.change(f"administer role {role} no more", statement)

    # Accounts.

    def _accounts(self) -> None:
        for key, cells in sorted(self.wanted.of("accounts").items()):
            live = self.live.of("accounts").get(key)
            differences = differing(ACCOUNTS, cells, live)
            differences.pop("default role", None)
            name = shown_account(*key)
            if live is not None and key == self.facts.me and (own := differences.keys() & set(_OWN)):
                words = ", ".join(sorted(own))
                self.changes.leave(ACCOUNTS, key, f"account {name}: {words} stays, for it is the one we are")
                differences = {column: pair for column, pair in differences.items() if column not in _OWN}
            if live is None:
                values = differing(ACCOUNTS, cells, None)
                words = _described(ACCOUNTS.values(cells))
                self.changes.change(
                    f"create account {name}: {words}", *_statements("CREATE USER", key, values),
                    made=[as_made("accounts", key)],
                )  # fmt: skip
            elif differences:
                words = in_words(ACCOUNTS, _readable(differences))
                values = differences | _login(differences, ACCOUNTS.values(cells))
                self.changes.change(f"alter account {name}: {words}", *_statements("ALTER USER", key, values))

    def _default_roles(self) -> None:
        for key, cells in sorted(self.wanted.of("accounts").items()):
            live = self.live.of("accounts").get(key)
            wanted = cells[-1] or ""
            if wanted == ((live[-1] or "") if live is not None else ""):
                continue
            role = identifier(wanted) if wanted else "NONE"
            self.changes.change(
                f"set the default role of {shown_account(*key)}: {wanted or 'none'}",
                f"SET DEFAULT ROLE {role} FOR {_account(*key)}",
            )

    # Memberships and privileges.

    def _memberships(self) -> None:
        for key, cells in sorted(self.wanted.of("memberships").items()):
            role, user, host = map(str, key)
            live = self.live.of("memberships").get(key)
            if live == cells or (live is None and self._comes_with_role(key, cells)):
                continue
            whom = shown_account(user, host)
            if (role, "") not in self.there or (user, host) not in self.there:
                why = f"membership of {whom} in {role} is left out: one of the two is not there"
                self.changes.leave(MEMBERSHIPS, key, why)
                continue
            self._administer(role)
            if key[1:] == self.facts.me and cells[3] == "yes":
                continue
            if cells[3] == "yes" or live is None:
                option = " WITH ADMIN OPTION" if cells[3] == "yes" else ""
                self.changes.change(
                    f"make {whom} a member of {role}{option.lower()}",
                    f"GRANT {identifier(role)} TO {_account(user, host)}{option}",
                    made=() if live is not None else [as_made("memberships", key)],
                )
            else:
                self.changes.change(
                    f"alter membership of {whom} in {role}: admin yes -> no",
                    f"REVOKE ADMIN OPTION FOR {identifier(role)} FROM {_account(user, host)}",
                )

    def _comes_with_role(self, key: Cells, cells: Cells) -> bool:
        """Whoever creates a role administers it."""
        return key[1:] == self.facts.me and (key[0],) not in self.live.of("roles") and cells[3] == "yes"

    def _privileges(self) -> None:
        missing = sorted(key for key in self.wanted.of("privileges") if key not in self.live.of("privileges"))
        for where, keys in itertools.groupby(missing, key=_where):
            level, database, name, user, host = where
            some = list(keys)
            whom = shown_account(user, host)
            words = ", ".join(_privilege_words(key) for key in some)
            what = f"{words} on {_level_words(level, database, name)} to {whom}"
            if why := self._no_privilege(level, database, name, user, host):
                self.changes.left_out.append(f"grant of {what} is left out: {why}")
                self.changes.skipped |= {as_made("privileges", key) for key in some}
                continue
            made = [as_made("privileges", key) for key in some]
            self.changes.change(f"grant {what}", _grant(where, some), made=made)

    def _no_privilege(self, level: str, database: str, name: str, user: str, host: str) -> str:
        if (user, host) not in self.there:
            return "it is not there"
        kind = "table" if level in ("table", "column") else level
        if kind not in ("server", "database", "proxy") and (kind, database, name) not in self.facts.objects:
            return f"there is no {kind} {database}.{name} ({AGAIN})"
        return ""

    # What an undo takes back, and what stays.

    def _take_back(self) -> None:
        ours = [key for key in surplus(PRIVILEGES, self.wanted, self.live) if as_made("privileges", key) in self.undone]
        for where, keys in itertools.groupby(sorted(ours), key=_where):
            some = list(keys)
            level, database, name, user, host = where
            words = ", ".join(_privilege_words(key) for key in some)
            what = f"{words} on {_level_words(level, database, name)} from {shown_account(user, host)}"
            self.changes.change(f"take back {what}, which the restore granted", _revoke(where, some))
        for key in surplus(MEMBERSHIPS, self.wanted, self.live):
            if as_made("memberships", key) in self.undone:
                role, user, host = map(str, key)
                self._administer(role)
                if key[1:] == self.facts.me:
                    self.administered[role] = None
                    continue
                self.changes.change(
                    f"end the membership of {shown_account(user, host)} in {role}, which the restore made",
                    f"REVOKE {identifier(role)} FROM {_account(user, host)}",
                )

    def _drops(self) -> None:
        for kind, word, verb in ((ACCOUNTS, "account", "DROP USER"), (ROLES, "role", "DROP ROLE")):
            for key in surplus(kind, self.wanted, self.live):
                if as_made(kind.name, key) in self.undone:
                    self._drop(word, verb, str(key[0]), str(key[1]) if len(key) > 1 else "")

    def _drop(self, word: str, verb: str, user: str, host: str) -> None:
        name = shown_account(user, host)
        if why := self._dependent(user, host):
            self.changes.more.append(f"{word} {name} stays, though the restore made it: {why}")
        else:
            self.changes.change(f"drop {word} {name}, which the restore made", f"{verb} {_account(user, host)}")

    def _dependent(self, user: str, host: str) -> str:
        if (user, host) == self.facts.me:
            return "it is in use"
        if runs := self.facts.definers.get(f"{user}@{host}"):
            return f"it is the definer of {runs}"
        for key in self.live.of("memberships"):
            role, *member = key
            if as_made("memberships", key) in self.undone:
                continue
            if (host == "" and role == user) or member == [user, host]:
                return f"{shown_account(str(key[1]), str(key[2]))} is a member of {role}"
        for key in self.live.of("privileges"):
            if key[4:6] == (user, host) and as_made("privileges", key) not in self.undone:
                return f"{_privilege_words(key)} on {_level_words(*map(str, key[:3]))} was granted to it since"
        return ""

    def _more(self) -> None:
        for kind in KINDS:
            keys = [key for key in surplus(kind, self.wanted, self.live) if as_made(kind.name, key) not in self.undone]
            if keys:
                names = "; ".join(_named(kind, key) for key in keys)
                self.changes.more.append(f"live has {kind.name} that the snapshot has not, and they stay: {names}")


# --- statements -------------------------------------------------------------------------------------------------------


def shown_account(user: str | None, host: str | None) -> str:
    """For the plan: a role has no host."""
    return f"{user}@{host}" if host else f"{user}" if user else f"''@{host}"


def _named(kind: Kind, key: Cells) -> str:
    """One line of a kind, as accounts and grants are written."""
    names = [cell or "" for cell in key]
    if kind is ACCOUNTS:
        return shown_account(*names)
    if kind is MEMBERSHIPS:
        return f"{shown_account(*names[1:])} in {names[0]}"
    if kind is PRIVILEGES:
        return f"{_privilege_words(key)} on {_level_words(*names[:3])} to {shown_account(*names[4:6])}"
    return " ".join(names)


def _account(user: str | None, host: str | None) -> str:
    if user == PUBLIC and not host:
        return PUBLIC
    if host or not user:
        return f"{literal(user or '')}@{literal(host or '')}"
    return identifier(user)


def _described(values: Mapping[str, Cell]) -> str:
    usual = dict.fromkeys(_LIMITS, "0") | {"locked": "no", "expired": "no", "default role": "", "tls": _PLAIN}
    secret = any(json.loads(values["password"] or "[]"))
    words = [str(values["authentication"]), f"password {HIDDEN}" if secret else ""]
    words += [f"{name} {_value(name, values[name])}" for name, plain in usual.items() if values[name] != plain]
    words += [f"lifetime {values['lifetime']}"] if values["lifetime"] is not None else []
    return ", ".join(word for word in words if word)


def _readable(differences: Mapping[str, tuple[Cell, Cell]]) -> dict[str, tuple[Cell, Cell]]:
    return {name: (_value(name, old), _value(name, new)) for name, (old, new) in differences.items()}


def _value(name: str, cell: Cell) -> Cell:
    return _require(json.loads(cell)).removeprefix("REQUIRE ") if name == "tls" and cell else cell


def _login(differences: Mapping[str, tuple[Cell, Cell]], wanted: Mapping[str, Cell]) -> dict[str, tuple[Cell, Cell]]:
    """What is set of how one logs in. A password that is set, be it the same, ends that it must be changed."""
    ended = differences.get("expired", ("", ""))[1] == "no"
    if not ended and not differences.keys() & {"authentication", "password"}:
        return {}
    return {column: (None, wanted[column]) for column in ("authentication", "password", "expired")}


def _statements(verb: str, key: Cells, values: Mapping[str, tuple[Cell, Cell]]) -> Iterator[str]:
    new = {column: pair[1] for column, pair in values.items()}
    name = f"{literal(str(key[0]))}@{literal(str(key[1]))}"
    words = [verb, name]
    if "authentication" in new:
        plugins, secrets = str(new["authentication"]).split(" or "), json.loads(str(new["password"]))
        if len(plugins) != len(secrets):
            whose = shown_account(*key)
            raise NotSafe(f"account {whose} has {len(plugins)} ways to log in and {len(secrets)} passwords")
        ways = zip(plugins, secrets, strict=True)
        words.append(
            "IDENTIFIED VIA " + " OR ".join(f"{way} USING {literal(how)}" if how else way for way, how in ways)
        )
    if "tls" in new:
        words.append(_require(json.loads(str(new["tls"]))))
    limits = [f"{word} {new[column]}" for column, word in _LIMITS.items() if column in new]
    if limits and (verb == "ALTER USER" or any(not one.endswith(" 0") for one in limits)):
        words.append("WITH " + " ".join(limits))
    if "locked" in new and (verb == "ALTER USER" or new["locked"] == "yes"):
        words.append("ACCOUNT LOCK" if new["locked"] == "yes" else "ACCOUNT UNLOCK")
    if "lifetime" in new and (verb == "ALTER USER" or new["lifetime"] is not None):
        days = new["lifetime"]
        when = "DEFAULT" if days is None else "NEVER" if days == "0" else f"INTERVAL {days} DAY"
        words.append(f"PASSWORD EXPIRE {when}")
    yield " ".join(words)
    if new.get("expired") == "yes":
        yield f"ALTER USER {name} PASSWORD EXPIRE"


def _require(tls: Sequence[str]) -> str:
    kind, *parts = tls
    if kind != "SPECIFIED":
        return f"REQUIRE {kind or 'NONE'}"
    named = zip(("CIPHER", "ISSUER", "SUBJECT"), parts, strict=True)
    return "REQUIRE " + " AND ".join(f"{word} {literal(part)}" for word, part in named if part)


Where = tuple[str, str, str, str, str]


def _where(key: Cells) -> Where:
    level, database, name, _, user, host, _ = map(str, key)
    return level, database, name, user, host


def _privilege_words(key: Cells) -> str:
    return f"{key[6]} ({key[3]})" if key[3] else str(key[6])


def _level_words(level: str, database: str, name: str) -> str:
    if level == "proxy":
        return shown_account(name, database)
    return {"server": "everything", "database": f"{database}.*"}.get(level, f"{database}.{name}")


def _target(level: str, database: str, name: str) -> str:
    if level == "server":
        return "*.*"
    if level == "database":
        return f"{identifier(database)}.*"
    whole = f"{identifier(database)}.{identifier(name)}"
    return whole if level in ("table", "column") else f"{level.upper()} {whole}"


def _list(keys: Iterable[Cells]) -> str:
    return ", ".join(f"{key[6]} ({identifier(str(key[3]))})" if key[3] else str(key[6]) for key in keys)


def _grant(where: Where, keys: Sequence[Cells]) -> str:
    level, database, name, user, host = where
    given = [key for key in keys if key[6] != GRANT_OPTION]
    option = " WITH GRANT OPTION" if len(given) < len(keys) else ""
    if level == "proxy":
        return f"GRANT PROXY ON {literal(name)}@{literal(database)} TO {_account(user, host)}{option}"
    return f"GRANT {_list(given) or 'USAGE'} ON {_target(level, database, name)} TO {_account(user, host)}{option}"


def _revoke(where: Where, keys: Sequence[Cells]) -> str:
    level, database, name, user, host = where
    if level == "proxy":
        return f"REVOKE PROXY ON {literal(name)}@{literal(database)} FROM {_account(user, host)}"
    return f"REVOKE {_list(keys)} ON {_target(level, database, name)} FROM {_account(user, host)}"
