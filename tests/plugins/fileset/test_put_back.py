"""Files and folders put back into a live tree: exactly these, whatever they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dysnomia_plugins.base import Context, LiveLook, PutRow, WholeAsked
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.putting import units
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_store.errors import NotFound
from tests.plugins.fileset.changes import ROOT
from tests.plugins.fileset.tools import TarStored, dump_to_tar, make_context
from tests.plugins.fileset.world import ODD, fileset_component, make_tree, tree

as_root = pytest.mark.skipif(not ROOT, reason="owners are root's to set")


@dataclass
class Site:
    """A live tree, and what one snapshot of it holds."""

    folder: Path
    ctx: Context
    stored: TarStored | None = None

    plugin = Fileset()

    @property
    def live(self) -> Path:
        return self.folder / "srv" / "data"

    def keep(self) -> None:
        shutil.rmtree(self.folder / "dump", ignore_errors=True)
        self.stored = dump_to_tar(self.ctx.component, self.folder / "dump")

    def rows(self, *names: str, exact: bool = False, lacking: bool = False) -> list[PutRow]:
        assert self.stored is not None
        asked = [WholeAsked(name, exact, lacking) for name in names]
        return list(self.plugin.whole_sections(self.ctx, self.stored, asked))

    def look(self, rows: Sequence[PutRow]) -> LiveLook:
        return self.plugin.look_at_rows(self.ctx, rows)

    def put(self, rows: Sequence[PutRow], look: LiveLook | None = None) -> list[str]:
        """Put back what the look says can be; the names of those that were left."""
        assert self.stored is not None
        look = look or self.look(rows)
        chosen = [at for at, row in enumerate(look.rows) if row.digest != row.wanted and at not in look.conflicts]
        seen = [look.rows[at].digest for at in chosen]
        left = self.plugin.put_sections_back(self.ctx, self.stored, [rows[at] for at in chosen], seen)
        assert list(self.plugin.left_behind(self.ctx)) == []
        return [rows[chosen[at]].section.name for at in left]

    def conflicts(self, *names: str) -> list[str]:
        return list(self.look(self.rows(*names)).conflicts.values())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    component = fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n")
    found = Site(tmp_path, make_context(component, tmp_path))
    make_tree(found.live)
    found.keep()
    return found


def find(folder: Path) -> str:
    """Everything of a tree as find and getfattr see it, times too (not of folders, whose entries went)."""
    words = ["find", ".", "-printf", r"%p %y %#m %U:%G %s %l %n\n"]
    files = ["find", ".", "!", "-type", "d", "-printf", r"%p %T@\n"]
    attributes = ["getfattr", "-R", "-h", "-d", "-m", "-", "."]
    said = [
        subprocess.run(one, cwd=folder, capture_output=True, check=True).stdout for one in (words, files, attributes)
    ]
    return "\n".join(b"\n".join(sorted(one.split(b"\n"))).decode("utf-8", "surrogateescape") for one in said)


def test_one_of_everything_comes_back_as_it_was_after_all_is_gone(site: Site) -> None:
    before, seen = tree(site.live), find(site.live)
    for entry in list(site.live.iterdir()):
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    rows = site.rows("folder:data", lacking=True)
    look = site.look(rows)
    assert (look.conflicts, look.refusals) == ({}, ())
    assert site.put(rows, look) == []
    assert tree(site.live) == before
    assert find(site.live) == seen
    assert (site.live / "first name").samefile(site.live / "second name")
    assert (site.live / "sparse").stat().st_blocks * 512 < 7 << 20


def test_marked_files_are_created_replaced_and_removed_and_nothing_else_changes(site: Site) -> None:
    (site.live / "notes.txt").write_text("first\nSECOND\n")
    (site.live / "binary").unlink()
    (site.live / "new").write_text("came since")
    (site.live / "other").write_text("stays")
    (site.live / "empty").write_text("was empty")
    rows = site.rows("file:data/notes.txt", "file:data/binary", "file:data/new")
    shown = {row.section.name: (now.raw, row.wanted) for row, now in zip(rows, site.look(rows).rows, strict=True)}
    assert [now is None for now, _ in shown.values()] == [False, True, False]
    assert shown["data/new"][1] is None
    now, wanted = shown["data/notes.txt"]
    assert now is not None
    assert wanted is not None
    assert site.plugin.parse_whole(now)["size"] == "13"
    assert site.plugin.parse_whole(wanted)["xattr user.origin"] == "here=there"
    left_alone = {name: (site.live / name).lstat().st_ctime_ns for name in ("other", "empty", "block", "link")}
    assert site.put(rows) == []
    assert (site.live / "notes.txt").read_text() == "first\nsecond\nthird\n"
    assert os.getxattr(site.live / "notes.txt", "user.origin") == b"here=there"
    assert (site.live / "binary").stat().st_mode & 0o7777 == 0o4755
    assert not (site.live / "new").exists()
    assert {name: (site.live / name).lstat().st_ctime_ns for name in left_alone} == left_alone


def test_a_folder_that_is_gone_comes_with_all_in_it_and_one_that_came_goes_with_all(site: Site) -> None:
    before = tree(site.live)
    shutil.rmtree(site.live / "sub")
    (site.live / "fresh" / "deep").mkdir(parents=True)
    (site.live / "fresh" / "deep" / "file").write_text("x")
    rows = site.rows("folder:data/sub", "folder:data/fresh")
    assert len(rows) == 4 + 3
    assert site.put(rows) == []
    assert tree(site.live) == before


def test_of_a_folder_that_both_have_only_what_it_is_itself(site: Site) -> None:
    (site.live / "sub").chmod(0o700)
    os.removexattr(site.live / "sub", "user.binary")
    (site.live / "sub" / ODD).write_text("changed")
    rows = site.rows("folder:data/sub")
    assert [row.section.name for row in rows] == ["data/sub"]
    assert site.put(rows) == []
    assert (site.live / "sub").stat().st_mode & 0o7777 == 0o2750
    assert os.getxattr(site.live / "sub", "user.binary") == bytes(range(32))
    assert (site.live / "sub" / ODD).read_text() == "changed"


def test_folders_above_are_made_as_they_were(site: Site) -> None:
    shutil.rmtree(site.live / "sub")
    rows = site.rows(f"file:data/sub/{ODD}")
    assert [row.section.name for row in rows] == ["data/sub", f"data/sub/{ODD}"]
    assert site.put(rows) == []
    assert (site.live / "sub").stat().st_mode & 0o7777 == 0o2750
    assert [one.name for one in (site.live / "sub").iterdir()] == [ODD]
    shutil.rmtree(site.live / "sub")
    (conflict,) = site.look(site.rows(f"file:data/sub/{ODD}", exact=True)).conflicts.values()
    assert "the folder data/sub, which" in conflict
    assert "is not there" in conflict


def test_kinds_that_changed_are_exchanged_whole(site: Site) -> None:
    before = tree(site.live)
    (site.live / "notes.txt").unlink()
    (site.live / "notes.txt").mkdir()
    (site.live / "notes.txt" / "uploaded").write_text("since")
    shutil.rmtree(site.live / "sub")
    (site.live / "sub").symlink_to("/etc")
    (site.live / "link").unlink()
    (site.live / "link").write_text("a file now")
    (conflict,) = site.conflicts("file:data/notes.txt")
    assert conflict == (
        "data/notes.txt is a folder in live now, and data/notes.txt/uploaded in it would go: "
        "name folder:data/notes.txt for all of it"
    )
    rows = site.rows("folder:data/notes.txt", "folder:data/sub", "symlink:data/link")
    assert site.look(rows).conflicts == {}
    assert site.put(rows) == []
    assert tree(site.live) == before


def test_names_of_one_file_stay_names_of_one_file(site: Site) -> None:
    before = tree(site.live)
    (site.live / "first name").write_text("both changed")
    rows = site.rows("file:data/first name")
    assert [row.section.name for row in rows] == ["data/first name", "data/second name"]
    assert site.put(rows) == []
    assert tree(site.live) == before
    (site.live / "second name").unlink()
    assert site.put(site.rows("hard link:data/second name")) == []
    assert tree(site.live) == before
    (site.live / "second name").unlink()
    (site.live / "first name").write_text("changed")
    (conflict,) = site.conflicts("hard link:data/second name")
    assert conflict.startswith("data/second name is another name of data/first name, which is not as the snapshot")
    assert site.put(site.rows("hard link:data/second name", "file:data/first name")) == []
    assert tree(site.live) == before


def test_another_name_in_live_keeps_what_it_holds(site: Site) -> None:
    (site.live / "notes.txt").write_text("now")
    os.link(site.live / "notes.txt", site.live / "z")
    rows = site.rows("file:data/notes.txt")
    assert site.look(rows).warnings == (
        "data/z: another name of data/notes.txt in live, which stays, with what it holds now",
    )
    assert site.put(rows) == []
    assert ((site.live / "notes.txt").read_text(), (site.live / "z").read_text()) == ("first\nsecond\nthird\n", "now")


def test_what_changed_since_the_plan_is_left_and_the_rest_is_put_back(site: Site) -> None:
    for name in ("notes.txt", "empty"):
        (site.live / name).write_text("changed")
    shutil.rmtree(site.live / "sub")
    (site.live / "came").mkdir()
    rows = site.rows("file:data/notes.txt", "file:data/empty", "folder:data/sub", "folder:data/came")
    look = site.look(rows)
    (site.live / "empty").write_text("paid since")
    (site.live / "came" / "in").write_text("since")
    assert sorted(site.put(rows, look)) == ["data/came", "data/empty"]
    assert (site.live / "empty").read_text() == "paid since"
    assert (site.live / "came" / "in").read_text() == "since"
    assert (site.live / "notes.txt").read_text() == "first\nsecond\nthird\n"
    assert (site.live / "sub" / ODD).read_text() == "odd"


@contextmanager
def at_the_exchange(monkeypatch: pytest.MonkeyPatch, does: Callable[[], None]) -> Iterator[None]:
    """Somebody acts after the last look, and before the first exchange."""
    real, done = units.Unit.exchange, list[int]()

    def exchange(unit: units.Unit, live: object) -> bool:
        if not done:
            done.append(1)
            does()
        return real(unit, live)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(units.Unit, "exchange", exchange)
        yield
    assert done


def test_what_changes_in_the_last_moment_goes_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place, so that only what came out tells; replaced; appeared; with another name of it."""
    (site.live / "notes.txt").write_text("changed")
    (site.live / "first name").write_text("changed")
    (site.live / "block").unlink()
    (site.live / "empty").write_text("changed")
    (site.live / "came").mkdir()
    names = ("file:data/notes.txt", "file:data/first name", "file:data/block", "folder:data/came", "file:data/empty")

    def act() -> None:
        (site.live / "notes.txt").write_text("CHANGED")
        (site.live / "first name").write_text("CHANGED")
        (site.live / "block").write_text("new upload")
        (site.live / "came" / "upload").write_text("x")

    with at_the_exchange(monkeypatch, act):
        left = site.put(site.rows(*names))
    assert sorted(left) == ["data/block", "data/came", "data/first name", "data/notes.txt", "data/second name"]
    assert (site.live / "notes.txt").read_text() == "CHANGED"
    assert (site.live / "second name").read_text() == "CHANGED"
    assert (site.live / "block").read_text() == "new upload"
    assert (site.live / "came" / "upload").read_text() == "x"
    assert (site.live / "empty").read_text() == ""


