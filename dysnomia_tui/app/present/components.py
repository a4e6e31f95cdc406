"""The first pane: containers, their components, and what was found and is not adopted."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import group_row, styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.sizes import age, size
from dysnomia_tui.app.present.text import cut_middle, join, plain, width
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.state import AppState
from dysnomia_tui.engine.engine import SLOW
from dysnomia_tui.engine.records import (
    Application,
    ComponentView,
    Condition,
    ContainerView,
    Found,
    GroupView,
    Health,
    Probe,
)

FOUND = "?"
"""The key of the line above what was found."""
DEMO = "demo"
"""The key of the line that opens the demo, where nothing is configured."""


@dataclass(frozen=True, slots=True)
class TreeRow:
    """One line of the pane: a group, a container, a component, the heading of what was found, or one of those."""

    key: str | ComponentKey
    container: ContainerView | None = None
    component: ComponentView | None = None
    found: Found | None = None
    application: Application | None = None
    probe: Probe | None = None
    open: bool = True
    group: GroupView | None = None

    @property
    def is_component(self) -> bool:
        return self.component is not None


def tree(state: AppState, closed: Collection[str]) -> list[TreeRow]:
    """The lines: groups, then containers in the order of the configuration."""
    rows = [TreeRow(group_key(group.name), group=group) for group in state.groups()]
    for container in state.containers():
        is_open = container.name not in closed
        probe = state.probes.get(container.name)
        rows.append(TreeRow(container.name, container, probe=probe, open=is_open))
        if is_open:
            rows.extend(
                TreeRow(view.key, container, view, probe=state.own.get(view.key)) for view in container.components
            )
    drafts = found_rows(state)
    if drafts:
        is_open = FOUND not in closed
        rows.append(TreeRow(FOUND, open=is_open))
        rows.extend(drafts if is_open else ())
    if state.overview is not None and not state.overview.containers and state.found is not None:
        rows.append(TreeRow(DEMO))
    return rows


def group_key(name: str) -> str:
    """The key of a group's line: no container is called so."""
    return f"group/{name}"


def found_rows(state: AppState) -> list[TreeRow]:
    """What could be adopted."""
    if state.overview is None:
        return []  # else the cursor, which is for the first component, would be on one of these
    applications = [TreeRow(f"?application/{item.name}", application=item) for item in state.applications]
    return applications + [
        TreeRow(f"?{item.type}/{item.container}/{item.component}", found=item) for item in state.not_adopted()
    ]


def columns(cells: int, times: Times) -> Sequence[Column[TreeRow]]:
    """The pane's line, drawn to its width; its first cell gives way to the mark."""
    return (
        Column("mark", "", 1, lambda row: line(row, times, cells)[:1], gap=0, is_mark=True),
        Column("name", "", max(cells, 10) - 1, lambda row: line(row, times, cells)[1:], gap=0),
    )


def meant(rows: Sequence[TreeRow], marks: Collection[Hashable]) -> tuple[tuple[ComponentView, ...], tuple[Found, ...]]:
    """What marked lines stand for: components, those of containers and groups too; and what was found."""
    views: dict[ComponentKey, ComponentView] = {}
    discovered: list[Found] = []
    for row in rows:
        of_all = row.found is not None and FOUND in marks
        if row.key not in marks and not of_all:
            continue
        if row.found is not None:
            discovered.append(row.found)
        elif row.component is not None:
            views[row.component.key] = row.component
        elif row.group is not None:
            views |= {view.key: view for view in row.group.components}
        elif row.container is not None:
            views |= {view.key: view for view in row.container.components}
    return tuple(views.values()), tuple(discovered)


def words(row: TreeRow) -> str:
    """What a filter looks in."""
    parts = [str(row.key)]
    if row.container is not None:
        parts += [row.container.name, row.container.type]
    if row.component is not None:
        parts += [row.component.health.value, row.component.problem, *row.component.labels]
    if row.found is not None:
        parts += [row.found.type, row.found.detail, "found"]
    if row.application is not None:
        parts += [row.application.title, row.application.config, "application", "found"]
    if row.group is not None:
        parts.append(group_row.words(row.group))
    return " ".join(parts)


def line(row: TreeRow, times: Times, cells: int) -> Text:
    """One line of the pane, its state at the right."""
    if row.group is not None:
        return _spread(group_row.lead(row.group), row.group.name, group_row.states(row.group), cells, styles.STRONG)
    if row.component is not None:
        states = _component_state(row.component, row.probe, times)
        return _spread(_lead(row.component, row.probe), row.component.key.component, states, cells)
    if row.container is not None:
        arrow = plain("▾" if row.open else "▸")
        return _spread(arrow, row.container.name, _container_state(row), cells, styles.STRONG)
    if row.found is not None:
        look = styles.HEALTH[Health.FOUND]
        state = plain(size(row.found.size) if row.found.readable else "locked", styles.DIM)
        kinds = (row.found.type.removesuffix("-database"), row.found.type.partition("-")[0])
        states = [*(join([plain(kind, styles.DIM), state], "  ") for kind in kinds), state]
        return _spread(plain(f" {look.glyph}", look.style), row.found.component, states, cells)
    if row.application is not None:
        look = styles.HEALTH[Health.FOUND]
        state = plain("application", styles.DIM)
        return _spread(plain(f" {look.glyph}", look.style), row.application.title, [state, Text("")], cells)
    if row.key == DEMO:
        return _spread(plain("▸", styles.INFO), "try the demo", [Text("")], cells, styles.INFO)
    return _spread(plain("▾" if row.open else "▸"), "found, not adopted", [Text("")], cells, styles.STRONG)


