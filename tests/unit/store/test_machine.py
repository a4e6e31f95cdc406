"""The store against a model of it in memory: whatever is done, in whatever order, both say the same."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dysnomia_store.content.cutting import Cutting
from dysnomia_store.disk.syscalls import Disk
from dysnomia_store.model import CheckResult, Marks, Pin, Reason, Verdict
from dysnomia_store.records.retention import Policy
from tests.in_memory import in_memory
from tests.thorough import often
from tests.unit.store.frames import alone, flip, folder_of, frames_of, lines, on_disk
from tests.unit.store.shop import KEY, SMALL, START, Shop, rows
from tests.unit.store.test_faults import as_bash_collects

STATES = st.integers(100, 104)


@dataclass
class Model:
    """What the store should be."""

    links: dict[int, int] = field(default_factory=dict)
    """Number -> state."""
    seen: dict[int, int] = field(default_factory=dict)
    pinned: set[int] = field(default_factory=set)
    bad: set[int] = field(default_factory=set)
    trashed: dict[int, int] = field(default_factory=dict)
    used: int = 0

    def next(self) -> int:
        self.used += 1
        return self.used


class Machine(RuleBasedStateMachine):
    """Commits, restores, reservations, marks, collections (ours and bash Dysnomia's), undo, sweeps, crashes of the
    cache and new processes."""

    cutting: Cutting | None = None
    content: Callable[[int], bytes] = staticmethod(rows)
    """The bytes of a state."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="store-", dir=in_memory()))
        self.shop = Shop(self.base / "state", cutting=self.cutting)
        self.model = Model()

    def teardown(self) -> None:
        self.shop.store.close()
        shutil.rmtree(self.base)

    def newest(self) -> int:
        return max(self.model.links)

    @rule(state=STATES)
    def commit(self, state: int) -> None:
        made = self.shop.commit(self.content(state))
        model = self.model
        if model.links and model.links[self.newest()] == state:
            assert not made.new
            model.seen[self.newest()] += 1
        else:
            number = model.next()
            assert (made.new, made.generation.number) == (True, number)
            model.links[number] = state
            model.seen[number] = 1

    @rule(state=STATES)
    def guard(self, state: int) -> None:
        with self.shop.store.lock(KEY, who="", job="1", doing="") as lock:
            number = self.shop.store.reserve(lock)
        assert number == self.model.next()
        self.shop.commit(self.content(state), number=number, reason=Reason.GUARD)
        self.model.links[number] = state
        self.model.seen[number] = 1

    @precondition(lambda self: self.model.links)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.links)))
        with self.shop.store.lock(KEY, who="", job="1", doing="") as lock:
            made = self.shop.store.link(lock, self.shop.ids()[number], self.shop.link_info(number))
        assert made.number == self.model.next()
        self.model.links[made.number] = self.model.links[number]
        self.model.seen[made.number] = 1

    @precondition(lambda self: self.model.links)
    @rule(data=st.data(), pin=st.booleans(), bad=st.booleans())
    def mark(self, data: st.DataObject, pin: bool, bad: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.links)))
        pins = (Pin("why", "alice", START),) if pin else ()
        verdict = Verdict.BAD if bad else None
        self.shop.store.mark(KEY, number, Marks(pins=pins, verdict=verdict), who="alice")
        for chosen, on in ((self.model.pinned, pin), (self.model.bad, bad)):
            chosen.add(number) if on else chosen.discard(number)

    @rule(last=st.integers(1, 4), now=st.booleans())
    def collect(self, last: int, now: bool) -> None:
        model = self.model
        good = [number for number in sorted(model.links) if number not in model.bad]
        keep = set(sorted(model.links)[-last:]) | set(good[-last:]) | model.pinned
        self.shop.collect(Policy(last=last), grace=0 if now else 3600)
        for number in model.links.keys() - keep:
            state = model.links.pop(number)
            if now:
                model.bad.discard(number)
            else:
                model.trashed[number] = state

    @rule()
    def bring_back(self) -> None:
        self.shop.store.bring_back([entry.name for entry in self.shop.store.trash()], who="", job="2")
        self.model.links |= self.model.trashed
        self.model.trashed.clear()

    @rule()
    def empty_trash(self) -> None:
        self.shop.store.empty_trash([entry.name for entry in self.shop.store.trash()])
        self.model.bad -= self.model.trashed.keys()
        self.model.trashed.clear()

    @precondition(lambda self: self.model.links and not self.model.trashed)
    @rule()
    def bash_collects_all_but_the_last(self) -> None:
        """Its collection knows no pins; the next writer brings the pinned ones back."""
        as_bash_collects(self.shop, keep=1)
        last = self.newest()
        with self.shop.store.lock(KEY, who="", job="3", doing="") as lock:
            self.shop.store.heal(lock)
        for number in list(self.model.links):
            if number != last and number not in self.model.pinned:
                del self.model.links[number]
                self.model.bad.discard(number)

    @rule()
    def sweep(self) -> None:
        list(self.shop.store.sweep(alive=lambda _: False))

    @rule()
    def another_process(self) -> None:
        self.shop.store.close()
        self.shop = self.shop.again()

    @rule()
    def the_cache_is_lost(self) -> None:
        self.shop.store.close()
        shutil.rmtree(self.shop.root / "cache", ignore_errors=True)

    @invariant()
    def both_say_the_same(self) -> None:
        found = self.shop.store.generations(KEY)
        model = self.model
        assert [one.number for one in found] == sorted(model.links)
        states = {one.number: one.metadata.rows for one in found if one.metadata is not None}
        assert states == model.links
        assert {one.number: one.seen for one in found} == {number: model.seen[number] for number in model.links}
        assert {one.number for one in found if one.marks.pins} == model.pinned & model.links.keys()
        assert {one.number for one in found if not one.good} == model.bad & model.links.keys()
        assert len({one.id for one in found}) == len(set(model.links.values()))
        trashed = {number for entry in self.shop.store.trash() for number in entry.generations}
        assert trashed == model.trashed.keys()

    @invariant()
    def every_byte_is_right(self) -> None:
        for generation in {one.id: one for one in self.shop.store.generations(KEY)}.values():
            assert self.shop.store.check(KEY, generation.id).result is CheckResult.OK


