"""Where every component of a group (or a container) stood at a time; from there all of it is restored, snapshotted and
taken back as one, each as one job that is followed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import is_

from rich.text import Text
from textual import on
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.controllers.finding import ask_time
from dysnomia_tui.app.present import group as present
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.group import Stood
from dysnomia_tui.app.present.text import escaped, join, plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.job_log import JobLog
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine import Standing
from dysnomia_tui.engine.engine import LIVE
from dysnomia_tui.engine.records import JobView


class GroupScreen(DysnomiaScreen):
    """One table, a line a component; below it what can be done, or the job that does it."""

    SCOPE = "group"
    PANES = ("stood", "job")
    STACKED = True
    BINDINGS = bindings("group", "everywhere")
    AUTO_FOCUS = "#stood"
    DEFAULT_CSS = """
    GroupScreen #stood { height: 1fr; min-height: 4; border: round $border-blurred; border-title-color: $text-muted;
        border-subtitle-color: $text-disabled; }
    GroupScreen #stood:focus { border: round $primary; border-title-color: $text; }
    GroupScreen #about { height: auto; max-height: 5; padding: 0 1; }
    GroupScreen #job { display: none; height: 1fr; border: round $border-blurred; border-title-color: $text-muted; }
    GroupScreen #job:focus { border: round $primary; border-title-color: $text; }
    GroupScreen.running #stood { height: auto; max-height: 50%; }
    GroupScreen.-short #about { max-height: 3; }
    GroupScreen.running #about { display: none; }
    GroupScreen.running #job { display: block; }
    """

    def __init__(self, name: str, when: datetime, *, now: bool = False) -> None:
        """``now``: no time was asked for."""
        super().__init__()
        self._of = name
        self._when = when
        self._now = now
        self._found: Sequence[Standing] | None = None
        self._planned = False
        """Whether each has a generation of that time."""
        self._made_of: tuple[object, ...] = ()
        self._verdict = Text()
        self._job = ""

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield VirtualTable[Stood](
                key=lambda row: row.key, words=present.words, widget_id="stood", empty="reading the generations…"
            )
            yield Static(id="about")
            yield JobLog(widget_id="job")

    @property
    def table(self) -> VirtualTable[Stood]:
        return self.query_one("#stood", VirtualTable)

    @property
    def job_log(self) -> JobLog:
        return self.query_one("#job", JobLog)

    def here(self) -> Selection:
        state = self.services.state
        row = self.table.item if self.is_attached else None
        return Selection(
            group=state.group(self._of),
            container=state.container(self._of) if state.group(self._of) is None else None,
            generation=row.generation if row is not None else None,
            job=self.job_log.job if self.is_attached else None,
            reading=self._found is None,
            planned=self._planned,
        )

    def show_pane(self, widget: Widget) -> None:
        """Table or log alone, where there is no room for both; without a job there is no log."""
        if self.has_class("running"):
            super().show_pane(widget)

    def _without_job(self) -> None:
        self.remove_class("running")
        for name in self.PANES:
            for rule in ("display", "width", "height"):
                self.query_one(f"#{name}").styles.clear_rule(rule)

    # --- the table ----------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._look()

    def _look(self) -> None:
        """Read where each stood at the time."""
        name, when = self._of, self._when
        self.ask(f"stood {id(self)}", lambda engine: (when, engine.standing(name, when)), self._have, self._failed)

    def _have(self, answer: tuple[datetime, Sequence[Standing]]) -> None:
        if answer[0] == self._when:
            self._found = answer[1]
            self._planned = bool(self._found) and all(one.generation is not None for one in self._found)
            self._draw()

    def _failed(self, problem: str) -> None:
        self._found, self._planned = (), False
        self.table.set_empty(plain(problem, styles.BAD))
        self._draw()

    def _rows(self) -> list[Stood]:
        state = self.services.state
        return [
            Stood(one.key, one.generation, one.newer, state.component(one.key), state.at_work(one.key), one.new)
            for one in self._found or ()
        ]

    def _draw(self) -> None:
        times = self.services.times
        group = self.services.state.group(self._of) is not None
        self.table.border_title = escaped(present.title(self._of, self._when, times, group=group, now=self._now))
        self.set_path(self._of if self._now else f"{self._of} at {times.long(self._when).strip()}")
        self._make_rows()
        self._say()

    def _make_rows(self) -> None:
        """Rows and columns of what is known now; there can be many, and most states differ in something else."""
        state, times, when = self.services.state, self.services.times, self._when
        made_of = (self._found, state.overview, state.jobs, times, when)
        if len(made_of) == len(self._made_of) and all(map(is_, made_of, self._made_of)):
            return
        self._made_of = made_of
        rows = self._rows()
        short = len({row.key.container for row in rows}) == 1
        self.table.set_columns_by_width(lambda cells: present.columns(cells, times, when, rows, short=short))
        if rows != list(self.table.items):
            self.table.set_items(rows)
        keys = [self.services.key_of(name) for name in ("group-restore", "group-undo", "group-time")]
        self._verdict = present.verdict(rows, *keys)

    def _say(self) -> None:
        lines = [self._verdict, present.under_cursor(self.table.item, self.services.times)]
        shown = join(lines, "\n")
        shown.no_wrap = False
        self.query_one("#about", Static).update(shown)

    def on_state(self, state: AppState) -> None:
        job = next((one for one in state.jobs if one.id == self._job), None)
        if job is not None:
            was = self.job_log.job
            self.job_log.follow(job)
            if job.state.ended and (was is None or was.id != job.id or not was.state.ended):
                self.job_log.act_top()
                self._look()
        self._draw()
        self.redraw_bars()

    def on_times(self, times: Times) -> None:
        self._draw()
        self.job_log.rewrite()

    @on(VirtualTable.Highlighted, "#stood")
    def _moved(self) -> None:
        self._say()
        self.redraw_bars()

    @on(VirtualTable.Chosen, "#stood")
    def act_group_go(self) -> None:
        """Its generations, the cursor on that one."""
        row: Stood | None = self.table.item
        if row is not None and row.view is not None:
            self.services.show_component(row.key, row.generation.number if row.generation is not None else None)

    # --- what is done with all of it ----------------------------------------------------------------------------

    def act_group_time(self) -> None:
        def chosen(when: datetime) -> None:
            self._when, self._now, self._found, self._planned = when, False, None, False
            self._without_job()
            self.table.focus()
            self._look()

        ask_time(self.services, f"Where {self._of} stood at", "shows every component", chosen)

    def act_group_restore(self) -> None:
        name, when = self._of, self._when
        self.services.plan(lambda engine: engine.plan_group_restore(name, when), self._submitted)

    def act_group_snapshot(self) -> None:
        name = self._of
        self.services.plan(lambda engine: engine.plan_group_snapshot(name), self._submitted)

    def act_group_undo(self) -> None:
        job = self.services.here().undo
        assert job is not None
        self.services.plan(lambda engine: engine.plan_undo(job.id), self._submitted)

    def act_group_live(self) -> None:
        row: Stood | None = self.table.item
        if row is not None and row.generation is not None:
            self.services.go.diff(row.key, row.generation.number, LIVE)

    def _submitted(self, job: JobView) -> None:
        self._job = job.id
        self.add_class("running")
        self.job_log.follow(job)
        if self.focused is not None:
            self.show_pane(self.focused)

    def act_group_cancel(self) -> None:
        job = self.job_log.job
        assert job is not None
        self.services.cancel(job.id)

    def act_group_pane(self) -> None:
        if self.has_class("running"):
            (self.job_log if self.table.has_focus else self.table).focus()
