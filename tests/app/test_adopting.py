"""What was found on the machine: listed, explained, adopted."""

from __future__ import annotations

from dataclasses import replace

from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import Schedule, TimerState
from dysnomia_tui.engine.applications.model import Part
from dysnomia_tui.engine.plans.plan import Kind
from dysnomia_tui.engine.records import Application, Health
from tests.app.driving import driven
from tests.app.fake_world import (
    World,
    world,
)


async def test_first_start_lists_what_was_found_and_adopts_it() -> None:
    bare = World(found=world().found, labels=(), notice="you are not root: only what alice may read is listed")
    async with driven(bare) as run:
        await run.until(lambda: "wiki" in run.text())
        text = run.text()
        assert "Nothing is configured here yet" in text
        assert "not root" in text
        assert "try the demo" in text
        assert "sqliteDir = /srv/wiki" in run.text()
        await run.press("enter")
        await run.confirmation()
        assert "would write /etc/dysnomia/containers/sqlite-wiki" in run.text()
        await run.press("enter")
        await run.until(lambda: run.engine.submitted)
        assert run.engine.submitted[0].kind is Kind.ADOPT


async def test_an_application_is_the_first_of_what_was_found_and_is_adopted_as_a_group() -> None:
    part = Part(ComponentKey("mysql", "wiki"), "mysql-database", {"type": "mysql-database"})
    wiki = Application("mediawiki", "MediaWiki", "/etc/mediawiki/LocalSettings.php", "https://x/", True, (part,))
    bare = World(found=world().found[1:], applications=(wiki,), labels=())
    async with driven(bare) as run:
        await run.until(lambda: "MediaWiki" in run.text())
        assert "/etc/mediawiki/LocalSettings.php" in run.text()
        assert "mysql/wiki" in run.text()
        await run.press("enter")
        await run.confirmation()
        assert "would write [groups.mediawiki]" in run.text()
        await run.press("enter")
        await run.until(lambda: run.engine.submitted)
        assert run.engine.submitted[0].keys == (part.key,)


async def test_adoption_offers_to_snapshot_regularly_where_no_timer_does() -> None:
    snapshot, check = TimerState("snapshot", "02:00", "no"), TimerState("check", "Sun 05:00", "no")
    bare = World(found=world().found, labels=(), schedule=Schedule((snapshot, check)))
    async with driven(bare) as run:
        await run.until(lambda: "wiki" in run.text())
        await run.press("enter")
        await run.until(lambda: "Snapshot it regularly" in run.text())
        assert "snapshot 02:00, check Sun 05:00" in run.text()
        await run.press("enter")
        await run.confirmation()
        assert "would write and start timers" in run.text()
    timed = replace(snapshot, written="yes")
    for schedule in (Schedule((timed, check)), Schedule((snapshot, check), problem="systemd does not run here")):
        async with driven(replace(bare, schedule=schedule)) as run:
            await run.until(lambda: "wiki" in run.text())
            await run.press("enter")
            await run.confirmation()
            assert "timers" not in run.text()
            assert ("systemd does not run here" in run.text()) == bool(schedule.problem)


async def test_found_state_that_cannot_be_read_shows_the_line_that_could() -> None:
    bare = World(found=world().found[1:], labels=())
    async with driven(bare) as run:
        await run.until(lambda: "old" in run.text())
        await run.press("enter")
        assert "sudo -u postgres dysnomia-tui" in run.toasts()
        assert run.engine.submitted == []


async def test_the_cursor_lands_on_what_was_adopted() -> None:
    async with driven() as run:
        found = next(item for item in run.engine.world.found if item.readable)
        run.main.units.go_to(f"?{found.type}/{found.container}/{found.component}")
        await run.settled()
        await run.press("enter")
        await run.confirmation()
        await run.press("enter")
        await run.until(lambda: run.engine.submitted)
        key = ComponentKey(found.container, found.component)
        first = run.engine.world.containers[0]
        view = replace(first.components[0], key=key, health=Health.NEVER, generations=0, newest=None)
        others = [one for one in run.engine.world.containers if one.name != key.container]
        own = next((one for one in run.engine.world.containers if one.name == key.container), None)
        made = replace(own or first, name=key.container, components=(*(own.components if own else ()), view))
        run.engine.world.containers = (*others, made)
        run.app.poller.look()
        await run.until(lambda: run.main.here().key == key)
        rows = run.main.units.items
        assert found not in [row.found for row in rows], "it is no longer among what is not adopted"
        assert any(row.found for row in rows)


async def test_what_was_found_is_listed_with_type_place_and_size() -> None:
    async with driven(size=(120, 40)) as run:
        run.main.units.go_to("?")
        await run.settled()
        line = next(line for line in run.text().splitlines() if "wiki" in line and "412M" in line.split("wiki")[-1])
        found = next(item for item in run.engine.world.found if item.component == "wiki")
        assert found.type in run.text()
        assert line
