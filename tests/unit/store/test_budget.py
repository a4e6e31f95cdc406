"""A component's budget of disk: what goes for it, what stays whatever it says, and that shared frames count once."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.gc.budget import over_budget
from dysnomia_store.gc.state import GcGeneration, GcState
from dysnomia_store.model import Marks, Pin
from dysnomia_store.records.retention import Policy
from tests.unit.store.frames import lines, on_disk
from tests.unit.store.shop import KEY, Shop
from tests.unit.store.test_gc import NOW, decide, gen, kept, micros, state

DAYS = [NOW - timedelta(days=9 - n) for n in range(10)]
TEN = state(*(gen(n + 1, at) for n, at in enumerate(DAYS)))
"""Ten generations, a day apart, of 10 bytes each."""


def test_alone_it_keeps_as_many_of_the_newest_as_fit() -> None:
    made = decide(TEN, Policy(max_size=35))
    assert kept(made) == [8, 9, 10]
    assert {line.rules for line in made.lines if line.keep and line.number < 10} == {("max_size 35B",)}
    assert {line.rules for line in made.lines if not line.keep} == {("over max_size 35B",)}
    assert made.freed == 70
    assert kept(decide(TEN, Policy(max_size=100))) == list(range(1, 11))


def test_of_what_other_rules_keep_the_oldest_go() -> None:
    whole = kept(decide(TEN, Policy(last=2, daily=6)))
    assert whole == [5, 6, 7, 8, 9, 10]
    assert kept(decide(TEN, Policy(last=2, daily=6, max_size=40))) == [7, 8, 9, 10]
    made = decide(TEN, Policy(last=2, daily=6, max_size=40))
    assert made.lines[4].rules == ("over max_size 40B",)
    assert made.lines[0].rules == ("no rule keeps it",)


def test_it_never_takes_the_floor_nor_what_is_kept_for_itself() -> None:
    assert kept(decide(TEN, Policy(max_size=0))) == [10]
    assert kept(decide(TEN, Policy(max_size=0, at_least=3))) == [8, 9, 10]
    roomy = kept(decide(TEN, Policy(max_size=1 << 30)))
    assert kept(decide(TEN, Policy(max_size=1 << 30, at_least=3))) == roomy, "a floor deletes nothing"
    assert kept(decide(TEN, Policy(max_size=1 << 30, min_age=timedelta(days=2)))) == roomy
    assert kept(decide(TEN, Policy(max_size=0, min_age=timedelta(days=2)))) == [8, 9, 10]
    pinned = gen(1, DAYS[0], marks=Marks(pins=(Pin("why", "bob", NOW),)))
    found = state(pinned, *TEN.generations[1:])
    assert kept(decide(found, Policy(max_size=25))) == [1, 10], "a pin counts first"
    assert kept(decide(found, Policy(max_size=25), keep=[(KEY, 4)], in_use={(KEY, "id6"): "job 8"})) == [1, 4, 6, 10]
    bad = state(*TEN.generations[:9], gen(10, good=False))
    assert kept(decide(bad, Policy(max_size=0))) == [9, 10], "the last good one, and the newest"


def test_tags_keep_and_ages_count_as_any_rule() -> None:
    tagged = gen(2, DAYS[1], marks=Marks(tags=("release", "v2")))
    found = state(TEN.generations[0], tagged, *TEN.generations[2:])
    made = decide(found, Policy(last=1, tagged=("release", "v1")))
    assert kept(made) == [2, 10]
    assert made.lines[1].rules == ("tagged release",)
    assert kept(decide(found, Policy(at_least=2))) == [9, 10]
    assert kept(decide(found, Policy(min_age=timedelta(days=1)))) == [9, 10]


SIZES = st.lists(
    st.tuples(st.integers(0, 50), st.booleans(), st.booleans(), st.integers(0, 3)), min_size=1, max_size=12
)


@given(SIZES, st.integers(0, 300), st.integers(0, 4))
def test_any_history_is_within_its_budget_or_only_what_must_stay_is_left(
    history: list[tuple[int, bool, bool, int]], budget: int, floor: int
) -> None:
    """Snapshots may be named by several generations: each counts once."""
    weights: dict[str, int] = {}
    found = []
    for number, (stored, good, fixed, name) in enumerate(history, 1):
        snapshot = f"id{name}" if name else f"own{number}"
        weights.setdefault(snapshot, stored)
        marks = Marks(pins=(Pin("why", "bob", NOW),)) if fixed else None
        found.append(GcGeneration(number, snapshot, micros(NOW), good, 0, weights[snapshot], marks))
    of = GcState(KEY, tuple(found), weights, (), "digest")
    stays = [one.number for one in found if one.marks]
    policy = Policy(max_size=budget, at_least=floor)
    everything = [one.number for one in found]
    over = over_budget(of, policy, everything, stays, NOW)
    left = [one for one in found if one.number not in over]
    must = {*stays, found[-1].number, *[one.number for one in found if one.good][-max(floor, 1) :]}
    assert must <= {one.number for one in left}
    free = [one.number for one in left if one.number not in must]
    assert all(number > max(over, default=0) for number in free), "the oldest go first"
    weight = sum(weights[name] for name in {one.id for one in left})
    assert weight <= budget or not free
    if over:
        next_one = {one.id for one in found if one.number == max(over)}
        assert sum(weights[name] for name in {one.id for one in left} | next_one) > budget, "no more than needed goes"


def test_frames_that_generations_share_count_once(shop: Shop) -> None:
    """Five large generations of which a line changes: together little more than one."""
    for number in range(5):
        shop.commit(lines(400_000, number))
        shop.now += timedelta(days=1)
    whole = shop.plan(Policy()).lines[-1].stored_size
    assert on_disk(shop.root) < 2 * whole
    assert kept(shop.plan(Policy(max_size=2 * whole))) == [1, 2, 3, 4, 5]
    assert kept(shop.plan(Policy(max_size=whole // 2))) == [5]
    some = kept(shop.plan(Policy(max_size=whole + (on_disk(shop.root) - whole) // 2)))
    assert 5 in some
    assert 1 < len(some) < 5
    shop.collect(Policy(max_size=whole + (on_disk(shop.root) - whole) // 2), grace=0)
    assert shop.numbers() == some
    assert shop.all_ok()
