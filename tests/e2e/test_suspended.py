"""Ctrl-Z goes back to the shell, and fg brings back the whole screen: every pane, not only what has changed since."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.terminal import terminal
from tests.e2e.world import World

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

PANES = ("1 Components", "2 documents", "3 Generation", "q quit")


def test_the_screen_is_whole_again_after_ctrl_z_and_fg(own_demo: Callable[[], World]) -> None:
    world = own_demo()
    with terminal() as screen:
        screen.start(["bash", "--norc", "--noprofile", "-i"], {**world.environment, "PS1": "shell> "})
        screen.wait_for("shell>")
        screen.type("dysnomia-tui")
        screen.press("Enter")
        screen.wait_for(*PANES)
        screen.press("C-z")
        screen.wait_for("Stopped", "shell>")
        screen.type("fg")
        screen.press("Enter")
        screen.wait_for(*PANES)
