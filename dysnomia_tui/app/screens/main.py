"""The main screen: components, generations, what is in the one under the cursor.

The panes hold what they show; this joins them: the cursor of one decides what the next is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.text import Text
from textual import on
from textual.widget import Widget

from dysnomia_store.model import Generation, Section
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcPlan, Policy
from dysnomia_tui.app.actions.registry import bindings, key_name
from dysnomia_tui.app.controllers.base import Controller
from dysnomia_tui.app.controllers.changes import Changes
from dysnomia_tui.app.controllers.elsewhere import Elsewhere
from dysnomia_tui.app.controllers.finding import Finding
from dysnomia_tui.app.controllers.remarks import Remarks
from dysnomia_tui.app.controllers.taking_out import TakingOut
from dysnomia_tui.app.panes.components import ComponentsPane
from dysnomia_tui.app.panes.detail import DetailPane
from dysnomia_tui.app.panes.generations import GenerationsPane
from dysnomia_tui.app.panes.moving import Panes
from dysnomia_tui.app.present import components, condition, detail, group_row, header, welcome
from dysnomia_tui.app.present.components import TreeRow
from dysnomia_tui.app.present.text import escaped
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.screens.base import ZOOM, DysnomiaScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.lines import LinesView
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine.records import GroupView

CONTROLLERS: tuple[type[Controller], ...] = (Elsewhere, Changes, Remarks, Finding, TakingOut)


VERY_WIDE = 160
"""Columns of a terminal from which the tree grows."""


class MainScreen(DysnomiaScreen):
    """Three panes: 1 components, 2 generations, 3 one generation."""

    CARRIERS = (Panes, *CONTROLLERS)
    SCOPE = "main"
    BINDINGS = bindings("main", "everywhere")
    AUTO_FOCUS = "#tree"
    DEFAULT_CSS = """
    MainScreen #panes { height: 1fr; }
    MainScreen #tree { width: 25; height: 100%; border: round $border-blurred; }
    MainScreen #right { width: 1fr; height: 100%; }
    MainScreen #generations { height: 1fr; border: round $border-blurred; }
    MainScreen #welcome { display: none; height: 1fr; border: round $border-blurred; }
    MainScreen #told { display: none; height: 1fr; border: round $border-blurred; }
    MainScreen.-told #told { display: block; }
    MainScreen.-told #generations { display: none; }
    MainScreen.-bare #welcome { display: block; }
    MainScreen.-bare #generations, MainScreen.-bare #told { display: none; }
    MainScreen #detail { height: 8; border: round $border-blurred; }
    MainScreen #panes VirtualTable { border-title-color: $text-muted; border-subtitle-color: $text-disabled;
        scrollbar-size: 0 0; }
    MainScreen #panes VirtualTable:focus { border: round $primary; border-title-color: $text;
        border-title-style: bold; }
    MainScreen:ansi #panes VirtualTable:focus { border: heavy ansi_default; }
    MainScreen.-wide #tree { width: 34; }
    MainScreen.-wide #tree.-grown { width: 52; }
    MainScreen.-wide #panes VirtualTable { scrollbar-size-vertical: 1; }
    MainScreen.-tall #detail { height: 40%; }
    MainScreen.-short #detail { display: none; }
    MainScreen.-short.-pane-3 #detail { display: block; height: 1fr; }
    MainScreen.-short.-pane-3 #generations, MainScreen.-short.-pane-3 #told { display: none; }
    MainScreen.-narrow #tree { width: 100%; display: none; }
    MainScreen.-narrow.-pane-1 #tree { display: block; }
    MainScreen.-narrow.-pane-1 #right { display: none; }
    MainScreen.-zoom #tree { width: 100%; display: none; }
    MainScreen.-zoom.-pane-1 #tree { display: block; }
    MainScreen.-zoom.-pane-1 #right { display: none; }
    MainScreen.-zoom.-pane-2 #detail { display: none; }
    MainScreen.-zoom.-pane-3 #detail { display: block; height: 1fr; }
    MainScreen.-zoom.-pane-3 #generations, MainScreen.-zoom.-pane-3 #told { display: none; }
    """

    def __init__(self) -> None:
        super().__init__(classes="-pane-1")
        self.panes = Panes()
        self._controllers = tuple(controller(self) for controller in CONTROLLERS)
        self._stamp: object = None
        self._told_of: str | ComponentKey | None = None

    def compose_body(self) -> Iterable[Widget]:
        yield self.panes

    def carriers(self) -> Sequence[object]:
        return (self, self.panes, *self._controllers)

    @property
    def units(self) -> ComponentsPane:
        return self.panes.units

    @property
    def list(self) -> GenerationsPane:
        return self.panes.generations

    @property
    def told(self) -> LinesView:
        return self.panes.told

    @property
    def detail(self) -> DetailPane:
        return self.panes.detail

    # --- where the operator is ----------------------------------------------------------------------------------

    def here(self) -> Selection:
        row = self.units.item if self.units.is_attached else None
        if row is None:
            return Selection()
        generation = self.list.item if row.component is not None and self.list.of == row.key else None
        picked, discovered = self.units.meant if self.focused is self.units else ((), ())
        return Selection(
            container=row.container,
            component=row.component,
            found=row.found,
            application=row.application,
            group=row.group,
            generation=generation,
            marks=self.list.marked,
            picked=picked,
            picked_found=discovered,
        )

    def listed(self) -> Sequence[Generation]:
        return self.list.items

    def section(self) -> Section | None:
        return self.detail.section

    def show_component(self, key: ComponentKey, number: int | None = None) -> None:
        """Put the cursor on a component, and on one of its generations."""
        # Wanted before the cursor moves: the move may read the component at once.
        self.list.want(key, number)
        if not self.units.find(key, self.services.state):
            self.list.want_nothing()
            return
        self.panes.go_to(self.units if number is None else self.list)

    def show_group(self, name: str) -> None:
        """Put the cursor on a group."""
        if self.units.find_group(name, self.services.state):
            self.panes.go_to(self.units)

    # --- state -> panes -----------------------------------------------------------------------------------------

    def on_state(self, state: AppState) -> None:
        self.units.fill(state)
        self._welcome(state)
        self._follow(self.units.item)

    def on_times(self, times: Times) -> None:
        self._lay_out()
        self._describe(self.units.item)
        self._draw_detail()

    def on_mount(self) -> None:
        self._lay_out()

    def on_resize(self) -> None:
        self._grow()

    def show_pane(self, widget: Widget) -> None:
        """CSS shows it, by the classes of the screen."""
        self._grow()

    def _grow(self) -> None:
        """A terminal as wide as a wall has room for whole names in the tree."""
        self.units.set_class(self.app.size.width >= VERY_WIDE and not self.has_class(ZOOM), "-grown")

    def _lay_out(self) -> None:
        times = self.services.times
        self.units.lay_out(times)
        self.list.lay_out(times)

    def _welcome(self, state: AppState) -> None:
        bare = state.overview is not None and not state.overview.containers
        self.set_class(bare, "-bare")
        if bare:
            self.panes.welcome.border_title = "Welcome"
            self.panes.welcome.show(lambda _cells: welcome.lines(state))

    @on(VirtualTable.Highlighted, "#tree")
    def _row_changed(self, event: VirtualTable.Highlighted) -> None:
        self._follow(event.item)

    def _follow(self, row: TreeRow | None) -> None:
        """Show what the row under the tree's cursor stands for."""
        key = row.component.key if row is not None and row.component is not None else None
        state = self.services.state
        jobs = [job.id for job in state.jobs if key in job.keys and job.state.ended]
        stamp = (key, row.component if row is not None else None, tuple(jobs))
        if key != self.list.of:
            self.list.show_component(key, self.services.times)
        if key is not None and stamp != self._stamp:
            self.services.client.ask(
                "generations",
                lambda engine: (key, engine.generations(key)),
                self._have_generations,
                self.list.have_not,
            )
        self._stamp = stamp
        self.services.poller.attend(key)
        self._describe(row)
        if key is None or self.list.item is None:
            self._draw_detail()

    def _have_generations(self, answer: tuple[ComponentKey, tuple[Generation, ...]]) -> None:
        if self.list.have(*answer, self.services.times):
            self._describe(self.units.item)
            self._draw_detail()
            self.services.actions.run_kept()
            key = answer[0]
            self.services.client.ask("alone", lambda engine: (key, engine.alone(key)), self._have_alone)

    def _have_alone(self, answer: tuple[ComponentKey, Mapping[str, int]]) -> None:
        if self.list.have_alone(*answer, self.services.times):
            self._draw_detail()

    def _describe(self, row: TreeRow | None) -> None:
        container = row.container if row is not None else None
        view = row.component if row is not None else None
        state = self.services.state
        probe = state.probes.get(container.name) if container is not None else None
        known = state.conditions.get(view.key) if view is not None else None
        heading = escaped(f"2 {components.heading(view, container, probe, known).plain}")
        self.list.border_title = self.told.border_title = heading
        if row is not None and row.group is not None:
            self._describe_group(row, row.group)
            return
        lines: Sequence[Text] = ()
        if view is not None and view.stateless and not view.generations:
            lines = condition.told(view, known, self.services.times)
        elif view is None and container is not None:
            lines = condition.container_told(container, probe)
        elif row is not None and row.key == components.FOUND:
            lines = detail.found_list(state.not_adopted())
            self.told.border_title = "2 found, not adopted"
        self.panes.tell(bool(lines))
        self.told.show(lambda _cells: lines, top=row is None or row.key != self._told_of)
        self._told_of = row.key if row is not None else None
        self._show_position()
        self.set_path(self._path(row))

    def _describe_group(self, row: TreeRow, group: GroupView) -> None:
        self.list.border_title = self.told.border_title = escaped(f"2 {group_row.heading(group).plain}")
        self.panes.tell(True)
        times, key_of = self.services.times, self.services.key_of
        keys = [
            (key_name("enter"), "where every component stands"),
            (key_of("time"), "a time: where each stood; all can go back"),
            (key_of("snapshot"), "snapshots all of it at once"),
            (key_of("undo"), "undoes the last restore of all of it"),
        ]
        self.told.show(lambda cells: group_row.told(group, times, keys, cells), top=row.key != self._told_of)
        self._told_of = row.key
        self._show_position()
        self.set_path(self._path(row))

    def _path(self, row: TreeRow | None) -> str:
        if row is not None and row.group is not None:
            return f"group {row.group.name}"
        if row is None or row.container is None:
            return ""
        parts = [row.container.name]
        if row.component is not None:
            parts.append(row.component.key.component)
            if self.list.item is not None:
                parts.append(str(self.list.item.number))
        return "/".join(parts)

    def _show_position(self) -> None:
        self.units.show_filter()
        self.list.show_position(wide=self.has_class("-wide"))

    @on(VirtualTable.Highlighted, "#generations")
    def _generation_changed(self) -> None:
        self._describe(self.units.item)
        self._draw_detail(top=True)

    def _draw_detail(self, *, top: bool = False) -> None:
        row = self.units.item
        generation = self.list.item if row is not None and row.component is not None else None
        alone = self.list.alone(generation) if generation is not None else None
        self.detail.draw(row, generation, alone, top=top)

    # --- marks --------------------------------------------------------------------------------------------------

    @on(VirtualTable.MarksChanged, "#generations")
    def _marks_changed(self) -> None:
        key = self.list.of
        if key is None:
            return
        numbers = self.list.keep_marks()
        self.set_path(self._path(self.units.item), header.marked(len(numbers), None) if numbers else self._picked())
        if numbers:
            drop = [(key, number) for number in sorted(numbers)]
            self.services.client.ask(
                "marks",
                lambda engine: engine.gc_review([key], Policy(), drop=drop),
                lambda plan: self._have_freed(key, numbers, plan),
                self._no_freed,
            )

    @on(VirtualTable.MarksChanged, "#tree")
    def _tree_marks_changed(self) -> None:
        self.set_path(self._path(self.units.item), self._picked())

    def _picked(self) -> Text:
        """What is marked in the tree, and the keys for it."""
        keys = [self.services.key_of(name) for name in ("snapshot", "verify", "gc", "adopt")]
        picked, discovered = self.units.meant
        return header.picked(len(picked), len(discovered), keys)

    def unmark_tree(self) -> None:
        """What is marked in the tree has been taken."""
        self.units.act_unmark()

    def _have_freed(self, key: ComponentKey, numbers: frozenset[int], plan: GcPlan) -> None:
        if key == self.list.of and tuple(sorted(numbers)) == self.list.marked:
            freed = sum(snapshot.stored_size for snapshot in plan.snapshots if not snapshot.orphan)
            stay = [line for line in plan.lines if line.keep and line.number in numbers]
            why = f"; {len(stay)} would stay ({stay[0].rules[0] if stay[0].rules else 'kept'})" if stay else ""
            self.set_path(self._path(self.units.item), header.marked(len(numbers), freed, stay=why))

    def _no_freed(self, problem: str) -> None:
        self.set_path(self._path(self.units.item), header.marked(len(self.list.marked), None, problem))

    # --- choosing -------------------------------------------------------------------------------------------------

    @on(VirtualTable.Chosen, "#tree")
    def _tree_chosen(self, event: VirtualTable.Chosen) -> None:
        row: TreeRow = event.item
        if row.found is not None or row.application is not None:
            self.services.actions.perform_id("adopt")
        elif row.group is not None:
            self.services.go.whole(row.group.name)
        elif row.is_component:
            self.panes.go_to(self.panes.second)
        elif row.key == components.DEMO:
            self.services.actions.perform_id("demo")
        else:
            self.units.fold(row, self.services.state)

    @on(VirtualTable.Chosen, "#generations")
    def _generation_chosen(self) -> None:
        self.panes.go_to(self.detail)

    @on(VirtualTable.Chosen, "#detail")
    def _section_chosen(self) -> None:
        self.services.actions.perform_id("browse")

    def act_browse(self) -> None:
        generation = self.list.item
        if generation is not None:
            self.services.go.browse(generation.key, generation.number, self.detail.section)

    # --- back -----------------------------------------------------------------------------------------------------

    def act_back(self) -> None:
        """A filter first, then the marks of the tree, then one pane to the left; never out of the app."""
        if self.take_back():
            self._show_position()
        elif self.focused is self.units and self.units.marks:
            self.units.act_unmark()
        else:
            self.panes.one_back()

    def act_quit(self) -> None:
        self.services.exit()
