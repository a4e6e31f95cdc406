"""One job as it goes: how it stands, what came of it, and its log as it grows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from dysnomia_tui.app.present import job_log
from dysnomia_tui.app.present.text import escaped
from dysnomia_tui.app.widgets.lines import LinesView
from dysnomia_tui.engine.records import Event, JobView

KEPT = 5_000
"""Events that are kept on the screen; the whole log stands in the job's folder."""
EVERY = 0.5
"""Seconds between two looks at the log."""


class JobLog(LinesView):
    """Follows the job it was given last."""

    DEFAULT_CSS = "JobLog { scrollbar-size-horizontal: 0; }"

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(widget_id=widget_id, empty="no job is selected")
        self._job: JobView | None = None
        self._after = 0
        self._events: list[Event] = []

    def on_mount(self) -> None:
        self.set_interval(EVERY, self._look)

    @property
    def job(self) -> JobView | None:
        return self._job

    def follow(self, job: JobView | None) -> None:
        """Show this job (the same one again, as it stands now)."""
        other = job is None or self._job is None or job.id != self._job.id
        self._job = job
        if other:
            self._after, self._events = 0, []
        self.rewrite(top=other)
        if other:
            self._look()

    def rewrite(self, *, top: bool = False) -> None:
        """Write it again (the zone has changed)."""
        job = self._job
        if job is None:
            self.show(lambda _cells: (), top=True)
            return
        times, events = self.services.times, tuple(self._events)
        self.border_title = escaped(f"J{job.id} {job.title}")

        def lines(_cells: int) -> list[Text]:
            return [*job_log.summary(job, times), Text(""), *job_log.log_lines(events, times)]

        self.show(lines, top=top)

    def _look(self) -> None:
        """Read what the log has gained."""
        job, after = self._job, self._after
        if job is None or not self.display:
            return
        job_id = job.id

        def have(answer: tuple[Sequence[Event], int]) -> None:
            events, reached = answer
            if not self.is_attached or self._job is None or job_id != self._job.id:
                return
            if after != self._after or not events:
                return
            self._after = reached
            self._events = [*self._events, *events][-KEPT:]
            at_end = self.row >= len(self.shown) - 1 or not self.has_focus
            self.rewrite()
            if at_end and not self._job.state.ended:
                self.act_bottom()
            self._look()

        self.services.client.ask(f"events {id(self)}", lambda engine: engine.events(job_id, after), have)
