"""The store: where the space is, how it grew, when the disk is full, and what is in the trash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual import on
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from dysnomia_store.store import Usage
from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.present import store as present
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.store import Share
from dysnomia_tui.app.present.text import plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.screens.prompt import Choice, ChoiceScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine import Schedule
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.records import TrashView


class StoreScreen(DysnomiaScreen):
    """The whole store at a glance."""

    SCOPE = "store"
    PANES = ("shares", "trash")
    STACKED = True
    BINDINGS = bindings("store", "everywhere")
    AUTO_FOCUS = "#shares"
    DEFAULT_CSS = """
    StoreScreen #head-lines { height: auto; min-height: 2; padding: 0 1; }
    StoreScreen #shares { height: 2fr; border: round $border-blurred; scrollbar-size-horizontal: 0; }
    StoreScreen #trash { height: 1fr; min-height: 5; border: round $border-blurred; scrollbar-size-horizontal: 0; }
    StoreScreen VirtualTable { border-title-color: $text-muted; border-subtitle-color: $text-disabled; }
    StoreScreen VirtualTable:focus { border: round $primary; border-title-color: $text; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._usage: Usage | None = None
        self._is_reading = True
        self._schedule = Schedule()

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield Static(id="head-lines")
            yield VirtualTable[Share](
                key=present.share_key, words=present.share_words, widget_id="shares", empty="measuring…"
            )
            yield VirtualTable[TrashView](
                key=present.trash_key,
                words=present.trash_words,
                markable=True,
                widget_id="trash",
                empty="the trash is empty",
            )

    @property
    def shares(self) -> VirtualTable[Share]:
        return self.query_one("#shares", VirtualTable)

    @property
    def trash(self) -> VirtualTable[TrashView]:
        return self.query_one("#trash", VirtualTable)

    def here(self) -> Selection:
        share = self.shares.item
        view = share.view if share is not None else None
        return Selection(component=view, trash=bool(self.trash.items), reading=self._is_reading)

    def on_mount(self) -> None:
        self.shares.border_title = "Space by component"
        self.trash.border_title = "Trash"
        overview = self.services.state.overview
        self.set_path("store", plain(overview.store if overview is not None else "", styles.DIM))

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def on_times(self, times: Times) -> None:
        self._draw()

    def on_state(self, state: AppState) -> None:
        def read(engine: Engine) -> tuple[Usage, Sequence[TrashView]]:
            return engine.usage(), tuple(engine.trash())

        self.ask(f"schedule {id(self)}", lambda engine: engine.schedule(), self._have_schedule, self._failed)

        self.ask(f"usage {id(self)}", read, self._have, self._failed)

    def _have_schedule(self, schedule: Schedule) -> None:
        if self.is_attached and schedule != self._schedule:
            self._schedule = schedule
            self._draw()

    def _failed(self, problem: str) -> None:
        self._is_reading = False
        self.query_one("#head-lines", Static).update(plain(problem, styles.BAD))
        for table in (self.shares, self.trash):
            table.set_empty(plain("not known", styles.DIM))

    def _have(self, answer: tuple[Usage, Sequence[TrashView]]) -> None:
        if not self.is_attached:
            return
        (self._usage, trash), self._is_reading = answer, False
        self.shares.set_empty(plain("the store is empty", styles.DIM))
        self.trash.set_empty(plain("the trash is empty", styles.DIM))
        self.shares.set_items(present.shares(self._usage, tuple(self.services.state.components())))
        self.trash.set_items(trash)
        self.redraw_bars()
        self._draw()

    def _draw(self) -> None:
        times = self.services.times
        self.shares.set_columns_by_width(lambda cells: present.share_columns(cells, times))
        self.trash.set_columns_by_width(lambda cells: present.trash_columns(cells, times))
        if self._usage is not None:
            cells = max(self.app.size.width - 2, 10)
            lines = [*present.head(self._usage, times, cells), *present.schedule_lines(self._schedule, cells)]
            self.query_one("#head-lines", Static).update(Text("\n").join(lines))

    # --- actions ------------------------------------------------------------------------------------------------

    @on(VirtualTable.Chosen, "#shares")
    def _chosen(self) -> None:
        share = self.shares.item
        if share is not None:
            self.services.show_component(share.key)

    def act_store_next(self) -> None:
        (self.trash if self.shares.has_focus else self.shares).focus()

    def _names(self) -> tuple[str, ...]:
        marked = self.trash.marks
        one = self.trash.item
        names = tuple(entry.name for entry in self.trash.items if entry.name in marked)
        return names or ((one.name,) if one is not None else ())

    def act_trash_back(self) -> None:
        names = self._names()
        if not names:
            self.services.notify("the trash is empty", severity="warning")
            return
        self.services.plan(lambda engine: engine.plan_bring_back(names))

    def act_trash_empty(self) -> None:
        if not self.trash.items:
            self.services.notify("the trash is empty", severity="warning")
            return
        names = self._names() if self.trash.marks else None
        self.services.plan(lambda engine: engine.plan_empty_trash(names))

    def act_store_optimise(self) -> None:
        share = self.shares.item
        if share is None:
            self.services.notify("the store is empty", severity="warning")
            return
        key = share.key

        def chosen(answer: str | None) -> None:
            if answer is not None:
                keys = [key] if answer == "one" else None
                self.services.plan(lambda engine: engine.plan_optimise(keys))

        self.services.push_screen(
            ChoiceScreen(
                "Optimise the store",
                [
                    Choice("one", f"What is stored of {key}", "read, checked and linked, snapshot by snapshot"),
                    Choice(
                        "all", "All that is stored", "this can take long; cancel the job at any time, nothing is lost"
                    ),
                ],
            ),
            chosen,
        )
