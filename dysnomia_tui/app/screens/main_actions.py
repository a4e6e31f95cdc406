"""What the main screen does: every method is an action of the registry, gated before it comes here."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_store.model import Generation, Marks, Pin, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.files import why_not_written, write_private
from dysnomia_tui.app.present.pins import EXAMPLE as EXAMPLE_PIN
from dysnomia_tui.app.present.pins import PinNotUnderstood, parse_pin
from dysnomia_tui.app.present.text import visible
from dysnomia_tui.app.present.times import EXAMPLES, TimeNotUnderstood, parse_time
from dysnomia_tui.app.screens.prompt import Choice, ChoiceScreen, PromptScreen
from dysnomia_tui.app.screens.shell import open_shell
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.widgets.host import ActionHost
from dysnomia_tui.engine.engine import LIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from dysnomia_tui.engine.plans.plan import Plan


class MainActions(ActionHost):
    """The actions of the main screen that look elsewhere or change something."""

    def here(self) -> Selection:
        raise NotImplementedError

    def show_component(self, key: ComponentKey, number: int | None = None) -> None:
        raise NotImplementedError

    def _on(self) -> tuple[ComponentKey, Generation]:
        """The component and the generation under the cursor; the gate saw to it that there are both."""
        here = self.here()
        assert here.key is not None
        assert here.generation is not None
        return here.key, here.generation

    # --- to other screens ---------------------------------------------------------------------------------------

    def act_restore(self) -> None:
        key, generation = self._on()
        self.dysnomia.go.restore(key, generation.number)

    def act_diff(self) -> None:
        key, generation = self._on()
        marks = self.here().marks
        if len(marks) == 2:
            old, new = marks
        elif len(marks) == 1 and marks[0] != generation.number:
            old, new = sorted((marks[0], generation.number))
        else:
            older = [g.number for g in self._generations() if g.number < generation.number]
            if not older:
                self.dysnomia.notify(
                    "there is no generation before it; D compares it with what is live",
                    severity="warning",
                    markup=False,
                )
                return
            old, new = max(older), generation.number
        self.dysnomia.go.diff(key, old, new)

    def _generations(self) -> Sequence[Generation]:
        raise NotImplementedError

    def act_diff_live(self) -> None:
        key, generation = self._on()
        self.dysnomia.go.diff(key, generation.number, LIVE)

    def act_gc(self) -> None:
        here = self.here()
        assert here.key is not None
        self.dysnomia.go.gc((here.key,), [(here.key, number) for number in here.marks])

    def act_browse(self) -> None:
        raise NotImplementedError

    def act_demo(self) -> None:
        self.dysnomia.exit("demo")

    # --- changes ------------------------------------------------------------------------------------------------

    def act_snapshot(self) -> None:
        here = self.here()
        if here.component is not None:
            keys = [here.component.key]
        else:
            views = here.container.components if here.container is not None else ()
            keys = [view.key for view in views if view.active and "snapshot" in view.can]
        self.dysnomia.plan(lambda engine: engine.plan_snapshot(keys))

    def act_adopt(self) -> None:
        found = self.here().found
        assert found is not None
        if not found.readable:
            self.dysnomia.notify(
                found.remedy or "it cannot be read as this user",
                title="not readable",
                severity="warning",
                markup=False,
                timeout=12,
            )
            return
        self.dysnomia.plan(lambda engine: engine.plan_adopt(found), lambda _job: self.dysnomia.watch_engine.look())

    def act_undo(self) -> None:
        job = self.dysnomia.here().undo
        assert job is not None
        self.dysnomia.plan(lambda engine: engine.plan_undo(job.id))

    def act_activate(self) -> None:
        self._activity("activate")

    def act_deactivate(self) -> None:
        self._activity("deactivate")

    def act_collect_live(self) -> None:
        self._activity("collect-garbage")

    def _activity(self, activity: str) -> None:
        key = self.here().key
        assert key is not None
        self.dysnomia.plan(lambda engine: engine.plan_activity(key, activity))

    def act_verify(self) -> None:
        here = self.here()
        key, generation = self._on()
        numbers = here.chosen
        which = f"generation {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} marked generations"

        def chosen(answer: str | None) -> None:
            if answer == "check":
                self.dysnomia.plan(lambda engine: engine.plan_check(key, numbers))
            elif answer == "verify":
                self.dysnomia.plan(lambda engine: engine.plan_verify(key, generation.number))

        self.dysnomia.push_screen(
            ChoiceScreen(
                f"{key.component}: is it sound?",
                [
                    Choice("check", f"Check {which}", "read every byte and compare it with what was written"),
                    Choice(
                        "verify",
                        f"Verify generation {generation.number} by restoring it",
                        "load it into a scratch place, dump it again, compare: the proof that it is a backup",
                    ),
                ],
            ),
            chosen,
        )

    # --- what is said of a generation ---------------------------------------------------------------------------

    def act_pin(self) -> None:
        key, generation = self._on()
        own = [pin for pin in generation.marks.pins if not pin.held_by]
        if own:
            kept = tuple(pin for pin in generation.marks.pins if pin.held_by)
            self._mark(key, generation, replace(generation.marks, pins=kept), "unpinned")
            return

        times = self.dysnomia.times

        def wrong(text: str) -> str:
            try:
                parse_pin(text, times)
            except PinNotUnderstood as problem:
                return str(problem)
            return ""

        def typed(text: str | None) -> None:
            if text is not None:
                why, until = parse_pin(text, times)
                pin = Pin(why=why, who="", at=self.dysnomia.clock(), until=until)
                self._mark(key, generation, replace(generation.marks, pins=(*generation.marks.pins, pin)), why)

        self.dysnomia.push_screen(
            PromptScreen(
                f"Pin generation {generation.number} of {key.component}",
                "Every collection would keep it, for good or until a time.",
                placeholder=EXAMPLE_PIN,
                accept="pins it",
                check=wrong,
            ),
            typed,
        )

    def act_bad(self) -> None:
        self._verdict(Verdict.BAD, "It would never be offered as good, and not keep others from being collected.")

    def act_good(self) -> None:
        self._verdict(Verdict.GOOD, "It would count as good whatever its size.")

    def _verdict(self, verdict: Verdict, about: str) -> None:
        key, generation = self._on()
        if generation.marks.verdict is verdict:
            self._mark(key, generation, replace(generation.marks, verdict=None), f"no longer known {verdict.value}")
            return

        def typed(why: str | None) -> None:
            if why is not None:
                note = why.strip() or generation.marks.note
                self._mark(key, generation, replace(generation.marks, verdict=verdict, note=note), why)

        self._ask(
            f"Mark generation {generation.number} of {key.component} as known {verdict.value}",
            about,
            "marks it",
            "why (becomes its note)",
            typed,
        )

    def act_note(self) -> None:
        key, generation = self._on()

        def typed(note: str | None) -> None:
            if note is not None and note.strip() != generation.marks.note:
                self._mark(key, generation, replace(generation.marks, note=note.strip()), note)

        self._ask(
            f"Note on generation {generation.number} of {key.component}",
            "",
            "writes it",
            "",
            typed,
            value=generation.marks.note,
        )

    def act_tags(self) -> None:
        key, generation = self._on()
        was = generation.marks.tags

        def typed(text: str | None) -> None:
            if text is not None:
                tags = tuple(dict.fromkeys(text.replace(",", " ").split()))
                if tags != was:
                    self._mark(key, generation, replace(generation.marks, tags=tags), "")

        self._ask(
            f"Tags of generation {generation.number} of {key.component}",
            "Words to find it by with the filter, with blanks between them.",
            "writes them",
            "",
            typed,
            value=" ".join(was),
        )

    def act_trust(self) -> None:
        key, generation = self._on()
        self.dysnomia.plan(lambda engine: engine.plan_trust(key, generation.number))

    def _ask(
        self,
        title: str,
        about: str,
        accept: str,
        placeholder: str,
        typed: Callable[[str | None], None],
        *,
        value: str = "",
    ) -> None:
        screen = PromptScreen(title, about, accept=accept, placeholder=placeholder, value=value)
        self.dysnomia.push_screen(screen, typed)

    def _mark(self, key: ComponentKey, generation: Generation, marks: Marks, text: str) -> None:
        def planned(plan: Plan) -> None:
            self.dysnomia.confirming.confirmed_by_typing(plan, text.strip())

        self.dysnomia.client.ask(
            "plan",
            lambda engine: engine.plan_mark(key, generation.number, marks, text.strip(), seen=generation.marks),
            planned,
            self.dysnomia.trouble,
        )

    # --- finding ------------------------------------------------------------------------------------------------

    def act_time(self) -> None:
        key = self.here().key
        assert key is not None
        times = self.dysnomia.times

        def check(typed: str) -> str:
            try:
                parse_time(typed, times)
            except TimeNotUnderstood as problem:
                return str(problem)
            return ""

        def typed(text: str | None) -> None:
            if text is not None:
                self._find(key, parse_time(text, times))

        zone = times.local(times.now).tzname() or "the server's zone"
        self.dysnomia.push_screen(
            PromptScreen(
                f"Newest good generation of {key.component} before",
                f"In {zone}: {EXAMPLES}",
                placeholder="14:05",
                accept="goes there",
                check=check,
            ),
            typed,
        )

    def _find(self, key: ComponentKey, when: datetime) -> None:
        def found(generation: Generation | None) -> None:
            if generation is None:
                self.dysnomia.notify(
                    f"no good generation is from before {self.dysnomia.times.full(when)}",
                    severity="warning",
                    markup=False,
                )
                return
            self.show_component(key, generation.number)
            self.dysnomia.notify(
                f"as of {self.dysnomia.times.full(generation.as_of)}",
                title=f"{generation.number}: the newest good one before {self.dysnomia.times.full(when)}",
                markup=False,
            )

        self.dysnomia.client.ask("time", lambda engine: engine.find_time(key, when), found, self.dysnomia.trouble)

    # --- out of the app -----------------------------------------------------------------------------------------

    def act_copy(self) -> None:
        here = self.here()
        choices = []
        if here.key is not None:
            path = f"{here.key}/{here.generation.number}" if here.generation is not None else str(here.key)
            choices.append(Choice(path, "the path", visible(path)))
        if here.key is not None and here.generation is not None:
            choices.append(Choice(here.generation.id, "the snapshot's id", here.generation.id))
            argv = ["dysnomia", "-o", "restore", "-c", here.key.component, "-C", here.key.container]
            command = shlex.join([*argv, "--generation", str(here.generation.number)])
            choices.append(Choice(command, "the command that restores it", visible(command)))
        if here.container is not None and here.key is None:
            choices.append(Choice(here.container.name, "the container's name", visible(here.container.name)))
        if here.found is not None:
            line = here.found.remedy or f"{here.found.container}/{here.found.component}"
            choices.append(Choice(line, "the line", visible(line)))

        def chosen(text: str | None) -> None:
            if text is not None:
                self.dysnomia.copy(text, "it")

        if choices:
            self.dysnomia.push_screen(ChoiceScreen("Copy", choices), chosen)

    def act_export(self) -> None:
        key = self.here().key
        overview = self.dysnomia.state.overview
        host = overview.host if overview is not None else "host"
        name = f"timeline-{host}-{self.dysnomia.clock():%Y%m%dT%H%M%SZ}.txt"

        def typed(path: str | None) -> None:
            if not path:
                return
            target = Path(path).expanduser()
            self.dysnomia.client.ask(
                "export",
                lambda engine: write_private(target, engine.timeline(key)),
                lambda size: self.dysnomia.notify(f"{target}: {size} bytes", title="exported", markup=False),
                self.dysnomia.trouble,
            )

        what = f"of {key}" if key is not None else "of everything"
        self.dysnomia.push_screen(
            PromptScreen(
                "Export",
                f"The audit {what} as a UTC timeline, to a new file that only you can read:",
                value=str(Path.home() / name),
                accept="writes it",
                check=why_not_written,
            ),
            typed,
        )

    def act_shell(self) -> None:
        key = self.here().key
        assert key is not None
        open_shell(self.dysnomia, key)
