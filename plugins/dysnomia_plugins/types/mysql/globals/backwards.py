"""What a change of a server's globals that broke off is taken back to: what it touched, and nothing that others did.

The change goes from ``before`` to ``wanted``, and is half done. What live has by now is set back value by value: one
that is neither what it was before nor what the change makes of it is somebody else's since, and stays.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from dysnomia_plugins.toolkit.globals.changes import Made, as_made
from dysnomia_plugins.toolkit.globals.document import Cell, Cells, Document, Kind
from dysnomia_plugins.toolkit.globals.plugin import Held
from dysnomia_plugins.types.mysql.globals.facts import ACCOUNTS, KINDS, MEMBERSHIPS

_LOGIN = ("authentication", "password")
_FRESH = {"expired": "no", "default role": ""}
"""What a new account has until the statements that follow the one that makes it."""


@dataclass
class Backwards:
    """Gives ``target``, which a plan makes live hold.

    Args:
        before: what was live, and what the change makes.
        wanted: what the change goes to, and (in an undo) what it takes away.
        left: facts of ``wanted`` that the change leaves out.
        me: the account that we are.
    """

    before: Held
    wanted: Held
    live: Document
    left: Collection[Made]
    me: tuple[str, str]
    target: Held = field(init=False)
    stays: list[str] = field(default_factory=list)
    """What somebody else changed since, in words."""

    def __post_init__(self) -> None:
        self.target = Held(Document(KINDS, {name: dict(facts) for name, facts in self.live.facts.items()}))
        made, gone = set(self.before.made), set(self.wanted.made)
        roles = set()
        for kind in KINDS:
            for key in sorted(self.before.document.of(kind.name).keys() | self.wanted.document.of(kind.name).keys()):
                was, new = (one.document.of(kind.name).get(key) for one in (self.before, self.wanted))
                name = as_made(kind.name, key)
                if was is None and new is not None and name in made:
                    self._made(kind, key, new)
                elif was is not None and new is not None and was != new and (name not in self.left or kind is ACCOUNTS):
                    self._altered(kind, key, was, new)
                elif was is not None and new is None and name in gone:
                    if key not in self.live.of(kind.name):
                        self.target.document.facts[kind.name][key] = was
                else:
                    continue
                if kind is MEMBERSHIPS:
                    roles.add(key[0])
        self._ours(roles)

    def _ours(self, roles: Collection[Cell]) -> None:
        """Our own memberships, without which we could not grant those roles."""
        facts = self.target.document.facts[MEMBERSHIPS.name]
        for one in self.before.made:
            if one[0] == MEMBERSHIPS.name and one[2:] == self.me:
                facts.pop(one[1:], None)
                self.target.made.append(one)
        for key, cells in self.before.document.of(MEMBERSHIPS.name).items():
            if key[1:] == self.me and key[0] in roles:
                facts[key] = cells

    def _made(self, kind: Kind, key: Cells, new: Cells) -> None:
        now = self.live.of(kind.name).get(key)
        if now is None or (kind is MEMBERSHIPS and key[1:] == self.me):
            return
        values = kind.values(new)
        if any(cell not in (values[name], _FRESH.get(name, values[name])) for name, cell in kind.values(now).items()):
            self._stays(kind, key, "changed by somebody else since")
            return
        del self.target.document.facts[kind.name][key]
        self.target.made.append(as_made(kind.name, key))

    def _altered(self, kind: Kind, key: Cells, was: Cells, new: Cells) -> None:
        if key not in self.live.of(kind.name):
            self._stays(kind, key, "dropped by somebody else since")
            return
        old, other, now = kind.values(was), kind.values(new), kind.values(self.live.of(kind.name)[key])
        values = dict(now)
        for name in set(kind.columns) - {*_LOGIN, "expired"}:
            if now[name] == other[name]:
                values[name] = old[name]
            elif now[name] != old[name]:
                self._stays(kind, key, f"{name} was set by somebody else since", some=True)
        if kind is ACCOUNTS:
            self._login(key, values, old, other)
        self.target.document.facts[kind.name][key] = tuple(values[name] for name in kind.columns)

    def _login(self, key: Cells, values: dict[str, Cell], old: dict[str, Cell], other: dict[str, Cell]) -> None:
        """How one logs in is one thing; a new password also ends that one must be set."""
        now, was, new = ([cells[name] for name in _LOGIN] for cells in (values, old, other))
        if now not in (was, new):
            self._stays(ACCOUNTS, key, "its password was set by somebody else since", some=True)
        elif was != new or old["expired"] != other["expired"]:
            values.update({name: old[name] for name in (*_LOGIN, "expired")})

    def _stays(self, kind: Kind, key: Cells, why: str, *, some: bool = False) -> None:
        name = " ".join(cell or "''" for cell in key)
        self.stays.append(f"{kind.name} {name}: {why}, and {'that' if some else 'it'} stays so")