def test_a_file_that_is_open_for_writing_is_named_and_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.live / "notes.txt").write_text("changed")
    program = "import sys; f = open(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"

    def start() -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", program, str(site.live / "notes.txt")]
        found = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert found.stdout is not None
        assert found.stdout.readline() == b"open\n"
        return found

    with start() as writer:
        (conflict,) = site.conflicts("file:data/notes.txt")
        assert "writes" in conflict
        assert "stop it, for what it writes later would be lost" in conflict
        writer.communicate()
    started: list[subprocess.Popen[bytes]] = []
    with at_the_exchange(monkeypatch, lambda: started.append(start())):
        assert site.put(site.rows("file:data/notes.txt")) == ["data/notes.txt"]
    started[0].communicate()
    assert (site.live / "notes.txt").read_text() == "changed"


def test_the_owner_of_the_tree_leads_nothing_elsewhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder on the way becomes a link or another folder at the last moment: what is outside stays as it is."""
    outside = site.folder / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub" / ODD).write_text("of others")
    before = tree(outside)
    (site.live / "sub" / ODD).write_text("changed")

    def swap() -> None:
        (site.live / "sub").rename(site.live / "away")
        (site.live / "sub").symlink_to(outside / "sub")

    with at_the_exchange(monkeypatch, swap):
        assert site.put(site.rows(f"file:data/sub/{ODD}")) == [f"data/sub/{ODD}"]
    assert tree(outside) == before
    assert (site.live / "away" / ODD).read_text() == "changed"
    (conflict,) = site.look(site.rows(f"file:data/sub/{ODD}", exact=True)).conflicts.values()
    assert "the folder data/sub, which" in conflict
    assert "is a symlink in live now" in conflict
    (site.live / "sub").unlink()
    shutil.copytree(site.live / "away", site.live / "sub", symlinks=True)

    def exchange() -> None:
        (site.live / "sub").rename(site.live / "third")
        (site.live / "away").rename(site.live / "sub")

    with at_the_exchange(monkeypatch, exchange):
        assert site.put(site.rows(f"file:data/sub/{ODD}")) == [f"data/sub/{ODD}"]
    assert (site.live / "sub" / ODD).read_text() == (site.live / "third" / ODD).read_text() == "changed"


def test_the_folder_of_the_job_is_moved_away_by_the_owner_of_the_tree(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And another put in its place: nothing of that comes into live as ours."""
    (site.live / "notes.txt").write_text("changed")
    (site.live / "empty").unlink()
    now = tree(site.live)

    def move() -> None:
        (base,) = (one for one in site.live.parent.iterdir() if one.name.startswith(".dysnomia-"))
        base.rename(site.live.parent / "moved")
        base.mkdir()
        for number in range(3):
            (base / f"new-{number}").write_text("planted")

    with at_the_exchange(monkeypatch, move):
        left = site.put(site.rows("file:data/notes.txt", "file:data/empty"))
    assert sorted(left) == ["data/empty", "data/notes.txt"]
    assert tree(site.live) == now


