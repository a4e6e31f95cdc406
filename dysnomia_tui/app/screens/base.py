"""The frame of every full screen: head, alarms, body, job strip, path bar, footer.

A screen of its own subclasses ``DysnomiaScreen``, sets ``SCOPE`` and ``BINDINGS = bindings("<scope>", "everywhere")``,
composes its middle in ``compose_body`` and redraws in ``on_state``. Its actions stand in the registry and are methods
``act_<id>`` here. It asks the engine through ``self.ask(topic, call, then)`` and submits changes with
``self.services.confirm(plan)``, which asks as the plan's grade demands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from dysnomia_tui.app.actions.registry import REGISTRY, binding, bindings
from dysnomia_tui.app.client import Failed
from dysnomia_tui.app.present.columns import Order, arrow
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.bars import AlarmBar, Bar, FooterBar, HeadBar, JobStrip, MessageBar, PathBar
from dysnomia_tui.app.widgets.filter_line import FilterLine
from dysnomia_tui.app.widgets.host import MIN_COLUMNS, MIN_ROWS, ActionHost, PaneHost
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine.engine import Engine

T = TypeVar("T")
WHOLE_COLUMNS, WHOLE_ROWS = 80, 24
"""The least terminal in which all panes of a screen are shown."""


ZOOM = "-zoom"
"""The class of a screen that shows the pane with the focus alone."""


class DysnomiaScreen(ActionHost, PaneHost, Screen[None]):
    """A full screen."""

    PANES: ClassVar[tuple[str, ...]] = ()
    """Ids of the panes that can be shown alone; empty where CSS does it."""
    STACKED: ClassVar[bool] = False
    """Whether the panes stand one above the other: then a short terminal shows one at a time, else a narrow one."""

    SCOPE: ClassVar[str] = ""
    """Its name in the registry."""
    SCOPES: ClassVar[tuple[str, ...]] = ("list", "everywhere")
    """The other scopes whose actions work on it."""
    BINDINGS = [*bindings("everywhere"), binding("filter")]  # noqa: RUF012 - Textual declares it so
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual declares it so
        (0, "-tiny-w"),
        (MIN_COLUMNS, "-narrow"),
        (80, "-normal"),
        (100, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-tiny-h"),
        (MIN_ROWS, "-short"),
        (24, "-whole"),
        (30, "-tall"),
    ]
    DEFAULT_CSS = """
    DysnomiaScreen { layers: base cover; }
    DysnomiaScreen #body { height: 1fr; width: 100%; }
    DysnomiaScreen #small { display: none; width: 100%; height: 100%; content-align: center middle;
        text-align: center; }
    DysnomiaScreen.-tiny-w > *, DysnomiaScreen.-tiny-h > * { display: none; }
    DysnomiaScreen.-tiny-w > #small, DysnomiaScreen.-tiny-h > #small { display: block; }
    """

    def compose(self) -> ComposeResult:
        yield HeadBar(id="head")
        yield AlarmBar(id="alarms")
        with Container(id="body"):
            yield from self.compose_body()
        yield JobStrip(id="strip")
        yield MessageBar(id="messages")
        yield FilterLine(widget_id="filter")
        yield PathBar(id="path")
        yield FooterBar(self.SCOPE, *self.SCOPES, widget_id="footer")
        yield Static(id="small", markup=False)

    def compose_body(self) -> Iterable[Widget]:
        """The middle of the screen."""
        raise NotImplementedError

    def here(self) -> Selection:
        """Where the operator is on this screen; the app fills in what holds everywhere."""
        return Selection()

    def on_state(self, state: AppState) -> None:
        """The world has changed: draw it. Called on mount, on change, and when the screen comes back to the front."""

    def on_times(self, times: Times) -> None:
        """The zone has changed: write the times again."""

    def on_mount(self) -> None:
        self.on_state(self.services.state)

    def on_screen_resume(self) -> None:
        self.services.poller.release()
        self.redraw_bars()
        self.say_messages()
        self.on_state(self.services.state)

    def on_unmount(self) -> None:
        self.services.messages.closed(id(self))

    def say_messages(self) -> None:
        """Show what there is to be said here."""
        for bar in self.query(MessageBar):
            bar.say()

    def on_resize(self) -> None:
        size = self.app.size
        self.query_one("#small", Static).update(
            Text(f"{size.width}x{size.height} is too small\n{MIN_COLUMNS}x{MIN_ROWS} is the least\njobs go on; q quits")
        )
        self.redraw_bars()
        if self.focused is not None:
            self.show_pane(self.focused)

    def show_pane(self, widget: Widget) -> None:
        size = self.app.size
        small = size.height < WHOLE_ROWS if self.STACKED else size.width < WHOLE_COLUMNS
        alone = small or self.has_class(ZOOM)
        panes = [self.query_one(f"#{name}") for name in self.PANES]
        front = next((pane for pane in panes if pane in widget.ancestors_with_self), None)
        for pane in panes if front is not None else ():
            pane.display = not alone or pane is front
            for rule in ("width", "height"):
                if alone:
                    setattr(pane.styles, rule, "1fr")
                else:
                    pane.styles.clear_rule(rule)

    def ask(
        self, topic: str, call: Callable[[Engine], T], then: Callable[[T], None], failed: Failed | None = None
    ) -> None:
        """Read something for this screen: an answer that comes when it has been closed is dropped."""

        def still_here(value: T) -> None:
            if self in self.app.screen_stack:
                then(value)

        def still_failed(problem: str) -> None:
            if failed is not None and self in self.app.screen_stack:
                failed(problem)

        self.services.client.ask(topic, call, still_here, still_failed)

    def redraw_bars(self) -> None:
        """Draw the lines around the screen again."""
        for bar in self.query(Bar):
            bar.refresh()

    def set_path(self, path: str, marks: Text | None = None) -> None:
        """The path of the selection (without the host), and the marks."""
        bar = self.query_one(PathBar)
        overview = self.services.state.overview
        bar.path = f"{overview.host}/{path}" if overview is not None and path else path
        if marks is not None:
            bar.marks = marks
        self.query_one(FooterBar).refresh()

    @on(VirtualTable.FilterAsked)
    def _filter_asked(self, event: VirtualTable.FilterAsked) -> None:
        event.stop()
        self.query_one(FilterLine).open_for(event.table)

    @on(VirtualTable.SortAsked)
    def _sort_asked(self, event: VirtualTable.SortAsked) -> None:
        event.stop()
        self._ask_order(event.table)

    def _ask_order(self, table: VirtualTable[Any]) -> None:
        """By which column; the one that the list is sorted by stands first to be chosen, and turns."""
        from dysnomia_tui.app.screens.prompt import Choice, ChoiceScreen

        order = table.order
        columns = [column for column in table.columns if column.sort is not None]
        if not columns:
            self.services.notify("this list has one order", title="Sort", timeout=3)
            return
        now = {order.column: f"  {arrow(order)} now; chosen again it is turned, Esc on the list ends it"}
        choices = [
            Choice(column.id, f"{column.title.strip() or column.id}{now.get(column.id, '')}") for column in columns
        ]

        def chosen(answer: str | None) -> None:
            if answer is not None:
                table.sort_by(answer)

        self.services.push_screen(ChoiceScreen("Sort by", choices, at=order.column), chosen)

    @on(VirtualTable.Highlighted)
    @on(VirtualTable.MarksChanged)
    def _look_at_footer(self) -> None:
        """What works now may be something else."""
        self.query_one(FooterBar).refresh()
        self.services.actions.run_kept()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self.query_one(FooterBar).refresh()

    # --- what works everywhere ----------------------------------------------------------------------------------

    def act_help(self) -> None:
        self.services.go.help()

    def act_palette(self) -> None:
        self.services.go.palette()

    def act_theme(self) -> None:
        self.services.go.themes()

    def act_zone(self) -> None:
        self.services.next_zone()

    def act_alarm(self) -> None:
        self.services.next_alarm()

    def act_jobs(self) -> None:
        self.services.go.jobs()

    def act_store(self) -> None:
        self.services.go.store()

    def act_deploy(self) -> None:
        self.services.go.deploy()

    def act_hosts(self) -> None:
        self.services.go.hosts()

    def act_refresh(self) -> None:
        self.services.paint_all()
        self.services.look_again()

    def act_back(self) -> None:
        if not self.take_back():
            self.act_quit()

    def act_filter(self) -> None:
        """``/`` where no list has the focus."""
        self.services.actions.refuse_text(REGISTRY["filter"], "there is no list to filter here")

    def take_back(self) -> bool:
        """Take the focused table's filter away, or else its order; False where it has neither."""
        table = self.focused
        if isinstance(table, VirtualTable) and table.filter_text:
            table.set_filter("")
            return True
        if isinstance(table, VirtualTable) and table.order.column:
            table.set_order(Order())
            return True
        return False

    def act_zoom(self) -> None:
        """The pane with the focus alone, and all of them again."""
        self.toggle_class(ZOOM)
        if self.focused is not None:
            self.show_pane(self.focused)

    def act_suspend(self) -> None:
        self.services.action_suspend_process()

    def act_messages(self) -> None:
        self.services.go.messages()

    def why_stay(self) -> str:
        """Why it must not be closed by a jump to another place, in words with the way out; ``""`` where it may."""
        return ""

    def act_quit(self) -> None:
        self.services.pop_screen()
