"""Files and folders put back: made beside, checked, exchanged one by one, and all taken back if one cannot be.

A name of which live holds something else than was planned upon is left, also where that shows only when what was
there has come out: then it goes back. The journal has all that another process needs to take everything back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from dysnomia_plugins.base import Context, Journal, PutRow, Stored
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.toolkit.filesets.putting.folders import Before, make_like
from dysnomia_plugins.toolkit.filesets.putting.item import read_raw
from dysnomia_plugins.toolkit.filesets.putting.live import LiveTree
from dysnomia_plugins.toolkit.filesets.putting.look import Look
from dysnomia_plugins.toolkit.filesets.putting.staging import Staging
from dysnomia_plugins.toolkit.filesets.putting.units import Unit, identity, inode
from dysnomia_plugins.toolkit.guarded.libc import sync_file_system
from dysnomia_plugins.toolkit.guarded.system import (
    LinkInTheWay,
    folder_at,
    open_below,
    open_folder,
)
from dysnomia_plugins.toolkit.trees.extract import Trust
from dysnomia_plugins.toolkit.trees.member import Kind
from dysnomia_plugins.toolkit.trees.names import below
from dysnomia_plugins.toolkit.trees.users import users_of

# Written in journals: not to be renamed.
BEGUN, ENDED, REVERTED = "fileset-put", "fileset-put-ended", "fileset-put-reverted"


def put_back(
    ctx: Context, live: LiveTree, stored: Stored, trust: Trust, rows: Sequence[PutRow], seen: Sequence[str]
) -> list[int]:
    """See ``StatePlugin.put_sections_back``.

    Raises NotSafe where live takes one of them not: nothing was changed then."""
    layout = live.layout
    look = Look(live, rows)
    places = _as_seen(look, seen)
    refused = look.answer().refusals
    if refused:
        raise NotSafe(f"nothing was changed: {'; '.join(refused)}")
    staging = Staging(ctx, live, trust, look, places)
    try:
        staging.make(stored)
        ctx.cancel.check()
        done = _Exchange(ctx, live, look, staging).run()
        bases = list(staging.bases)  # where nothing was made, what was removed from live is in them all the same
    except BaseException:
        recover_put(ctx.journal, layout)
        staging.remove()
        raise
    finally:
        staging.close()
    for base in bases:
        layout.remove_made(base)
    return sorted(set(range(len(rows))) - done)


def _as_seen(look: Look, seen: Sequence[str]) -> list[int]:
    """Those of which live holds what was planned upon, and that can be put back with each other."""
    places = [at for at in range(len(look.rows)) if at not in look.wrong and look.digest(at) == seen[at]]
    while conflicts := look.conflicts(places):
        places = [at for at in places if at not in conflicts]
    return places


@dataclass
class _Exchange:
    """All of them change places, or those that are not as planned any more are taken back."""

    ctx: Context
    live: LiveTree
    look: Look
    _staging: Staging

    def run(self) -> set[int]:
        """Which rows are done. Raises PluginError with some of them done: ``recover_put`` takes all back."""
        units = {top: self._unit(number, top) for number, top in enumerate(self._staging.tops)}
        before = {at: entry for at in self._staging.folders if (entry := self._before(at)) is not None}
        self.ctx.journal.step(
            BEGUN,
            units=[one.to_json() for one in units.values() if one is not None],
            folders=[one.to_json() for one in before.values()],
        )
        try:
            failed = self._exchanged(units)
            done = {at for top, rows in self._staging.tops.items() if top not in failed for at in rows}
            done |= {at for at, one in before.items() if self._like_before(at, one)}
        except OSError as error:
            raise PluginError(
                f"nothing was changed: {error.filename or self.live.layout.target} ({error.strerror})",
                "check the permissions of this path, then try again",
            ) from error
        for root in self.live.roots:
            with suppress(FileNotFoundError), folder_at(root.path) as folder:
                sync_file_system(folder)
        self.ctx.journal.step(ENDED)
        return done

    def _exchanged(self, units: Mapping[str, Unit | None]) -> set[str]:
        """Which of them are as they were again, since something else came out than was planned upon."""
        failed = {top for top, unit in units.items() if unit is None or not unit.exchange(self.live)}
        failed |= self._not_as_planned({top: one for top, one in units.items() if one and top not in failed})
        failed = self._with_links(failed)
        for top in failed:
            unit = units[top]
            if unit is not None:
                unit.take_back(self.live)
        return failed

    def _before(self, at: int) -> Before | None:
        """A folder that stays, as it is now; None where it is another one by now."""
        name, now = self._staging.name(at), self.look.now[at]
        with _folder(self.live, name) as descriptor:
            if descriptor is None or now is None or inode(descriptor) != now.inode:
                return None
            return Before.of(name, descriptor)

    def _like_before(self, at: int, before: Before) -> bool:
        """Make a folder that stays as the snapshot has it. False where it is another one by now."""
        with _folder(self.live, before.name) as descriptor:
            now = self.look.now[at]
            if descriptor is None or now is None or inode(descriptor) != now.inode:
                return False
            if Before.of(before.name, descriptor).same_as(before):
                make_like(descriptor, self._staging.folders[at])
                return True
        return False

    def _unit(self, number: int, top: str) -> Unit | None:
        """None where its place is gone meanwhile."""
        base = self._staging.base(top)
        at = self._staging.tops[top][0]
        now, new = self.look.now[at], self._staging.staged.get(top, ("", ""))[1]
        try:
            with self.live.parent(top) as (folder, _):
                parent = inode(folder)
        except (FileNotFoundError, LinkInTheWay):
            return None
        new_inode = identity(new, self._staging.bases[base]) if new else None
        return Unit(top, base, new, f"old-{number}", new_inode, None if now is None else now.inode, parent)

    def _not_as_planned(self, units: dict[str, Unit]) -> set[str]:
        """Those of which something else came out than what was planned upon, or something that is still written."""
        olds = {top: place for top, unit in units.items() if (place := unit.old_place(self._staging.bases[unit.base]))}
        paths = {f"{units[top].base}/{place}": top for top, place in olds.items()}
        failed = {top for top, unit in units.items() if unit.was and top not in olds}
        for user in users_of(list(paths), writers_only=True) if paths else ():
            failed |= {top for path, top in paths.items() if below(user.path, path)}
        return failed | {top for top in olds if top not in failed and not self._came_out(units[top], olds[top])}

    def _came_out(self, unit: Unit, place: str) -> bool:
        """Whether it is, and holds, exactly what was looked at."""
        base = self._staging.bases[unit.base]
        expected = {
            self._staging.name(at): self.look.now[at]
            for at in self._staging.tops[unit.name]
            if self.look.now[at] is not None
        }
        try:
            for name, was in expected.items():
                item = self._staging.item(base, place + name[len(unit.name) :], name)
                if item is None or was is None or item.inode != was.inode:
                    return False
                if was.member.kind is not Kind.HARDLINK and item.digest != was.digest:
                    return False
            return set(filter(self.live.counts, _all_in(base, place, unit.name))) <= set(expected)
        except (OSError, NotSafe, LinkInTheWay):
            return False

    def _with_links(self, failed: set[str]) -> set[str]:
        """All units that hold names of a file one of whose names is in these."""
        top_of = {self._staging.name(at): top for top, rows in self._staging.tops.items() for at in rows}
        pairs = []
        for row in self.look.rows:
            link = "" if row.wanted is None else str(read_raw(row.wanted)["link"])
            if link in top_of and row.section.name in top_of:
                pairs.append((top_of[row.section.name], top_of[link]))
        while more := {one for pair in pairs if failed & set(pair) for one in pair} - failed:
            failed = failed | more
        return failed


@contextmanager
def _folder(live: LiveTree, name: str) -> Iterator[int | None]:
    """A descriptor of a folder; None where there is none."""
    try:
        with live.parent(name) as (above, leaf):
            descriptor = open_folder(leaf, above)
    except (FileNotFoundError, LinkInTheWay):
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _all_in(base: int, place: str, name: str) -> Iterator[str]:
    """The names of all that stands in a folder of the job's, as members below ``name`` and it."""
    waiting = [(place, name)]
    while waiting:
        at, shown = waiting.pop()
        yield shown
        above = open_below(base, at.split("/")[:-1])
        try:
            inside = open_folder(at.rsplit("/", 1)[-1], above)
        except LinkInTheWay:
            continue
        finally:
            os.close(above)
        try:
            waiting += [(f"{at}/{leaf}", f"{shown}/{leaf}") for leaf in os.listdir(inside)]
        finally:
            os.close(inside)


def begun(journal: Journal) -> bool:
    """Whether a journal is of such a job."""
    return any(step == BEGUN for step, _ in journal.steps())


def recover_put(journal: Journal, layout: Layout) -> bool:
    """Take back what did not come to its end. Idempotent. Returns whether it did: then all of it is in live.

    Raises PluginError where something else has the place of what was live."""
    steps = journal.steps()
    if any(step == ENDED for step, _ in steps):
        return True
    if any(step == REVERTED for step, _ in steps):
        return False
    live = LiveTree(layout)
    for data in [data for step, data in steps if step == BEGUN][-1:]:
        for folder in data["folders"]:
            before = Before.read(folder)
            with _folder(live, before.name) as descriptor:
                if descriptor is not None and list(inode(descriptor)) == list(before.inode):
                    before.set(descriptor)
        for unit in reversed(data["units"]):
            Unit.read(unit).take_back(live)
        journal.step(REVERTED)
    return False
