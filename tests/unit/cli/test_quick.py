"""What a machine calls thousands of times imports neither Textual nor what it does not need."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dysnomia_tui.cli.snapshots import command
from tests.waiting import wait_until

HEAVY = ("textual", "rich", "dysnomia_tui.app", "dysnomia_plugins", "psutil", "backports", "subprocess", "asyncio",
         "importlib.metadata", "platformdirs", "tomllib", "socket", "ctypes", "msgspec",
         "dysnomia_tui.engine.engine")  # fmt: skip


@pytest.mark.parametrize(
    "call", [["--query-latest"], ["--query-all"], ["--print-missing", "a/b/c"], ["--resolve", "a/b/c"]]
)
def test_a_query_imports_little(tmp_path: Path, call: list[str]) -> None:
    folder = tmp_path / "snapshots" / "jars" / "plum" / "abc"
    folder.mkdir(parents=True)
    link = tmp_path / "generations" / "jars" / "plum" / "1"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../../snapshots/jars/plum/abc")
    script = (
        "import sys; from dysnomia_tui.cli.snapshots.command import main; status = main();"
        "print('\\n'.join(sys.modules), file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *call],
        env={**os.environ, "DYSNOMIA_STATEDIR": str(tmp_path), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = done.stderr.split()
    assert "dysnomia_tui.cli.snapshots.command" in loaded
    assert [name for name in loaded if name.startswith(HEAVY)] == []
    assert "abc" in done.stdout or "a/b/c" in done.stdout


def test_the_latest_is_told_by_few_links(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "generations" / "jars" / "plum"
    folder.mkdir(parents=True)
    for number in range(1, 1001):
        (folder / str(number)).symlink_to(f"../../../snapshots/jars/plum/id{number}")
    (folder / "1001").symlink_to("elsewhere")
    read: list[object] = []
    readlink = os.readlink

    def counted(path: Path, *, dir_fd: int | None = None) -> str:
        read.append(path)
        return readlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "readlink", counted)
    for only in ([], ["-C", "jars"], ["-C", "jars", "-c", "plum"]):
        monkeypatch.setattr(sys, "argv", ["dysnomia-snapshots", "--query-latest", "--statedir", str(tmp_path), *only])
        assert command.main() == 0
        said = capsys.readouterr()
        assert said.out == "jars/plum/id1000\n"
        assert "generation 1001 of jars/plum is a broken link" in said.err
    assert len(read) == 6


ENGINE = "dysnomia_tui.engine."
SQLITE = "dysnomia_plugins.types.sqlite."
NEVER = ("textual", "rich", "psutil", "importlib.metadata", "email", "socket", "difflib", "asyncio", "statistics",
         f"{ENGINE}component.restore", f"{ENGINE}component.recover", f"{ENGINE}component.guard",
         f"{ENGINE}component.check", f"{ENGINE}machine.overview", f"{ENGINE}operations.restore",
         f"{ENGINE}operations.gc", f"{SQLITE}swap", f"{SQLITE}preflight", f"{SQLITE}patch")  # fmt: skip
NOT_BY_A_LOCK = ("backports", "concurrent", "logging", "dysnomia_store.content", "dysnomia_store.pool",
                 f"{SQLITE}reader", f"{SQLITE}load")  # fmt: skip


def test_a_lock_and_an_unchanged_snapshot_import_what_they_do_alone(tmp_path: Path) -> None:
    """In the command and in its worker, which says so in its log."""
    folder = tmp_path / "databases"
    for path, text in (
        (tmp_path / "containers" / "files", f"type=sqlite-database\nsqliteDir={folder}\n"),
        (tmp_path / "components" / "files" / "orders", ""),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    folder.mkdir()
    with closing(sqlite3.connect(folder / "orders")) as connection:
        connection.execute("CREATE TABLE t (a)")
    for number, operation, never in (
        (1, "snapshot", ()),
        (2, "snapshot", NEVER),
        (3, "lock", NEVER + NOT_BY_A_LOCK),
        (4, "unlock", NEVER + NOT_BY_A_LOCK),
    ):
        words = ("-o", operation, "-C", "files", "-c", "orders")
        script = "import sys; from dysnomia_tui.cli.dysnomia import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", script, *words],
            env={**os.environ, "DYSNOMIA_STATEDIR": str(tmp_path / "state"), "HOME": str(tmp_path),
                 "DYSNOMIA_CONTAINERS_PATH": str(tmp_path / "containers"), "DYSNOMIA_MODULES_PATH": "",
                 "DYSNOMIA_COMPONENTS_PATH": str(tmp_path / "components"), "XDG_CONFIG_HOME": str(tmp_path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        told = done.stderr + (tmp_path / "state" / "jobs" / str(number) / "worker.log").read_text()
        loaded = {line.rpartition("|")[2].strip() for line in told.splitlines() if line.startswith("import time:")}
        assert f"{ENGINE}jobs.submit" in loaded
        within = tuple(f"{name}." for name in never)
        assert sorted(name for name in loaded if name in never or name.startswith(within)) == []


def test_a_status_imports_what_a_timer_can_call_each_minute(tmp_path: Path) -> None:
    """Of a set of files and a database that jobs have snapshotted, which are over."""
    for path, text in (
        (tmp_path / "containers" / "files", f"type=fileset\ntargetDir={tmp_path}\n"),
        (tmp_path / "containers" / "sqlite", f"type=sqlite-database\nsqliteDir={tmp_path}\n"),
        (tmp_path / "components" / "files" / "docs" / ".dysnomia-fileset", "mkdir docs\n"),
        (tmp_path / "components" / "sqlite" / "orders", ""),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "docs").mkdir()
    with closing(sqlite3.connect(tmp_path / "orders")) as connection:
        connection.execute("CREATE TABLE t (a)")
    environment = {
        **os.environ, "DYSNOMIA_STATEDIR": str(tmp_path / "state"), "HOME": str(tmp_path), "DYSNOMIA_MODULES_PATH": "",
        "DYSNOMIA_CONTAINERS_PATH": str(tmp_path / "containers"), "XDG_CONFIG_HOME": str(tmp_path),
        "DYSNOMIA_COMPONENTS_PATH": str(tmp_path / "components"),
    }  # fmt: skip

    def call(function: str, *words: str) -> subprocess.CompletedProcess[str]:
        script = (
            f"import sys; from dysnomia_tui.cli.{function} import main; status = main();"
            "print('\\n'.join(sys.modules), file=sys.stderr); sys.exit(status)"
        )
        argv = [sys.executable, "-c", script, *words]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    for key in ("files/docs", "sqlite/orders"):
        container, component = key.split("/")
        assert call("dysnomia", "-o", "snapshot", "-C", container, "-c", component).returncode == 0
    jobs = tmp_path / "state" / "jobs"
    wait_until(lambda: (jobs / "over.jsonl").exists() and (jobs / "over.jsonl").read_bytes().count(b"\n") > 1)
    done = call("tui.command", "status")
    assert "OK: 2 components" in done.stdout
    never = ("textual", "rich", "psutil", "importlib.metadata", "asyncio", "concurrent", "logging", "email",
             "subprocess", "secrets", "random", "msgspec", "dysnomia_tui.app",
             "dysnomia_tui.engine.operations.restore")  # fmt: skip
    assert [name for name in done.stderr.split() if name.startswith(never)] == []


def test_the_parser_of_sub_commands_imports_none_of_them() -> None:
    code = "import sys; from dysnomia_tui.cli.tui.command import parser; parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    needed = {f"{ENGINE}errors", *(f"dysnomia_tui.cli.tui.{name}" for name in ("command", "module", "options"))}
    assert {name for name in done.stdout.split() if name.startswith((ENGINE, "dysnomia_tui.cli.tui."))} == needed
    assert "dysnomia_tui.cli.shared.jobs" not in done.stdout.split()
