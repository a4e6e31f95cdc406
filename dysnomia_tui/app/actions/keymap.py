"""Keys remapped in config.toml, checked before they are bound."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from dysnomia_tui.app.actions.model import Action
from dysnomia_tui.app.actions.registry import ACTIONS, REGISTRY, in_scope, keys_of
from dysnomia_tui.engine.plans.plan import Grade

NEVER_ARRIVE = frozenset({"ctrl+enter", "shift+enter", "ctrl+i", "ctrl+m", "ctrl+h"})
"""Keys that most terminals send as another key, or not at all."""
MOVES = frozenset(key for action in in_scope("list") for key in action.keys)


def checked_keymap(wanted: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The remappings that can be honoured, and a line for each that cannot.

    Refused: unknown actions, keys that do not reach a server, a changing action on a key that moves the cursor, and
    two actions of one screen on one key.
    """
    good: dict[str, str] = {}
    problems: list[str] = []
    for action_id, keys in wanted.items():
        problem = _problem(action_id, keys)
        if problem:
            problems.append(problem)
        else:
            good[action_id] = keys
    for action, other, key in _clashes(good):
        if action.id in good or other.id in good:
            loser = action if action.id in good else other
            good.pop(loser.id, None)
            problems.append(
                f"config.toml, keys: {key} is both {action.id} and {other.id}; {loser.id} keeps its own keys"
            )
    return good, problems


def _problem(action_id: str, keys: str) -> str:
    if action_id not in REGISTRY:
        near = difflib.get_close_matches(action_id, REGISTRY, 1)
        return f"config.toml, keys: there is no action {action_id!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    for key in (key.strip() for key in keys.split(",")):
        if not key:
            return f"config.toml, keys: {action_id} has an empty key"
        if key in NEVER_ARRIVE:
            return f"config.toml, keys: {key} for {action_id} does not reach a server through a terminal"
        if key in MOVES and REGISTRY[action_id].grade >= Grade.ADDS:
            return f"config.toml, keys: {key} moves the cursor; {action_id} changes something and cannot be on it"
    return ""


def _clashes(keymap: Mapping[str, str]) -> list[tuple[Action, Action, str]]:
    """Pairs of actions that would share a key on some screen."""
    clashes = []
    screens = {action.scope for action in ACTIONS} - {"list", "everywhere"}
    for screen in sorted(screens):
        taken: dict[str, Action] = {}
        for action in in_scope(screen, "list", "everywhere"):
            for key in keys_of(action, keymap):
                other = taken.setdefault(key, action)
                if other is not action and (action, other, key) not in clashes:
                    clashes.append((action, other, key))
    return clashes
