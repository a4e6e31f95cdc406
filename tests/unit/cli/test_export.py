"""``dysnomia -o export``: what a generation holds, as standard tools take it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.errors import PluginError
from tests.unit.cli.calling import call
from tests.unit.engine.ledger import PAPERS, SHOP, Ledger, make_ledger


@pytest.fixture(autouse=True)
def environment(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.enter(monkeypatch)


def export(monkeypatch: pytest.MonkeyPatch, *words: str, key: str = str(SHOP)) -> int:
    container, component = key.split("/")
    return call(monkeypatch, "dysnomia", "-o", "export", "-C", container, "-c", component, *words)


def test_sqlite3_reads_what_it_writes(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert export(monkeypatch, "--generation", "2") == 0
    said = capfdbinary.readouterr()
    assert b"of generation 2 of databases/shop, every byte checked" in said.err
    again = tmp_path / "again"
    again.write_bytes(said.out)
    names = subprocess.run(
        ["sqlite3", again, "PRAGMA integrity_check; SELECT name FROM customers"], capture_output=True, check=True
    )
    assert names.stdout == b"ok\nAda\nBea\n"
    assert export(monkeypatch, "--generation", "2", "--to", str(tmp_path / "parts")) == 0
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["dump.sqlite"]
    assert (tmp_path / "parts" / "dump.sqlite").read_bytes() == said.out
    assert (tmp_path / "parts").stat().st_mode & 0o777 == 0o700


def test_a_tree_comes_as_a_tree(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert export(monkeypatch, "--to", str(tmp_path / "tree"), key=str(PAPERS)) == 0
    assert export(monkeypatch, key=str(PAPERS)) == 0
    (tmp_path / "by tar").mkdir()
    subprocess.run(["tar", "-x", "-C", tmp_path / "by tar"], input=capfdbinary.readouterr().out, check=True)
    found = {path.relative_to(tmp_path / "tree"): path.read_bytes() for path in (tmp_path / "tree").rglob("*.txt")}
    assert found
    for path, content in found.items():
        assert (tmp_path / "by tar" / path).read_bytes() == content
    section = str(next(iter(found)))
    assert export(monkeypatch, "--section", f"file:{section}", key=str(PAPERS)) == 0
    assert capfdbinary.readouterr().out == found[Path(section)]


def test_a_table_comes_as_a_script_for_sqlite3(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert export(monkeypatch, "--generation", "3", "--section", "table:customers") == 0
    script = capfdbinary.readouterr().out
    again = tmp_path / "again"
    for code in (0, 1):
        done = subprocess.run(["sqlite3", again], input=script, capture_output=True, check=False)
        assert done.returncode == code, "the second time there is such a table, and all stays as it is"
        rows = subprocess.run(["sqlite3", again, "SELECT * FROM customers"], capture_output=True, check=True)
        assert rows.stdout == b"1|Ada|Lyon\n2|Bea|Lyon\n"
    folder = tmp_path / "parts"
    assert export(monkeypatch, "--generation", "3", "--section", "table:customers", "--to", str(folder)) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"customers.sql": script}
    assert (
        export(monkeypatch, "--section", "file:papers/list.txt", "--to", str(tmp_path / "list"), key=str(PAPERS)) == 0
    )
    assert [path.name for path in (tmp_path / "list").iterdir()] == ["list.txt"]


def test_what_is_refused(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").mkdir()
    assert export(monkeypatch, "--to", str(tmp_path / "there")) == 2
    assert "already exists" in capfd.readouterr().err
    store = ledger.root / "state"
    (tmp_path / "link").symlink_to(store / "snapshots")
    for inside in (store / "parts", store / "snapshots" / "databases" / "shop" / "parts", tmp_path / "link" / "parts"):
        assert export(monkeypatch, "--to", str(inside)) == 2
        assert "is in the state directory" in capfd.readouterr().err
    (tmp_path / "link").unlink()
    assert call(monkeypatch, "dysnomia-snapshots", "--export", str(SHOP), str(store / "archive.tar")) == 2
    assert "is in the state directory" in capfd.readouterr().err
    assert export(monkeypatch, "--generation", "99") == 5
    assert export(monkeypatch, "--section", "nothing", key=str(PAPERS)) == 5
    assert "has no section nothing" in capfd.readouterr().err
    assert export(monkeypatch, "--section", "customers", "--section", "items") == 2
    capfd.readouterr()
    assert list(tmp_path.iterdir()) == [tmp_path / "there"]


def test_damage_is_said_and_leaves_no_folder(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    shutil.copytree(ledger.root / "state", state, symlinks=True)
    monkeypatch.setenv("DYSNOMIA_STATEDIR", str(state))
    for stored in (state / "snapshots").rglob("dump.sqlite*"):
        if stored.is_file():
            data = bytearray(stored.read_bytes())
            data[len(data) // 2] ^= 1
            stored.unlink()
            stored.write_bytes(data)
    assert export(monkeypatch, "--to", str(tmp_path / "parts")) == 7
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("section", [(), ("--section", "table:customers")])
def test_a_full_disk_is_named_and_leaves_no_folder(
    section: tuple[str, ...], ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    real = Path.open

    def opened(path: Path, *args: Any, **options: Any) -> Any:
        return real(Path("/dev/full"), "wb", buffering=0) if ".parts-" in str(path) else real(path, *args, **options)

    monkeypatch.setattr(Path, "open", opened)
    assert export(monkeypatch, *section, "--to", str(tmp_path / "parts")) == 9
    assert f"{tmp_path}: No space left on device" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_tar_finds_full_is_no_space(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], number: int
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    tar = programs / "tar"
    words = f"tar: list.txt: Cannot write: {os.strerror(number)}"
    tar.write_text(f'#!/bin/sh\ncat > {os.devnull}\n[ "$LC_ALL" = C ] || exit 1\necho "{words}" >&2\nexit 2\n')
    tar.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert export(monkeypatch, "--to", str(tmp_path / "tree"), key=str(PAPERS)) == 9
    assert f"{tmp_path}: {os.strerror(number)}" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == [programs]


def test_a_temporary_folder_that_is_full_is_no_space(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise PluginError("/tmp/copy.sqlite cannot be written", "free some space") from OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("dysnomia_plugins.types.sqlite.contents.write_out", full)
    assert export(monkeypatch, "--section", "table:customers") == 9
    assert "free some space" in capfd.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_writes_nowhere_that_others_could_exchange(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    others = tmp_path / "others"
    others.mkdir()
    os.chown(others, 65534, 65534)
    assert export(monkeypatch, "--to", str(others / "tree"), key=str(PAPERS)) == 6
    assert f"{others} can be changed by others" in capfd.readouterr().err
    assert list(others.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_new_folder_is_opened_to_nobody_whatever_the_tree_says_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = make_ledger(tmp_path / "ledger")
    own.enter(monkeypatch)
    (own.root / "components" / str(PAPERS) / ".dysnomia-fileset").write_text("mkdir .\n")
    live = own.root / "live"
    live.chmod(0o755)
    os.chown(live, 65534, 65534)
    number = own.snapshot(PAPERS)
    assert export(monkeypatch, "--generation", str(number), "--to", str(tmp_path / "tree"), key=str(PAPERS)) == 0
    assert (tmp_path / "tree" / "papers" / "list.txt").read_text() == "second\n"
    status = (tmp_path / "tree").stat()
    assert (status.st_uid, status.st_mode & 0o7777) == (0, 0o700)


@pytest.mark.parametrize(("output", "code"), [(">&-", 1), (">/dev/full", 9)])
def test_a_standard_output_that_takes_nothing_is_named(output: str, code: int) -> None:
    command = Path(sys.executable).with_name("dysnomia")
    line = f'exec "$0" -o export -C {SHOP.container} -c {SHOP.component} {output}'
    done = subprocess.run(["sh", "-c", line, command], capture_output=True, text=True, check=False)
    assert "standard output" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code
