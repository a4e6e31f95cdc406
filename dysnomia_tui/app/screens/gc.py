"""The GC review: every generation KEEP or DELETE and by which rule, for the policy that is typed and the marks.

A review belongs to one question: components, policy and marks. As soon as the question changes, or the typed policy is
not understood, there is no review, nothing is listed under another text, and nothing can be carried out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.text import Text
from textual import on
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcPlan, Policy
from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.present import gc as present
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.gc import Entry, PolicyNotUnderstood, parse_policy
from dysnomia_tui.app.present.text import plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.reviewing import Answer, GenerationKey, Question, read_review
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.screens.prompt import Choice, ChoiceScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.records import JobView, Overview

TYPING = 0.4
"""Seconds without a key after which a policy counts as typed: half of one is often another policy."""


class GcTable(VirtualTable[Entry]):
    """The review's lines: ``space`` turns the word round, ``*`` reviews every component."""

    def line_of(self, item: Entry) -> Text | None:
        return present.head_line(item) if item.line is None else None

    def act_mark(self) -> None:
        screen = self.screen
        if isinstance(screen, GcScreen):
            screen.turn()
            self.act_down()

    def act_mark_all(self) -> None:
        self.services.actions.perform_id("gc-all")

    def act_unmark(self) -> None:
        screen = self.screen
        if isinstance(screen, GcScreen):
            screen.unmark()


