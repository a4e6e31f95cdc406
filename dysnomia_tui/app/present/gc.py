"""The GC review: the policy as it is typed, and every generation with KEEP or DELETE and the rule."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.text import Text

from dysnomia_base.durations import parse_keeping
from dysnomia_base.plurals import plural
from dysnomia_base.sizes import EXAMPLES as SIZES
from dysnomia_base.sizes import parse_size
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcLine, GcPlan, Policy
from dysnomia_store.records.rules import DURATION, RULES, SIZE, TAG
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.sizes import size
from dysnomia_tui.app.present.text import join, plain
from dysnomia_tui.app.present.times import Times

EXAMPLE = "last 7 daily 14 within 2d"
_DIGITS = 9
_RULES = {rule.name: rule for rule in RULES}
ALL = "*"
"""In a pattern of config.toml: every container, every component."""


class PolicyNotUnderstood(ValueError):
    """What was typed is no policy; the message says what would be."""


def parse_policy(typed: str) -> Policy | None:
    """``last 7 daily 14 within 2d`` (``=``, ``:`` and commas may stand between); ``""`` is None: config.toml's.

    Raises PolicyNotUnderstood.
    """
    words = re.split(r"[\s=:,]+", typed.strip())
    if words == [""]:
        return None
    if len(words) % 2:
        raise PolicyNotUnderstood(f"{_short(words[-1])} has no number: {EXAMPLE}")
    values: dict[str, Any] = {}
    for name, value in zip(words[::2], words[1::2], strict=True):
        rule = _RULES.get(name.casefold())
        if rule is None:
            raise PolicyNotUnderstood(f"{_short(name)} is not a rule: {EXAMPLE}")
        name = rule.name
        if rule.takes == DURATION:
            values[name] = _span(name, value)
        elif rule.takes == SIZE:
            values[name] = _bytes(name, value)
        elif rule.takes == TAG:
            values[name] = (*values.get(name, ()), value)
        elif not value.isdecimal() or len(value) > _DIGITS:
            raise PolicyNotUnderstood(f"{name} takes a whole number of at most {_DIGITS} digits, not {_short(value)}")
        else:
            values[name] = int(value)
    return Policy(**values)


def patterns(keys: Sequence[ComponentKey]) -> list[tuple[str, str, str]]:
    """For whom a policy that was reviewed can be saved: pattern of config.toml, title, what it is about.

    A component or container that is itself called ``*`` cannot be meant alone: there its name stands for all."""
    patterns: list[tuple[str, str, str]] = []
    if len(keys) == 1 and ALL not in (keys[0].container, keys[0].component):
        patterns.append((str(keys[0]), f"for {keys[0]}", "it alone"))
    containers = {key.container for key in keys}
    if len(containers) == 1 and ALL not in containers:
        name = next(iter(containers))
        patterns.append((f"{name}/*", f"for container {name}", "every component of it that has no policy of its own"))
    patterns.append(("*/*", "for everything", "every component that has no policy of its own, nor its container"))
    return patterns


def _span(name: str, value: str) -> timedelta:
    try:
        return parse_keeping(value)
    except ValueError:
        raise PolicyNotUnderstood(
            f"{name} takes a duration such as 36h, 2d or 1w3d (no minutes), not {_short(value)}"
        ) from None


def _bytes(name: str, value: str) -> int:
    try:
        return parse_size(value)
    except ValueError:
        raise PolicyNotUnderstood(f"{name} takes a size such as {SIZES}, not {_short(value)}") from None


def _short(value: str) -> str:
    """What was typed, cut where it would fill the screen."""
    return repr(value if len(value) <= 24 else f"{value[:24]}…")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the review: a generation, or the head of a component with its subtotal (``line`` None)."""

    key: ComponentKey
    line: GcLine | None
    as_of: datetime | None = None
    marked: str = ""
    """The operator's own word on it: ``keep``, ``delete`` or ``""``."""
    subtotal: Text | None = None


def entry_key(entry: Entry) -> Hashable:
    return entry.key, entry.line.number if entry.line is not None else 0


def entry_words(entry: Entry) -> str:
    if entry.line is None:
        return str(entry.key)
    word = "keep" if entry.line.keep else "delete"
    return f"{entry.key} {entry.line.number} {entry.line.id} {word} {' '.join(entry.line.rules)}"


