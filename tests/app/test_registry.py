"""The one registry: every action has its method, its words and keys that can arrive; nothing is bound besides."""

from __future__ import annotations

from collections import defaultdict

import pytest

from dysnomia_tui.app.actions.keymap import NEVER_ARRIVE, checked_keymap
from dysnomia_tui.app.actions.registry import ACTIONS, REGISTRY, bindings, in_scope, key_name, keys_of
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.screens.browse import BrowseScreen
from dysnomia_tui.app.screens.deploy import DeployScreen
from dysnomia_tui.app.screens.diff import DiffScreen
from dysnomia_tui.app.screens.gc import GcScreen
from dysnomia_tui.app.screens.group import GroupScreen
from dysnomia_tui.app.screens.history import HistoryScreen
from dysnomia_tui.app.screens.hosts import HostsScreen
from dysnomia_tui.app.screens.jobs import JobsScreen
from dysnomia_tui.app.screens.main import MainScreen
from dysnomia_tui.app.screens.restore import RestoreScreen
from dysnomia_tui.app.screens.store import StoreScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine.plans.plan import Grade

SCREENS: list[type[DysnomiaScreen]] = [
    MainScreen,
    BrowseScreen,
    DiffScreen,
    HistoryScreen,
    RestoreScreen,
    GroupScreen,
    GcScreen,
    StoreScreen,
    DeployScreen,
    HostsScreen,
    JobsScreen,
]


@pytest.mark.parametrize("screen", SCREENS)
def test_every_action_of_a_screen_is_a_method_of_it_or_of_one_of_its_controllers(screen: type[DysnomiaScreen]) -> None:
    for action in in_scope(screen.SCOPE, "everywhere"):
        carriers = [one for one in (screen, *screen.CARRIERS) if callable(getattr(one, action.method, None))]
        assert len(carriers) == 1, f"{action.method}: {carriers}"


def test_every_action_of_lists_is_a_method_of_the_table() -> None:
    for action in in_scope("list"):
        assert callable(getattr(VirtualTable, action.method, None)), action.id


def test_every_scope_is_a_screens() -> None:
    assert {action.scope for action in ACTIONS} == {screen.SCOPE for screen in SCREENS if in_scope(screen.SCOPE)} | {
        "list",
        "everywhere",
        "search",
    }


def test_ids_are_unique_and_everything_has_words() -> None:
    assert len(REGISTRY) == len(ACTIONS)
    for action in ACTIONS:
        assert action.title
        assert action.help.endswith((".", ")"))
        assert action.footer or action.footer == ""


@pytest.mark.parametrize("screen", SCREENS)
def test_no_key_means_two_things_on_one_screen(screen: type[DysnomiaScreen]) -> None:
    """A list's key may be taken by its screen only on purpose: the focused list wins, so there must be no clash."""
    taken = defaultdict(list)
    for action in in_scope(screen.SCOPE, "list", "everywhere"):
        for key in action.keys:
            taken[key].append(action.id)
    clashes = {key: ids for key, ids in taken.items() if len(ids) > 1 and key not in ("enter", "escape")}
    assert clashes == {}


def test_every_key_reaches_a_server() -> None:
    for action in ACTIONS:
        for key in action.keys:
            assert key not in NEVER_ARRIVE
            assert not key.startswith(("ctrl+shift", "alt+", "super+"))
        assert not action.keys or not action.keys[0].startswith("ctrl+") or action.scope in ("list", "everywhere"), (
            f"{action.id}: control keys only as aliases"
        )


def test_bindings_carry_the_id_for_remapping() -> None:
    made = bindings("main")
    assert {binding.id for binding in made} == {action.id for action in in_scope("main") if action.keys}  # type: ignore[union-attr]


def test_read_only_closes_everything_that_changes() -> None:
    here = Selection(read_only="--read-only")
    for action in ACTIONS:
        reason = action.why_not(here)
        if action.grade >= Grade.ADDS:
            assert reason == "read-only: --read-only"
        else:
            assert "read-only" not in reason


def test_key_names() -> None:
    assert [key_name(key) for key in ("ctrl+d", "space", "enter", "@", "G")] == ["^D", "spc", "Enter", "@", "G"]


def test_remapping_what_can_be_remapped() -> None:
    keymap, problems = checked_keymap({"snapshot": "f6, y"})
    assert keymap == {"snapshot": "f6, y"}
    assert problems == []
    assert keys_of(REGISTRY["snapshot"], keymap) == ("f6", "y")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"snapsot": "z"}, "did you mean 'snapshot'"),
        ({"snapshot": "ctrl+enter"}, "does not reach a server"),
        ({"snapshot": "j"}, "moves the cursor"),
        ({"snapshot": ""}, "empty key"),
        ({"restore": "s"}, "is both"),
    ],
)
def test_remapping_what_cannot_is_refused_with_the_reason(wanted: dict[str, str], said: str) -> None:
    keymap, problems = checked_keymap(wanted)
    assert keymap == {}
    assert len(problems) == 1
    assert said in problems[0]
