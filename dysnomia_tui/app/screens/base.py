"""The frame of every full screen: head, alarms, body, job strip, path bar, footer.

A screen of its own subclasses ``DysnomiaScreen``, sets ``SCOPE`` and ``BINDINGS = bindings("<scope>", "everywhere")``,
composes its middle in ``compose_body`` and redraws in ``on_state``. Its actions stand in the registry and are methods
``act_<id>`` here. It asks the engine through ``self.ask(topic, call, then)`` and submits changes with
``self.services.confirm(plan)``, which asks as the plan's grade demands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, TypeVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from dysnomia_tui.app.actions.registry import REGISTRY, binding, bindings
from dysnomia_tui.app.client import Failed
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.bars import AlarmBar, Bar, FooterBar, HeadBar, JobStrip, PathBar
from dysnomia_tui.app.widgets.filter_line import FilterLine
from dysnomia_tui.app.widgets.host import MIN_COLUMNS, MIN_ROWS, ActionHost
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine.engine import Engine

T = TypeVar("T")


class DysnomiaScreen(ActionHost, Screen[None]):
    """A full screen."""

    SCOPE: ClassVar[str] = ""
    """Its name in the registry."""
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
        yield FilterLine(widget_id="filter")
        yield PathBar(id="path")
        yield FooterBar(self.SCOPE, "list", "everywhere", widget_id="footer")
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
        self.on_state(self.services.state)

    def on_resize(self) -> None:
        size = self.app.size
        self.query_one("#small", Static).update(
            Text(f"{size.width}x{size.height} is too small\n{MIN_COLUMNS}x{MIN_ROWS} is the least\njobs go on; q quits")
        )
        self.redraw_bars()

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

    # --- what works everywhere ----------------------------------------------------------------------------------

    def act_help(self) -> None:
        self.services.go.help()

    def act_palette(self) -> None:
        self.services.go.palette()

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
        self.services.look_again()

    def act_back(self) -> None:
        if not self.drop_filter():
            self.act_quit()

    def act_filter(self) -> None:
        """``/`` where no list has the focus."""
        self.services.refuse_text(REGISTRY["filter"], "there is no list to filter here")

    def drop_filter(self) -> bool:
        """Take the focused table's filter away; False where it has none."""
        table = self.focused
        if isinstance(table, VirtualTable) and table.filter_text:
            table.set_filter("")
            return True
        return False

    def act_quit(self) -> None:
        self.services.pop_screen()
