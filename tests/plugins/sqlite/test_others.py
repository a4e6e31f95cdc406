"""SQLite databases in folders that are another user's: root does there what that user may do, and nothing more."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import Place, Purpose, PutRow
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.way import LinkOfOthers
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.sqlite import site as sqlite_site
from dysnomia_plugins.types.sqlite.opening import connect
from dysnomia_plugins.types.sqlite.site import SIDECARS
from tests.plugins.other_user import OtherUser, needs_root, other_user, passable
from tests.plugins.sqlite.bench import SqliteBench, holding

pytestmark = needs_root


@pytest.fixture(scope="module")
def other() -> Iterator[OtherUser]:
    with other_user() as user:
        yield user


@pytest.fixture(params=["wal", "delete"])
def bench(request: pytest.FixtureRequest, other: OtherUser, tmp_path: Path) -> SqliteBench:
    """A database of the user's, in a folder of the user's."""
    bench = SqliteBench(
        tmp_path, f"PRAGMA journal_mode={request.param}", "CREATE TABLE t(v)", "INSERT INTO t VALUES(1)"
    )
    other.own(bench.databases, bench.live)
    passable(bench.live)
    return bench


def test_rows_are_put_back_as_the_owner(bench: SqliteBench, other: OtherUser) -> None:
    """What is read of the snapshot stays ours meanwhile, and what SQLite makes beside the file is the owner's."""
    first = bench.dump()
    now = bench.identity()
    (section,) = [one for one in first.sections() if one.name == "t"]
    bench.run("DELETE FROM t")
    other.own(bench.live)
    ctx = bench.job()
    (raw,) = bench.sqlite.lacking(ctx, section, iter(bench.sqlite.raw_rows(first, section)))
    rows = [PutRow(section, ("1",), raw)]
    look = bench.sqlite.look_at_rows(ctx, rows)
    with holding(bench.live, "SELECT count(*) FROM t"):
        assert bench.sqlite.put_back(ctx, rows, [look.rows[0].digest]) == {}
    assert bench.identity() == now
    assert {one.stat().st_uid for one in bench.databases.iterdir()} == {other.uid}


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """A database that only root may read."""
    folder = tmp_path / "vault"
    folder.mkdir(mode=0o700)
    SqliteBench.run(None, "CREATE TABLE secret(v)", "INSERT INTO secret VALUES('canary')", at=folder / "vault.db")  # type: ignore[arg-type]
    (folder / "vault.db").chmod(0o600)
    return folder / "vault.db"


def test_it_is_all_done_as_the_owner(bench: SqliteBench, other: OtherUser) -> None:
    first = bench.dump()
    with holding(bench.live, "SELECT count(*) FROM t"):  # root's: SQLite gives what it makes to the file's owner
        bench.run("INSERT INTO t VALUES(2)")
        now = bench.identity()
        ctx = bench.job()
        aside = bench.replace(first, ctx)
        assert bench.run("SELECT v FROM t") == [(1,)]
    assert bench.identity(aside) == now
    assert {one.stat().st_uid for one in bench.databases.iterdir()} == {other.uid}
    undo = bench.job()
    bench.sqlite.swap(undo, Place(str(aside)), bench.sqlite.place(undo, Purpose.ASIDE))
    assert bench.identity() == now
    copy = bench.sqlite.named(bench.component, "copy")
    bench.sqlite.load(bench.job(), first, copy)
    assert Path(copy.name).stat().st_uid == other.uid
    assert other.may("sqlite3", copy.name, "INSERT INTO t VALUES(3)")
    assert bench.sqlite.probe(bench.component, ProcessRunner()).up
    argv, _ = bench.sqlite.shell(bench.component)
    assert argv[:2] == ("setpriv", f"--reuid={other.uid}")
    assert os.geteuid() == 0
    assert (bench.databases.parent / "by root").write_text("ours again")
    bench.sqlite.collect_garbage(bench.job())
    assert not bench.live.exists()


def test_the_initial_state_is_made_where_the_owner_cannot_reach_it(
    other: OtherUser, tmp_path: Path, vault: Path
) -> None:
    bench = SqliteBench(tmp_path)
    other.own(bench.databases)
    passable(bench.live)
    scripts = bench.component.path / "sqlite-databases"
    scripts.mkdir()
    (scripts / "1.sql").write_text("CREATE TABLE t(v)")
    for name in ("orders-journal", "orders"):
        other.run("ln", "-s", vault, bench.databases / name)
        with pytest.raises(NotSafe):
            bench.sqlite.activate(bench.job())
        (bench.databases / name).unlink()
    bench.sqlite.activate(bench.job())
    assert bench.files() == ["orders"]
    assert bench.live.stat().st_uid == other.uid
    assert _untouched(vault)


@pytest.mark.parametrize("suffix", ["", *SIDECARS])
def test_a_link_in_place_of_a_file_is_named_and_nothing_goes_through_it(
    bench: SqliteBench, other: OtherUser, vault: Path, suffix: str
) -> None:
    first = bench.dump()
    ctx = bench.job()
    beside = bench.sqlite.place(ctx, Purpose.BESIDE)
    bench.sqlite.load(ctx, first, beside)
    link = bench.databases / f"orders{suffix}"
    other.run("ln", "-sf", vault, link)
    for work in (
        bench.dump,
        lambda: bench.replace(first),
        lambda: bench.sqlite.swap(ctx, beside, bench.sqlite.place(ctx, Purpose.ASIDE)),
        lambda: bench.sqlite.preflight(bench.job(), first, replace=True),
        lambda: bench.sqlite.shell(bench.component),
        lambda: bench.sqlite.collect_garbage(bench.job()),
    ):
        with pytest.raises(NotSafe, match=str(link)) as refused:
            work()
        assert refused.value.hint
    probe = bench.sqlite.probe(bench.component, ProcessRunner())
    assert not probe.up
    assert str(link) in probe.detail
    assert link.is_symlink()
    assert _untouched(vault)


