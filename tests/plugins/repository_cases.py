"""What a type of repositories shares with the other, against others on the machine: inherit per type.

A snapshot that is proved gives nobody a right; what is restored hands over nothing that was not made for it; a copy is
removed by the job that made it alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.repositories import making
from dysnomia_store.model import CheckResult
from dysnomia_tui.engine.component import activities, check
from tests.plugins.conformance.driver import Driver, Reporter, in_child
from tests.plugins.conformance.world import World
from tests.plugins.other_user import OtherUser, needs_root, open_folder, other_user, passable

CAPABILITY = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
"""``cap_net_bind_service+ep``, as ``setcap`` writes it."""


def _device(path: Path) -> None:
    path.unlink()
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


PLANTED: dict[str, Callable[[Path], object]] = {
    "setuid": lambda path: path.chmod(0o4755),
    "setgid": lambda path: path.chmod(0o2755),
    "character device": _device,
    "privileged attributes": lambda path: os.setxattr(path, "security.capability", CAPABILITY),
}


def all_of(path: Path) -> list[Path]:
    """It and all below it."""
    return [path, *path.rglob("*")]


def _answer(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def _then(call: Callable[..., None], act: Callable[[], None]) -> Callable[..., None]:
    def both(*arguments: Any, **named: Any) -> None:
        call(*arguments, **named)
        act()

    return both


_MOVE_IN = """
cd "$0" && echo ready && while read go; do
  name=$(ls -p | grep -v / | head -n 1)
  mv -f "$1" "$name" && echo moved || echo kept