def _spread(lead: Text, name: str, states: Sequence[Text], cells: int, style: str = "") -> Text:
    """Lead, name and state in one line: the fullest state that leaves the name whole, else the briefest, and then the
    name gives way in its middle."""
    whole = cells - lead.cell_len - width(name) - 2
    state = next((state for state in states if state.cell_len <= whole), states[-1])
    room = max(cells - lead.cell_len - state.cell_len - 2, 4)
    shown = cut_middle(name, room)
    line = join([lead, plain(shown, style)])
    gap = cells - line.cell_len - state.cell_len
    if gap < 1:
        return line
    line.append(" " * gap)
    line.append_text(state)
    return line


def _lead(view: ComponentView, own: Probe | None) -> Text:
    look = styles.HEALTH[Health.BUSY] if view.job else styles.HEALTH[view.health]
    if _says(view, own) and own is not None and own.broken:
        look = styles.HEALTH[Health.FAILED]
    return plain(f" {look.glyph}", look.style)


def _says(view: ComponentView, own: Probe | None) -> bool:
    """Whether a component in good health has a word of its own for how it is."""
    return view.health is Health.OK and own is not None and own.word != ""


def _component_state(view: ComponentView, own: Probe | None, times: Times) -> list[Text]:
    """Label, health, age of the newest and number of generations; then with less of it."""
    look = styles.HEALTH[view.health]
    word = plain(look.word, look.style)
    if own is not None and _says(view, own):
        word = plain(own.word.upper() if own.broken else own.word, styles.BAD if own.broken else look.style)
    newest = view.newest
    since = ""
    if newest is not None and view.health in (Health.OK, Health.STALE, Health.BUSY):
        since = f"{age(times.now - newest.unchanged_until):>3}"
    labels = [plain(label, "bold red") for label in view.labels if label == "PROD"]
    if view.health is Health.UNKNOWN:
        return [join([*labels, word]), word]
    count = plain("  -" if view.stateless and not view.generations else f"{view.generations:>3}", styles.DIM)
    return [
        join([*labels, word, plain(since), count]),
        join([*labels, word, plain(since.strip()), count]),
        join([*labels, word, count]),
        join([*labels, word]),
    ]


def _container_state(row: TreeRow) -> list[Text]:
    """Clients, version and whether it is up; then with less of it: the version's number says most."""
    if row.container is not None and row.container.problem:
        return [plain("! error", styles.BAD)]
    probe = row.probe
    if probe is None:
        return [plain("…", styles.DIM)]
    if not probe.up:
        return [plain("not answering" if _silent(probe) else "down", styles.BAD)]
    clients = plain(f"{probe.clients}⇄", styles.DIM) if probe.clients else Text("")
    version = plain(probe.version, styles.DIM)
    number = plain(probe.version.partition(" ")[0], styles.DIM)
    up = plain(SLOW, styles.WARN) if probe.word == SLOW else plain("up", styles.GOOD)
    return [join([clients, version, up]), join([clients, number, up]), join([number, up]), join([clients, up]), up]


def _silent(probe: Probe) -> bool:
    return "not answer" in probe.detail or "no answer" in probe.detail


def heading(
    view: ComponentView | None,
    container: ContainerView | None,
    probe: Probe | None,
    condition: Condition | None = None,
) -> Text:
    """The second pane's title: ``orders: up, 7 clients``; of a container ``15/main: up, 15.4``.

    Size and clients are a component's own: its container's are those of all of them."""
    if view is None:
        if container is None:
            return plain("Generations")
        up = _up(probe) if not container.problem else "error"
        return plain(", ".join(filter(None, (f"{container.name}: {up}", probe.version if probe and probe.up else ""))))
    own = condition.probe if condition is not None else probe
    status = condition.status.word if condition is not None else ""
    parts = [status or _up(own)]
    alone = container is not None and len(container.components) == 1
    if own is not None and own.up and (condition is not None or alone):
        if own.clients is not None:
            parts.append(plural(own.clients, "client"))
        if own.size is not None:
            parts.append(f"{size(own.size)} live")
    if own is not None and not own.up and not status and own.detail:
        parts.append(own.detail)  # a server that is down, a file that is not there: what an operator looks for
    if not view.active:
        parts = ["garbage" if view.garbage else "inactive"]
        if status not in ("", "not installed", "inactive"):
            parts.append(f"and yet {status}")
    return plain(f"{view.key.component}: {', '.join(parts)}")


def _up(probe: Probe | None) -> str:
    if probe is None:
        return "…"
    if probe.word == SLOW:
        return SLOW
    return "up" if probe.up else "not answering" if _silent(probe) else "down"
