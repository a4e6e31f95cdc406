"""What whoever may push can make as long, or as many, as it likes stops no snapshot."""

from __future__ import annotations

import json

import pytest

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.git import refs as lists
from dysnomia_store.model import Section
from tests.plugins.conformance.driver import Driver
from tests.plugins.git.changes import commit, git
from tests.plugins.git.world import GitWorld

pytestmark = pytest.mark.server
WORLD = GitWorld
HISTORY = ("history", "commits")


def history(driver: Driver, world: GitWorld, number: int) -> list[tuple[str | None, ...]]:
    """The commits of a generation as they are browsed."""
    stored = driver.store.stored(driver.key, driver.ids()[number])
    section: Section = next(one for one in stored.sections() if (one.kind, one.name) == HISTORY)
    rows = (raw for batch in world.plugin.raw_rows(stored, section) for raw in batch)
    return [tuple(world.plugin.parse_row(section, raw).cells) for raw in rows]


@pytest.mark.parametrize(
    ("subject", "begins"),
    [("x" * (2 << 20), "xxx"), ("ж" * 200_000, "жжж"), ("\x01" * 300_000, "\x01"), ("a" + "😀" * 100_000, "a😀😀")],
    ids=["2 MiB", "Cyrillic", "control characters", "four bytes"],
)
def test_a_subject_of_any_length_is_cut_and_can_be_browsed(
    world: GitWorld, driver: Driver, subject: str, begins: str
) -> None:
    world.seed()
    made = commit(world.live, "main", subject)
    first = driver.snapshot().generation
    found = next(row for row in history(driver, world, first.number) if row[0] == made)
    assert str(found[2]).startswith(begins)
    assert len(str(found[2]).encode()) <= 1 << 17
    assert set(str(found[2])) <= set(subject)
    restored = driver.restore(first.number)
    assert restored.generation is not None
    assert restored.generation.id == first.id
    assert git(world.live, "log", "-1", "--format=%s", made) == subject
    assert world.plugin.status(world.component, ProcessRunner()).facts


def test_an_author_and_parents_of_any_length_are_cut(world: GitWorld, driver: Driver) -> None:
    world.seed()
    tree = git(world.live, "rev-parse", "main^{tree}")
    parent = git(world.live, "rev-parse", "main")
    text = f"tree {tree}\n" + f"parent {parent}\n" * 30_000 + f"author {'A' * (3 << 20)} <a@b> 1 +0000\n"
    text += "committer b <b@c> 1 +0000\n\nshort\n"
    made = git(world.live, "hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin=text.encode())
    git(world.live, "update-ref", "refs/heads/odd", made)
    number = driver.snapshot().generation.number
    found = next(row for row in history(driver, world, number) if row[0] == made)
    assert str(found[1]).startswith("AAAA")


def test_what_git_printed_of_an_ordinary_commit_is_kept_as_ever(world: GitWorld, driver: Driver) -> None:
    world.seed()
    stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
    shown = ("log", "-1", "main", "--format=%H%n%an <%ae>%n%s%n%at%n%P")
    with stored.open("commits") as stream:
        assert git(world.live, *shown).split("\n") in [json.loads(line) for line in stream]


@pytest.mark.worlds
def test_many_references_are_read_and_checked_in_a_stream(world: GitWorld, driver: Driver) -> None:
    """More than 64 MiB of them, as git lists them."""
    world.seed()
    main = git(world.live, "rev-parse", "main")
    git(world.live, "pack-refs", "--all")
    packed = world.live / "packed-refs"
    deep = f"/{'n' * 200}" * 14
    kept = [line for line in packed.read_text().splitlines() if line[:1] not in "#^"]
    more = [f"{main} refs/heads/{number}{deep}" for number in range(24_000)]
    lines = sorted([*kept, *more], key=lambda line: line.partition(" ")[2].encode())
    packed.write_text("\n".join(["# pack-refs with: sorted ", *lines, ""]))
    first = driver.snapshot().generation
    git(world.live, "update-ref", "-d", f"refs/heads/0{deep}")
    restored = driver.restore(first.number)
    assert restored.generation is not None
    assert restored.generation.id == first.id


def test_more_references_than_can_be_loaded_are_not_dumped(
    world: GitWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.seed()
    monkeypatch.setattr(lists, "MAX_BYTES", 300)
    with pytest.raises(NotSafe, match="longer than 300 bytes"):
        driver.snapshot()
