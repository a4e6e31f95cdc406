"""Small questions: a line of text, or one of a few choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.text import escaped, join, plain

CANNOT_BE_TAKEN = (ValueError, ArithmeticError, LookupError, OSError, RuntimeError)
"""What a text that nobody thought of can raise: no text that is typed ends the app."""
_BOX = """
    {name} {{ align: center middle; }}
    {name} > Vertical {{
        width: 70; max-width: 96%; height: auto; max-height: 90%;
        border: round $primary; padding: 0 1; background: $surface;
    }}
"""


def refused_by(parse: Callable[[str], object], refusal: type[Exception]) -> Callable[[str], str]:
    """A prompt's check: what ``parse`` says against a text by raising ``refusal``."""

    def check(text: str) -> str:
        try:
            parse(text)
        except refusal as problem:
            return str(problem)
        return ""

    return check


class PromptScreen(ModalScreen["str | None"]):
    """Asks for one line. Dismissed with it, or with None on Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave", show=False)]
    DEFAULT_CSS = (
        _BOX.format(name="PromptScreen")
        + """
    PromptScreen Input { height: 1; border: none; padding: 0 1; background: $panel; margin: 1 0; }
    PromptScreen Input:focus { border: none; }
    PromptScreen Static { height: auto; }
    """
    )

    def __init__(
        self,
        title: str,
        about: Text | str = "",
        *,
        value: str = "",
        placeholder: str = "",
        accept: str = "confirms",
        check: Callable[[str], str] | None = None,
    ) -> None:
        """Make the question.

        Args:
            title: on the frame.
            about: what is asked, or what would happen.
            value: what the field holds at first.
            placeholder: an example.
            accept: what Enter does, in words.
            check: says what is wrong with what was typed; ``""`` if nothing.
        """
        super().__init__()
        self._title = title
        self._about = plain(about) if isinstance(about, str) else about
        self._about.no_wrap = False
        self._value = value
        self._placeholder = placeholder
        self._accept = accept
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = escaped(self._title)
            if len(self._about):
                yield Static(self._about)
            yield Input(self._value, placeholder=self._placeholder, id="line")
            yield Static(self._foot(), id="foot")

    def _foot(self, wrong: str = "") -> Text:
        if wrong:
            return plain(wrong, styles.BAD)
        return join([plain("Enter", styles.KEY), plain(f"{self._accept},"), plain("Esc", styles.KEY), plain("cancels")])

    @on(Input.Changed)
    def _changed(self) -> None:
        self.query_one("#foot", Static).update(self._foot())

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        try:
            wrong = self._check(event.value) if self._check is not None else ""
            if not wrong:
                # What asked is called in here too: what it cannot take is said in the prompt, which stays open.
                self.dismiss(event.value)
        except CANNOT_BE_TAKEN as problem:
            wrong = f"not accepted: {problem}"
        if wrong:
            self.query_one("#foot", Static).update(self._foot(wrong))

    def action_leave(self) -> None:
        self.dismiss(None)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few."""

    id: str
    title: str
    help: str = ""


class ChoiceScreen(ModalScreen["str | None"]):
    """Asks for one of a few things. Dismissed with its id, or with None on Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Leave", show=False),
        Binding("j", "down", "Down", show=False),
        Binding("k", "up", "Up", show=False),
    ]
    DEFAULT_CSS = (
        _BOX.format(name="ChoiceScreen")
        + """
    ChoiceScreen OptionList { height: auto; max-height: 16; border: none; background: transparent; padding: 0; }
    ChoiceScreen OptionList:focus { border: none; }
    ChoiceScreen OptionList:nocolor > .option-list--option-highlighted { text-style: bold underline; }
    ChoiceScreen OptionList:ansi > .option-list--option-highlighted { text-style: bold underline;
        color: ansi_default; background: ansi_default; }
    """
    )

    def __init__(self, title: str, choices: Sequence[Choice], *, at: str = "") -> None:
        """``at``: the choice that the cursor is on at first."""
        super().__init__()
        self._at = at
        self._title = title
        self._choices = choices

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = escaped(self._title)
            yield OptionList(*(Option(_choice(choice), id=choice.id) for choice in self._choices), markup=False)

    def on_mount(self) -> None:
        at = next((at for at, choice in enumerate(self._choices) if choice.id == self._at), 0)
        self.query_one(OptionList).highlighted = at

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()


def _choice(choice: Choice) -> Text:
    text = plain(choice.title, styles.STRONG)
    if choice.help:
        text.append("\n")
        text.append_text(plain(choice.help, styles.DIM))
    return text
