"""Workers and servers that are killed in the middle of an exchange, and what clients wrote until it is finished."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import Cancelled, ServerDown
from dysnomia_plugins.types.etcd import api
from dysnomia_plugins.types.etcd.keyspace import Keyspace
from dysnomia_plugins.types.etcd.records import to_line
from tests.plugins.conformance.bare import Notes, places
from tests.plugins.conformance.driver import in_child
from tests.plugins.etcd.changes import PREFIX, full
from tests.plugins.etcd.site import Site, site
from tests.plugins.etcd.strange import at_change, die, disturbed, held, strange

pytestmark = pytest.mark.server


class Killed:
    """A restore of some hundred keys, told anew."""

    def __init__(self, here: Site, random: Random) -> None:
        self.here, self.random = here, random
        self.pairs = strange(random, 1500)
        here.server.put(full(self.pairs))
        self.stored = here.dump()

    def begin(self, folder: Path) -> tuple[Context, Place, Place]:
        self.now = disturbed(self.here, self.random, self.pairs)
        ctx = self.here.context(folder.name, FileNotes(folder))
        beside, aside = places(self.here, ctx)
        self.here.plugin.load(ctx, self.stored, beside)
        return ctx, beside, aside

    def check(self, ctx: Context, aside: Place) -> None:
        assert self.here.plugin.recover(ctx)
        assert self.here.plugin.recover(ctx), "it can be asked again"
        assert self.here.server.pairs(PREFIX) == self.pairs
        assert held(aside) == self.now
        self.here.plugin.drop(ctx, aside)
        assert self.here.files() == []


class FileNotes(Notes):
    """A journal that a killed child leaves."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def step(self, name: str, /, **data: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([name, data]) + "\n")

    def steps(self) -> list[tuple[str, Mapping[str, Any]]]:
        if not self.path.exists():
            return []
        return [(name, data) for name, data in map(json.loads, self.path.read_text().splitlines())]


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_that_is_killed_between_transactions(
    tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(tmp_path / "site") as here:
        story = Killed(here, Random(1))
        for number in (1, 2, 5, 9):
            ctx, beside, aside = story.begin(tmp_path / f"job{number}")
            with monkeypatch.context() as patch:
                patch.setattr(Keyspace, "change", at_change(number, die, after=after))
                died = in_child(lambda: here.plugin.swap(ctx, beside, aside))  # noqa: B023
            assert died == signal.SIGKILL
            assert (here.server.pairs(PREFIX) == story.now) == (number == 1 and not after)
            story.check(ctx, aside)


def test_a_recovery_that_is_killed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path / "site") as here:
        story = Killed(here, Random(2))
        ctx, beside, aside = story.begin(tmp_path / "job")
        for work in (lambda: here.plugin.swap(ctx, beside, aside), *[lambda: here.plugin.recover(ctx)] * 3):
            with monkeypatch.context() as patch:
                patch.setattr(Keyspace, "change", at_change(2, die, after=True))
                assert in_child(work) == signal.SIGKILL
        story.check(ctx, aside)


@pytest.mark.parametrize("after", [False, True])
def test_a_server_that_is_killed_in_the_middle(tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.Session.__init__, "__defaults__", (60.0, 0.5))
    with site(tmp_path / "site") as here:
        story = Killed(here, Random(3))
        ctx, beside, aside = story.begin(tmp_path / "job")
        with monkeypatch.context() as patch:
            patch.setattr(Keyspace, "change", at_change(4, here.server.kill, after=after))
            with pytest.raises(ServerDown, match="does not answer"):
                here.plugin.swap(ctx, beside, aside)
        with pytest.raises(ServerDown):
            here.plugin.recover(ctx)
        here.server.start()
        assert here.server.pairs(PREFIX) not in (story.now, story.pairs)
        story.check(ctx, aside)


def test_a_server_that_comes_again_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path / "site") as here:
        story = Killed(here, Random(4))
        ctx, beside, aside = story.begin(tmp_path / "job")

        ended = threading.Event()

        def start() -> None:
            """The server ends with the thread that started it."""
            here.server.start()
            ended.wait()

        def anew() -> None:
            here.server.kill()
            threading.Timer(1, start).start()

        with monkeypatch.context() as patch:
            patch.setattr(Keyspace, "change", at_change(4, anew, after=False))
            here.plugin.swap(ctx, beside, aside)
        story.check(ctx, aside)
        ended.set()


def test_what_clients_wrote_between_kill_and_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was exchanged keeps what they wrote since; what was not is in the guard."""
    with site(tmp_path / "site") as here:
        story = Killed(here, Random(6))
        ctx, beside, aside = story.begin(tmp_path / "job")
        with monkeypatch.context() as patch:
            patch.setattr(Keyspace, "change", at_change(3, die, after=False))
            assert in_child(lambda: here.plugin.swap(ctx, beside, aside)) == signal.SIGKILL
        live = here.server.pairs(PREFIX)
        done = sorted(key for key in story.pairs if live.get(key) == story.pairs[key] != story.now.get(key))
        waits = sorted(key for key in story.pairs if key in story.now and live[key] != story.pairs[key])
        here.server.put(full({done[0]: b"after", waits[-1]: b"before", b"\xff\xff came": b"new"}))
        assert here.plugin.recover(ctx)
        assert here.server.pairs(PREFIX) == {**story.pairs, done[0]: b"after", b"\xff\xff came": b"new"}
        assert held(aside) == {**story.now, waits[-1]: b"before"}


def test_a_cancel_during_the_exchange_finishes_it(tmp_path: Path) -> None:
    class Tripped:
        cancelled = True

        def check(self) -> None:
            raise Cancelled("a cancel was asked for")

    with site(tmp_path / "site") as here:
        story = Killed(here, Random(8))
        ctx, beside, aside = story.begin(tmp_path / "job")
        with pytest.raises(Cancelled):
            here.plugin.swap(replace(ctx, cancel=Tripped()), beside, aside)
        assert not here.plugin.recover(ctx)
        assert here.server.pairs(PREFIX) == story.now


@pytest.mark.parametrize(("number", "after"), [(1, False), (1, True), (2, True)])
def test_an_activation_that_is_killed(
    tmp_path: Path, number: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is finished; what clients wrote meanwhile stays."""
    with site(tmp_path / "site") as here:
        pairs = strange(Random(9), 300)
        folder = here.component.path / "etcd-databases"
        folder.mkdir()
        for name, keys in (("a.json", sorted(pairs)[:150]), ("b.json", sorted(pairs)[150:])):
            (folder / name).write_bytes(b"".join(to_line(key, pairs[key]) + b"\n" for key in keys))
        ctx = here.context("job", FileNotes(tmp_path / "job"))
        with monkeypatch.context() as patch:
            patch.setattr(Keyspace, "change", at_change(number, die, after=after))
            assert in_child(lambda: here.plugin.activate(ctx)) == signal.SIGKILL
        last = max(pairs)
        here.server.put(full({last: b"of a client"}))
        assert here.plugin.recover(ctx)
        assert here.server.pairs(PREFIX) == {**pairs, last: b"of a client"}
        assert list(here.plugin.left_behind(ctx)) == []
        assert here.files() == []
