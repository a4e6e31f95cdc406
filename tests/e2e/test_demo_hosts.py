"""The demo's other machines, by keys in a real terminal: seen on one screen, one of them opened and left again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.terminal import terminal
from tests.e2e.world import BIN, World

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]


def test_hosts_of_the_demo(own_demo: Callable[[], World]) -> None:
    world = own_demo()
    folder = world.root.parent / "home" / ".local" / "share" / "dysnomia-tui"
    with terminal(100, 30) as screen:
        world.run("dysnomia-tui", "demo", "--prepare", str(world.root))
        home = World(world.root.parent, extra={"XDG_DATA_HOME": str(folder.parent)})
        folder.mkdir(parents=True)
        world.root.rename(folder / "demo")
        screen.start([str(BIN / "dysnomia-tui"), "demo"], home.environment)
        screen.wait_for("need you", "orders")
        screen.press("M")
        screen.wait_for("4 hosts, 2 need a person", "sqlite-database/orders stale", "Connection refused")
        screen.press("g", "Enter")  # the worst is first; the cursor stayed on the host that it was on
        screen.wait_for("Generation ", "customers", "orders")
        screen.press("q")
        screen.wait_for("4 hosts, 2 need a person")
        screen.press("q")
        screen.wait_for("documents")
