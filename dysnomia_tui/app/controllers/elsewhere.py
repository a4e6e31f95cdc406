"""To other screens: restore, diff, collection, the demo."""

from __future__ import annotations

from dysnomia_tui.app.controllers.base import Controller
from dysnomia_tui.app.controllers.finding import ask_whole
from dysnomia_tui.engine.engine import LIVE
from dysnomia_tui.engine.records import WAITING


class Elsewhere(Controller):
    """Opens what compares, restores or collects the generation under the cursor."""

    def act_restore(self) -> None:
        whole = self.here().whole
        if whole:
            ask_whole(self.services, whole)
            return
        key, generation = self.on_generation()
        self.services.go.restore(key, generation.number)

    def act_diff(self) -> None:
        key, generation = self.on_generation()
        marks = self.here().marks
        if len(marks) == 2:
            old, new = marks
        elif len(marks) == 1 and marks[0] != generation.number:
            old, new = sorted((marks[0], generation.number))
        else:
            older = [g.number for g in self._front.listed() if g.number < generation.number]
            if not older:
                self.services.notify(
                    "there is no generation before it; D compares it with what is live",
                    severity="warning",
                    markup=False,
                )
                return
            old, new = max(older), generation.number
        self.services.go.diff(key, old, new)

    def act_diff_live(self) -> None:
        key, generation = self.on_generation()
        self.services.go.diff(key, generation.number, LIVE)

    def act_gc(self) -> None:
        here = self.here()
        if here.picked:
            self.services.go.gc([view.key for view in here.picked if view.generations])
            return
        assert here.key is not None
        overview = self.services.state.overview
        waits = overview is not None and any(alarm.topic == WAITING for alarm in overview.alarms)
        marked = [(here.key, number) for number in here.marks]
        self.services.go.gc((here.key,), marked, planned=waits and not marked)

    def act_demo(self) -> None:
        self.services.exit("demo")