@as_root
def test_a_link_planted_in_place_of_a_file_is_replaced_as_a_link(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file it leads to keeps content, owner and mode; a folder of theirs gets no owner by it either."""
    secret = site.folder / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    (site.live / "notes.txt").write_text("changed")
    (site.live / "sub").chmod(0o777)
    was = secret.stat()

    def plant() -> None:
        (site.live / "notes.txt").unlink()
        (site.live / "notes.txt").symlink_to(secret)
        (site.live / "sub").rename(site.live / "kept")
        (site.live / "sub").mkdir()
        os.chown(site.live / "sub", 1234, 1234)

    with at_the_exchange(monkeypatch, plant):
        assert sorted(site.put(site.rows("file:data/notes.txt", "folder:data/sub"))) == ["data/notes.txt", "data/sub"]
    now = secret.stat()
    assert (now.st_mode, now.st_uid, now.st_ino, secret.read_text()) == (was.st_mode, was.st_uid, was.st_ino, "secret")
    assert (site.live / "sub").stat().st_uid == 1234
    assert os.readlink(site.live / "notes.txt") == str(secret)


def test_all_or_nothing_where_one_cannot_be(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("notes.txt", "empty", "block"):
        (site.live / name).write_text("changed")
    (site.live / "sub").chmod(0o700)
    now = tree(site.live)
    real, count = units.Unit.exchange, []

    def exchange(unit: units.Unit, live: object) -> bool:
        count.append(1)
        if len(count) == 3:
            raise OSError(28, "No space left on device")
        return real(unit, live)  # type: ignore[arg-type]

    monkeypatch.setattr(units.Unit, "exchange", exchange)
    with pytest.raises(PluginError, match=r"nothing was changed: .*No space left"):
        site.put(site.rows("file:data/notes.txt", "file:data/empty", "file:data/block", "folder:data/sub"))
    assert tree(site.live) == now
    assert list(site.plugin.left_behind(site.ctx)) == []


@as_root
def test_an_immutable_file_is_named_in_the_plan(site: Site) -> None:
    (site.live / "notes.txt").write_text("changed")
    if subprocess.run(["chattr", "+i", site.live / "notes.txt"], capture_output=True, check=False).returncode:
        pytest.skip("no immutable files here")
    try:
        assert site.conflicts("file:data/notes.txt") == ["data/notes.txt is immutable (lsattr)"]
    finally:
        subprocess.run(["chattr", "-i", site.live / "notes.txt"], check=True)


def test_what_is_not_there_and_not_named_is_said(site: Site) -> None:
    with pytest.raises(NotFound, match="neither the generation nor live has data/none"):
        site.rows("file:data/none")
    (site.folder / "srv" / "beside").write_text("x")
    with pytest.raises(NotFound):
        site.rows("file:beside")
    (site.live / "empty").unlink()
    (site.ctx.component.path / ".dysnomia-fileset").write_text("mkdir other\n")
    (conflict,) = site.conflicts("file:data/empty")
    assert conflict == "data/empty is not in the fileset"


def test_no_room_is_said_before(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.live / "block").unlink()
    rows = site.rows("file:data/block")
    monkeypatch.setattr("dysnomia_plugins.toolkit.filesets.putting.look.free_bytes", lambda _path: 100)
    assert site.look(rows).refusals == (f"{site.folder / 'srv'} has 100 bytes free, and 200,000 are needed",)
    with pytest.raises(NotSafe, match="nothing was changed"):
        site.put(rows)


def test_a_file_whose_time_no_calendar_has_comes_back_with_it(site: Site) -> None:
    """Whoever owns a file gives it any time that its file system holds."""
    odd = site.live / "odd"
    odd.write_text("odd")
    os.utime(odd, (10**12, 10**12))
    seen = odd.stat().st_mtime_ns
    site.keep()
    odd.unlink()
    assert site.put(site.rows("file:data/odd")) == []
    assert odd.stat().st_mtime_ns == seen
