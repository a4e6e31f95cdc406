"""The pages say what is so: their generated parts are not stale, its tables whole, its example works."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.cli import dysnomia
from dysnomia_tui.cli.containers import command as containers
from dysnomia_tui.cli.snapshots import command as snapshots
from dysnomia_tui.cli.tui import command as tui
from dysnomia_tui.demo.chronicle import Quiet
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob, UnfinishedJob
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.runner import CancelShield
from dysnomia_tui.engine.errors import Exit
from tests import readme
from tests.examples.textfile import TextFile

COMMANDS = readme.page("commands.md").read_text("utf-8")
PAGES = [readme.README, *sorted(readme.ROOT.glob("*.md")), *sorted(readme.DOCS.glob("*.md"))]


@pytest.mark.parametrize("name", sorted({home for home, _ in readme.PARTS.values()}))
def test_the_generated_parts_are_not_stale(name: str) -> None:
    text = readme.page(name).read_text("utf-8")
    assert readme.generated(name, text) == text, "run `make readme`"


def test_a_stale_part_would_be_noticed() -> None:
    text = readme.page("keys.md").read_text("utf-8")
    assert readme.generated("keys.md", text.replace("| keys | action |", "| keys | actoin |")) == text
    with pytest.raises(ValueError, match="keys"):
        readme.generated("keys.md", text.replace("<!-- /keys -->", ""))


def test_the_readme_is_short() -> None:
    assert len(readme.README.read_text("utf-8").splitlines()) <= 200


@pytest.mark.parametrize("code", list(Exit))
def test_every_exit_code_is_in_the_table(code: Exit) -> None:
    assert re.search(rf"^\| {int(code)} \| \w", COMMANDS, re.MULTILINE)


def test_options_that_the_pages_name_are_there() -> None:
    parsers = [dysnomia.parser(), snapshots.parser(), containers.parser(), tui.parser()]
    subs = [action for made in parsers for action in made._actions if isinstance(action, argparse._SubParsersAction)]
    parsers += [made for action in subs for made in action.choices.values()]
    known = {option for made in parsers for action in made._actions for option in action.option_strings}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", COMMANDS))
    assert len(named) > 15
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_picture_a_page_points_at_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(((?!https?:)[^)#]+)[^)]*\)", text):
        assert (page.parent / target).is_file(), target
    for named in re.findall(r"`((?:tests|plugins|store|dysnomia_tui)/[\w/.]+)`", text):
        assert (readme.ROOT / named).exists(), named


def bench(store: Store, component: Component, folder: Path, job: str) -> ComponentJob:
    cancel = CancelShield(NeverCancelled())
    journal = FileJournal.create(folder / f"{job}.journal")
    return ComponentJob(
        store=store, plugin=TextFile(), component=component, job=job, who="me", journal=journal,
        runner=ProcessRunner(cancel), progress=Quiet(), cancel=cancel, clock=lambda: datetime.now(UTC),
    )  # fmt: skip


def test_the_example_plugin_snapshots_restores_and_undoes(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "poem").mkdir()
    (tmp_path / "poem" / "initial.txt").write_text("roses are red\n")
    component = Component(ComponentKey("texts", "poem"), tmp_path / "poem", {"folder": str(tmp_path / "live")})
    store = Store(tmp_path / "state")
    live = tmp_path / "live" / "poem.txt"

    activities.activity(bench(store, component, tmp_path, "1"), "activate")
    first = activities.snapshot(bench(store, component, tmp_path, "2")).generation
    assert not activities.snapshot(bench(store, component, tmp_path, "3")).committed.new, "an unchanged state is seen"
    live.write_text("roses are blue\n")
    second = activities.snapshot(bench(store, component, tmp_path, "4")).generation
    assert second.id != first.id

    live.write_text("roses are gone\n")
    restoring = bench(store, component, tmp_path, "5")
    restored = activities.restore(restoring, first.number)
    assert live.read_text() == "roses are red\n"
    assert restored.guard is not None

    activities.undo(bench(store, component, tmp_path, "6"), UnfinishedJob("5", restoring.journal))
    assert live.read_text() == "roses are gone\n"
    assert [path.name for path in live.parent.iterdir()] == ["poem.txt"], "nothing of a job's is left"


def test_the_example_can_be_verified_and_compared(tmp_path: Path) -> None:
    (tmp_path / "poem").mkdir()
    component = Component(ComponentKey("texts", "poem"), tmp_path / "poem", {"folder": str(tmp_path)})
    (tmp_path / "poem.txt").write_text("one\ntwo\n")
    store = Store(tmp_path / "state")
    made = activities.snapshot(bench(store, component, tmp_path, "1")).generation
    check = activities.verify(bench(store, component, tmp_path, "2"), made.number)
    assert check.result == "ok"
    stored = store.stored(made.key, made.id)
    (section,) = stored.sections()
    plugin = TextFile()
    rows = [plugin.parse_row(section, raw).cells for batch in plugin.raw_rows(stored, section) for raw in batch]
    assert rows == [("one",), ("two",)]
