"""A group on the main screen: what its line, and the panes beside it, tell. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.text import Text

from dysnomia_base.durations import format_duration
from dysnomia_base.plurals import plural
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.sizes import age
from dysnomia_tui.app.present.text import cut_middle, fit, join, plain, width
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.engine.records import ComponentView, GroupView, Health

GLYPH = "◆"
WIDEST_NAME = 40


def as_bad(group: GroupView) -> int:
    """How many components are as the worst of them."""
    bad = sum(view.health is group.health for view in group.components)
    return bad + (len(group.missing) if group.health is Health.GONE else 0)


def states(group: GroupView) -> list[Text]:
    """How its worst component is, and how many are so; then with less of it."""
    look = styles.HEALTH[group.health]
    bad, of = as_bad(group), len(group.keys)
    word = plain(look.word, look.style)
    return [join([word, plain(f"{of}" if bad == of else f"{bad}/{of}", styles.DIM)]), word]


def lead(group: GroupView) -> Text:
    """Its glyph, in the colour of its health."""
    return plain(GLYPH, styles.HEALTH[group.health].style or styles.STRONG)


def words(group: GroupView) -> str:
    """What a filter looks in."""
    return " ".join(["group", group.name, group.health.value, *map(str, group.keys)])


def heading(group: GroupView) -> Text:
    """The second pane's title: ``shop: 1 of 3 stale``."""
    bad, of = as_bad(group), len(group.keys)
    which = f"all {of}" if bad == of else f"{bad} of {of}"
    return plain(f"{group.name}: {which} {styles.HEALTH[group.health].word}")


def told(group: GroupView, times: Times, keys: Sequence[tuple[str, str]], cells: int) -> list[Text]:
    """The second pane: a line a component, then what the keys do here."""
    named = min(max((width(str(key)) for key in group.keys), default=0), WIDEST_NAME, max(cells // 2, 12))
    known = {view.key: view for view in group.components}
    lines = [plain(f"{plural(len(group.keys), 'component')}, restored as one in this order:")]
    lines += [_member(str(key), known.get(key), times, named) for key in group.keys]
    lines += [Text(""), *(join([fit(plain(key, styles.KEY), 6), plain(what)]) for key, what in keys)]
    return lines


def _member(name: str, view: ComponentView | None, times: Times, cells: int) -> Text:
    look = styles.HEALTH[view.health if view is not None else Health.GONE]
    parts = [plain(look.glyph, look.style), fit(plain(cut_middle(name, cells)), cells), plain(look.word, look.style)]
    good = view.newest_good if view is not None else None
    if good is not None:
        since = age(times.now - good.unchanged_until)
        parts.append(plain(f"{good.number}, {'just now' if since == 'now' else f'{since} old'}", styles.DIM))
    return join(parts)


def settings(group: GroupView) -> list[Text]:
    """The third pane: what config.toml says of it."""
    limit = format_duration(group.time_limit)
    lines = []
    for name, argv in (("before", group.before), ("after", group.after)):
        program = f"{shlex.join(argv)}, within {limit}" if argv else "no program"
        lines.append(join([fit(plain(name, styles.DIM), 6), plain(program)]))
    problems = [f"{view.key}: {view.problem}" for view in group.components if view.problem]
    problems += [f"{key}: not configured, not in the store" for key in group.missing]
    return [*(plain(f"! {text}", styles.WARN) for text in problems), *lines]
