"""Finding a generation by a time, and those in which a row was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.controllers.base import Controller
from dysnomia_tui.app.present import browse
from dysnomia_tui.app.present.times import EXAMPLES, TimeNotUnderstood, parse_time
from dysnomia_tui.app.screens.prompt import PromptScreen, refused_by
from dysnomia_tui.app.services import Services


def ask_time(services: Services, title: str, accept: str, then: Callable[[datetime], None]) -> None:
    """Ask for a time, and go on with it."""
    times = services.times

    def typed(text: str | None) -> None:
        if text is not None:
            then(parse_time(text, times))

    zone = times.local(times.now).tzname() or "the server's zone"
    check = refused_by(lambda text: parse_time(text, times), TimeNotUnderstood)
    about = f"In {zone}: {EXAMPLES}"
    services.push_screen(PromptScreen(title, about, placeholder="14:05", accept=accept, check=check), typed)


def ask_whole(services: Services, name: str) -> None:
    """Ask for a time, and show where every component of a group or container stood then."""
    ask_time(services, f"Where {name} stood at", "shows every component", lambda when: services.go.whole(name, when))


class Finding(Controller):
    """Asks for a time, and goes to the newest good generation before it; for a row, and shows what became of it."""

    def act_history(self) -> None:
        """Of one row of the section under the cursor, or of a section that has no rows; else of every section that
        has what is typed."""
        key, section = self.here().key, self._front.section()
        assert key is not None
        if section is not None and not section.columns:
            self.services.go.history(key, *browse.history_of_section(section))
            return

        def typed(text: str | None) -> None:
            if text is not None:
                self.services.go.history(key, *browse.history_of_text(section, text.strip()))

        where = f"{section.kind} {section.name}" if section is not None else key.component
        self.services.push_screen(
            PromptScreen(
                f"When was it last in {where}?",
                browse.what_to_follow(section),
                placeholder=browse.key_example(section),
                accept="shows its history, newest change first",
                check=lambda text: "" if text.strip() else "type what to look for",
            ),
            typed,
        )

    def act_time(self) -> None:
        key, whole = self.here().key, self.here().whole
        if whole:
            ask_whole(self.services, whole)
            return
        assert key is not None
        of = key
        title = f"Newest good generation of {of.component} before"
        ask_time(self.services, title, "goes there", lambda when: self._find(of, when))

    def _find(self, key: ComponentKey, when: datetime) -> None:
        def show_generation(generation: Generation | None) -> None:
            if generation is None:
                self.services.notify(
                    f"no good generation is from before {self.services.times.full(when)}",
                    severity="warning",
                    markup=False,
                )
                return
            self._front.show_component(key, generation.number)
            self.services.notify(
                f"as of {self.services.times.full(generation.as_of)}",
                title=f"{generation.number}: the newest good one before {self.services.times.full(when)}",
                markup=False,
            )

        self.services.client.ask(
            "time", lambda engine: engine.find_time(key, when), show_generation, self.services.trouble
        )
