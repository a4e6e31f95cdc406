"""All jobs, running first: how each stands, its log as it grows, cancel, undo, and the timeline of an incident."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from textual import on
from textual.containers import Vertical
from textual.widget import Widget

from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.files import write_private
from dysnomia_tui.app.present import job_log, styles
from dysnomia_tui.app.present.jobs import HIDDEN, NONE
from dysnomia_tui.app.present.text import plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.screens.prompt import PromptScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.job_log import JobLog
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine.records import JobView


class JobsScreen(DysnomiaScreen):
    """Every job this store has seen."""

    SCOPE = "jobs"
    PANES = ("list", "log")
    STACKED = True
    BINDINGS = bindings("jobs", "everywhere")
    AUTO_FOCUS = "#list"
    DEFAULT_CSS = """
    JobsScreen #list { height: 45%; border: round $border-blurred; scrollbar-size-horizontal: 0; }
    JobsScreen #log { height: 1fr; border: round $border-blurred; scrollbar-size-horizontal: 0; }
    JobsScreen VirtualTable { border-title-color: $text-muted; border-subtitle-color: $text-disabled; }
    JobsScreen VirtualTable:focus { border: round $primary; border-title-color: $text; }
    """

    def __init__(self, job_id: str = "") -> None:
        super().__init__()
        self._first = job_id

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield VirtualTable[JobView](key=lambda job: job.id, words=job_log.words, widget_id="list", empty=NONE)
            yield JobLog(widget_id="log")

    @property
    def jobs(self) -> VirtualTable[JobView]:
        return self.query_one("#list", VirtualTable)

    @property
    def log_view(self) -> JobLog:
        return self.query_one("#log", JobLog)

    def here(self) -> Selection:
        return Selection(job=self.jobs.item)

    def on_mount(self) -> None:
        self.jobs.border_title = "Jobs"

    def _set_columns(self) -> None:
        times = self.services.times
        self.jobs.set_columns_by_width(lambda cells: job_log.columns(cells, times))

    def on_times(self, times: Times) -> None:
        self._set_columns()
        self.log_view.rewrite()

    def on_state(self, state: AppState) -> None:
        self._set_columns()
        first, self._first = self._first, ""
        self.jobs.set_empty(plain(HIDDEN if state.hidden else NONE, styles.DIM))
        self.jobs.set_items(state.jobs, to=first or None)
        self.log_view.follow(self.jobs.item)

    @on(VirtualTable.Highlighted, "#list")
    def _moved(self) -> None:
        job = self.jobs.item
        self.log_view.follow(job)
        self.set_path(f"J{job.id}" if job is not None else "")

    @on(VirtualTable.Chosen, "#list")
    def _chosen(self) -> None:
        self.log_view.focus()

    # --- actions ------------------------------------------------------------------------------------------------

    def act_job_pane(self) -> None:
        (self.log_view if self.jobs.has_focus else self.jobs).focus()

    def act_job_cancel(self) -> None:
        job = self.jobs.item
        assert job is not None
        self.services.cancel(job.id)

    def act_job_cancel_front(self) -> None:
        job = self.jobs.item
        assert job is not None
        self.services.cancel(job.behind)

    def act_job_undo(self) -> None:
        job = self.jobs.item
        assert job is not None
        self.services.plan(lambda engine: engine.plan_undo(job.id))

    def act_job_go(self) -> None:
        job = self.jobs.item
        if job is not None and job.keys:
            self.services.show_component(job.keys[0])

    def act_job_export(self) -> None:
        job = self.jobs.item
        key = job.keys[0] if job is not None and len(job.keys) == 1 else None
        path = Path.home() / f"timeline-{self.services.clock():%Y%m%dT%H%M%SZ}.txt"

        def typed(answer: str | None) -> None:
            if not answer:
                return
            target = Path(answer).expanduser()
            self.ask(
                "export",
                lambda engine: write_private(target, engine.timeline(key)),
                lambda size: self.services.notify(f"{target}: {size} bytes", title="exported", markup=False),
                self.services.trouble,
            )

        about = f"The audit of {key or 'everything'} as a UTC timeline, to a new file that only you can read:"
        self.services.push_screen(PromptScreen("Export", about, value=str(path), accept="writes it"), typed)

    def act_back(self) -> None:
        if self.log_view.has_focus:
            self.jobs.focus()
        else:
            self.act_quit()
