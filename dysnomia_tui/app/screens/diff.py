"""Two generations compared, or one with what is live: sections at the left, the changed rows of one at the right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice

from rich.text import Text
from textual import on
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from dysnomia_base.clock import utc_now
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.controllers.changes import undo_newest
from dysnomia_tui.app.controllers.putting_back import put_marked_back, put_sections_back
from dysnomia_tui.app.panes.changed_rows import ChangedRows
from dysnomia_tui.app.present import diff as present
from dysnomia_tui.app.present import styles, whole_row
from dysnomia_tui.app.present.browse import IN_ROWS, history_of, history_of_text
from dysnomia_tui.app.present.text import escaped, plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.screens.reading import RowScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.row_table import RowTable
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine import Diff, HistoryAsked
from dysnomia_tui.engine.engine import LIVE, Side
from dysnomia_tui.engine.plans.plan import Kind
from dysnomia_tui.engine.records import HistoryLine, SectionChange

AT_MOST = 20_000
"""Sections listed; a filter narrows them."""
EVERY = 0.3
"""Seconds between two looks at a comparison under way."""
CHANGE_LIVE = frozenset({Kind.RESTORE, Kind.PUT_BACK, Kind.UNDO, Kind.RECOVER, Kind.ACTIVITY, Kind.DEPLOY, Kind.GROUP})
"""Jobs after which what is live may be another."""
_Looked = tuple[Diff, tuple[SectionChange, ...], bool, str, tuple[int, int | None]]
"""A comparison; the sections that differ, whether all are known, why it failed, what was read of how much."""


class DiffScreen(DysnomiaScreen):
    """A comparison."""

    SCOPE = "diff"
    SCOPES = ("search", "list", "everywhere")
    PANES = ("left", "right")
    BINDINGS = bindings("diff", "everywhere")
    AUTO_FOCUS = "#sections"
    DEFAULT_CSS = """
    DiffScreen #sides { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    DiffScreen Horizontal { height: 1fr; }
    DiffScreen #left { width: 36; height: 100%; }
    DiffScreen #sections { height: 1fr; border: round $border-blurred; scrollbar-size: 0 0; }
    DiffScreen #sections { border-title-color: $text-muted; border-subtitle-color: $text-disabled; }
    DiffScreen #sections:focus { border: round $primary; border-title-color: $text; }
    DiffScreen.-narrow #left { width: 26; }
    """

    def __init__(self, key: ComponentKey, old: Side, new: Side, at: HistoryLine | None = None) -> None:
        """``at``: the change that the cursor is to be on."""
        super().__init__()
        self._wanted = at
        self._of = key
        self._old = old
        self._new = new
        self._diff: Diff | None = None
        self._ended = False
        self._right = ChangedRows(self, "right")
        self._as_of: Mapping[int, datetime] = {}
        self._since = utc_now()
        self._again: object = None

    def compose_body(self) -> Iterable[Widget]:
        yield Static(id="sides")
        with Horizontal():
            with Vertical(id="left"):
                yield VirtualTable[SectionChange](
                    key=present.change_key,
                    words=present.change_words,
                    head=False,
                    markable=True,
                    widget_id="sections",
                    empty=self._under_way,
                    hint=IN_ROWS,
                )
            yield self._right

    @property
    def _under_way(self) -> str:
        """What stands where sections will."""
        return "dumping what is live…" if LIVE in (self._old, self._new) else "comparing…"

    @property
    def sections(self) -> VirtualTable[SectionChange]:
        return self.query_one("#sections", VirtualTable)

    @property
    def rows(self) -> RowTable:
        return self._right.rows

    def here(self) -> Selection:
        state = self.services.state
        return Selection(
            component=state.component(self._of),
            container=state.container(self._of.container),
            reading=self._is_reading,
            undo=state.undoable(self._of),
        )

    @property
    def _is_reading(self) -> bool:
        """Whether the section, or the row, that a key would be about is still being read."""
        if self._right.change is None:
            return not self._ended or bool(self.sections.items)
        return self._right.is_reading

    @property
    def _title(self) -> str:
        return f"{self._old} {present.ARROW} {self._new}"

    def on_mount(self) -> None:
        self._set_columns()
        self.sections.border_title = escaped(f"{self._of.component} {self._title}")
        self.set_path(f"{self._of}/{self._title}")
        key, old, new = self._of, self._old, self._new
        self._compare()
        sides = [side for side in (old, new) if isinstance(side, int)]
        self.ask(
            f"diff times {id(self)}",
            lambda engine: {one.number: one.as_of for one in engine.generations(key) if one.number in sides},
            self._have_times,
        )
        self.set_interval(EVERY, self._look)

    def on_unmount(self) -> None:
        self._ended = True
        self._close()

    def on_state(self, state: AppState) -> None:
        """What live was compared with is of the past once a job has changed it: compare again."""
        super().on_state(state)
        if self._ended and self._diff is not None and LIVE in (self._old, self._new):
            since, of = self._since, self._of
            if any(
                job.ended and job.ended > since and of in job.keys and job.kind in CHANGE_LIVE for job in state.jobs
            ):
                self._close()
                self._forget()
                self._compare()

    def _forget(self) -> None:
        """Show nothing of the comparison before: what it found is of the past."""
        self._again = present.change_key(self.sections.item) if self.sections.item is not None else None
        self.sections.set_empty(Text(self._under_way))
        self.sections.set_items(())
        self._right.forget()

    def _compare(self) -> None:
        key, old, new = self._of, self._old, self._new
        self._ended = False
        self.sections.set_growing(True)
        self._since = self.services.clock()
        self.on_times(self.services.times)
        self.services.client.ask(
            f"diff {id(self)}", lambda engine: engine.diff(key, old, new), self._begun, self._failed
        )

    def _close(self) -> None:
        diff, self._diff = self._diff, None
        self._right.close()
        if diff is not None:
            self.services.client.ask(f"diff close {id(self)}", lambda _engine: diff.close(), lambda _none: None)

    def _set_columns(self) -> None:
        self.sections.set_columns_by_width(present.section_columns)

    # --- the comparison under way -------------------------------------------------------------------------------

    def _begun(self, diff: Diff) -> None:
        if not self.is_attached:
            self.services.client.ask(f"diff close {id(self)}", lambda _engine: diff.close(), lambda _none: None)
            return
        self._diff = diff
        self._look()

    def on_resize(self) -> None:
        super().on_resize()
        self.on_times(self.services.times)

    def _have_times(self, as_of: Mapping[int, datetime]) -> None:
        self._as_of = as_of
        self.on_times(self.services.times)

    def on_times(self, times: Times) -> None:
        at: dict[Side, datetime] = {LIVE: self._since}
        for side, when in self._as_of.items():
            at[side] = when
        line = present.sides(self._old, self._new, at, times, max(self.app.size.width - 2, 10))
        self.query_one("#sides", Static).update(line)

    def _failed(self, problem: str) -> None:
        self._ended = True
        self.sections.set_empty(plain(problem, styles.BAD))
        self._right.tell(plain(problem, styles.BAD))

    def _look(self) -> None:
        """Take what the comparison has found since the last look."""
        diff = self._diff
        if diff is None or self._ended:
            return

        def read(_engine: object) -> _Looked:
            ready = diff.ready  # before the rest: what is ready finds no more
            return diff, tuple(islice(diff.sections(), AT_MOST)), ready, diff.error, diff.progress()

        self.ask(f"diff look {id(diff)}", read, self._have)

    def _have(self, answer: _Looked) -> None:
        diff, changes, ready, error, (done, total) = answer
        if not self.is_attached or self._ended or diff is not self._diff:
            return
        if error:
            self._failed(error)
            return
        self._ended = ready
        self._set_columns()
        if ready:
            self.sections.set_empty(plain("nothing differs", styles.GOOD))
        elif changes:
            self.sections.set_empty(Text("…"))
        if changes != self.sections.items:
            self.sections.set_items(changes)
        if self._again in map(present.change_key, changes):  # where the cursor was before it was compared again
            self.sections.go_to(self._again)
            self._again = None
        self.sections.set_growing(not ready)
        self._go_to_wanted(changes)
        left = present.summary(changes).plain if ready else present.working(done, total)
        self.sections.border_subtitle = escaped(left)
        if ready and not changes:
            self._right.tell(plain(f"{self._old} and {self._new} hold the same state", styles.GOOD))

    # --- one section --------------------------------------------------------------------------------------------

    @on(VirtualTable.Highlighted, "#sections")
    def _section_changed(self, event: VirtualTable.Highlighted) -> None:
        change: SectionChange | None = event.item
        if change is None:
            return
        wanted = None
        if self._is_wanted(change):
            wanted, self._wanted = self._wanted, None
        self._right.show(self._diff, change, wanted=wanted)

    def _go_to_wanted(self, changes: Sequence[SectionChange]) -> None:
        """Put the cursor on the section that is wanted as soon as it is listed; its row is looked for from there."""
        change = next(filter(self._is_wanted, changes), None)
        if change is not None:
            self.sections.go_to(present.change_key(change))

    def _is_wanted(self, change: SectionChange) -> bool:
        line = self._wanted
        return line is not None and (change.section.kind, change.section.name) == (line.kind, line.name)

    # --- actions ------------------------------------------------------------------------------------------------

    @on(VirtualTable.Chosen, "#sections")
    def act_diff_into(self) -> None:
        self.rows.focus()

    def act_diff_back(self) -> None:
        self.sections.focus()

    @on(VirtualTable.Edge)
    def _edge(self, event: VirtualTable.Edge) -> None:
        (self.sections if event.direction < 0 else self.rows).focus()

    def act_diff_next(self) -> None:
        self.sections.act_down()

    def act_diff_before(self) -> None:
        self.sections.act_up()

    @on(VirtualTable.MarksChanged, "#rows")
    def _marks_changed(self) -> None:
        self._say_marked()

    @on(VirtualTable.MarksChanged, "#sections")
    def _section_marks_changed(self) -> None:
        self._say_marked()

    def _say_marked(self) -> None:
        key, sections = self.services.key_of("diff-restore"), len(self.sections.marks)
        words = present.marked(sections or len(self.rows.marks), key, "section" if sections else "row")
        self.set_path(f"{self._of}/{self._title}", words)

    def act_diff_restore(self) -> None:
        """The marked sections, or else the marked rows; with none, the whole of the older side."""
        if not isinstance(self._old, int):
            return
        change, diff = self._right.change, self._diff
        if self.sections.marks:
            put_sections_back(self.services, self._of, self._old, self.sections)
        elif self.rows.marks and change is not None and diff is not None:
            put_marked_back(self.services, self._of, self._old, diff, change, self.rows)
        else:
            self.services.go.restore(self._of, self._old)

    def act_diff_undo(self) -> None:
        undo_newest(self.services)

    @on(VirtualTable.Chosen, "#rows")
    def _row_chosen(self) -> None:
        """All of the row."""
        change, at = self._right.change, self.rows.item
        row = self._right.row(at) if at is not None else None
        if change is not None and row is not None:
            lines = whole_row.of_change(present.columns_of(change), row)
            self.services.push_screen(RowScreen(f"{change.section.name}: {whole_row.title_of(row)}", lines))

    def act_diff_copy(self) -> None:
        """The row under the cursor; where the sections have the focus, the path."""
        row, change = self._right.here, self._right.change
        if row is not None:
            self.services.copy(whole_row.changed_as_text(row), "the row")
        elif change is not None:
            self.services.copy(f"{self._of}/{self._title}/{change.section.name}", "the path")

    def act_diff_history(self) -> None:
        """Of the row under the cursor; of the section where the sections have the focus."""
        change, row = self._right.change, self._right.here
        if change is None:
            return
        section = change.section
        if row is not None:
            cells = row.new if row.new is not None else row.old or ()
            self.services.go.history(self._of, *history_of(section, cells))
        elif self.rows.item is None and self.rows.has_focus and self.rows.filter_text:
            self.services.go.history(self._of, *history_of_text(section, self.rows.filter_text))
        elif not self.rows.has_focus:
            asked = HistoryAsked(f"{section.kind}:{section.name}")
            self.services.go.history(self._of, asked, f"{section.kind} {section.name}")

    def act_back(self) -> None:
        if self.take_back():
            return
        if self.rows.searching:
            self.rows.set_filter("")
        elif self.sections.marks:
            self.sections.act_unmark()
        elif self.rows.marks:
            self.rows.act_unmark()
        elif self.rows.has_focus:
            self.sections.focus()
        else:
            self.act_quit()
