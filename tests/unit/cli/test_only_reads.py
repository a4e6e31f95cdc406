"""Commands that look write nothing where nothing may be written: read_only, --dry-run, another user's store."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dysnomia_store.catalog.cache import VERSION
from dysnomia_tui.engine.errors import Exit
from tests.plugins.other_user import needs_root, other_user
from tests.thorough import seldom
from tests.unit.cli.calling import call
from tests.unit.engine.ledger import PAPERS, SHOP, Ledger, make_ledger
from tests.unit.store.frames import flip, lines, pool_of
from tests.unit.store.shop import SMALL, Shop

Tree = dict[str, tuple[int, int, int, int]]
INDEX = f"index-{VERSION}.db"
LOOKS = (
    ("dysnomia-tui", "status"), ("dysnomia-tui", "status", "--json"), ("dysnomia-tui", "timeline"),
    ("dysnomia-tui", "timeline", "--verified"), ("dysnomia-tui", "jobs"),
    ("dysnomia-tui", "verify", "--due", "--dry-run"), ("dysnomia-tui", "notify"),
    ("dysnomia-tui", "optimise", "--dry-run"),
    ("dysnomia-snapshots", "--query-all"), ("dysnomia-snapshots", "--query-all", "--json"),
    ("dysnomia-snapshots", "--query-latest", "--check"),
    ("dysnomia-snapshots", "--in", str(SHOP), "--diff", "1", "2", "--rows"),
    ("dysnomia-snapshots", "--in", str(SHOP), "--diff", "1", "live", "--rows"),
    ("dysnomia-snapshots", "--in", str(SHOP), "--find", "Ben"),
    ("dysnomia-snapshots", "--in", str(SHOP), "--history-of", "1", "--section", "table:customers"),
    ("dysnomia-snapshots", "--in", str(PAPERS), "--diff", "1", "live"),
    ("dysnomia-snapshots", "--gc", "--keep", "1", "--dry-run"),
    ("dysnomia-containers", "--snapshot", "--dry-run"),
    ("dysnomia-tui", "status", "--openmetrics"), ("dysnomia-tui", "look"),
    ("dysnomia-tui", "mark", str(SHOP), "2", "--pin", "why", "--dry-run"),
    ("dysnomia-snapshots", "--gc", "--keep", "1", "--trash", "--dry-run"),
    ("dysnomia-containers", "--deploy", "--dry-run"), ("dysnomia-containers", "--collect-garbage", "--dry-run"),
    *(
        ("dysnomia", "-o", activity, "-C", SHOP.container, "-c", SHOP.component, "--dry-run")
        for activity in ("snapshot", "restore", "activate", "deactivate", "check", "collect-garbage", "verify")
    ),
)  # fmt: skip


def tree(root: Path) -> Tree:
    """Every file, folder and link below: none may change."""
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        found[str(path)] = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_ctime_ns)
    return found


def changed(before: Tree, after: Tree) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Two generations that share a damaged frame."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    shop = Shop(tmp_path / "state", cutting=SMALL)
    for number in range(2):
        shop.commit(lines(2000, number))
    flip(next(path for path in pool_of(shop) if path.stat().st_nlink == 3))
    return shop


def check(monkeypatch: pytest.MonkeyPatch, shop: Shop, *more: str) -> int:
    return call(monkeypatch, "dysnomia-snapshots", "--check", "--statedir", str(shop.root), *more)


def test_a_check_records_damage_only_where_changes_are_allowed(
    damaged: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(damaged.root)
    config = tmp_path / "config" / "dysnomia-tui" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("read_only = true\n")
    assert check(monkeypatch, damaged) == 7
    said = capsys.readouterr().err
    assert "2 checked: 0 ok, 2 bad" in said
    assert "WARNING: what is damaged was not recorded, so that later snapshots may share it" in said
    assert "config.toml says read_only" in said
    assert changed(before, tree(damaged.root)) == set()

    config.unlink()
    assert check(monkeypatch, damaged, "--dry-run") == 7
    assert "was not recorded" in capsys.readouterr().err
    assert changed(before, tree(damaged.root)) == set()

    assert check(monkeypatch, damaged) == 7
    assert "was not recorded" not in capsys.readouterr().err
    assert changed(before, tree(damaged.root))


@needs_root
def test_a_check_as_root_writes_nothing_into_another_users_store(
    damaged: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with other_user() as user:
        user.own(damaged.root, *damaged.root.rglob("*"))
        before = tree(damaged.root)
        assert check(monkeypatch, damaged) == 7
        said = capsys.readouterr().err
        assert "not safe to write" in said
        assert user.name in said
        assert changed(before, tree(damaged.root)) == set()


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)
    return ledger


@needs_root
def test_a_look_as_root_writes_nothing_into_another_users_store(
    theirs: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = theirs.settings.statedir
    with other_user() as user:
        user.own(state, *state.rglob("*"))
        before = tree(state)
        for words in (*LOOKS, ("dysnomia-snapshots", "--in", str(SHOP), "--export", "1", str(tmp_path / "archive"))):
            assert call(monkeypatch, *words) != Exit.USAGE, words
            assert changed(before, tree(state)) == set(), words


@needs_root
@pytest.mark.parametrize("link", ["cache", f"cache/{INDEX}"])
def test_a_look_as_root_is_led_by_no_link_of_another_user(
    theirs: Ledger, link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = theirs.settings.statedir
    roots = tmp_path / "roots"
    roots.mkdir()
    with closing(sqlite3.connect(roots / INDEX)) as db:
        db.execute("CREATE TABLE accounts (name TEXT)")
        db.commit()
    index = state / "cache" / INDEX
    index.unlink(missing_ok=True)
    if link == "cache":
        index.parent.rmdir()
        index.parent.symlink_to(roots)
    else:
        index.symlink_to(roots / INDEX)
    with other_user() as user:
        user.own(state, *state.rglob("*"))
        before = tree(roots)
        assert call(monkeypatch, "dysnomia-snapshots", "--query-all", "--json") == 0
        assert len(json.loads(capsys.readouterr().out)) == 9
        assert changed(before, tree(roots)) == set()
    assert os.listdir(roots) == [INDEX]


@pytest.mark.parametrize("config_text", seldom(["read_only = true\n", ""], ""))
def test_a_look_into_ones_own_store_writes_nothing_but_the_index(
    theirs: Ledger, config_text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = theirs.settings.user_config / "dysnomia-tui" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(config_text)
    state = theirs.settings.statedir
    before = tree(state)
    for words in LOOKS:
        call(monkeypatch, *words)
        written = changed(before, tree(state))
        assert {name for name in written if not name.startswith(str(state / "cache"))} <= {str(state)}, words
