"""The swap: the tables of live and of the schema beside it change places in one RENAME, with nobody looking.

RENAME TABLE goes from schema to schema only without triggers, and never takes views, routines or events. So for a
moment the accounts with rights on the schema are locked and their sessions ended: they meet the old state whole, a
closed door, and then the new state whole.

Each step is journaled before it is taken. Whether the tables have been exchanged is told by the server alone: the last
table of the RENAME is a mark of ours. What is made anew is kept as text in the schema set aside, with the old tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dysnomia_plugins.base import Context, Journal, WarningLine
from dysnomia_plugins.errors import Cancelled, NotSafe, PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.toolkit.sqldump.names import encode
from dysnomia_plugins.types.mysql import accounts, dangling, views_and_routines
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.kept_events import EVENTS, keep, kept
from dysnomia_plugins.types.mysql.lending import Lender, taking_back
from dysnomia_plugins.types.mysql.names import KEPT, identifier, literal
from dysnomia_plugins.types.mysql.sequences import setting_right
from dysnomia_plugins.types.mysql.surroundings import Surroundings, creation, look
from dysnomia_plugins.types.mysql.views import BROKEN, found_in, texts

SWAP, EXCHANGE, FORWARD = "mysql-swap", "mysql-exchange", "mysql-forward"
UNLOCK, DONE = "mysql-unlock", "mysql-done"
REVERT, REVERTED = "mysql-revert", "mysql-reverted"
LOADED = "mysql-loaded"
BROKEN_OLD, BROKEN_NEW = "broken-old", "broken-new"
SPENT = "dysnomia_spent"
"""What ``dysnomia_kept`` of the schema beside is called once its tables are live."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One swap, as the journal has it."""

    client: Client
    journal: Journal
    live: str
    beside: str
    aside: str
    existed: bool
    """Whether live was there."""
    locked: Sequence[Sequence[str]]
    around: Surroundings | None

    @classmethod
    def of(cls, client: Client, journal: Journal, step: Mapping[str, Any]) -> Exchange:
        return cls(
            client, journal, step["live"], step["beside"], step["aside"], step["existed"], step["locked"],
            step["around"],
        )  # fmt: skip

    # The way there.

    def prepare(self) -> bytes:
        """Keep everybody out, and note what will be made anew; the text of its events."""
        accounts.keep_out(self.client, self.locked, self.live)
        old = views_and_routines.read(self.client, self.live) if self.existed else views_and_routines.Code(b"", b"")
        new = views_and_routines.read(self.client, self.beside)
        notes = {
            "code-old": old.objects,
            "events-old": old.events,
            "code-new": new.objects,
            "events-new": new.events,
            BROKEN_OLD: texts(self.client, self.live, look(self.client, self.live).broken) if self.existed else b"",
            BROKEN_NEW: kept(self.client, self.beside).get(BROKEN, b""),
            "tables-old": _json(self._tables(self.live)),
            "tables-new": _json(self._tables(self.beside)),
            "keys-old": _json(dangling.dangling(self.client, self.live) if self.existed else []),
            "keys-new": _json(dangling.dangling(self.client, self.beside)),
            "grants": _json(accounts.routine_grants(self.client, self.live) if self.existed else []),
            "live-kept": _json(self.existed and bool(kept(self.client, self.live))),
        }
        sql = creation(self.aside, self.around) + f"USE {identifier(self.aside)};\n"
        sql += "".join(keep(what, data) for what, data in notes.items())
        self.client.script(sql + f"USE {identifier(self.beside)};\n" + keep(EVENTS, new.events), held=True)
        return new.events

    def exchange(self) -> None:
        """The one RENAME, and what must be out of its way."""
        notes = self._notes()
        sql = "" if self.existed else creation(self.live, self.around)
        sql += views_and_routines.dropping(self.client, self.live, self.beside, all_of_it=False)
        new = json.loads(notes["tables-new"])
        in_the_way = [name for name, kind in self.client.tables(self.live).items() if kind == "VIEW" and name in new]
        sql += "".join(f"DROP VIEW {identifier(self.live)}.{identifier(name)};\n" for name in in_the_way)
        moves = [(self.live, name, self.aside, name) for name in json.loads(notes["tables-old"])]
        moves += [(self.beside, name, self.live, name) for name in new]
        self.client.script(sql + _renaming([*moves, (self.beside, KEPT, self.beside, SPENT)]), held=True)

    def forward(self) -> None:
        """Make the restored schema's views, routines, triggers and events where they belong."""
        notes = self._notes()
        # A view that does not work cannot be made again: where live has what the snapshot had, it stays.
        old, new = found_in(notes.get(BROKEN_OLD, b"")), found_in(notes.get(BROKEN_NEW, b""))
        spared = {name for name, text in old.items() if new.get(name) == text}
        sql = views_and_routines.dropping(self.client, self.live, spared=spared) + self._setting_right(
            self.live, notes, "new"
        )
        sql += f"DROP TABLE IF EXISTS {identifier(self.live)}.{identifier(KEPT)};\n"
        text = views_and_routines.script(notes["code-new"], self.live) + views_and_routines.script(
            notes["events-new"], self.live
        )
        self.client.script(encode(sql) + text, self.live, held=True)
        self._regrant(notes)

    def unlock(self) -> None:
        self.client.script(accounts.alter(self.locked, "UNLOCK"), held=True)

    def finish(self) -> None:
        """What was live is made whole where it stands aside; the schema that was beside goes.

        Raises NotSafe where a table is where none should be: nothing more is removed."""
        notes = self._notes()
        if not self.existed:
            self.client.drop_database(self.aside, taking_back(self.aside))
        elif "code-old" in notes:
            sql = views_and_routines.dropping(self.client, self.aside) + self._sequences_right(self.aside)
            text = Lender.of(self.client, self.live, self.aside).lending_for(notes["code-old"])
            text += (
                views_and_routines.script(notes["code-old"], self.aside) + keep(EVENTS, notes["events-old"]).encode()
            )
            if broken := notes.get(BROKEN_OLD):
                text += keep(BROKEN, broken).encode()
            self.client.script(encode(sql) + text, self.aside, held=True)
        left = [name for name in self._tables(self.beside) if name != SPENT]
        if left:
            raise NotSafe(
                f"{self.beside} still holds tables: {', '.join(left[:5])}", "check them before anything is removed"
            )
        self.client.drop_database(self.beside, taking_back(self.beside))
        if "code-old" in notes and self.existed:
            self.client.script(
                f"DELETE FROM {identifier(KEPT)} WHERE what NOT IN ({literal(EVENTS)}, {literal(BROKEN)});\n",
                self.aside,
            )

    # The way back.

    def renamed(self) -> bool:
        """Whether the one RENAME has happened."""
        return SPENT in self.client.tables(self.beside)

    def revert(self, exchanged: bool) -> None:
        """Bring back what was, from wherever it stopped. ``exchanged``: its triggers and events may be gone.

        Raises NotSafe where a table is where none should be: nothing more is removed."""
        notes = self._notes()
        if exchanged and notes:
            self._rename_back(notes)
            self._remake(notes, self.beside, "new", as_text=True)
            if self.existed:
                self._remake(notes, self.live, "old", as_text=bool(json.loads(notes["live-kept"])))
                self._regrant(notes)
        if not self.existed and not self._tables(self.live):
            self.client.drop_database(self.live)
        if self._tables(self.aside):
            raise NotSafe(f"{self.aside} still holds tables of {self.live}", "check them before anything is removed")
        self.client.drop_database(self.aside, taking_back(self.aside))
        self.unlock()

    def _rename_back(self, notes: Mapping[str, bytes]) -> None:
        old, new = json.loads(notes["tables-old"]), json.loads(notes["tables-new"])
        live, beside, aside = (set(self._tables(name)) for name in (self.live, self.beside, self.aside))
        moves = [
            (self.live, name, self.beside, name)
            for name in new
            if name in live and name not in beside and (name not in old or name in aside)
        ]
        moves += [(self.aside, name, self.live, name) for name in old if name in aside]
        if SPENT in beside:
            moves.append((self.beside, SPENT, self.beside, KEPT))
        if moves:
            sql = views_and_routines.dropping(self.client, self.live, self.beside, self.aside, all_of_it=False)
            self.client.script(sql + _renaming(moves), held=True)

    def _remake(self, notes: Mapping[str, bytes], database: str, which: str, *, as_text: bool) -> None:
        spared = found_in(notes.get(BROKEN_OLD, b"")) if database == self.live else ()
        right = self._setting_right(database, notes, which)
        sql = encode(views_and_routines.dropping(self.client, database, spared=spared) + right)
        events = notes[f"events-{which}"]
        text = keep(EVENTS, events).encode() if as_text else views_and_routines.script(events, database)
        self.client.script(
            sql + views_and_routines.script(notes[f"code-{which}"], database) + text, database, held=True
        )

    # Parts.

    def _setting_right(self, database: str, notes: Mapping[str, bytes], which: str) -> str:
        """The SQL that makes what the server keeps with the name of a schema that of ``database``."""
        keys = json.loads(notes.get(f"keys-{which}", b"[]"))  # a job of an earlier version noted none
        right = dangling.dangling(self.client, database) if keys else []
        wrong = [key for key in keys if key not in right]
        return self._sequences_right(database) + dangling.setting_right(database, wrong)

    def _sequences_right(self, database: str) -> str:
        return setting_right(self.client, database, (self.live, self.beside, self.aside))

    def _regrant(self, notes: Mapping[str, bytes]) -> None:
        if sql := accounts.regrant(self.client, self.live, json.loads(notes["grants"])):
            self.client.script(sql, held=True)

    def _tables(self, database: str) -> list[str]:
        return [name for name, kind in self.client.tables(database).items() if kind != "VIEW"]

    def _notes(self) -> dict[str, bytes]:
        return kept(self.client, self.aside)


