"""Keys at random over every screen and every confirmation: nothing dangerous without its confirmation.

Every plan that reaches the engine must have been shown by a confirmation that was dismissed with a decision, and from
grade 2 on the word it asks for must stand in its field. In read-only nothing reaches the engine at all. The test fails
if a screen or a kind of confirmation was never reached: then it would prove nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from dysnomia_tui.app.actions.registry import ACTIONS
from dysnomia_tui.app.screens.confirm import ConfirmScreen
from dysnomia_tui.engine import HistoryAsked
from dysnomia_tui.engine.plans.plan import Grade, Plan
from tests.app.driving import Driven, driven
from tests.app.fake_engine import FakeEngine
from tests.app.fake_world import ORDERS, shop_world
from tests.thorough import often

KEYS = sorted(
    {key for action in ACTIONS for key in action.keys if key not in ("q", "ctrl+l", "f5")}
    | {"1", "2", "3", "4", "0", "9", "y", "n", "o", "enter", "escape", "tab", "backspace", "space", "x"}
)
NAMED = {"@": "at", "/": "slash", ":": "colon", "?": "question_mark", "!": "exclamation_mark", "*": "asterisk"}
ROUNDS = often(40, 4)

Opener = Callable[[Driven], None]


def _confirm(make: Callable[[FakeEngine], Plan]) -> Opener:
    return lambda run: run.app.confirm(make(run.engine))


SCREENS: dict[str, Opener] = {
    "MainScreen": lambda run: None,
    "HelpScreen": lambda run: run.app.go.help(),
    "PaletteScreen": lambda run: run.app.go.palette(),
    "BrowseScreen": lambda run: run.app.go.browse(ORDERS, 214),
    "DiffScreen": lambda run: run.app.go.diff(ORDERS, 213, 214),
    "HistoryScreen": lambda run: run.app.go.history(ORDERS, HistoryAsked("", "table:orders", ("7",)), "orders 7"),
    "RestoreScreen": lambda run: run.app.go.restore(ORDERS, 211),
    "GroupScreen": lambda run: run.app.go.whole("shop"),
    "GcScreen": lambda run: run.app.go.gc([ORDERS], [(ORDERS, 205)]),
    "StoreScreen": lambda run: run.app.go.store(),
    "DeployScreen": lambda run: run.app.go.deploy(),
    "JobsScreen": lambda run: run.app.go.jobs(),
    "PromptScreen": lambda run: run.app.actions.perform_id("note"),
    "ChoiceScreen": lambda run: run.app.actions.perform_id("verify"),
}
CONFIRMATIONS: dict[Grade, Opener] = {
    Grade.ADDS: _confirm(lambda engine: engine.plan_snapshot([ORDERS])),
    Grade.UNDOABLE: _confirm(lambda engine: engine.plan_restore(ORDERS, 211)),
    Grade.FINAL: _confirm(lambda engine: engine.plan_empty_trash()),
}


class Witness:
    """Sees every decision, and what stood in the field when it was taken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.decided: dict[int, str] = {}
        self.shown: Counter[Grade] = Counter()
        self.screens: Counter[str] = Counter()
        dismiss = ConfirmScreen.dismiss
        init = ConfirmScreen.__init__

        def seen_init(screen: ConfirmScreen, plan: Plan) -> None:
            init(screen, plan)
            self.shown[plan.grade] += 1

        def seen_dismiss(screen: ConfirmScreen, result: object = None) -> object:
            if result is not None:
                assert screen.armed, "confirmed before it was armed"
                field = screen.query_one_optional("#typed", Input)
                self.decided[id(screen.plan)] = field.value.strip() if field is not None else ""
            return dismiss(screen, result)  # type: ignore[arg-type]

        monkeypatch.setattr(ConfirmScreen, "__init__", seen_init)
        monkeypatch.setattr(ConfirmScreen, "dismiss", seen_dismiss)

    def check(self, engine: FakeEngine) -> None:
        """Every plan of grade 2 or more that was submitted was decided on, with its word typed."""
        for plan in engine.submitted:
            if plan.grade >= Grade.UNDOABLE:
                assert id(plan) in self.decided, f"{plan.title} ran without its confirmation"
                assert plan.confirm
                assert self.decided[id(plan)] == plan.confirm


async def mash(run: Driven, witness: Witness, chance: random.Random, rounds: int, reopen: Opener) -> None:
    """Keys in bursts of up to eight, as somebody types them; back to the screen under test now and then."""
    for turn in range(rounds):
        witness.screens[type(run.screen).__name__] += 1
        keys = (chance.choice(KEYS) for _ in range(chance.randint(1, 8)))
        await run.burst(*(NAMED.get(key, key) for key in keys))
        if turn % 10 == 9 and run.screen is run.main:
            reopen(run)
    await run.settled()


def _close_all(run: Driven) -> None:
    while len(run.app.screen_stack) > 1:
        run.app.pop_screen()


@pytest.mark.parametrize("read_only", [False, True], ids=["rw", "ro"])
@pytest.mark.parametrize("name", SCREENS)
async def test_no_key_does_anything_dangerous(
    name: str, read_only: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    witness = Witness(monkeypatch)
    chance = random.Random(f"{name} {read_only}")
    if read_only and name in ("PromptScreen", "ChoiceScreen"):
        pytest.skip("nothing opens it in read-only")
    async with driven(shop_world(), read_only=read_only) as run:
        monkeypatch.setattr(run.app, "exit", lambda *_args, **_more: None)
        await run.press("2")
        SCREENS[name](run)
        await run.settled()
        assert type(run.screen).__name__ == name
        await mash(run, witness, chance, ROUNDS, SCREENS[name])
        witness.check(run.engine)
        assert witness.screens[name] > 0
        if read_only:
            assert run.engine.submitted == []


@pytest.mark.parametrize("grade", CONFIRMATIONS)
async def test_no_key_confirms_by_accident(grade: Grade, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    witness = Witness(monkeypatch)
    chance = random.Random(int(grade))
    async with driven(shop_world()) as run:
        monkeypatch.setattr(run.app, "exit", lambda *_args, **_more: None)
        for _ in range(4):
            _close_all(run)
            CONFIRMATIONS[grade](run)
            await run.confirmation()
            await mash(run, witness, chance, often(20, 4), CONFIRMATIONS[grade])
        witness.check(run.engine)
        assert witness.shown[grade] >= 4
        assert witness.screens["ConfirmScreen"] >= 4


async def test_every_grade_can_be_confirmed_as_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other side: with the right word each does run, so the property above is not kept by a wall."""
    witness = Witness(monkeypatch)
    async with driven(shop_world()) as run:
        for count, (grade, opener) in enumerate(CONFIRMATIONS.items(), 1):
            opener(run)
            screen = await run.confirmation()
            await run.press(*screen.plan.confirm, "enter")
            await run.until(lambda count=count: len(run.engine.submitted) == count)  # type: ignore[misc]
            assert run.engine.submitted[-1].grade is grade
        witness.check(run.engine)
