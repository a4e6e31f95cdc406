"""The one confirmation: what would happen, and as much to do for it as it is dangerous.

Nothing confirms within half a second of the first paint, and what was typed before is dropped, so that no key meant
for another screen can do anything here: until then it says that keys are ignored. From then on every key counts, in the
order in which it was typed. The focus starts on Cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual._time import get_time
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from dysnomia_tui.app.present import plan as present
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.text import cut_middle, join, plain
from dysnomia_tui.app.services import services_of
from dysnomia_tui.app.terminal.key_order import type_into
from dysnomia_tui.app.widgets.host import MIN_COLUMNS, MIN_ROWS
from dysnomia_tui.app.widgets.since import Since, compared
from dysnomia_tui.engine.plans.plan import Grade, Plan

ARMED_AFTER = 0.5
"""Seconds after the first paint before anything can confirm."""
ROWS_FOR_SINCE = 18
"""Rows of the terminal from which there is room for what was written since a restore."""


@dataclass(frozen=True, slots=True)
class Decision:
    """It was confirmed."""

    why: str = ""
    """The operator's own words, for the audit."""


class ConfirmScreen(ModalScreen["Decision | None"]):
    """Asks about one plan. Dismissed with a Decision, or with None where nothing is to be done."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", show=False),
        Binding("enter", "enter", "Confirm", show=False),
        Binding("ctrl+d,pagedown", "scroll(1)", "Down", show=False),
        Binding("ctrl+u,pageup", "scroll(-1)", "Up", show=False),
        Binding("down", "scroll_line(1)", "Down", show=False),
        Binding("up", "scroll_line(-1)", "Up", show=False),
        Binding("ctrl+y", "copy", "Copy the command", show=False),
    ]
    DEFAULT_CSS = """
    ConfirmScreen { align: center middle; }
    ConfirmScreen > Vertical {
        width: 96%; max-width: 140; height: auto; max-height: 94%;
        border: round $warning; border-title-style: bold; padding: 0 1; background: $surface;
    }
    ConfirmScreen ToastRack { max-height: 0; }
    ConfirmScreen #small { display: none; }
    ConfirmScreen.too-small > Vertical { display: none; }
    ConfirmScreen.too-small #small { display: block; width: auto; }
    ConfirmScreen.grade-1 > Vertical { border: round $success; }
    ConfirmScreen.grade-3 > Vertical { border: heavy $error; }
    ConfirmScreen #where { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ConfirmScreen #plan { height: auto; max-height: 12; margin: 1 0; scrollbar-size-vertical: 1; }
    ConfirmScreen #plan > Static { height: auto; }
    ConfirmScreen #ask { height: auto; }
    ConfirmScreen #wrong { height: 1; color: $error; }
    ConfirmScreen Input { height: 1; border: none; padding: 0 1; background: $panel; margin: 0 0 0 0; }
    ConfirmScreen Input:focus { border: none; background: $boost; }
    ConfirmScreen Horizontal { height: 1; margin-top: 0; }
    ConfirmScreen Horizontal > Static { width: 1fr; height: 1; }
    ConfirmScreen Button { min-width: 14; margin-left: 2; }
    ConfirmScreen Button:focus { text-style: bold reverse; }
    ConfirmScreen Button:ansi.-style-default.-textual-compact { border: none !important; }
    ConfirmScreen Button:ansi.-style-default.-textual-compact:disabled { border: none !important; }
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(classes=f"grade-{int(plan.grade)}")
        self.plan = plan
        self._wanted = present.to_type(plan)
        self._armed = False
        self._armed_at = 0.0
        self._refused: str | None = None

    @property
    def armed(self) -> bool:
        """Whether half a second has gone by since the first paint: before that every key is dropped."""
        return self._armed

    @property
    def _can_run(self) -> bool:
        return not self.plan.blockers

    def compose(self) -> ComposeResult:
        yield Static(f"{MIN_COLUMNS}x{MIN_ROWS} is the least\nto confirm anything;\nEsc cancels", id="small")
        with Vertical() as box:
            box.border_title = {1: "Confirm", 2: "Confirm", 3: "CANNOT BE UNDONE"}.get(int(self.plan.grade), "Confirm")
            yield Static(id="where")
            with VerticalScroll(id="plan", can_focus=False):
                yield Static(present.title(self.plan))
                yield Static(Text(""))
                yield Static(present.body(self.plan))
            since = compared(self.plan)
            if since is not None and self._can_run:
                yield Since(*since)
            yield Static(present.not_listening(), id="ask")
            if self._wanted and self._can_run:
                # Without select_on_focus: the first key that is typed brings the focus, and must not be typed over.
                yield Input(id="typed", placeholder="the text named above", disabled=True, select_on_focus=False)
                yield Input(
                    id="why",
                    placeholder="why (for the audit; may stay empty)",
                    disabled=True,
                    select_on_focus=False,
                )
            yield Static(id="wrong", markup=False)
            with Horizontal():
                yield Static("")
                yield Button("Cancel", id="leave", disabled=True, compact=True)
                if self._can_run:
                    yield Button(
                        "Do it", id="do", disabled=True, compact=True, variant="error" if self._wanted else "success"
                    )

    def on_mount(self) -> None:
        overview = services_of(self).state.overview
        host = [plain(overview.host, styles.STRONG)] if overview is not None else []
        labels = [plain(label, "bold reverse red") for label in self._labels()]
        keys = ", ".join(cut_middle(str(key), 34) for key in self.plan.keys[:3])
        keys += f" and {len(self.plan.keys) - 3} more" if len(self.plan.keys) > 3 else ""
        where = join([*host, *labels, present.grade_line(self.plan), plain(keys)], "  ")
        self.query_one("#where", Static).update(where)
        self.call_after_refresh(self._painted)

    def _labels(self) -> list[str]:
        """The machine's labels and those of the components the plan is about."""
        state = services_of(self).state
        labels = dict.fromkeys(state.overview.labels if state.overview is not None else ())
        for key in self.plan.keys:
            view = state.component(key)
            labels |= dict.fromkeys(view.labels if view is not None else ())
        return list(labels)

    @property
    def _too_small(self) -> bool:
        return self.app.size.width < MIN_COLUMNS or self.app.size.height < MIN_ROWS

    def on_resize(self) -> None:
        self.set_class(self._too_small, "too-small")
        # What is left of the box once frame, question, fields and buttons have their lines. What was written since
        # goes first where it is tight: buttons that cannot be seen are worse.
        rows, taken = self.app.size.height, 10
        for since in self.query("#since"):
            since.display = rows >= ROWS_FOR_SINCE
            taken += 2 if since.display else 0
        self.query_one("#plan").styles.max_height = max(int(rows * 0.94) - taken, 3)

    def _painted(self) -> None:
        self.set_timer(ARMED_AFTER, self._arm)

    def _arm(self) -> None:
        self._armed = True
        self._armed_at = get_time()
        self.query_one("#ask", Static).update(present.what_to_type(self.plan))
        for widget in self.query("Button, Input"):
            widget.disabled = False
        self._review()
        # Where Enter alone confirms (grade 1) no button has the focus; elsewhere it starts on Cancel.
        if self._wanted or not self._can_run:
            self.set_focus(self.query_one("#leave", Button))

    def takes(self, event: events.Key) -> bool:
        """Deal with a key that was typed while this is in front; False leaves it to the bindings.

        Called for each key before anything else hears of it. A key that has waited its turn on a loaded machine may
        have been typed before there was anything to read: the time that counts is that of the key.
        """
        if event.key == "escape":
            return False
        if not self._armed or event.time < self._armed_at:
            return True
        if event.key == "enter":
            self._enter()
            return True
        field = self.query_one_optional("#typed", Input)
        if field is not None and isinstance(self.focused, Button) and _edits(event):
            # Typing goes to the field at once, though the focus is on Cancel.
            self.set_focus(field, scroll_visible=False)
        if isinstance(self.focused, Input) and event.is_printable and event.character:
            type_into(self.focused, event.character)
            return True
        return False

    def _enter(self) -> None:
        if isinstance(self.focused, Button) and self.focused.id == "leave":
            self.action_leave()
        else:
            self._confirm()

    @on(Input.Changed, "#typed")
    def _review(self) -> None:
        if self._typed() != self._refused:
            self._refused = None
            self.query_one("#wrong", Static).update("")
        button = self.query_one_optional("#do", Button)
        if button is not None:
            button.disabled = not self._armed or self._typed() != self._wanted

    def _typed(self) -> str:
        field = self.query_one_optional("#typed", Input)
        return field.value.strip() if field is not None else ""

    def _confirm(self) -> None:
        if not self._armed or not self._can_run or self._too_small:
            return
        if self._typed() != self._wanted:
            self._refused = self._typed()
            typed = "nothing" if not self._typed() else "something else"
            self.query_one("#wrong", Static).update(f"{typed} was typed; nothing was changed")
            return
        why = self.query_one_optional("#why", Input)
        self.dismiss(Decision(why.value.strip() if why is not None else ""))

    @on(Button.Pressed, "#do")
    def _do(self) -> None:
        self._confirm()

    @on(Button.Pressed, "#leave")
    def action_leave(self) -> None:
        self.dismiss(None)

    def action_enter(self) -> None:
        self._confirm()

    def action_scroll(self, direction: int) -> None:
        view = self.query_one("#plan", VerticalScroll)
        view.scroll_relative(y=direction * max(view.size.height - 1, 1), animate=False)

    def action_scroll_line(self, direction: int) -> None:
        self.query_one("#plan", VerticalScroll).scroll_relative(y=direction, animate=False)

    def action_copy(self) -> None:
        services_of(self).copy(present.command_line(self.plan.command), "the command")

    @property
    def grade(self) -> Grade:
        return self.plan.grade


def _edits(event: events.Key) -> bool:
    """Whether a key is meant for a field: a character, or taking one back."""
    return bool(event.is_printable and event.character) or event.key in ("backspace", "delete", "ctrl+u", "ctrl+w")
