"""What screens, widgets and helpers need of the app. They know it by this alone, and the app is checked against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from textual.dom import DOMNode

if TYPE_CHECKING:
    from textual.geometry import Size
    from textual.screen import Screen
    from textual.timer import Timer
    from textual.widget import Widget

    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.app.actions.confirm_flow import ConfirmFlow
    from dysnomia_tui.app.actions.runner import ActionRunner
    from dysnomia_tui.app.client import Client
    from dysnomia_tui.app.messages import Messages
    from dysnomia_tui.app.navigation import Navigation
    from dysnomia_tui.app.poller import Poller
    from dysnomia_tui.app.present.times import Times
    from dysnomia_tui.app.selection import Selection
    from dysnomia_tui.app.state import AppState
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.engine import Engine
    from dysnomia_tui.engine.plans.plan import Plan
    from dysnomia_tui.engine.records import JobView


class Services(Protocol):
    """The app, as everything in it sees it. All of it is called on the app's loop."""

    settings: Settings
    clock: Callable[[], datetime]
    state: AppState
    client: Client
    poller: Poller
    confirm_flow: ConfirmFlow
    actions: ActionRunner
    go: Navigation
    messages: Messages

    @property
    def is_open(self) -> bool:
        """Whether there is a screen. While the app closes, its screens are gone before its messages and timers are."""

    @property
    def times(self) -> Times:
        """How times are written now."""

    def set_state(self, state: AppState) -> None:
        """Take a new state and have the screen in front drawn from it."""

    @property
    def chosen_theme(self) -> str:
        """The theme that the operator chose; ``automatic`` where they did not."""

    def themes(self) -> list[tuple[str, str, str]]:
        """Name, title and a sentence of each theme; none where NO_COLOR asks for no colours."""

    def show_theme(self, name: str) -> None:
        """Look like this theme, for now."""

    def take_theme(self, name: str | None) -> None:
        """Look like it from now on, and at the next start; None: as it was before."""

    def next_zone(self) -> None:
        """Write times in the next zone: server, UTC, relative, and round again."""

    def look_again(self) -> None:
        """Read everything again."""

    def paint_all(self) -> None:
        """Write the whole screen, whatever is believed to stand there."""

    def next_alarm(self) -> None:
        """Put the cursor on the next thing that needs a person, on the main screen."""

    def show_component(self, key: ComponentKey, number: int | None = None) -> None:
        """Close what is in front of the main screen and put its cursor on a component (and a generation)."""

    def show_group(self, name: str) -> None:
        """Close what is in front of the main screen and put its cursor on a group."""

    def here(self) -> Selection:
        """Where the operator is, on the screen in front."""

    def key_of(self, action_id: str) -> str:
        """The first key of an action, as it is shown."""

    def plan(self, make: Callable[[Engine], Plan], submitted: Callable[[JobView], None] | None = None) -> None:
        """Make a plan in a thread, then confirm and submit it."""

    def confirm(self, plan: Plan, submitted: Callable[[JobView], None] | None = None) -> None:
        """Ask as the plan's grade demands; if confirmed, submit exactly this plan."""

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop."""

    def copy(self, text: str, what: str) -> None:
        """Put ``text`` on the clipboard of the terminal the operator sits at."""

    def trouble(self, problem: str) -> None:
        """Say what went wrong."""

    def run_client(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        """Run a program that gets the terminal; its exit status. Raises OSError where it cannot be started."""

    def action_suspend_process(self) -> None:
        """Back to the shell; ``fg`` comes back here."""

    # Textual's own, as far as they are used here.

    @property
    def size(self) -> Size: ...

    @property
    def focused(self) -> Widget | None: ...

    @property
    def screen(self) -> Screen[Any]: ...

    @property
    def screen_stack(self) -> Sequence[Screen[Any]]: ...

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Literal["information", "warning", "error"] = "information",
        timeout: float | None = None,
        markup: bool = False,
        everywhere: bool = False,
    ) -> None: ...

    def unsay(self, text: str) -> None: ...

    def clear_notifications(self) -> None: ...

    def push_screen(self, screen: Screen[Any], callback: Callable[[Any], None] | None = None) -> object: ...

    def pop_screen(self) -> object: ...

    def suspend(self) -> AbstractContextManager[None]: ...

    def set_interval(self, interval: float, callback: Callable[[], Any]) -> Timer: ...

    def set_timer(self, delay: float, callback: Callable[[], Any]) -> Timer: ...

    def exit(self, result: str | None = None) -> None: ...


@runtime_checkable
class HasServices(Protocol):
    """The app itself."""

    @property
    def services(self) -> Services: ...


def services_of(node: object) -> Services:
    """The services of the app that a screen or widget belongs to. Raises TypeError where it is in no app of ours."""
    app: object = node.app if isinstance(node, DOMNode) else None
    if not isinstance(app, HasServices):
        raise TypeError(f"{node!r} is in no app that has services")
    return app.services
