"""Finding a generation by a time."""

from __future__ import annotations

from datetime import datetime

from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.controllers.base import Controller
from dysnomia_tui.app.present.times import EXAMPLES, TimeNotUnderstood, parse_time
from dysnomia_tui.app.screens.prompt import PromptScreen


class Finding(Controller):
    """Asks for a time, and goes to the newest good generation before it."""

    def act_time(self) -> None:
        key = self.here().key
        assert key is not None
        times = self.services.times

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
        self.services.push_screen(
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

        self.services.client.ask("time", lambda engine: engine.find_time(key, when), found, self.services.trouble)
