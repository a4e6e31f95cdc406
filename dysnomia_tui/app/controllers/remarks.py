"""What is said of a generation: pins, verdicts, notes, tags, trust."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dysnomia_store.model import Generation, Marks, Pin, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.controllers.base import Controller
from dysnomia_tui.app.present.pins import EXAMPLE, PinNotUnderstood, parse_pin
from dysnomia_tui.app.screens.prompt import PromptScreen
from dysnomia_tui.engine.plans.plan import Plan


class Remarks(Controller):
    """Asks for what is to be said, and says it by a job."""

    def act_pin(self) -> None:
        key, generation = self.on_generation()
        own = [pin for pin in generation.marks.pins if not pin.held_by]
        if own:
            kept = tuple(pin for pin in generation.marks.pins if pin.held_by)
            self._mark(key, generation, replace(generation.marks, pins=kept), "unpinned")
            return

        times = self.services.times

        def wrong(text: str) -> str:
            try:
                parse_pin(text, times)
            except PinNotUnderstood as problem:
                return str(problem)
            return ""

        def typed(text: str | None) -> None:
            if text is not None:
                why, until = parse_pin(text, times)
                pin = Pin(why=why, who="", at=self.services.clock(), until=until)
                self._mark(key, generation, replace(generation.marks, pins=(*generation.marks.pins, pin)), why)

        self.services.push_screen(
            PromptScreen(
                f"Pin generation {generation.number} of {key.component}",
                "Every collection would keep it, for good or until a time.",
                placeholder=EXAMPLE,
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
        key, generation = self.on_generation()
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
        key, generation = self.on_generation()

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
        key, generation = self.on_generation()
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
        key, generation = self.on_generation()
        self.services.plan(lambda engine: engine.plan_trust(key, generation.number))

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
        self.services.push_screen(screen, typed)

    def _mark(self, key: ComponentKey, generation: Generation, marks: Marks, text: str) -> None:
        def planned(plan: Plan) -> None:
            self.services.confirm_flow.submit_typed(plan, text.strip())

        self.services.client.ask(
            "plan",
            lambda engine: engine.plan_mark(key, generation.number, marks, text.strip(), seen=generation.marks),
            planned,
            self.services.trouble,
        )
