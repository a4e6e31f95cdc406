"""The main screen: components, generations, what is in the one under the cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual import events, on
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from dysnomia_store.model import Generation, Section
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcPlan, Policy
from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.present import components, condition, detail, generations, header, welcome
from dysnomia_tui.app.present.components import TreeRow
from dysnomia_tui.app.present.detail import Contents
from dysnomia_tui.app.present.text import escaped
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.reading import read_contents
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.screens.main_actions import MainActions
from dysnomia_tui.app.screens.main_panes import PANES, MainPanes
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.lines import LinesView
from dysnomia_tui.app.widgets.virtual_table import VirtualTable


class MainScreen(MainPanes, MainActions, DysnomiaScreen):
    """Three panes: 1 components, 2 generations, 3 one generation."""

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
    MainScreen.-wide #panes VirtualTable { scrollbar-size-vertical: 1; }
    MainScreen.-tall #detail { height: 40%; }
    MainScreen.-short #detail { display: none; }
    MainScreen.-short.-pane-3 #detail { display: block; height: 1fr; }
    MainScreen.-short.-pane-3 #generations, MainScreen.-short.-pane-3 #told { display: none; }
    MainScreen.-narrow #tree { width: 100%; display: none; }
    MainScreen.-narrow.-pane-1 #tree { display: block; }
    MainScreen.-narrow.-pane-1 #right { display: none; }
    """

    def __init__(self) -> None:
        super().__init__(classes="-pane-1")
        self._folded: set[str] = set()
        self._known: dict[ComponentKey, tuple[Generation, ...]] = {}
        self._contents: dict[tuple[ComponentKey, int, str], Contents] = {}
        self._marks: dict[ComponentKey, frozenset[int]] = {}
        self._stamp: object = None
        self._shown_key: ComponentKey | None = None
        self._sections: dict[int, Section] = {}
        self._told_of: str | ComponentKey | None = None
        self._wanted: tuple[ComponentKey, int | None] | None = None

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="panes"):
            yield VirtualTable[TreeRow](
                key=lambda row: row.key,
                words=components.words,
                head=False,
                widget_id="tree",
                empty="reading the store…",
            )
            with Vertical(id="right"):
                yield VirtualTable[Generation](
                    key=lambda g: g.number, words=generations.words, markable=True, widget_id="generations"
                )
                yield LinesView(widget_id="told")
                yield LinesView(widget_id="welcome")
                yield LinesView(widget_id="detail")

    # --- where the operator is ----------------------------------------------------------------------------------

    def here(self) -> Selection:
        if self.query_one_optional("#tree") is None:
            return Selection()
        row = self.units.item
        if row is None:
            return Selection()
        generation = self.list.item if row.component is not None and self._shown_key == row.key else None
        return Selection(
            container=row.container,
            component=row.component,
            found=row.found,
            generation=generation,
            marks=self._marked(),
        )

    def _generations(self) -> Sequence[Generation]:
        return self.list.items

    def _marked(self) -> tuple[int, ...]:
        return tuple(sorted(self._marks.get(self._shown_key, ()))) if self._shown_key is not None else ()

    def show_component(self, key: ComponentKey, number: int | None = None) -> None:
        """Put the cursor on a component, and on one of its generations."""
        self._folded.discard(key.container)
        self.units.set_filter("")
        self._fill_tree(self.dysnomia.state)
        self._wanted = (key, number)
        if not self.units.go_to(key):
            self._wanted = None
            return
        if self._shown_key == key and number is not None:
            self.list.set_filter("")
            self.list.go_to(number)
        self.go_to_pane(self.units if number is None else self.list)

    # --- state -> panes -----------------------------------------------------------------------------------------

    def on_state(self, state: AppState) -> None:
        self._fill_tree(state)
        self._follow(self.units.item)

    def on_times(self, times: Times) -> None:
        self._set_columns()
        self._describe(self.units.item)
        self._draw_detail()

    def on_resize(self) -> None:
        self.call_after_refresh(self._set_columns)

    def _set_columns(self) -> None:
        times = self.dysnomia.times
        self.units.set_columns(components.columns(self.units.scrollable_content_region.width, times))
        known = self._known.get(self._shown_key, ()) if self._shown_key is not None else ()
        digits = len(str(max((generation.number for generation in known), default=0)))
        self.list.set_columns(generations.columns(self.list.scrollable_content_region.width, times, digits))

    def _fill_tree(self, state: AppState) -> None:
        rows = components.tree(state, self._folded)
        first = self.units.item is None
        to = next((row.key for row in rows if row.is_component or row.found is not None), None) if first else None
        self.units.set_empty(Text(welcome.waiting(state), style="dim"))
        if rows != list(self.units.items):
            self.units.set_items(rows, to=to)
        self.units.border_title = "1 Components"
        bare = state.overview is not None and not state.overview.containers
        self.set_class(bare, "-bare")
        if bare:
            welcome_pane = self.query_one("#welcome", LinesView)
            welcome_pane.border_title = "Welcome"
            welcome_pane.show(lambda _cells: welcome.lines(state))

    @on(VirtualTable.Highlighted, "#tree")
    def _row_changed(self, event: VirtualTable.Highlighted) -> None:
        self._follow(event.item)

    def _follow(self, row: TreeRow | None) -> None:
        """Show what the row under the tree's cursor stands for."""
        key = row.component.key if row is not None and row.component is not None else None
        state = self.dysnomia.state
        jobs = [job.id for job in state.jobs if key in job.keys and job.state.ended]
        stamp = (key, row.component if row is not None else None, tuple(jobs))
        if key != self._shown_key:
            self._show_key(key)
        if key is not None and stamp != self._stamp:
            self.dysnomia.client.ask(
                "generations",
                lambda engine: (key, engine.generations(key)),
                self._have_generations,
                self._no_generations,
            )
        self._stamp = stamp
        self.dysnomia.watch_engine.attend(key)
        self._describe(row)
        if key is None or self.list.item is None:
            self._draw_detail()

    def _show_key(self, key: ComponentKey | None) -> None:
        self._shown_key = key
        self.list.set_filter("")
        self.list.set_marks(())
        self.list.set_items(self._known.get(key, ()) if key is not None else ())
        self.list.set_empty(Text("reading its generations…" if key is not None else "", style="dim"))
        if key is not None:
            self.list.set_marks(sorted(self._marks.get(key, ())))
            self.list.act_top()
        self._set_columns()

    def _have_generations(self, answer: tuple[ComponentKey, tuple[Generation, ...]]) -> None:
        key, found = answer
        self._known[key] = found
        if key != self._shown_key:
            return
        wanted = self._wanted[1] if self._wanted is not None and self._wanted[0] == key else None
        self._wanted = None
        self.list.set_empty(Text("no generation yet", style="dim"))
        if tuple(self.list.items) != found or wanted is not None:
            self.list.set_items(found, to=wanted)
            self.list.set_marks(sorted(set(self._marks.get(key, ())) & {g.number for g in found}))
        self._set_columns()
        self._describe(self.units.item)
        self._draw_detail()

    def _no_generations(self, problem: str) -> None:
        self.list.set_empty(Text(problem, style="bold red"))

    def _describe(self, row: TreeRow | None) -> None:
        container = row.container if row is not None else None
        view = row.component if row is not None else None
        state = self.dysnomia.state
        probe = state.probes.get(container.name) if container is not None else None
        known = state.conditions.get(view.key) if view is not None else None
        heading = escaped(f"2 {components.heading(view, container, probe, known).plain}")
        self.list.border_title = self.told.border_title = heading
        lines: Sequence[Text] = ()
        if view is not None and view.stateless and not view.generations:
            lines = condition.told(view, known, self.dysnomia.times)
        elif view is None and container is not None:
            lines = condition.container_told(container, probe)
        self.tell(bool(lines))
        self.told.show(lambda _cells: lines, top=row is None or row.key != self._told_of)
        self._told_of = row.key if row is not None else None
        self._position()
        self.set_path(self._path(row))

    def _path(self, row: TreeRow | None) -> str:
        if row is None or row.container is None:
            return ""
        parts = [row.container.name]
        if row.component is not None:
            parts.append(row.component.key.component)
            if self.list.item is not None:
                parts.append(str(self.list.item.number))
        return "/".join(parts)

    def _position(self) -> None:
        table = self.list
        if not table.items:
            table.border_subtitle = ""
            return
        hidden = f" of {len(table.items)}, filter: {table.filter_text}" if table.filter_text else ""
        place = f"{table.row + 1 if table.shown else 0}/{len(table.shown)}{hidden}"
        wide = self.has_class("-wide")
        table.border_subtitle = escaped(f"{place}   {generations.LEGEND}" if wide and not hidden else place)

    # --- the third pane -----------------------------------------------------------------------------------------

    @on(VirtualTable.Highlighted, "#generations")
    def _generation_changed(self) -> None:
        self._describe(self.units.item)
        self._draw_detail(top=True)

    def _draw_detail(self, *, top: bool = False) -> None:
        row = self.units.item
        generation = self.list.item if row is not None and row.component is not None else None
        times = self.dysnomia.times
        state = self.dysnomia.state
        if generation is not None:
            known = self._contents.get((generation.key, generation.number, generation.id))
            if known is None and generation.id:
                self._read_contents(generation)
            self.detail.border_title = f"3 Generation {generation.number}"
            shown = known if known is not None or generation.id else Contents()
            made = detail.lines(generation, shown, times)
            self._sections = dict(made.sections)
            self.detail.show(made.texts, top=top)
            return
        self.detail.border_title = "3 Contents"
        lines: Sequence[Text] = ()
        if row is not None and row.component is not None and row.component.stateless:
            lines = condition.why_no_generations(row.component, state.conditions.get(row.component.key))
        elif row is not None and row.component is not None:
            key = self.dysnomia.key_of("snapshot")
            lines = detail.component_lines(row.component, state.read_only, key, state.notice)
        elif row is not None and row.container is not None:
            self.detail.border_title = escaped(f"3 {row.container.name}")
            lines = condition.container_settings(row.container)
        elif row is not None and row.found is not None:
            lines = detail.found_lines(row.found)
        self.detail.show(lambda _cells: lines, top=top)

    def _read_contents(self, generation: Generation) -> None:
        known = (generation.key, generation.number, generation.id)

        def have(contents: Contents) -> None:
            if len(self._contents) > 200:
                self._contents.clear()
            self._contents[known] = contents
            if self.list.item is not None and self.list.item.number == generation.number:
                self._draw_detail()

        def failed(problem: str) -> None:
            have(Contents(problem=problem))

        self.dysnomia.client.ask("contents", lambda engine: read_contents(engine, generation), have, failed)

    # --- marks --------------------------------------------------------------------------------------------------

    @on(VirtualTable.MarksChanged, "#generations")
    def _marks_changed(self) -> None:
        key = self._shown_key
        if key is None:
            return
        numbers = frozenset(number for number in self.list.marks if isinstance(number, int))
        self._marks[key] = numbers
        self.set_path(self._path(self.units.item), header.marked(len(numbers), None))
        if numbers:
            drop = [(key, number) for number in sorted(numbers)]
            self.dysnomia.client.ask(
                "marks",
                lambda engine: engine.gc_review([key], Policy(), drop=drop),
                lambda plan: self._have_freed(key, numbers, plan),
                self._no_freed,
            )

    def _have_freed(self, key: ComponentKey, numbers: frozenset[int], plan: GcPlan) -> None:
        if key == self._shown_key and numbers == self._marks.get(key):
            freed = sum(snapshot.stored_size for snapshot in plan.snapshots if not snapshot.orphan)
            stay = [line for line in plan.lines if line.keep and line.number in numbers]
            why = f"; {len(stay)} would stay ({stay[0].rules[0] if stay[0].rules else 'kept'})" if stay else ""
            self.set_path(self._path(self.units.item), header.marked(len(numbers), freed, stay=why))

    def _no_freed(self, problem: str) -> None:
        self.set_path(self._path(self.units.item), header.marked(len(self._marked()), None, problem))

    # --- choosing -------------------------------------------------------------------------------------------------

    @on(VirtualTable.Chosen, "#tree")
    def _tree_chosen(self, event: VirtualTable.Chosen) -> None:
        row: TreeRow = event.item
        if row.found is not None:
            self.dysnomia.perform_id("adopt")
        elif row.is_component:
            self.go_to_pane(self.second)
        elif row.key == components.DEMO:
            self.dysnomia.perform_id("demo")
        else:
            self._folded ^= {str(row.key)}
            self._fill_tree(self.dysnomia.state)

    @on(VirtualTable.Chosen, "#generations")
    def _generation_chosen(self) -> None:
        self.go_to_pane(self.detail)

    @on(VirtualTable.Chosen, "#detail")
    def _section_chosen(self) -> None:
        self.dysnomia.perform_id("browse")

    def act_browse(self) -> None:
        generation = self.list.item
        if generation is not None:
            self.dysnomia.go.browse(generation.key, generation.number, self._section_under_cursor())

    def _section_under_cursor(self) -> Section | None:
        line = self.detail.item
        return self._sections.get(line.source) if line is not None and self.detail.has_focus else None

    # --- moving between panes: the rest is in MainPanes -----------------------------------------------------------

    @on(VirtualTable.Edge)
    def _edge(self, event: VirtualTable.Edge) -> None:
        at = self.order.index(event.table) + event.direction
        if 0 <= at < len(self.order):
            self.go_to_pane(self.order[at])

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        name = event.widget.id or ""
        if name in PANES:
            self.now_in(name)
            self.call_after_refresh(self._set_columns)

    def act_back(self) -> None:
        """A filter first, then one pane to the left; never out of the app."""
        if self.drop_filter():
            self._position()
        else:
            self.one_pane_back()

    def act_quit(self) -> None:
        self.dysnomia.exit()