def _renaming(moves: Sequence[tuple[str, str, str, str]]) -> str:
    """The one statement that makes all moves (schema, name, schema, name)."""
    pairs = (
        f"{identifier(a)}.{identifier(name)} TO {identifier(b)}.{identifier(other)}" for a, name, b, other in moves
    )
    return "SET SESSION foreign_key_checks = 0;\nRENAME TABLE " + ",\n".join(pairs) + ";\n"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def swap(ctx: Context, client: Client, live: str, beside: str, aside: str, *, lock: bool = True) -> None:
    """Make ``beside`` live, and what was live ``aside``.

    Raises PluginError with a journal that ``recover`` reverts or finishes."""
    existing = client.existing(live, beside, aside)
    if aside in existing:
        raise NotSafe(f"there is a database {aside} already", "an earlier job left it behind: recover that job first")
    if beside not in existing:
        raise PluginError(f"the database {beside} is not there")
    client.end_own()
    around = look(client, live).around if live in existing else loaded(ctx.journal) or look(client, beside).around
    locked = accounts.read(client, live).lockable if lock else ()
    step = {"live": live, "beside": beside, "aside": aside, "existed": live in existing, "around": around}
    ctx.journal.step(SWAP, **step, locked=locked)
    exchange = Exchange.of(client, ctx.journal, {**step, "locked": locked})
    events = exchange.prepare()
    ctx.cancel.check()
    ctx.journal.step(EXCHANGE)
    exchange.exchange()
    _go_on(exchange, ())
    if over := views_and_routines.events_not_taken(client, live, events):
        text = f"the server makes no event whose time is over: {', '.join(over)}"
        ctx.progress.log(WarningLine.of(text))