class GcScreen(DysnomiaScreen):
    """What a collection would do."""

    SCOPE = "gc"
    BINDINGS = bindings("gc", "everywhere")
    AUTO_FOCUS = "#lines"
    DEFAULT_CSS = """
    GcScreen #policy-line { height: 1; padding: 0 1; }
    GcScreen #policy-line Static { width: auto; }
    GcScreen #policy { width: 1fr; height: 1; border: none; padding: 0 1; background: $panel; }
    GcScreen #policy:focus { border: none; background: $boost; }
    GcScreen #totals { height: auto; min-height: 1; max-height: 2; padding: 0 1; }
    GcScreen.-narrow #totals { height: 2; }
    GcScreen #lines { height: 1fr; border: round $border-blurred; border-title-color: $text-muted; }
    GcScreen #lines:focus { border: round $primary; border-title-color: $text; }
    """

    def __init__(
        self, keys: tuple[ComponentKey, ...], drop: tuple[GenerationKey, ...] = (), *, planned: bool = False
    ) -> None:  # fmt: skip
        """``planned``: show the collection that waits, as long as nothing else is asked for."""
        super().__init__()
        self._opened_on = keys
        self._keys = keys
        self._keep: set[GenerationKey] = set()
        self._drop: set[GenerationKey] = set(drop)
        self._planned = planned
        self._made: datetime | None = None
        self._policy: Policy | None = None
        self._text = ""
        self._not_understood = ""
        self._failed = False
        self._typing: Timer | None = None
        self._now = False
        self._review: GcPlan | None = None
        self._as_of: dict[GenerationKey, datetime] = {}
        self._job = ""
        self._seen: Overview | None = None

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            with Horizontal(id="policy-line"):
                yield Static("keep ", markup=False)
                yield Input(id="policy")
            yield Static(id="totals")
            yield GcTable(
                key=present.entry_key,
                words=present.entry_words,
                widget_id="lines",
                empty="reviewing…",
            )

    @property
    def lines(self) -> GcTable:
        return self.query_one("#lines", GcTable)

    @property
    def review(self) -> GcPlan | None:
        """The review on the screen; None while it is computed."""
        return self._review

    def on_resize(self) -> None:
        super().on_resize()
        self.query_one("#policy", Input).placeholder = present.placeholder(self.app.size.width)

    def here(self) -> Selection:
        entry = self.lines.item
        key = entry.key if entry is not None else self._opened_on[0]
        reviewed = self._review is not None
        typed = reviewed and self._policy is not None and not self._planned
        return Selection(
            component=self.services.state.component(key),
            planned=self._review is None or present.takes_something(self._review),
            policy=typed,
            planning=self._is_reviewing,
            reading=self._is_reviewing and entry is None,
        )

    @property
    def _is_reviewing(self) -> bool:
        """Whether the review of what is asked is still to come."""
        return self._review is None and not self._not_understood and not self._failed

    def on_times(self, times: Times) -> None:
        self._set_columns()
        self._say()

    def _set_columns(self) -> None:
        times = self.services.times
        self.lines.set_columns_by_width(lambda cells: present.columns(cells, times))

    def on_state(self, state: AppState) -> None:
        # Generations may have come or gone: a review is carried out only as long as it is the newest.
        if state.overview is not self._seen:
            self._seen = state.overview
            self._as_of.clear()
            self._recompute()

    # --- the review ---------------------------------------------------------------------------------------------

    def _question(self) -> Question | None:
        """What would be reviewed now; None while the policy is being typed, or is not understood."""
        if self._typing is not None or self._not_understood or self.query_one("#policy", Input).value != self._text:
            return None
        return Question(self._keys, self._policy, frozenset(self._keep), frozenset(self._drop), self._planned)

    def _recompute(self) -> None:
        """Drop the review, and ask for the one of the question as it is now."""
        self._review, self._failed = None, False
        question = self._question()
        if question is None:
            return
        missing = [key for key in question.keys if not any(generation[0] == key for generation in self._as_of)]

        def have(answer: Answer) -> None:
            if self.is_attached and question == self._question():
                self._review, self._made = answer.review, answer.made
                self._as_of |= answer.as_of
                self._show()

        def failed(problem: str) -> None:
            if self.is_attached and question == self._question():
                if question.planned:
                    self.services.notify(problem, severity="warning", markup=False)
                    self._leave_planned()
                    self._recompute()
                else:
                    self._failed = True
                    self._without_review(plain(problem, styles.BAD))

        self.ask(f"gc {id(self)}", lambda engine: read_review(engine, question, missing), have, failed)

    def _without_review(self, why: Text) -> None:
        """List nothing: what was listed was for another question."""
        self._review = None
        self.lines.set_empty(why)
        self.lines.set_items(())
        shown = why.copy()
        shown.no_wrap = False
        self.query_one("#totals", Static).update(shown)

    def _show(self) -> None:
        review = self._review
        if review is None:
            return
        self._set_columns()
        self.lines.set_empty(plain("there is no generation", styles.DIM))
        shown = present.entries(review, self._as_of, frozenset(self._keep), frozenset(self._drop))
        self.lines.set_items(shown)
        self._say()

    def _say(self) -> None:
        review = self._review
        if review is None:
            return
        until = None if self._now else self.services.clock() + self.services.settings.grace
        totals = present.totals(review, until, self.services.times)
        totals.no_wrap = False  # it is seen whole
        self.query_one("#totals", Static).update(totals)
        keys = tuple({line.key for line in review.lines}) if self._planned else self._keys
        which = str(keys[0]) if len(keys) == 1 else f"{len(keys)} components"
        made = f"PLANNED {self.services.times.short(self._made).strip()} and waiting: " if self._made else ""
        self.lines.border_title = plain(f"{made}WOULD be done to {which}").plain.replace("[", r"\[")
        self.set_path(f"{which}/gc")

    # --- the policy ---------------------------------------------------------------------------------------------

    @on(Input.Changed, "#policy")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._text = event.value
        self._leave_planned()
        self._stop_typing()
        try:
            self._policy, self._not_understood = parse_policy(event.value), ""
        except PolicyNotUnderstood as problem:
            self._not_understood = str(problem)
            self._without_review(plain(str(problem), styles.WARN))
            return
        self._typing = self.set_timer(TYPING, self._typed_whole)
        self._without_review(plain("reviewing…", styles.DIM))

    def _typed_whole(self) -> None:
        self._stop_typing()
        self._recompute()

    def _stop_typing(self) -> None:
        if self._typing is not None:
            self._typing.stop()
            self._typing = None

    @on(Input.Submitted, "#policy")
    def _policy_done(self, event: Input.Submitted) -> None:
        event.stop()
        if self._typing is not None:
            self._typed_whole()
        self.lines.focus()

    # --- marks --------------------------------------------------------------------------------------------------

    def _generation_here(self) -> GenerationKey | None:
        entry = self.lines.item
        return (entry.key, entry.line.number) if entry is not None and entry.line is not None else None

    def turn(self) -> None:
        """Turn the word of the line under the cursor round."""
        entry = self.lines.item
        if entry is not None and entry.line is not None:
            if entry.line.keep:
                self.act_gc_drop()
            else:
                self.act_gc_keep()

    def unmark(self) -> None:
        """Take all the operator's own words back; of a plan that waits, review by the policy instead."""
        self._leave_planned()
        self._keep.clear()
        self._drop.clear()
        self._recompute()

    def act_gc_keep(self) -> None:
        self._overrule(self._keep, self._drop)

    def act_gc_drop(self) -> None:
        self._overrule(self._drop, self._keep)

    def _overrule(self, into: set[GenerationKey], out: set[GenerationKey]) -> None:
        generation = self._generation_here()
        if generation is None:
            return
        if self._planned:
            words = "this is the collection that waits, as it was planned; U reviews by the policy instead"
            self.services.notify(words, severity="warning", markup=False)
            return
        out.discard(generation)
        into ^= {generation}
        self._recompute()

    # --- actions ------------------------------------------------------------------------------------------------

    def act_gc_policy(self) -> None:
        self.query_one("#policy", Input).focus()

    def _leave_planned(self) -> None:
        self._planned, self._made = False, None

    def act_gc_all(self) -> None:
        self._leave_planned()
        if self._keys == self._opened_on:
            every = tuple(view.key for view in self.services.state.components() if view.generations)
            self._keys = every or self._opened_on
        else:
            self._keys = self._opened_on
        self._recompute()

    def act_gc_now(self) -> None:
        self._now = not self._now
        self._say()

    def act_gc_save(self) -> None:
        """Ask for whom, and write the policy into config.toml."""
        policy, keys = self._policy, self._keys
        if policy is None:
            return
        choices = [Choice(pattern, title, about) for pattern, title, about in present.patterns(keys)]

        def chosen(pattern: str | None) -> None:
            if pattern is not None:
                self.services.plan(lambda engine: engine.plan_policy(keys, pattern, policy))

        self.services.push_screen(ChoiceScreen(f"Save: keep {self._text.strip()}", choices), chosen)

    def act_gc_apply(self) -> None:
        review, free_now = self._review, self._now
        if review is None or self._question() is None:
            words = self._not_understood or "there is no review"
            self.services.notify(f"nothing to carry out: {words}", severity="warning", markup=False)
            return

        def planned(plan: Plan) -> None:
            if self._review is review and self._now == free_now:
                self.services.confirm(plan, self._submitted)
            elif self.is_attached:
                words = "nothing to carry out: the review was made anew meanwhile, look at it and press the key again"
                self.services.notify(words, severity="warning", markup=False)

        self.ask("plan", lambda engine: engine.plan_gc(review, now=free_now), planned, self.services.trouble)

    def _submitted(self, job: JobView) -> None:
        self._job = job.id
        self.unmark()

    def act_gc_undo(self) -> None:
        jobs = self.services.state.jobs
        own = [job for job in jobs if job.kind == "gc" and job.undoable]
        chosen = next((job for job in own if job.id == self._job), own[0] if own else None)
        if chosen is None:
            running = any(job.kind == "gc" and not job.state.ended for job in jobs)
            words = "the collection is still running" if running else "there is no collection to bring back"
            self.services.notify(words, severity="warning")
            return
        job_id = chosen.id
        self.services.plan(lambda engine: engine.plan_undo(job_id))

    def act_back(self) -> None:
        if self.query_one("#policy", Input).has_focus:
            self.lines.focus()
        elif not self.take_back():
            self.act_quit()

    def why_stay(self) -> str:
        """Its marks would be forgotten."""
        if not (self._keep or self._drop):
            return ""
        apply, unmark = self.services.key_of("gc-apply"), self.services.key_of("unmark")
        return f"the review has marks and was not carried out: {apply} does, {unmark} takes the marks away"

    def act_quit(self) -> None:
        """Close it; where generations are marked, ask first: the marks are not kept."""
        count = len(self._keep) + len(self._drop)
        if not count:
            super().act_quit()
            return
        marks = "the mark" if count == 1 else f"the {count} marks"
        choices = [
            Choice("stay", "Stay here", f"{self.services.key_of('gc-apply')} carries the review out"),
            Choice("leave", f"Leave, and forget {marks}", "nothing is collected"),
        ]

        def chosen(answer: str | None) -> None:
            if answer == "leave":
                self.services.pop_screen()

        self.services.push_screen(ChoiceScreen("The review was not carried out", choices), chosen)
