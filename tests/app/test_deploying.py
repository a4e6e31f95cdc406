"""The deployment screen: what is available, active and garbage, and what would be done; done after a confirmation."""

from __future__ import annotations

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import deploy as present
from dysnomia_tui.app.screens.deploy import DeployScreen
from dysnomia_tui.engine.operations.deploy import Deployment
from dysnomia_tui.engine.plans.plan import Grade, Kind
from tests.app.driving import driven
from tests.app.fake_world import CRM, DOCUMENTS

A, B, C, D = (ComponentKey("box", name) for name in "abcd")
THERE = Deployment(available=(A, B), active=(B, C), garbage=(D,))


def test_what_would_change_comes_first_the_end_of_service_before_the_beginning() -> None:
    found = present.lines(THERE)
    assert [(line.key.component, line.would) for line in found] == [
        ("c", "deactivate"), ("a", "activate"), ("b", ""), ("d", "")
    ]  # fmt: skip
    assert [line.key for line in found if line.garbage] == [D]


def test_a_line_says_what_it_comes_to() -> None:
    text = present.head(THERE, "box").plain
    assert text == "Of box 1 component would be deactivated, then 1 component would be activated"
    assert "nothing would be done" in present.head(Deployment((A,), (A,), ()), "").plain


async def test_the_screen_shows_it_and_deploys_after_the_count_was_typed() -> None:
    async with driven(size=(120, 40)) as run:
        await run.press("w")
        await run.settled()
        assert isinstance(run.screen, DeployScreen)
        text = run.text()
        assert "would be DEACTIVATED" in text
        assert "would be activated" in text
        await run.press("X")
        confirmation = await run.confirmation()
        assert confirmation.plan.kind is Kind.DEPLOY
        assert confirmation.plan.keys == (CRM, DOCUMENTS)
        assert confirmation.plan.grade is Grade.UNDOABLE
        assert run.engine.submitted == []


async def test_it_can_be_restricted_to_the_container_under_the_cursor() -> None:
    async with driven(size=(120, 40)) as run:
        run.app.go.deploy()
        await run.settled()
        await run.press("A")
        await run.until(lambda: "Of postgresql" in run.text())
        assert "fileset/documents" not in run.text()
        await run.press("A")
        await run.until(lambda: "fileset/documents" in run.text())


async def test_in_read_only_it_is_seen_and_not_done() -> None:
    async with driven(read_only=True) as run:
        run.app.go.deploy()
        await run.settled()
        await run.press("X")
        await run.settled()
        assert isinstance(run.screen, DeployScreen)
        assert "read-only" in run.text()