done
"""


class RepositoryCases:
    """Inherit, and say which type it is."""

    load: ClassVar[ModuleType]
    """The type's module that loads."""
    activation: ClassVar[ModuleType]
    """The type's module that makes a new one."""
    data: ClassVar[str]
    """The folder in a repository in which its programs keep what it holds."""
    held: ClassVar[str]
    """It, or a folder in it in which a new one has files."""
    last_made: ClassVar[str]
    """The function of ``load`` that makes the last file in the repository's own folder."""

    @pytest.fixture
    def world(self, request: pytest.FixtureRequest) -> Iterator[World]:
        """What the test's module calls ``WORLD``, in a folder that other users may pass."""
        folder = open_folder()
        with request.module.WORLD(folder / "world") as world:
            yield world
        shutil.rmtree(folder)

    @pytest.fixture
    def member(self) -> Iterator[OtherUser]:
        with other_user() as user:
            yield user

    def live(self, world: World) -> Path:
        return Path(world.plugin.live(world.component).name)

    def given_to(self, world: World, member: OtherUser) -> None:
        """Configure who may write a new repository, where the type lets that be said."""

    def test_what_a_killed_activation_made_is_removed(self, world: World, driver: Driver) -> None:
        """Killed right before the new repository gets its name."""
        job = driver.new_job()
        bench = driver.bench(job)

        def die(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        def work() -> None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(self.activation, "put_live", die)
                activities.activity(bench, "activate")

        assert in_child(work) == signal.SIGKILL
        driver.dead.append(job)
        parent = self.live(world).parent
        assert [name for name in os.listdir(parent) if name.startswith(".dysnomia")]
        driver.activity("activate")
        assert not [name for name in os.listdir(parent) if name.startswith(".dysnomia")]
        assert driver.unsettled() == []
        assert world.whole() is not None

    # A snapshot from elsewhere, proved.

    @needs_root
    @pytest.mark.parametrize("what", PLANTED)
    def test_a_stranger_s_snapshot_is_not_proved_where_that_would_give_rights(
        self, world: World, driver: Driver, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        world.seed()
        planted = self.live(world) / "tool"
        planted.write_bytes(b"#!/bin/sh\n")
        PLANTED[what](planted)
        passable(self.live(world))
        number = driver.snapshot().generation.number
        assert activities.verify(driver.bench(), number).result is CheckResult.OK, "it was made here"
        monkeypatch.setattr(check, "made_here", lambda *_: False)
        with pytest.raises(NotSafe, match=rf"tool is .*{what}.*not trusted"):
            activities.verify(driver.bench(), number)
        assert not [name for name in os.listdir(self.live(world).parent) if name.startswith(".dysnomia")]

    @needs_root
    def test_nobody_may_enter_where_a_stranger_s_snapshot_is_proved(
        self, world: World, driver: Driver, member: OtherUser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.seed()
        for path in all_of(self.live(world) / self.data):
            os.chown(path, 0, member.gid)
            path.chmod(path.stat().st_mode | (0o2070 if path.is_dir() else 0o060))
        passable(self.live(world))
        number = driver.snapshot().generation.number
        monkeypatch.setattr(check, "made_here", lambda *_: False)
        reporter = Reporter()
        seen: list[bool] = []

        def look(_: int) -> None:
            for scratch in self.live(world).parent.glob(".dysnomia-*-scratch"):
                facts = scratch.stat()
                assert facts.st_gid != member.gid
                assert not facts.st_mode & 0o007
                seen.append(member.may("ls", scratch / "repository"))

        reporter.on_phase = look
        checked = activities.verify(driver.bench(reporter=reporter), number)
        assert checked.result is CheckResult.OK, checked.text
        assert seen
        assert not any(seen)

    @needs_root
    def test_where_nobody_may_pass_a_stranger_s_snapshot_is_not_proved(
        self, world: World, driver: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.seed()
        self.live(world).parent.chmod(0o700)
        number = driver.snapshot().generation.number
        monkeypatch.setattr(check, "made_here", lambda *_: False)
        with pytest.raises(PluginError, match="nobody cannot reach"):
            activities.verify(driver.bench(), number)
        assert not [name for name in os.listdir(self.live(world).parent) if name.startswith(".dysnomia")]

    # A restore for another owner.

    def _owned(self, world: World, member: OtherUser) -> Path:
        """A repository of that user's, in a folder of root's own file among its hooks: that file."""
        world.seed()
        live = self.live(world)
        member.own(live.parent, *all_of(live))
        passable(live)
        token = live / "hooks" / "token"
        token.parent.mkdir(exist_ok=True)
        member.own(token.parent)
        token.write_text("what only root may read")
        token.chmod(0o600)
        return token

    @needs_root
    def test_a_file_of_root_s_that_its_owner_moves_in_is_not_handed_over(
        self, world: World, driver: Driver, member: OtherUser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = self._owned(world, member)
        number = driver.snapshot().generation.number
        real = making.reclaim

        def reclaim(place: Any, *others: Any) -> None:
            member.run("mv", token, f"{place.name}/{self.data}/token")
            real(place, *others)

        monkeypatch.setattr(self.load, "reclaim", reclaim)
        held = os.open(token, os.O_RDONLY)
        try:
            with pytest.raises(NotSafe, match="token belongs to another user"):
                driver.restore(number)
            assert os.fstat(held).st_uid == 0
            assert os.fstat(held).st_mode & 0o777 == 0o600
        finally:
            os.close(held)

    @needs_root
    def test_a_folder_that_its_owner_holds_open_takes_no_more_names(
        self, world: World, driver: Driver, member: OtherUser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = self._owned(world, member)
        number = driver.snapshot().generation.number
        real = making.reclaim
        ended: list[int] = []

        def reclaim(place: Any, *others: Any) -> None:
            script = 'cd "$0" && chmod 0777 . .. && echo ready && read go && mv "$1" token'
            argv = member.argv("sh", "-c", script, f"{place.name}/{self.data}", token)
            with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as at:
                assert at.stdout is not None
                assert at.stdout.readline() == b"ready\n"
                real(place, *others)
                at.communicate(b"go\n")
            ended.append(at.returncode)

        monkeypatch.setattr(self.load, "reclaim", reclaim)
        driver.restore(number)
        assert len(ended) == 1
        assert ended[0] != 0
        assert (self.live(world) / "hooks" / "token").stat().st_uid == 0
        assert (self.live(world) / self.data).stat().st_uid == member.uid

    @needs_root
    def test_its_own_folder_is_closed_until_all_is_made(
        self, world: World, driver: Driver, member: OtherUser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._owned(world, member)
        number = driver.snapshot().generation.number
        real = getattr(self.load, self.last_made)
        seen: list[tuple[int, int]] = []

        def last(path: str, *others: Any) -> None:
            real(path, *others)
            seen.append((os.stat(path).st_uid, os.stat(path).st_mode & 0o777))  # noqa: PTH116

        monkeypatch.setattr(self.load, self.last_made, last)
        driver.restore(number)
        assert seen == [(0, 0o700)]
        assert self.live(world).stat().st_uid == member.uid

    # A new repository in another owner's folder.

    @needs_root
    def test_a_folder_held_open_while_it_is_handed_over_brings_in_no_file_of_root_s(
        self, world: World, driver: Driver, member: OtherUser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.given_to(world, member)
        base = self.live(world).parent
        base.mkdir(parents=True, exist_ok=True)
        member.own(base)
        passable(base)
        token = base / "token"
        token.write_text("what only root may read")
        token.chmod(0o600)
        holder: list[subprocess.Popen[bytes]] = []
        before = self.activation.reclaim

        def reclaim(place: Any, *others: Any) -> None:
            argv = member.argv("sh", "-c", _MOVE_IN, f"{place.name}/{self.held}", token)
            holder.append(
                subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            )
            assert _answer(holder[0]) == b"ready\n"
            before(place, *others)
            for name in ("fchown", "fchmod", "chown"):
                monkeypatch.setattr(os, name, _then(getattr(os, name), attack))

        def attack() -> None:
            assert holder[0].stdin is not None
            if holder[0].poll() is None:
                holder[0].stdin.write(b"go\n")
                holder[0].stdin.flush()
                if _answer(holder[0]) == b"moved\n":
                    holder[0].stdin.close()
                    holder[0].wait()

        monkeypatch.setattr(self.activation, "reclaim", reclaim)
        held = os.open(token, os.O_RDONLY)
        try:
            driver.activity("activate")
            assert holder
            seen = os.fstat(held)
            assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o777) == (0, 0, 0o600)
        finally:
            os.close(held)
            monkeypatch.undo()
            for one in holder:
                with one:
                    one.kill()

    # A copy that is given up.

    def test_what_somebody_else_made_meanwhile_is_not_dropped_for_a_copy(
        self, world: World, driver: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.seed()
        number = driver.snapshot().generation.number
        copy = Path(driver.named("copy").name)

        def give_name(*_: Any) -> None:
            copy.mkdir()
            (copy / "theirs").touch()
            raise PluginError("no space left")

        monkeypatch.setattr(self.load, "give_name", give_name)
        with pytest.raises(PluginError, match="no space"):
            driver.restore(number, driver.copied("copy"))
        assert (copy / "theirs").exists()
        assert not [name for name in os.listdir(copy.parent) if name.startswith(".dysnomia")]

    @pytest.mark.parametrize("named", [False, True], ids=["before it had its name", "after it had its name"])
    def test_a_copy_of_a_dead_job_is_known_by_what_it_is(
        self, world: World, driver: Driver, monkeypatch: pytest.MonkeyPatch, named: bool
    ) -> None:
        world.seed()
        number = driver.snapshot().generation.number
        copy = Path(driver.named("copy").name)
        job = driver.new_job()

        def die(*_: Any) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        with monkeypatch.context() as patched:
            patched.setattr(*((making, "remove_wrapper", die) if named else (self.load, "give_name", die)))
            died = in_child(lambda: activities.restore(driver.bench(job), number, driver.copied("copy")))
        assert died == signal.SIGKILL
        assert copy.exists() == named
        driver.dead.append(job)
        if not named:
            copy.mkdir()
            (copy / "theirs").touch()
        activities.recover(driver.bench(), driver.left(job))
        assert copy.exists() != named
        assert driver.left_behind(job) == []
