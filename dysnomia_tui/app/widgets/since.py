"""What was written since a restore: shown in the confirmation of its undo, while the operator reads on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Static

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import diff as present
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.text import join, plain
from dysnomia_tui.app.services import Services, services_of
from dysnomia_tui.engine import Diff
from dysnomia_tui.engine.engine import LIVE
from dysnomia_tui.engine.plans.plan import Kind, Plan
from dysnomia_tui.engine.records import SectionChange

EVERY = 0.3
"""Seconds between two looks."""
NAMED = 4
"""Sections named."""


def compared(plan: Plan) -> tuple[ComponentKey, int] | None:
    """What the undo's plan says live is to be compared with; None where there is nothing to compare."""
    if plan.kind is not Kind.UNDO or not isinstance(plan.params.get("restored"), int) or not plan.keys:
        return None
    return plan.keys[0], int(plan.params["restored"])


def words(changes: Sequence[SectionChange], ready: bool) -> Text:
    """``written since the restore: orders +31 -2, users ~1``."""
    lead = plain("written since the restore:", styles.STRONG)
    if not changes:
        return join([lead, plain("nothing" if ready else "comparing with live…", styles.GOOD if ready else styles.DIM)])
    named = [join([plain(change.section.name), present.counts_of(change)]) for change in changes[:NAMED]]
    more = plain(f"and {len(changes) - NAMED} more" if len(changes) > NAMED else "", styles.DIM)
    return join([lead, join(named, ", "), more, plain("" if ready else "…", styles.DIM)])


class Since(Static):
    """Compares the restored generation with live, and says what differs. Takes its lines from the start."""

    DEFAULT_CSS = "Since { height: 2; }"

    def __init__(self, key: ComponentKey, number: int) -> None:
        super().__init__(words((), False), id="since", markup=False)
        self._key = key
        self._number = number
        self._diff: Diff | None = None
        self._ended = False

    @property
    def _services(self) -> Services:
        return services_of(self)

    def on_mount(self) -> None:
        key, number = self._key, self._number
        self._services.client.ask(
            f"since {id(self)}", lambda engine: engine.diff(key, number, LIVE), self._begun, self._failed
        )
        self.set_interval(EVERY, self._look)

    def on_unmount(self) -> None:
        self._ended = True
        self._close()

    def _close(self) -> None:
        diff, self._diff = self._diff, None
        if diff is not None:
            self._services.client.ask(f"since close {id(self)}", lambda _engine: diff.close(), lambda _none: None)

    def _begun(self, diff: Diff) -> None:
        self._diff = diff
        if self._ended:
            self._close()
        else:
            self._look()

    def _failed(self, problem: str) -> None:
        self._ended = True
        if self.is_attached:
            self.update(plain(f"cannot read what was written since: {problem}", styles.WARN))

    def _look(self) -> None:
        diff = self._diff
        if diff is None or self._ended:
            return

        def read(_engine: object) -> tuple[tuple[SectionChange, ...], bool, str]:
            ready = diff.ready
            return tuple(diff.sections()[:100]), ready, diff.error

        self._services.client.ask(f"since look {id(self)}", read, self._have, self._failed)

    def _have(self, answer: tuple[tuple[SectionChange, ...], bool, str]) -> None:
        changes, ready, error = answer
        if self._ended or not self.is_attached:
            return
        if error:
            self._failed(error)
        else:
            self.update(words(changes, ready))
            self._ended = ready