class FramedMachine(Machine):
    """The same where states are large enough for frames that generations share; besides, what arrives from another
    store, a pool that is lost, and what the disk says."""

    cutting = SMALL
    content = staticmethod(lines)

    @rule(state=STATES)
    def import_another_stores(self, state: int) -> None:
        other = Shop(self.base / "other", cutting=SMALL)
        made = other.commit(lines(state)).generation
        with self.shop.store.lock(KEY, who="", job="4", doing="") as lock:
            came = self.shop.store.import_folder(lock, folder_of(other, made.id))
        shutil.rmtree(other.root)
        model = self.model
        if model.links and model.links[self.newest()] == state:
            assert not came.new
            model.seen[self.newest()] += 1
        else:
            number = model.next()
            assert (came.new, came.generation.number) == (True, number)
            model.links[number] = state
            model.seen[number] = 1

    @rule()
    def the_pool_is_lost(self) -> None:
        shutil.rmtree(self.shop.root / "frames", ignore_errors=True)

    @rule(state=STATES)
    def an_earlier_version_commits(self, state: int) -> None:
        """As one file, which shares nothing until it is converted."""
        self._with(Cutting(whole=1 << 30), lambda: self.commit(state))

    @rule(state=STATES)
    def commit_where_no_link_can_be_made(self, state: int) -> None:
        self.shop.store.close()
        self.shop = self.shop.again(Disk(before=_refuse_links))
        self.commit(state)
        self.another_process()

    @precondition(lambda self: self.model.used)
    @rule()
    def copied_without_links(self) -> None:
        """As rsync without -H copies a store."""
        self.shop.store.close()
        copy = self.base / "copy"
        subprocess.run(["cp", "-r", "--preserve=mode", self.shop.root, copy], check=True)
        shutil.rmtree(self.shop.root)
        copy.rename(self.shop.root)
        self.shop = self.shop.again()

    @rule()
    def optimise(self) -> None:
        list(self.shop.store.optimise(KEY, who="alice", job="9"))

    @precondition(lambda self: self.model.links and not self.model.trashed)
    @rule(data=st.data())
    def a_byte_changes_and_the_content_comes_again(self, data: st.DataObject) -> None:
        """In a frame of any generation: all that hold it are named by a check, and healed when the content comes."""
        number = data.draw(st.sampled_from(sorted(self.model.links)))
        ids = self.shop.ids()
        frames = frames_of(self.shop, ids[number])
        if not frames:
            return
        frame = data.draw(st.sampled_from(frames))
        inode = frame.stat().st_ino
        having = {at for at, one in ids.items() if inode in [each.stat().st_ino for each in frames_of(self.shop, one)]}
        flip(frame)
        self.shop.store.check_and_record(KEY, ids[number], at=self.shop.now)
        damaged = {one.number for one in self.shop.store.generations(KEY) if not one.good}
        assert damaged - self.model.bad == having - self.model.bad
        self.import_another_stores(self.model.links[number])

    def _with(self, cutting: Cutting, do: Callable[[], None]) -> None:
        self.shop.store.close()
        self.shop = Shop(self.shop.root, now=self.shop.now, cutting=cutting)
        do()
        self.shop.store.close()
        self.shop = Shop(self.shop.root, now=self.shop.now, cutting=self.cutting)

    @invariant()
    def the_disk_holds_what_is_said(self) -> None:
        store = self.shop.store
        list(store.sweep(alive=lambda _: False))
        assert alone(self.shop) == []
        if self.model.pinned:
            return  # copies of what is pinned hold frames of what is gone
        assert sum(store.usage().by_component.values()) + in_trash_alone(self.shop) == on_disk(self.shop.root)
        everything = self.shop.plan(Policy(nothing=True))
        assert everything.freed + in_trash_alone(self.shop) == on_disk(self.shop.root)


def _refuse_links(call: str, path: str) -> None:
    if call == "link":
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), path)


def in_trash_alone(shop: Shop) -> int:
    """Bytes of files that only the trash holds."""
    there = {path.stat().st_ino for path in shop.root.glob("snapshots/**/*") if path.is_file()}
    found = {}
    for path in shop.root.glob("trash/*/snapshots/**/*"):
        if path.is_file() and path.stat().st_ino not in there:
            found[path.stat().st_ino] = path.stat().st_size
    return sum(found.values())


TestFramedMachine = FramedMachine.TestCase
TestFramedMachine.settings = settings(
    max_examples=often(40, 6), stateful_step_count=15, deadline=None, derandomize=True
)
TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=often(40, 10), stateful_step_count=30, deadline=None, derandomize=True)
