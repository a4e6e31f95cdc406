"""What a machine calls thousands of times imports neither Textual nor a plugin, nor what it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dysnomia_tui.cli.snapshots import command

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
