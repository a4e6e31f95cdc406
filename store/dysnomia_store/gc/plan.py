"""What a garbage collection would take: a pure function of the store's state, a policy and the operator's marks.

A generation stays where any rule keeps it. Rules that count (last, hourly … yearly) count good ones only, so that a
suspicious or bad one never pushes a good one out; ``last`` keeps besides them the newest of whatever kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from dysnomia_base.sizes import size
from dysnomia_store.gc.budget import MAX_SIZE, over_budget
from dysnomia_store.gc.state import GcGeneration, GcState, micros_before, young_since
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcLine, GcPlan, GcSnapshot, Policy
from dysnomia_store.records.rules import RULES

Rules = dict[int, list[str]]
"""Why each number is kept."""
Weigh = Callable[[ComponentKey], Callable[[str], int]]
"""For a component: what gives the bytes on disk that a snapshot needs beyond those it was asked for before."""


def plan(
    states: Iterable[GcState],
    policy: Callable[[ComponentKey], Policy],
    *,
    at: datetime,
    keep: Collection[tuple[ComponentKey, int]] = (),
    drop: Collection[tuple[ComponentKey, int]] = (),
    in_use: Mapping[tuple[ComponentKey, str], str] | None = None,
    weigh: Weigh | None = None,
) -> GcPlan:
    """Decide on every generation of every component.

    Args:
        states: the components, in the order the plan names them.
        policy: what to keep of each. An empty one deletes nothing by itself: neither generations nor orphans.
        at: what time it is: pins end, and ``within`` counts back from it or from the newest good generation.
        keep, drop: the operator's marks. They overrule the policy, but never a pin, a snapshot in use, nor the last
            good generation.
        in_use: why snapshots are needed, by component and id.
        weigh: for a budget; without it what is stored of each snapshot counts whole.
    """
    lines: list[GcLine] = []
    snapshots: list[GcSnapshot] = []
    broken: list[tuple[ComponentKey, str]] = []
    digests = {}
    kept_marks, dropped_marks = frozenset(keep), frozenset(drop)
    for state in states:
        key = state.key
        rules = policy(key)
        marked_keep = frozenset(number for where, number in kept_marks if where == key)
        marked_drop = frozenset(number for where, number in dropped_marks if where == key) - marked_keep
        used = {snapshot_id: why for (where, snapshot_id), why in (in_use or {}).items() if where == key}
        why, fixed = _kept(state.generations, rules, at, marked_keep, marked_drop, used)
        over = over_budget(state, rules, why, fixed, at, weigh(key) if weigh else None)
        for number in over:
            del why[number]
        lines.extend(_lines(state, why, marked_drop, over, rules))
        snapshots.extend(_freed(state, rules, why, used))
        broken.extend((key, str(number)) for number in _broken(state, rules, marked_keep, marked_drop))
        digests[str(key)] = state.digest
    return GcPlan(
        lines=tuple(lines),
        snapshots=tuple(snapshots),
        broken_links=tuple(broken),
        freed=sum(snapshot.stored_size for snapshot in snapshots),
        at=at,
        generations=digests,
    )


def _broken(state: GcState, policy: Policy, keep: frozenset[int], drop: frozenset[int]) -> list[int]:
    """The broken links that go: those that are marked so; with a policy, all that are not marked to stay."""
    return [number for number in state.broken if (number in drop if policy.empty else number not in keep)]


def _kept(
    generations: tuple[GcGeneration, ...],
    policy: Policy,
    at: datetime,
    keep: frozenset[int],
    drop: frozenset[int],
    used: Mapping[str, str],
) -> tuple[Rules, frozenset[int]]:
    """What is kept and why, and the numbers of those that are kept for themselves, whatever the rules say."""
    by_policy: Rules = {}
    fixed: set[int] = set()
    if policy.empty:
        for gen in generations:
            by_policy[gen.number] = ["no policy"]
    elif not policy.nothing:
        _count_rules(generations, policy, at, by_policy)
    for number in drop:
        by_policy.pop(number, None)
    for gen in generations:
        reasons = list(_protected(gen, at, used, dropped=gen.number in drop, guards=not policy.nothing))
        if gen.number in keep:
            reasons.append("marked to keep")
        if reasons:
            fixed.add(gen.number)
            by_policy[gen.number] = reasons + by_policy.get(gen.number, [])
    if not policy.nothing:
        _one_good_stays(generations, by_policy)
    return by_policy, frozenset(fixed)


def _protected(
    gen: GcGeneration, at: datetime, used: Mapping[str, str], *, dropped: bool, guards: bool
) -> Iterable[str]:
    """What keeps a generation whatever the policy says. A job's hold on its guard counts where ``guards`` says so: who
    keeps nothing wants them gone, too."""
    if gen.marks is not None:
        for pin in gen.marks.pins:
            if (guards or not pin.held_by) and (pin.until is None or pin.until > at):
                until = "" if pin.until is None else f" until {pin.until.astimezone(UTC):%d %b %H:%M} UTC"
                if pin.held_by:
                    yield f"held by job {pin.held_by}{until}: {pin.why}"
                else:
                    yield f"pinned{until}: {pin.why} ({pin.who})"
        if gen.known_good and not dropped:
            yield "known good"
    if gen.unread:
        yield "its marks cannot be read: it may be pinned"
    if gen.id in used:
        yield f"in use by {used[gen.id]}"


def _one_good_stays(generations: tuple[GcGeneration, ...], rules: Rules) -> None:
    """The newest good generation stays where no other good one does; where none is good, the newest."""
    newest_good = None
    for gen in reversed(generations):
        if gen.good:
            if gen.number in rules:
                return
            newest_good = newest_good or gen
    if newest_good is not None:
        rules[newest_good.number] = ["only good one"]
    elif generations and not any(gen.number in rules for gen in generations):
        rules[generations[-1].number] = ["only one left"]


def _count_rules(generations: tuple[GcGeneration, ...], policy: Policy, at: datetime, rules: Rules) -> None:
    newest_first = generations[::-1]
    if policy.only_budget:
        for gen in newest_first:
            _add(rules, gen.number, f"{MAX_SIZE} {size(policy.max_size)}")
    good = [gen for gen in newest_first if gen.good]
    if newest_first and not policy.only_budget:
        _add(rules, newest_first[0].number, "newest")
    if policy.last > 0:
        for gen in {gen.number: gen for gen in [*newest_first[: policy.last], *good[: policy.last]]}.values():
            _add(rules, gen.number, f"last {policy.last}")
    for rule in RULES:
        count = getattr(policy, rule.name)
        if rule.period is not None and count > 0:
            _periods(good, rule.name, count, rule.period, rules)
    _ages_and_tags(generations, policy, at, rules)
    for gen in good[: policy.at_least]:
        _add(rules, gen.number, f"at least {policy.at_least}")


def _ages_and_tags(generations: tuple[GcGeneration, ...], policy: Policy, at: datetime, rules: Rules) -> None:
    for name, span in (("within", policy.within), ("min_age", policy.min_age)):
        if span is None:
            continue
        since, young = young_since(generations, at, span), micros_before(at, span)
        for gen in generations:
            if gen.until >= since:
                late = "" if gen.until >= young else " of the newest good one"
                _add(rules, gen.number, f"{name} {_words(span)}{late}")
    for gen in generations:
        tags = () if gen.marks is None else [tag for tag in gen.marks.tags if tag in policy.tagged]
        if tags:
            _add(rules, gen.number, f"tagged {', '.join(tags)}")


def _periods(good: list[GcGeneration], name: str, count: int, period: Callable[[int], int], rules: Rules) -> None:
    """Keep the newest good one of each of the last ``count`` periods that have one."""
    taken: set[int] = set()
    for gen in good:
        which = period(gen.until)
        if which not in taken:
            if len(taken) == count:
                return
            taken.add(which)
            _add(rules, gen.number, name)


def _add(rules: Rules, number: int, rule: str) -> None:
    rules.setdefault(number, []).append(rule)


def _words(span: timedelta) -> str:
    if span.days and not span.seconds:
        return f"{span.days} days"
    hours = span.total_seconds() / 3600
    return f"{hours:g} hours"


def _lines(state: GcState, kept: Rules, drop: frozenset[int], over: frozenset[int], policy: Policy) -> Iterable[GcLine]:
    for gen in state.generations:
        why = kept.get(gen.number)
        if why is None:
            reasons = ["marked to go" if gen.number in drop else "no rule keeps it"]
            if gen.number in over:
                reasons = [f"over {MAX_SIZE} {size(policy.max_size)}"]
            if gen.note:
                reasons.append(gen.note)
        yield GcLine(
            key=state.key,
            number=gen.number,
            id=gen.id,
            keep=why is not None,
            rules=tuple(why if why is not None else reasons),
            content_size=gen.content_size,
            stored_size=gen.stored_size,
        )


def _freed(state: GcState, policy: Policy, kept: Rules, used: Mapping[str, str]) -> Iterable[GcSnapshot]:
    """Snapshots that nothing kept needs; orphans only where there is a policy."""
    needed = {gen.id for gen in state.generations if gen.number in kept} | used.keys()
    linked = {gen.id for gen in state.generations}
    for snapshot_id in sorted(state.snapshots.keys() - needed):
        orphan = snapshot_id not in linked
        if orphan and policy.empty:
            continue
        yield GcSnapshot(state.key, snapshot_id, state.snapshots[snapshot_id], orphan)
