"""Jobs on one component run one at a time and in order; at most N at once over all."""

from __future__ import annotations

from importlib import import_module

from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.jobs.queue import Turn, Waiting, turn
from dysnomia_tui.engine.plans.plan import Kind
from dysnomia_tui.engine.worker import _PERFORMERS

A, B, C = (ComponentKey("c", name) for name in "abc")


def job(number: int, *keys: ComponentKey, started: bool = False) -> Waiting:
    return Waiting(number, frozenset(keys), started)


def test_alone_it_starts() -> None:
    assert turn(job(1, A), [job(1, A)], 2) == Turn(True)


def test_it_waits_for_the_one_before_it_on_the_same_component_and_says_so() -> None:
    answer = turn(job(3, A), [job(1, A, started=True), job(2, A), job(3, A)], 2)
    assert (answer.may, answer.behind) == (False, 2)


def test_one_on_several_components_waits_for_each() -> None:
    assert not turn(job(2, A, B), [job(1, B, started=True)], 4).may
    assert turn(job(2, A, B), [job(1, C, started=True)], 4).may


def test_only_so_many_run_at_once_and_the_earlier_goes_first() -> None:
    assert not turn(job(3, C), [job(1, A, started=True), job(2, B)], 2).may
    assert turn(job(2, B), [job(1, A, started=True), job(3, C)], 2).may


def test_a_waiting_one_takes_no_place_from_one_that_could_run() -> None:
    jobs = [job(1, A, started=True), job(2, A), job(3, B)]
    assert turn(jobs[2], jobs, 2).may


@given(
    st.lists(st.tuples(st.frozensets(st.sampled_from([A, B, C]), max_size=3), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_whatever_the_order_they_all_run_none_side_by_side_and_no_more_than_so_many(
    given_jobs: list[tuple[frozenset[ComponentKey], bool]], at_once: int, random: object
) -> None:
    waiting = {number: Waiting(number, keys, False) for number, (keys, _) in enumerate(given_jobs, 1)}
    order: list[int] = []
    while waiting:
        started = [one for one in waiting.values() if one.started]
        ready = [one for one in waiting.values() if not one.started and turn(one, waiting.values(), at_once).may]
        assert started or ready, "nobody may start: they wait for each other"
        if ready:
            chosen = random.choice(ready)  # type: ignore[attr-defined]
            assert not any(one.keys & chosen.keys for one in started)
            assert not any(one.number < chosen.number and one.keys & chosen.keys for one in waiting.values())
            waiting[chosen.number] = Waiting(chosen.number, chosen.keys, True)
            assert sum(one.started for one in waiting.values()) <= at_once
        else:
            done = random.choice(started)  # type: ignore[attr-defined]
            order.append(done.number)
            del waiting[done.number]
    assert len(order) == len(given_jobs)


def test_each_kind_of_plan_has_what_carries_it_out() -> None:
    assert set(_PERFORMERS) == {kind.value for kind in Kind}
    for module, name in _PERFORMERS.values():
        assert callable(getattr(import_module(f"dysnomia_tui.engine.operations.{module}"), name))
