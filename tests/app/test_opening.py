"""The app opened at a place: a component, a generation of it, a group at a time."""

from __future__ import annotations

from datetime import timedelta

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.screens.group import GroupScreen
from dysnomia_tui.engine.records import Opening
from tests.app.driving import driven
from tests.app.fake_world import DOCUMENTS, NOW, orders_generations


async def test_it_opens_on_the_generation_and_goes_there_once() -> None:
    key = ComponentKey.of("postgresql", "orders")
    number = orders_generations()[7].number
    async with driven(opening=Opening(key, number)) as run:
        await run.until(lambda: (found := run.main.here().generation) is not None and found.number == number)
        assert run.main.here().key == key
        await run.press("1", "up")
        moved = run.main.here().key
        run.app.look_again()
        await run.settled()
        assert run.main.here().key == moved, "the cursor is the operator's from then on"


async def test_it_opens_on_the_generation_though_those_of_the_first_component_are_read_meanwhile() -> None:
    key = ComponentKey.of("postgresql", "orders")
    number = orders_generations()[7].number
    async with driven() as run:
        shown = run.main.list
        run.app.show_component(DOCUMENTS)
        await run.until(lambda: shown.of == DOCUMENTS)
        shown.want(key, number)
        shown.have(DOCUMENTS, tuple(shown.items), run.app.times)
        assert run.main.units.find(key, run.app.state)
        await run.until(lambda: (at := run.main.here().generation) is not None and (at.key, at.number) == (key, number))
        await run.settled()
        assert (at := run.main.here().generation) is not None
        assert at.number == number, "and it stays there"


async def test_it_opens_on_a_component_and_says_where_there_is_none() -> None:
    async with driven(opening=Opening(ComponentKey.of("postgresql", "orders"))) as run:
        assert run.main.here().key == ComponentKey.of("postgresql", "orders")
    async with driven(opening=Opening(ComponentKey.of("postgresql", "nothing"))) as run:
        assert "there is no component postgresql/nothing" in run.text()


async def test_it_opens_where_a_group_stood() -> None:
    async with driven(opening=Opening(group="postgresql", when=NOW - timedelta(hours=2))) as run:
        await run.until(lambda: isinstance(run.screen, GroupScreen))