def entries(
    plan: GcPlan,
    as_of: dict[tuple[ComponentKey, int], datetime],
    keep: frozenset[tuple[ComponentKey, int]],
    drop: frozenset[tuple[ComponentKey, int]],
) -> list[Entry]:
    """The review's lines, newest generation first, each component under its head."""
    by_key: dict[ComponentKey, list[GcLine]] = {}
    for line in plan.lines:
        by_key.setdefault(line.key, []).append(line)
    freed = Counter[ComponentKey]()
    for snapshot in plan.snapshots:
        freed[snapshot.key] += snapshot.stored_size
    shown: list[Entry] = []
    for key, lines in by_key.items():
        if len(by_key) > 1:
            shown.append(Entry(key, None, subtotal=_subtotal(key, lines, freed[key])))
        for line in sorted(lines, key=lambda one: one.number, reverse=True):
            where = (key, line.number)
            marked = "keep" if where in keep else "delete" if where in drop else ""
            shown.append(Entry(key, line, as_of.get(where), marked))
    return shown


def _subtotal(key: ComponentKey, lines: Sequence[GcLine], freed: int) -> Text:
    deleted = sum(1 for line in lines if not line.keep)
    kept = plain(f"keep {len(lines) - deleted}", styles.GOOD)
    going = plain(f"delete {deleted}", styles.BAD if deleted else styles.DIM)
    return join([plain(str(key), styles.STRONG), kept, going, plain(size(freed) if freed else "", styles.WARN)], "  ")


def columns(cells: int, times: Times) -> tuple[Column[Entry], ...]:
    """Word, number, as-of, sizes, and the rule."""
    rule = max(cells - 44, 10)
    shown: list[Column[Entry]] = [
        Column("word", "", 8, _word, gap=0),
        Column("number", "#", 5, lambda entry: _of(entry, lambda line: str(line.number)), align="right"),
        Column("as-of", "as of", 13, lambda entry: plain(times.short(entry.as_of) if entry.as_of else "")),
        Column(
            "stored",
            "stored",
            6,
            lambda entry: _of(entry, lambda line: size(line.stored_size), styles.DIM),
            align="right",
        ),
        Column("id", "id", 7, lambda entry: _of(entry, lambda line: line.id[:7], styles.DIM)),
        Column("rule", "why", rule, _rule, flex=1),
    ]
    return tuple(column for column in shown if cells >= 64 or column.id != "id")


def _of(entry: Entry, words: object, style: str = "") -> Text:
    return plain(words(entry.line), style) if entry.line is not None and callable(words) else Text("")


def _word(entry: Entry) -> Text:
    if entry.line is None:
        return Text("")
    if entry.line.keep:
        return plain("● KEEP", styles.GOOD)
    return plain("✗ DELETE", styles.BAD)


def head_line(entry: Entry) -> Text:
    """The head of a component, over the whole line."""
    return join([plain("▾"), entry.subtotal or plain(str(entry.key), styles.STRONG)])


def _rule(entry: Entry) -> Text:
    if entry.line is None:
        return Text("")
    rules = plain("; ".join(entry.line.rules), styles.DIM if entry.line.keep else styles.PLAIN)
    overruled = (entry.marked == "delete" and entry.line.keep) or (entry.marked == "keep" and not entry.line.keep)
    mark = plain(f"[you: {entry.marked}{', but' if overruled else ''}]", styles.MARK) if entry.marked else Text("")
    return join([mark, rules])


def placeholder(columns: int) -> str:
    """What stands in the line of the policy while none is typed, in a terminal of so many columns."""
    words = "what config.toml says; e types another"
    whole = f"{words}: {EXAMPLE}"
    return whole if len(whole) + 9 <= columns else words


def takes_something(plan: GcPlan) -> bool:
    """Whether anything would be collected: generations, snapshots of none, or links that lead nowhere."""
    return bool(plan.dropped or plan.snapshots or plan.broken_links)


def totals(plan: GcPlan, until: datetime | None, times: Times) -> Text:
    """``would delete 12 of 40: 310,000 bytes to the trash, freed after 29 Nov 14:05``: in one line of 80."""
    deleted = len(plan.dropped)
    orphans = sum(1 for snapshot in plan.snapshots if snapshot.orphan)
    if not takes_something(plan):
        return plain("nothing would be deleted", styles.GOOD)
    what = plain(f"would delete {deleted} of {len(plan.lines)}", styles.STRONG)
    exact = plain(f"{plan.freed:,} bytes", styles.WARN)
    how = "freed at once, for good" if until is None else f"to the trash, freed after {times.short(until).strip()}"
    parts = [what, join([exact, plain(how)])]
    if orphans:
        parts.append(plain(plural(orphans, "orphan"), styles.DIM))
    if plan.broken_links:
        parts.append(plain(plural(len(plan.broken_links), "link") + " to a missing snapshot", styles.DIM))
    return join(parts, ": ") if len(parts) == 2 else join([join(parts[:2], ": "), *parts[2:]], "; ")
