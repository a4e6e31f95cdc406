"""What goes, what stays and why: the plan is a pure function, carried out to the letter."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.errors import NotFound, Refused
from dysnomia_store.gc.plan import plan
from dysnomia_store.gc.state import GcGeneration, GcState
from dysnomia_store.model import Marks, Pin, Verdict
from dysnomia_store.records.retention import GcPlan, Policy
from dysnomia_store.records.rules import DURATION, RULES
from tests.unit.store.shop import KEY, START, Shop, rows

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def state(*generations: GcGeneration, orphans: tuple[str, ...] = (), broken: tuple[int, ...] = ()) -> GcState:
    sizes = {one.id: one.stored_size for one in generations} | dict.fromkeys(orphans, 7)
    return GcState(KEY, generations, sizes, broken, "digest")


def gen(
    number: int, at: datetime = NOW, *, good: bool = True, marks: Marks | None = None, of: str = ""
) -> GcGeneration:
    return GcGeneration(number, of or f"id{number}", micros(at), good, 10, 10, marks)


def decide(of: GcState, policy: Policy, **marks: object) -> GcPlan:
    return plan([of], lambda _: policy, at=NOW, **marks)  # type: ignore[arg-type]


def kept(of: GcPlan) -> list[int]:
    return [line.number for line in of.lines if line.keep]


class TestPolicy:
    def test_none_deletes_nothing(self) -> None:
        made = decide(state(gen(1), gen(2, good=False), orphans=("x",), broken=(3,)), Policy())
        assert kept(made) == [1, 2]
        assert (made.snapshots, made.broken_links, made.freed) == ((), (), 0)

    def test_nothing_is_kept_where_that_is_said_but_what_is_pinned_or_in_use(self) -> None:
        pinned = Marks(pins=(Pin("before migration", "alice", NOW),))
        found = state(gen(1), gen(2, marks=pinned), gen(3), gen(4), orphans=("x",), broken=(5,))
        made = decide(found, Policy(nothing=True), in_use={(KEY, "id3"): "job 8"})
        assert kept(made) == [2, 3]
        assert [one.id for one in made.snapshots] == ["id1", "id4", "x"]
        assert kept(decide(state(gen(1)), Policy(nothing=True))) == []

    def test_a_guard_that_only_its_job_holds_goes_where_nothing_is_to_be_kept(self) -> None:
        held = Pin("guard of job 7", "alice", NOW, NOW + timedelta(days=7), held_by="7")
        found = state(
            gen(1, marks=Marks(pins=(held,))), gen(2, marks=Marks(pins=(held, Pin("why", "bob", NOW)))), gen(3)
        )
        assert kept(decide(found, Policy(nothing=True))) == [2]
        assert kept(decide(found, Policy(last=1))) == [1, 2, 3]

    def test_last_counts_good_ones_and_keeps_the_newest_of_any_kind(self) -> None:
        found = state(*(gen(n, good=n not in (7, 8)) for n in range(1, 9)))
        assert kept(decide(found, Policy(last=3))) == [4, 5, 6, 7, 8]

    def test_a_year_of_hours(self) -> None:
        """8,760 hourly generations, through a leap day and into another year."""
        first = datetime(2028, 1, 1, tzinfo=UTC)
        found = state(*(gen(n + 1, first + timedelta(hours=n)) for n in range(8760)))
        hour_of = {n + 1: first + timedelta(hours=n) for n in range(8760)}
        stay = [hour_of[n] for n in kept(decide(found, Policy(hourly=24)))]
        assert stay == [hour_of[8760] - timedelta(hours=n) for n in reversed(range(24))]
        stay = [hour_of[n] for n in kept(decide(found, Policy(daily=366)))]
        assert len(stay) == 365
        assert datetime(2028, 2, 29, 23, tzinfo=UTC) in stay
        stay = [hour_of[n] for n in kept(decide(found, Policy(weekly=3)))]
        assert [at.isoweekday() for at in stay] == [7, 7, stay[-1].isoweekday()]
        stay = [hour_of[n] for n in kept(decide(found, Policy(monthly=12)))]
        assert [at.month for at in stay] == list(range(1, 13))
        assert stay[1] == datetime(2028, 2, 29, 23, tzinfo=UTC)
        assert kept(decide(found, Policy(yearly=9))) == [8760]

    def test_periods_without_a_good_one_do_not_count(self) -> None:
        days = [NOW - timedelta(days=n) for n in (40, 30, 20, 0)]
        found = state(*(gen(n + 1, at, good=n != 2) for n, at in enumerate(days)))
        assert kept(decide(found, Policy(daily=3))) == [1, 2, 4]

    def test_a_bad_one_never_stands_for_its_day(self) -> None:
        found = state(gen(1, NOW - timedelta(hours=3)), gen(2, NOW, good=False), gen(3, NOW, good=False))
        made = decide(found, Policy(daily=1))
        assert kept(made) == [1, 3]
        assert made.lines[0].rules == ("daily",)

    def test_age_counts_from_when_it_was_last_seen(self) -> None:
        found = state(gen(1, NOW - timedelta(days=9)), gen(2, NOW - timedelta(days=1)), gen(3))
        assert kept(decide(found, Policy(within=timedelta(days=2)))) == [2, 3]

    @pytest.mark.parametrize(
        "policy", [Policy(within=timedelta(days=30)), Policy(max_size=5, min_age=timedelta(days=30))]
    )
    def test_where_snapshots_stopped_or_the_clock_is_ahead_age_counts_from_the_newest_good_one(
        self, policy: Policy
    ) -> None:
        days = [NOW - timedelta(days=n) for n in (420, 390, 385, 361)]
        found = state(*(gen(n + 1, at) for n, at in enumerate(days)), gen(5, NOW - timedelta(days=100), good=False))
        made = decide(found, policy)
        assert kept(made) == [2, 3, 4, 5]
        assert [rule for rule in made.lines[1].rules if rule.endswith("30 days of the newest good one")]
        assert kept(decide(state(*found.generations, gen(6)), policy)) == [6], "once there is one again"

    def test_the_newest_always_says_what_is_live(self) -> None:
        found = state(gen(1), gen(2, NOW + timedelta(days=4000)), gen(3, NOW - timedelta(days=900), good=False))
        assert 3 in kept(decide(found, Policy(daily=1)))


class TestWhatStaysAnyway:
    def test_pins_with_their_words_while_they_last(self) -> None:
        holds = Pin("before migration", "alice", START, until=NOW + timedelta(days=1))
        ended = replace(holds, until=NOW)
        guard = replace(holds, why="guard of the restore", held_by="88")
        found = state(
            gen(1, marks=Marks(pins=(holds,))), gen(2, marks=Marks(pins=(ended,))), gen(3, marks=Marks(pins=(guard,))),
            gen(4),
        )  # fmt: skip
        made = decide(found, Policy(last=1), drop=[(KEY, 1), (KEY, 3)])
        assert kept(made) == [1, 3, 4]
        assert made.lines[0].rules == ("pinned until 23 Nov 12:00 UTC: before migration (alice)",)
        assert made.lines[2].rules == ("held by job 88 until 23 Nov 12:00 UTC: guard of the restore",)

    def test_known_good_unless_an_operator_marks_it_to_go(self) -> None:
        found = state(gen(1, marks=Marks(verdict=Verdict.GOOD)), gen(2))
        assert kept(decide(found, Policy(last=1))) == [1, 2]
        assert kept(decide(found, Policy(last=1), drop=[(KEY, 1)])) == [2]

    def test_what_a_job_uses(self) -> None:
        found = state(gen(1), gen(2), orphans=("x",))
        made = decide(found, Policy(last=1), in_use={(KEY, "id1"): "job 88", (KEY, "x"): "job 89"}, drop=[(KEY, 1)])
        assert kept(made) == [1, 2]
        assert made.lines[0].rules == ("in use by job 88",)
        assert made.snapshots == ()

    def test_the_last_good_one_even_when_all_are_marked(self) -> None:
        found = state(gen(1), gen(2), gen(3, good=False))
        made = decide(found, Policy(), drop=[(KEY, n) for n in (1, 2, 3)])
        assert kept(made) == [2]
        assert made.lines[1].rules == ("only good one",)

    def test_one_where_none_is_good(self) -> None:
        found = state(gen(1, good=False), gen(2, good=False))
        assert kept(decide(found, Policy(), drop=[(KEY, 1), (KEY, 2)])) == [2]


class TestBytes:
    def test_a_shared_snapshot_is_freed_only_with_the_last_that_needs_it(self) -> None:
        found = state(gen(1, of="a"), gen(2, of="b"), gen(3, of="a"))
        assert decide(found, Policy(), drop=[(KEY, 1)]).freed == 0
        assert [s.id for s in decide(found, Policy(), drop=[(KEY, 2)]).snapshots] == ["b"]
        assert decide(found, Policy(last=1)).freed == 10

    def test_orphans_and_broken_links_go_with_a_policy(self) -> None:
        made = decide(state(gen(1), gen(2), orphans=("x",), broken=(5,)), Policy(last=1))
        assert [(s.id, s.orphan, s.stored_size) for s in made.snapshots] == [("id1", False, 10), ("x", True, 7)]
        assert made.broken_links == ((KEY, "5"),)
        assert made.freed == 17


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    count = st.integers(0, 6)
    within = st.none() | st.timedeltas(timedelta(0), timedelta(days=100))
    last, hourly, daily, weekly, monthly, yearly = (draw(count) for _ in range(6))
    return Policy(last, hourly, daily, weekly, monthly, yearly, draw(within))


@st.composite
def states(draw: st.DrawFn) -> GcState:
    found = []
    for number in sorted(draw(st.sets(st.integers(1, 60), max_size=25))):
        at = NOW - draw(st.timedeltas(timedelta(days=-30), timedelta(days=900)))
        pin = Pin("why", "bob", START, draw(st.sampled_from([None, NOW + timedelta(1), NOW - timedelta(1)])))
        marks = draw(st.sampled_from([None, Marks(), Marks(pins=(pin,)), Marks(verdict=Verdict.GOOD)]))
        found.append(gen(number, at, good=draw(st.booleans()), marks=marks, of=f"id{draw(st.integers(1, 30))}"))
    return state(*found, orphans=("x", "y"))


class TestPromises:
    @given(states(), policies(), st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
    def test_of_every_plan(self, found: GcState, policy: Policy, keep: set[int], drop: set[int]) -> None:
        made = decide(found, policy, keep=[(KEY, n) for n in keep], drop=[(KEY, n) for n in drop])
        stay = set(kept(made))
        by_number = {one.number: one for one in found.generations}
        assert [line.number for line in made.lines] == list(by_number)
        good = {number for number, one in by_number.items() if one.good}
        assert stay & good or not good
        assert stay or not by_number
        for number, one in by_number.items():
            for pin in one.marks.pins if one.marks else ():
                assert number in stay or (pin.until is not None and pin.until <= NOW)
        assert keep & by_number.keys() <= stay
        needed = {by_number[number].id for number in stay}
        gone = {snapshot.id for snapshot in made.snapshots}
        assert not needed & gone
        assert made.freed == sum(found.snapshots[one] for one in gone)
        if policy.empty:
            assert by_number.keys() - drop <= stay
        else:
            assert gone == found.snapshots.keys() - needed
        assert all(line.rules for line in made.lines)

    @given(states(), policies(), st.integers(0, 5))
    def test_more_policy_never_keeps_less(self, found: GcState, policy: Policy, which: int) -> None:
        if policy.empty:
            return
        name = ("last", "hourly", "daily", "weekly", "monthly", "yearly")[which]
        more = replace(policy, **{name: getattr(policy, name) + 1})
        assert set(kept(decide(found, policy))) <= set(kept(decide(found, more)))

    @given(states(), policies(), st.data())
    def test_a_bad_one_never_pushes_a_good_one_out(self, found: GcState, policy: Policy, data: st.DataObject) -> None:
        if policy.empty:
            return
        before = {n for n in kept(decide(found, policy)) if {one.number: one for one in found.generations}[n].good}
        extra = gen(data.draw(st.integers(61, 70)), NOW, good=False, of="bad")
        after = decide(state(*found.generations, extra, orphans=("x", "y")), policy)
        lost = before - set(kept(after))
        # Only the rule that the newest stays may move on to the one that is newest now.
        newest = max((one.number for one in found.generations), default=0)
        assert lost <= {newest}
        if lost:
            line = next(line for line in decide(found, policy).lines if line.number == newest)
            assert line.rules == ("newest",)


class TestApply:
    def test_what_was_planned_and_no_more(self, shop: Shop) -> None:
        for count in range(100, 106):
            shop.commit(rows(count))
        made = shop.plan(Policy(last=2), keep=[1], drop=[5])
        seen: list[tuple[int, int]] = []
        entries = shop.store.apply_gc(
            made, grace=60, who="alice", job="9", on_step=lambda done, total: seen.append((done, total))
        )
        assert shop.numbers() == [1, 6]
        assert {entry.generations for entry in entries} == {(2,), (3,), (4,), (5,)}
        assert sum(entry.stored_size for entry in entries) == made.freed
        assert seen == [(n, 8) for n in range(1, 9)]
        assert shop.all_ok()

    def test_it_all_comes_back_as_it_was(self, shop: Shop) -> None:
        for count in (100, 101, 102, 100):
            shop.commit(rows(count))
        shop.store.mark(KEY, 2, Marks(note="look here"), who="alice")
        before = shop.store.generations(KEY)
        entries = shop.collect(Policy(last=1))
        assert shop.numbers() == [4]
        back = shop.store.bring_back([entry.name for entry in entries], who="alice", job="10")
        assert [one.number for one in back] == [1, 2, 3]
        assert shop.store.generations(KEY) == before
        assert shop.store.trash() == ()

    @pytest.mark.parametrize("note", ["", "look here"])
    @pytest.mark.parametrize("grace", [0, 60])
    def test_a_guard_that_was_taken_is_not_brought_back_by_the_next_writer(
        self, shop: Shop, note: str, grace: int
    ) -> None:
        """A job's pin, which the policy overruled, ends with it; what an operator said of it stays."""
        for count in (100, 101):
            shop.commit(rows(count))
        held = Pin("guard", "alice", shop.now, shop.now + timedelta(days=7), held_by="7")
        shop.store.mark(KEY, 1, Marks(pins=(held,), note=note), who="alice")
        entries = shop.store.apply_gc(shop.plan(Policy(nothing=True)), grace=grace, who="", job="9")
        assert not list(shop.root.glob("marks/*/*/copies/*"))
        shop.commit(rows(103))
        assert shop.numbers() == [3]
        shop.store.bring_back([entry.name for entry in entries], who="", job="10")
        assert shop.numbers() == ([1, 2, 3] if grace else [3])
        if grace:
            marks = shop.store.generations(KEY)[0].marks
            assert (marks.note if marks else "", marks.pins if marks else ()) == (note, ())

    def test_one_of_them_alone(self, shop: Shop) -> None:
        for count in (100, 101, 102):
            shop.commit(rows(count))
        entries = {entry.generations: entry.name for entry in shop.collect(Policy(last=1))}
        shop.store.bring_back([entries[(2,)]], who="alice", job="10")
        assert shop.numbers() == [2, 3]
        assert [entry.generations for entry in shop.store.trash()] == [(1,)]
        with pytest.raises(NotFound, match="not in the trash"):
            shop.store.bring_back(["nothing"], who="alice", job="10")

    def test_links_whose_snapshot_went_later_come_back_with_it(self, shop: Shop) -> None:
        """1 and 2 share a snapshot: the collection of 2 took it, that of 1 could not."""
        shop.commit(rows(100))
        with shop.store.lock(KEY, who="", job="", doing="") as lock:
            shop.store.link(lock, shop.ids()[1], shop.link_info(1))
        shop.commit(rows(101))
        before = shop.ids()
        (first,) = shop.collect(Policy(last=2))
        (second,) = shop.collect(Policy(last=1))
        assert (first.stored_size, first.generations, second.generations) == (0, (1,), (2,))
        shop.store.bring_back([first.name], who="", job="")
        assert shop.numbers() == [1, 3]
        assert shop.all_ok()
        (left,) = shop.store.trash()
        assert (left.generations, left.stored_size) == ((2,), 0)
        shop.store.bring_back([left.name], who="", job="")
        assert shop.ids() == before

    def test_a_snapshot_freed_takes_the_links_with_it_that_only_it_could_serve(self, shop: Shop) -> None:
        shop.commit(rows(100))
        with shop.store.lock(KEY, who="", job="", doing="") as lock:
            shop.store.link(lock, shop.ids()[1], shop.link_info(1))
        shop.commit(rows(101))
        shop.collect(Policy(last=2))
        (second,) = shop.collect(Policy(last=1))
        shop.store.empty_trash([second.name])
        assert shop.store.trash() == ()
        assert shop.commit(rows(102)).generation.number == 4

    @pytest.mark.parametrize("change", ["commit", "pin", "another tool's link"])
    def test_a_plan_is_refused_when_what_it_rests_on_changed(self, shop: Shop, change: str) -> None:
        for count in (100, 101, 102):
            shop.commit(rows(count))
        made = shop.plan(Policy(last=1))
        if change == "commit":
            shop.commit(rows(103))
        elif change == "pin":
            shop.store.mark(KEY, 1, Marks(pins=(Pin("mine", "bob", START),)), who="bob")
        else:
            (shop.root / "generations/databases/orders/9").symlink_to(
                f"../../../snapshots/databases/orders/{shop.ids()[1]}"
            )
        before = shop.ids()
        with pytest.raises(Refused, match="changed since"):
            shop.store.apply_gc(made, grace=60, who="alice", job="9")
        assert shop.ids() == before
        assert shop.store.trash() == ()

    def test_a_cancel_leaves_all_in_its_place_or_in_the_trash(self, shop: Shop) -> None:
        for count in range(100, 106):
            shop.commit(rows(count))
        before = shop.ids()
        done: list[int] = []
        entries = shop.store.apply_gc(
            shop.plan(Policy(last=1)), grace=60, who="", job="9",
            cancelled=lambda: len(done) >= 2, on_step=lambda at, _: done.append(at),
        )  # fmt: skip
        assert shop.numbers() == [3, 4, 5, 6]
        assert shop.all_ok()
        shop.store.bring_back([entry.name for entry in entries], who="", job="10")
        assert shop.ids() == before

    def test_the_trash_is_listed_in_the_order_of_the_generations(self, shop: Shop) -> None:
        numbers = [shop.commit(rows(count)).generation.number for count in range(100, 112)]
        shop.collect(Policy(last=1), grace=3600)
        assert [entry.generations for entry in shop.store.trash()] == [(number,) for number in numbers[:-1]]

    def test_the_trash_is_freed_when_it_is_due(self, shop: Shop) -> None:
        for count in (100, 101, 102):
            shop.commit(rows(count))
        planned = shop.plan(Policy(last=1)).freed
        shop.collect(Policy(last=1), grace=3600)
        assert shop.store.empty_trash() == 0
        shop.now += timedelta(hours=1)
        assert shop.store.empty_trash() == planned
        assert shop.store.trash() == ()
        assert list((shop.root / "trash").iterdir()) == []

    def test_numbers_of_what_was_deleted_are_never_given_out_again(self, shop: Shop) -> None:
        for number in (1, 2, 3):
            made = shop.commit(rows(100 + number)).generation
        for path in (shop.root / "history/databases/orders").iterdir():
            path.unlink()  # a store of Dysnomia's own has no history
        shop.store.mark(KEY, 1, Marks(pins=(Pin("keep", "a", START),)), who="a")
        shop.store.apply_gc(shop.plan(drop=[2, 3]), grace=0, who="a", job="9")
        assert shop.numbers() == [1]
        assert shop.store.trash() == ()
        assert shop.commit(rows(103)).generation.number == made.number + 1

    def test_nor_those_of_what_lies_in_the_trash(self, shop: Shop) -> None:
        for count in (100, 101, 102):
            shop.commit(rows(count))
        for path in (shop.root / "history/databases/orders").iterdir():
            path.unlink()
        shop.store.apply_gc(shop.plan(drop=[2, 3]), grace=3600, who="a", job="9")
        assert shop.commit(rows(103)).generation.number == 4

    def test_what_another_tool_links_meanwhile_is_not_taken(self, shop: Shop) -> None:
        """bash Dysnomia knows no locks."""
        for count in (100, 101, 102):
            shop.commit(rows(count))
        wanted = shop.ids()[2]
        link = shop.root / "generations/databases/orders/4"

        def meanwhile(done: int, _: int) -> None:
            if done == 1:
                link.symlink_to(f"../../../snapshots/databases/orders/{wanted}")

        shop.store.apply_gc(shop.plan(Policy(last=1)), grace=0, who="a", job="9", on_step=meanwhile)
        assert shop.numbers() == [3, 4]
        assert shop.ids()[4] == wanted
        assert shop.all_ok()

    def test_orphans_and_broken_links(self, shop: Shop) -> None:
        for count in (100, 101, 102):
            shop.commit(rows(count))
        links = shop.root / "generations/databases/orders"
        (links / "1").unlink()
        (links / "2").unlink()
        (links / "2").symlink_to("../../../snapshots/databases/orders/nowhere")
        assert len(shop.store.orphans(KEY)) == 2
        shop.collect(Policy(last=1))
        assert shop.numbers() == [3]
        assert shop.store.orphans(KEY) == ()


def test_the_table_of_rules_is_the_policy() -> None:
    fields = {field.name for field in dataclasses.fields(Policy)}
    assert {rule.name for rule in RULES} == fields - {"nothing"}
    assert [rule.name for rule in RULES if rule.takes == DURATION] == ["within", "min_age"]