@pytest.mark.parametrize("suffix", SIDECARS)
def test_a_link_that_comes_after_the_look_leads_only_where_the_owner_may_go(
    bench: SqliteBench, other: OtherUser, vault: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root, SQLite would open what the link leads to, and give it to the database's owner."""
    first = bench.dump()
    monkeypatch.setattr(sqlite_site, "_refuse_strange_sides", lambda folder, path: None)
    other.run("ln", "-sf", vault, bench.databases / f"orders{suffix}")
    for work in (bench.dump, lambda: bench.replace(first)):
        try:
            work()
        except PluginError:
            pass
    assert _untouched(vault)


def test_a_database_that_is_exchanged_while_it_is_opened_is_noticed(
    bench: SqliteBench, other: OtherUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = bench.databases / "mine"
    bench.run("CREATE TABLE mine(v)", at=mine)
    other.own(mine)
    real = connect

    def late(path: Path | str, **how: Any) -> object:
        if Path(path) == bench.databases / "orders":
            bench.live.unlink()
            bench.live.symlink_to(mine)
        return real(path, **how)

    monkeypatch.setattr("dysnomia_plugins.types.sqlite.site.connect", late)
    with pytest.raises(NotSafe, match="was replaced while it was being opened"):
        bench.dump()


def test_another_name_of_a_file_of_root_s_is_not_read(bench: SqliteBench, vault: Path) -> None:
    first = bench.dump()
    bench.live.unlink()
    os.link(vault, bench.live)  # as a user may where fs.protected_hardlinks is off
    for work in (bench.dump, lambda: bench.replace(first)):
        with pytest.raises(PluginError):
            work()
    assert _untouched(vault)


def test_a_file_of_root_s_in_the_folder_is_not_given_away(bench: SqliteBench, other: OtherUser, vault: Path) -> None:
    """What its owner finds in the folder may be put in the place of what was loaded."""
    first = bench.dump()
    bench.live.write_bytes(b"no database " * 99)
    ctx = bench.job()
    beside, aside = bench.sqlite.place(ctx, Purpose.BESIDE), bench.sqlite.place(ctx, Purpose.ASIDE)
    bench.sqlite.load(ctx, first, beside)
    left = bench.databases / "left by root"
    left.write_text("secret")
    left.chmod(0o600)
    other.run("mv", "-f", left, beside.name)
    with pytest.raises(NotSafe, match="belongs to root"):
        bench.sqlite.swap(ctx, beside, aside)
    assert Path(beside.name).stat().st_uid == 0


def test_a_folder_of_root_s_that_a_group_may_write_is_not_root_s(bench: SqliteBench, other: OtherUser) -> None:
    os.chown(bench.databases, 0, other.gid)
    bench.databases.chmod(0o2775)
    first = bench.dump()
    bench.run("INSERT INTO t VALUES(2)")
    aside = bench.replace(first)
    assert bench.run("SELECT v FROM t") == [(1,)]
    assert aside.stat().st_uid == other.uid
    os.chown(bench.live, 0, other.gid)
    bench.live.chmod(0o660)
    assert bench.identity() == first.digest
    bench.run("INSERT INTO t VALUES(2)")
    bench.replace(first)
    assert bench.run("SELECT v FROM t") == [(1,)]
    bench.live.chmod(0o600)
    with pytest.raises(PluginError, match="not root's"):
        bench.dump()


def test_what_an_archive_says_of_owners_waits_for_trust(bench: SqliteBench, other: OtherUser) -> None:
    first = bench.dump()
    assert first.metadata is not None
    first.metadata = dataclasses.replace(
        first.metadata, surroundings={**first.metadata.surroundings, "owner": "root", "group": "root", "mode": "0644"}
    )
    bench.sqlite.collect_garbage(bench.job())
    ctx = dataclasses.replace(bench.job(), made_here=False)
    bench.replace(first, ctx)
    made = bench.live.stat()
    assert (made.st_uid, stat.S_IMODE(made.st_mode)) == (other.uid, 0o644)


def test_a_link_of_root_s_own_is_followed(other: OtherUser, tmp_path: Path) -> None:
    bench = SqliteBench(tmp_path)
    home = other.folder(tmp_path / "home")
    bench.run("CREATE TABLE t(v)", at=home / "real.db")
    other.own(home / "real.db")
    (bench.databases / "orders").symlink_to(home / "real.db")
    first = bench.dump()
    bench.run("INSERT INTO t VALUES(1)")
    bench.replace(first)
    assert bench.run("SELECT * FROM t") == []
    os.chown(bench.databases / "orders", other.uid, other.gid, follow_symlinks=False)
    with pytest.raises(LinkOfOthers, match=other.name):
        bench.dump()


def _untouched(vault: Path) -> bool:
    seen = vault.stat()
    rows = SqliteBench.run(None, "SELECT v FROM secret", at=vault)  # type: ignore[arg-type]
    return (seen.st_uid, stat.S_IMODE(seen.st_mode), rows) == (0, 0o600, [("canary",)])