def _go_on(exchange: Exchange, names: Sequence[str]) -> None:
    """Everything from the exchange on; ``names`` are the steps that were journaled by a worker before."""
    if UNLOCK not in names:
        exchange.journal.step(FORWARD)
        exchange.forward()
        exchange.journal.step(UNLOCK)
    exchange.unlock()
    exchange.finish()
    exchange.journal.step(DONE)


def recover(journal: Journal, client: Client) -> bool:
    """Finish or revert the swap in the journal; whether it has happened. Whom it locked out is let in again."""
    client.end_own()
    steps = journal.steps()
    at = next((n for n in reversed(range(len(steps))) if steps[n][0] == SWAP), None)
    if at is None:
        return False
    exchange = Exchange.of(client, journal, steps[at][1])
    names = [name for name, _ in steps[at:]]
    if DONE in names or REVERTED in names:
        return DONE in names
    if UNLOCK in names or (REVERT not in names and EXCHANGE in names and exchange.renamed()):
        try:
            _go_on(exchange, names)
            return True
        except (ServerDown, WrongCredentials, Cancelled, NotSafe):
            raise
        except PluginError:
            if UNLOCK in [name for name, _ in journal.steps()[at:]]:
                raise
    journal.step(REVERT)
    exchange.revert(EXCHANGE in names)
    journal.step(REVERTED)
    return False


def loaded(journal: Journal) -> Surroundings | None:
    """The surroundings that the load kept for a live schema that is gone."""
    return next((data.get("around") for name, data in reversed(journal.steps()) if name == LOADED), None)
