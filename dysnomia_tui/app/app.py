"""The app: wiring only. Answers of the engine become state, state becomes screens; actions pass one gate."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen

from dysnomia_base.clock import utc_now
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app import theme
from dysnomia_tui.app.actions.confirm_flow import ConfirmFlow
from dysnomia_tui.app.actions.keymap import checked_keymap
from dysnomia_tui.app.actions.reasons import LOADING
from dysnomia_tui.app.actions.registry import REGISTRY, key_name, keys_of
from dysnomia_tui.app.actions.runner import ActionRunner
from dysnomia_tui.app.client import Answered, Client
from dysnomia_tui.app.messages import DEFAULT, Messages, Said, Severity
from dysnomia_tui.app.navigation import Navigation
from dysnomia_tui.app.poller import Poller
from dysnomia_tui.app.present.text import visible
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.app.remembered import Remembered, state_folder
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.services import Services
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.terminal.crash import report
from dysnomia_tui.app.terminal.driver import TerminalDriver
from dysnomia_tui.app.terminal.ending import Ending
from dysnomia_tui.app.terminal.remote import is_remote
from dysnomia_tui.app.terminal.terminal import osc52, refuse, run_demo
from dysnomia_tui.app.themed import Themed
from dysnomia_tui.app.widgets.bars import HeadBar, JobStrip
from dysnomia_tui.app.widgets.row_table import RowTable
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.records import JobView, Opening


class DysnomiaApp(Themed):
    """See, snapshot, compare, restore and clear the state on this machine."""

    TITLE = "dysnomia"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+z", "suspend_process", "Suspend", show=False)]
    ESCAPE_TO_MINIMIZE = False
    CSS = """
    Screen { background: $background; }
    ModalScreen { background: $background 60%; }
    DysnomiaApp.-undimmed ModalScreen { background: transparent; }
    ToastRack { display: none; }
    Input:ansi > .input--cursor { text-style: reverse; }
    """

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        settings: Settings,
        *,
        clock: Callable[[], datetime] | None = None,
        environ: Mapping[str, str] | None = None,
        poll: bool = True,
        opening: Opening | None = None,
        memory: Path | None = None,
    ) -> None:
        """Make the app; nothing is read before the first frame.

        Args:
            make_engine: called once, in a thread.
            settings: config.toml's.
            clock: what time it is (UTC); the system's by default.
            environ: the terminal's environment; the process's by default.
            opening: where the cursor goes once the store has been read.
            memory: the folder in which is kept what the operator chose on the screen; without one nothing is.
            poll: whether jobs and overview are looked at again and again (tests look when they want to).
        """
        environ = os.environ if environ is None else environ
        self._remembered = Remembered(memory)
        no_color = "NO_COLOR" in environ
        own = self._remembered.read("theme")
        chosen = theme.pick(own or settings.theme, environ, no_color)
        # Told now, for this is where Textual decides what NO_COLOR means: no colours at all, or greys of our own (which
        # over the terminal's own ground would be black on black).
        super().__init__(driver_class=TerminalDriver, ansi_color=True if chosen in theme.NATIVE else None)
        keys, self._key_problems = checked_keymap(settings.keys)
        self.settings = replace(settings, keys=keys)
        """config.toml's; of its keys those that are bound, so that footer and help name no other."""
        self.set_class(is_remote(environ) if settings.dim is None else not settings.dim, "-undimmed")
        self.clock = clock or utc_now
        self.state = AppState()
        self.client = Client(self, make_engine)
        self.poller = Poller(self, poll)
        self.confirm_flow = ConfirmFlow(self)
        self.ending = Ending(self)
        self.go = Navigation(self)
        self.actions = ActionRunner(self)
        kind = ZoneKind(settings.zone) if settings.zone in list(ZoneKind) else ZoneKind.SERVER
        self._times = Times(kind, self.clock())
        self._alarm = -1
        self._environ = environ
        self._opening = opening
        self.messages = Messages()
        self.animation_level = "none"
        self.ansi_theme_dark = theme.ANSI_DARK
        self.ansi_theme_light = theme.ANSI_LIGHT
        for one in (theme.DARK, theme.LIGHT):
            self.register_theme(one)
        if chosen not in self.available_themes:
            own, chosen = "", theme.pick("", environ, no_color)
        self._own_theme = own
        self.theme = chosen

    @property
    def services(self) -> Services:
        """Itself, as screens and widgets see it."""
        return self

    def run_client(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        """Run a program that gets the terminal; its exit status. Raises OSError where it cannot be started."""
        return self.ending.run_client(argv, env)

    def get_default_screen(self) -> Screen[Any]:
        from dysnomia_tui.app.screens.main import MainScreen

        return MainScreen()

    def on_load(self) -> None:
        self.ending.started()

    def on_mount(self) -> None:
        self.set_keymap(self.settings.keys)
        for problem in self._key_problems:
            self.notify(problem, severity="warning", markup=False, timeout=15)
        if self.settings.theme and self.settings.theme not in self.available_themes:
            known = ", ".join(theme.NAMES)
            words = f"config.toml: there is no theme {self.settings.theme!r}; use one of {known}"
            self.notify(words, severity="warning", markup=False, timeout=15)
        self.set_interval(1, self._tick)
        self.app_resume_signal.subscribe(self, self._resumed)
        # The first frame is on the screen before the store is read.
        self.call_after_refresh(self.poller.start)

    def _resumed(self, _app: App[Any]) -> None:
        """Paint all of it: the terminal comes back empty, and Textual paints only what has changed since."""
        if self.is_open:
            self.paint_all()

    @on(Answered)
    def _answered(self, message: Answered) -> None:
        if self.is_open:
            self.client.answered(message)
            self.actions.run_kept()

    # --- state ---------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether there is a screen. While the app closes, its screens are gone before its messages and timers are."""
        return self.is_running and bool(self.screen_stack)

    @property
    def times(self) -> Times:
        """How times are written now."""
        return self._times.at(self.clock())

    def set_state(self, state: AppState) -> None:
        """Take a new state and have the screen in front drawn from it. Held back under an open confirmation."""
        self.state = state
        if isinstance(self.screen, DysnomiaScreen) and self.screen.is_mounted:
            self.screen.redraw_bars()
            self.screen.on_state(state)
        if self._opening is not None and state.overview is not None:
            opening, self._opening = self._opening, None
            self._go_to(opening)
        self.actions.run_kept()

    def _go_to(self, opening: Opening) -> None:
        if opening.hosts:
            self.go.hosts(opening.only)
        elif opening.key is not None:
            if self.state.component(opening.key) is None:
                self.notify(f"there is no component {opening.key}", severity="warning", markup=False, timeout=12)
            self.show_component(opening.key, opening.number)
        elif opening.when is None:
            self.show_group(opening.group)
        else:
            self.go.whole(opening.group, opening.when)

    def _tick(self) -> None:
        if not self.is_open:
            return
        screen = self.screen
        if isinstance(screen, DysnomiaScreen) and self.messages.passed(1, id(screen)):
            screen.say_messages()
        for bar in (HeadBar, JobStrip) if self.state.jobs else (HeadBar,):
            for widget in self.screen.query(bar):
                widget.refresh()

    def next_zone(self) -> None:
        """Server, UTC, relative, and round again, on every screen."""
        self._times = replace(self._times, kind=self._times.kind.following)
        for screen in self.screen_stack:
            if isinstance(screen, DysnomiaScreen):
                screen.on_times(self.times)
                screen.redraw_bars()

    def look_again(self) -> None:
        """Read everything again."""
        self.poller.look(everything=True)
        self.notify("reading everything again", timeout=1.5)

    def next_alarm(self) -> None:
        """Put the cursor on the next thing that needs a person, on the main screen."""
        alarms = self.state.alarms()
        if not alarms:
            return
        self._alarm = (self._alarm + 1) % len(alarms)
        alarm = alarms[self._alarm]
        self.notify(
            alarm.text,
            title=f"{self._alarm + 1} of {len(alarms)} need you",
            severity="warning",
            markup=False,
            timeout=8,
        )
        if alarm.key is not None:
            self.show_component(alarm.key)

    def show_component(self, key: ComponentKey, number: int | None = None) -> None:
        """Close what is in front of the main screen and put its cursor on a component (and a generation)."""
        from dysnomia_tui.app.screens.main import MainScreen

        if self._closed_in_front() and isinstance(self.screen, MainScreen):
            self.screen.show_component(key, number)

    def _closed_in_front(self) -> bool:
        """Close all screens but the main one. False, and says why, where one of them must not be."""
        for screen in self.screen_stack:
            reason = screen.why_stay() if isinstance(screen, DysnomiaScreen) else ""
            if reason:
                self.notify(reason, severity="warning", markup=False, timeout=8)
                return False
        while len(self.screen_stack) > 1:
            self.pop_screen()
        return True

    def show_group(self, name: str) -> None:
        """Close what is in front of the main screen and put its cursor on a group."""
        from dysnomia_tui.app.screens.main import MainScreen

        if self._closed_in_front() and isinstance(self.screen, MainScreen):
            self.screen.show_group(name)

    # --- actions -------------------------------------------------------------------------------------------------

    def here(self) -> Selection:
        """Where the operator is, on the screen in front."""
        screen = next((s for s in reversed(self.screen_stack) if isinstance(s, DysnomiaScreen)), None)
        try:
            here = screen.here() if screen is not None else Selection()
        except NoMatches:  # its bars ask as soon as they are mounted, its lists may not be yet
            here = Selection()
        overview = self.state.overview
        read_only = overview.read_only if overview is not None else LOADING
        return replace(
            here,
            read_only=read_only or ("configured so" if self.settings.read_only else ""),
            loaded=overview is not None,
            undo=self.state.undoable_whole(here.whole) if here.whole else self.state.undoable(here.key),
            alarms=len(self.state.alarms()),
            searching=screen is not None and isinstance(screen.focused, RowTable) and screen.focused.searching,
        )

    def key_of(self, action_id: str) -> str:
        """The first key of an action, as it is shown."""
        keys = keys_of(REGISTRY[action_id], self.settings.keys)
        return key_name(keys[0]) if keys else f":{action_id}"

    def plan(self, make: Callable[[Engine], Plan], submitted: Callable[[JobView], None] | None = None) -> None:
        """Make a plan in a thread, then confirm and submit it."""
        self.confirm_flow.plan(make, submitted)

    def confirm(self, plan: Plan, submitted: Callable[[JobView], None] | None = None) -> None:
        """Ask as the plan's grade demands; if confirmed, submit exactly this plan."""
        self.confirm_flow.confirm(plan, submitted)

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop; its log shows when it has."""
        self.client.ask(
            f"cancel {job_id}",
            lambda engine: engine.cancel(job_id),
            lambda _none: self.notify(
                f"cancel requested for J{job_id}; its log says when it has stopped", markup=False
            ),
            self.trouble,
        )

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Severity = "information",
        timeout: float | None = None,
        markup: bool = False,
        everywhere: bool = False,
    ) -> None:
        """Say something in the lines above the footer; never over the rows that one works in.

        Args:
            message: what is said.
            title: what it is about.
            severity: how it looks.
            timeout: seconds that it is shown.
            markup: Textual's own; texts are never markup here.
            everywhere: whether it is about no screen (how a job ended), and stays when the one in front is closed.
        """
        front = next((one for one in reversed(self.screen_stack) if isinstance(one, DysnomiaScreen)), None)
        screen = None if everywhere or front is None else id(front)
        seconds = DEFAULT if timeout is None else timeout
        self.messages.say(Said(title, message, severity, self.clock(), seconds, screen))
        if front is not None:
            front.say_messages()

    def unsay(self, text: str) -> None:
        """Show a message no more: what it was about is over."""
        self.messages.forget(text)
        self._say_again()

    def clear_notifications(self) -> None:
        self.messages.clear()
        self._say_again()

    def _say_again(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, DysnomiaScreen):
                screen.say_messages()

    def copy(self, text: str, what: str) -> None:
        """Put ``text`` on the clipboard of the terminal the operator sits at, through tmux and screen."""
        sequence = osc52(text, self._environ)
        if sequence is None or self._driver is None:
            self.notify(f"{what} is too long for the clipboard of a terminal", severity="warning", markup=False)
            return
        self._driver.write(sequence)
        self.notify(visible(text), title="copied (where the terminal allows it)", markup=False, timeout=4)

    def action_help_quit(self) -> None:
        """Ctrl-C, at any moment: says how to leave, and that nothing is lost by it."""
        self.notify(f"{self.key_of('quit')} closes; jobs go on", markup=False, timeout=4)

    def _fatal_error(self) -> None:
        """Textual's way out after a bug, which would show a traceback with the values of variables in it."""
        self._exit_renderables.append(Text(report(sys.exc_info()[1])))
        self._close_messages_no_wait()

    def trouble(self, problem: str) -> None:
        """Say what went wrong."""
        self.notify(problem, severity="error", markup=False, timeout=12)


def run(settings: Settings, *, read_only: bool, opening: Opening | None = None) -> int:
    """Run the app until it is closed; the exit code.

    Raises nothing for a terminal that cannot show it: says so in one line.
    """
    if refuse(os.environ):
        return 1
    if os.environ.get("SSH_CONNECTION"):
        os.environ.setdefault("TEXTUAL_FPS", "30")
    if not os.environ.get("NO_COLOR", "1"):
        del os.environ["NO_COLOR"]  # set to nothing it asks for nothing (no-color.org), and Textual would obey it
    memory = state_folder(os.environ)
    app = DysnomiaApp(lambda: Engine(settings, read_only=read_only), settings, opening=opening, memory=memory)
    with app.ending.handled():
        answer = app.run()
    if answer == "demo":
        return run_demo()
    return app.return_code or 0
