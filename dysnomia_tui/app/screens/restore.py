"""A restore from choice to outcome: the target, the plan, then the job live, then how it ended and what undoes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from rich.console import Group
from rich.text import Text
from textual import on
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from dysnomia_store.model import Generation, Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.present import plan as plan_words
from dysnomia_tui.app.present import restore as present
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.restore import Target
from dysnomia_tui.app.present.text import escaped, join, plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.screens.prompt import Choice, ChoiceScreen, PromptScreen
from dysnomia_tui.app.screens.shell import open_shell
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.job_log import JobLog
from dysnomia_tui.app.widgets.reading_pane import ReadingPane
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.records import JobView

AT_MOST = 100_000
"""Sections offered."""
TARGETS = (Target("replace"), Target("copy"), Target("sections"), Target("elsewhere"))


class RestoreScreen(DysnomiaScreen):
    """The restore of one generation."""

    SCOPE = "restore"
    PANES = ("targets", "plan")
    STACKED = True
    BINDINGS = bindings("restore", "everywhere")
    AUTO_FOCUS = "#targets"
    DEFAULT_CSS = """
    RestoreScreen #of { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    RestoreScreen #targets { height: 6; border: round $border-blurred; scrollbar-size: 0 0; }
    RestoreScreen #choose { height: 1fr; border: round $border-blurred; display: none; }
    RestoreScreen #plan { height: 1fr; border: round $border-blurred; padding: 0 1; scrollbar-size-vertical: 1;
        border-title-color: $text-muted; }
    RestoreScreen #plan > Static { height: auto; }
    RestoreScreen #plan:focus { border: round $primary; border-title-color: $text; }
    RestoreScreen.-short.choosing #targets { display: none; }
    RestoreScreen #job { height: 1fr; border: round $border-blurred; display: none; }
    RestoreScreen VirtualTable { border-title-color: $text-muted; border-subtitle-color: $text-disabled; }
    RestoreScreen #targets:focus, RestoreScreen #choose:focus, RestoreScreen #job:focus { border: round $primary;
        border-title-color: $text; }
    RestoreScreen.choosing #choose { display: block; }
    RestoreScreen.choosing #plan { display: none; }
    RestoreScreen.running #targets, RestoreScreen.running #plan, RestoreScreen.running #choose { display: none; }
    RestoreScreen.running #job { display: block; }
    """

    def __init__(self, key: ComponentKey, number: int) -> None:
        super().__init__()
        self._of = key
        self._number = number
        self._targets = {target.kind: target for target in TARGETS}
        self._kind = "replace"
        self._plan: Plan | None = None
        self._refused = ""
        self._generation: Generation | None = None
        self._job = ""

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield Static(id="of")
            yield VirtualTable[Target](
                present.target_columns(), key=lambda target: target.kind, head=False, widget_id="targets"
            )
            yield VirtualTable[Section](
                key=present.section_id, markable=True, widget_id="choose", empty="reading what is in it…"
            )
            with ReadingPane(id="plan"):
                yield Static(id="words")
            yield JobLog(widget_id="job")

    @property
    def targets(self) -> VirtualTable[Target]:
        return self.query_one("#targets", VirtualTable)

    @property
    def choose(self) -> VirtualTable[Section]:
        return self.query_one("#choose", VirtualTable)

    @property
    def job_log(self) -> JobLog:
        return self.query_one("#job", JobLog)

    @property
    def target(self) -> Target:
        """The target under the cursor."""
        return self._targets[self._kind]

    def here(self) -> Selection:
        state = self.services.state
        return Selection(
            component=state.component(self._of),
            container=state.container(self._of.container),
            generation=self._generation,
            job=self.job_log.job,
            planned=self._plan is not None or not self.target.filled or bool(self._refused and self.target.name),
        )

    def on_mount(self) -> None:
        self.targets.border_title = escaped(f"Restore {self._of} to what it was in generation {self._number}")
        self.query_one("#plan").border_title = "Plan"
        self.targets.border_subtitle = "→ reads the plan"
        self.choose.border_title = "Sections: space marks, Enter takes them"
        self.set_path(f"{self._of}/{self._number}")
        self.targets.set_items(tuple(self._targets.values()), to=self._kind)
        key, number = self._of, self._number
        self.ask(
            f"restore of {id(self)}",
            lambda engine: next((one for one in engine.generations(key) if one.number == number), None),
            self._have_generation,
            self.services.trouble,
        )
        self._replan()

    def _have_generation(self, generation: Generation | None) -> None:
        self._generation = generation
        self.on_times(self.services.times)

    def on_times(self, times: Times) -> None:
        if self._generation is not None:
            self.query_one("#of", Static).update(present.about(self._generation, times))
        self.job_log.rewrite()

    def on_state(self, state: AppState) -> None:
        job = next((one for one in state.jobs if one.id == self._job), None)
        if job is not None:
            self.job_log.follow(job)
            self.redraw_bars()

    # --- the target, and its plan -------------------------------------------------------------------------------

    @on(VirtualTable.Highlighted, "#targets")
    def _target_changed(self, event: VirtualTable.Highlighted) -> None:
        target: Target | None = event.item
        if target is not None and target.kind != self._kind:
            self._kind = target.kind
            self.remove_class("choosing")
            self._replan()

    def _set_target(self, target: Target) -> None:
        self._targets[target.kind] = target
        self.targets.set_items(tuple(self._targets.values()), to=target.kind)
        self._replan()

    def _replan(self) -> None:
        """Ask for the plan of the target as it is now."""
        self._plan = None
        self._refused = ""
        target, key, number = self.target, self._of, self._number
        words = self.query_one("#words", Static)
        if not target.filled:
            words.update(plain("Enter asks for what is missing; then the plan is shown here.", styles.DIM))
            return
        words.update(plain("planning…", styles.DIM))

        def have(plan: Plan) -> None:
            if self.is_attached and target == self.target:
                self._plan = plan
                words.update(_plan_words(plan))
                self.services.actions.run_kept()

        def failed(problem: str) -> None:
            if self.is_attached and target == self.target:
                self._refused = problem
                words.update(plain(problem, styles.BAD))

        self.ask(
            f"restore plan {id(self)}",
            lambda engine: engine.plan_restore(key, number, target.asked()),
            have,
            failed,
        )

    def _name_it(self, target: Target, refused: str = "") -> None:
        def typed(name: str | None) -> None:
            if name is not None and name.strip():
                self._set_target(replace(target, name=name.strip()))

        self.services.push_screen(
            PromptScreen(
                f"A copy of {self._of.component}, generation {self._number}",
                f"Not possible as {target.name}: {refused}. Another name?"
                if refused
                else "Under which name? Live stays untouched."
                if not target.container
                else f"Under which name in container {target.container}? Nothing is replaced there.",
                value=target.name
                or (self._of.component if target.container else f"{self._of.component}_{self._number}"),
                accept="plans it",
                check=lambda name: "" if name.strip() else "a name is needed",
            ),
            typed,
        )

    def _choose_container(self, refused: str = "") -> None:
        """Another container of this type, then the copy's name in it."""
        state = self.services.state
        own = state.container(self._of.container)
        others = [
            one for one in state.containers() if own is not None and one.type == own.type and one.name != own.name
        ]
        if not others:
            self.services.trouble(
                f"no other container of the type {own.type if own else ''} is configured: write a file for the other"
                " server or folder, as docs/configuration.md says"
            )
            return

        def chosen(name: str | None) -> None:
            if name is not None:
                target = replace(self.target, container=name)
                self._targets[target.kind] = target
                self.targets.set_items(tuple(self._targets.values()), to=target.kind)
                self._name_it(target, refused)

        choices = [Choice(one.name, one.name, present.address(one)) for one in others]
        self.services.push_screen(
            ChoiceScreen(f"Copy generation {self._number} into which container?", choices), chosen
        )

    def _choose_sections(self) -> None:
        self._one_alone("choosing")
        self.choose.focus()
        if self.choose.items:
            return
        key, number = self._of, self._number

        def have(sections: tuple[Section, ...]) -> None:
            self.choose.set_empty(plain("it is empty", styles.DIM))
            shown = [section for section in sections if section.kind != "schema"]
            self.choose.set_columns(present.section_columns(shown))
            self.choose.set_items(shown)

        self.ask(
            f"restore sections {id(self)}",
            lambda engine: tuple(islice(engine.sections(key, number), AT_MOST)),
            have,
            self.services.trouble,
        )

    @on(VirtualTable.Chosen, "#choose")
    def _sections_chosen(self) -> None:
        marked = self.choose.marks
        one = self.choose.item
        names = [present.section_id(section) for section in self.choose.items]
        taken = tuple(name for name in names if name in marked) or ((present.section_id(one),) if one else ())
        self.remove_class("choosing")
        self.targets.focus()
        target = Target("sections", self.target.name, taken)
        self._targets["sections"] = target
        self.targets.set_items(tuple(self._targets.values()), to="sections")
        self._name_it(target)

    # --- actions ------------------------------------------------------------------------------------------------

    def act_target(self) -> None:
        kinds = list(self._targets)
        self.targets.go_to(kinds[(kinds.index(self._kind) + 1) % len(kinds)])

    def show_pane(self, widget: Widget) -> None:
        """Of target and plan one alone, where there is no room for both. A job, and sections to choose from, have all
        of the room anyway."""
        if self.has_class("running") or self.has_class("choosing"):
            return
        super().show_pane(widget)

    def _one_alone(self, name: str) -> None:
        """Sections, or the job: by the class of the screen, and no longer by what was shown before."""
        for pane in self.PANES:
            for rule in ("display", "width", "height"):
                self.query_one(f"#{pane}").styles.clear_rule(rule)
        self.add_class(name)

    @on(VirtualTable.Edge, "#targets")
    def _to_plan(self, event: VirtualTable.Edge) -> None:
        if event.direction > 0:
            self.query_one("#plan", ReadingPane).show()

    @on(ReadingPane.Left)
    def _to_targets(self) -> None:
        self.targets.focus()

    @on(VirtualTable.Chosen, "#targets")
    def _target_chosen(self) -> None:
        self.services.actions.perform_id("go")

    def act_go(self) -> None:
        target = self.target
        if self._job:
            return
        if target.kind == "sections" and not target.sections:
            self._choose_sections()
        elif target.kind == "elsewhere" and not target.filled:
            self._choose_container()
        elif target.kind == "elsewhere" and (self._refused or (self._plan is not None and self._plan.blockers)):
            self._choose_container(self._refused or "; ".join(self._plan.blockers if self._plan else ()))
        elif not target.filled:
            self._name_it(target)
        elif self._plan is not None and self._plan.blockers and target.name:
            self._name_it(target, "; ".join(self._plan.blockers))  # a name that is refused is corrected in place
        elif self._plan is not None:
            self.services.confirm(self._plan, self._submitted)
        elif self._refused and target.name:
            self._name_it(target, self._refused)

    def _submitted(self, job: JobView) -> None:
        self._job = job.id
        self._one_alone("running")
        self.job_log.focus()
        self.job_log.follow(job)

    def act_restore_undo(self) -> None:
        job = self.job_log.job
        assert job is not None
        self.services.plan(lambda engine: engine.plan_undo(job.id), self._submitted)

    def act_restore_cancel(self) -> None:
        job = self.job_log.job
        assert job is not None
        self.services.cancel(job.id)

    def act_cancel_front(self) -> None:
        job = self.job_log.job
        assert job is not None
        self.services.cancel(job.behind)

    def act_restore_shell(self) -> None:
        open_shell(self.services, self._of)

    def act_back(self) -> None:
        if self.has_class("choosing"):
            self.remove_class("choosing")
            self.targets.focus()
        elif self.query_one("#plan").has_focus:
            self.targets.focus()
        else:
            self.act_quit()


def _plan_words(plan: Plan) -> Group:
    head = join([plan_words.title(plan), plan_words.grade_line(plan)], "   ")
    return Group(head, Text(""), plan_words.body(plan))
