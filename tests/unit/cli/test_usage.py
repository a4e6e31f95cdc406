"""What makes no sense gets one clear line and exit code 2; nobody sees a traceback."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dysnomia_store import errors as store_errors
from dysnomia_tui.cli import dysnomia
from dysnomia_tui.cli.shared import names
from dysnomia_tui.cli.shared import parser as common
from dysnomia_tui.config import SettingsError
from dysnomia_tui.engine.errors import EngineError, Exit
from tests.unit.cli.calling import MAINS, call


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty world: no configuration of this machine's is looked at."""
    for part in ("containers", "components", "state", "config"):
        (tmp_path / part).mkdir()
    monkeypatch.setenv("DYSNOMIA_STATEDIR", str(tmp_path / "state"))
    monkeypatch.setenv("DYSNOMIA_CONTAINERS_PATH", str(tmp_path / "containers"))
    monkeypatch.setenv("DYSNOMIA_COMPONENTS_PATH", str(tmp_path / "components"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.mark.parametrize(
    "line",
    [
        "dysnomia",
        "dysnomia --frobnicate",
        "dysnomia -o snapshot",
        "dysnomia -o snapshot -C sqlite",
        "dysnomia -o snapshot -c orders --environment",
        "dysnomia -o snapshot -c orders -C sqlite --command true",
        "dysnomia -o snapshot -C sqlite -c orders --generation 3",
        "dysnomia -o restore -C sqlite -c orders --generation three",
        "dysnomia -o snapshot -C sqlite -c orders --as copy",
        "dysnomia -o restore -C sqlite -c orders --section table:orders",
        "dysnomia -o restore -C sqlite -c orders --scheduled",
        "dysnomia -o restore -C sqlite -c orders --row 1",
        "dysnomia -o put-back -C sqlite -c orders --section table:t --row 1",
        "dysnomia -o put-back -C sqlite -c orders --generation 1 --row 1",
        "dysnomia -o put-back -C sqlite -c orders --generation 1 --section table:t --section table:u --row 1",
        "dysnomia -o snapshot -C sqlite -c ../orders",
        "dysnomia -o snapshot -C .hidden -c orders",
        "dysnomia-snapshots",
        "dysnomia-snapshots --query",
        "dysnomia-snapshots --query-all=all",
        "dysnomia-snapshots --query-all -k",
        "dysnomia-snapshots --gc --keep",
        "dysnomia-snapshots --gc --keep-daily -1",
        "dysnomia-snapshots --gc --keep 2 --keep-daily 1",
        "dysnomia-snapshots --gc --now --trash",
        "dysnomia-snapshots --gc --keep -1",
        "dysnomia-snapshots --gc --keep many",
        "dysnomia-snapshots --gc --keep 2 --policy",
        "dysnomia-snapshots --gc --check",
        "dysnomia-snapshots --resolve ../../etc/passwd",
        "dysnomia-snapshots --resolve a/../c",
        "dysnomia-snapshots --print-missing only/two",
        "dysnomia-snapshots --import /tmp",
        "dysnomia-snapshots --import -C sqlite /tmp",
        "dysnomia-snapshots --diff 1",
        "dysnomia-snapshots --diff 1 2",
        "dysnomia-snapshots --diff one two -C sqlite -c orders",
        "dysnomia-containers",
        "dysnomia-containers --snapshot --jobs 0",
        "dysnomia-containers --snapshot --jobs two",
        "dysnomia-tui frobnicate",
        "dysnomia-tui jobs --limit many",
        "dysnomia-tui timeline bad",
        "dysnomia-tui timeline /bad",
        "dysnomia-tui trust sqlite 1",
        "dysnomia-tui trust sqlite/orders one",
        "dysnomia-tui mark sqlite/orders 1",
        "dysnomia-tui mark sqlite/orders 1 --until 30d --good",
        "dysnomia-tui mark sqlite/orders 1 --good --bad",
        "dysnomia-tui mark sqlite/orders 1 --pin why --until yesterday",
        "dysnomia-tui mark sqlite/orders 1 --pin why --until 2001-01-01",
        "dysnomia-tui mark sqlite/orders 1 --tag trusted",
        "dysnomia-tui",
    ],
)
def test_wrong_usage_is_one_line_and_2(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prog, *arguments = line.split()
    assert call(monkeypatch, prog, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert err.startswith(f"{prog}"), err
    assert "Traceback" not in err


@pytest.mark.parametrize("option", ["--as", "--into", "--to", "--rows", "--statedir"])
def test_an_option_whose_value_is_an_unset_variable_is_not_left_out(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "dysnomia", "-o", "restore", "-C", "sqlite", "-c", "orders", option, "") == 2
    assert f"argument {option}: its value is empty" in capsys.readouterr().err
    for words in (("jobs", "--statedir", ""), ("install-modules", "")):
        assert call(monkeypatch, "dysnomia-tui", *words) == 2
        assert "its value is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "dysnomia-snapshots --gc --keep 1 --in=",
        "dysnomia-snapshots --gc --keep 1 -C=",
        "dysnomia-snapshots --gc --dry-run --component=",
        "dysnomia-containers --restore --yes --container=",
        "dysnomia-containers --collect-garbage --container=",
        "dysnomia-containers -o restore --container=",
        "dysnomia-containers --snapshot --container=",
        "dysnomia-tui optimise =",
        "dysnomia-tui verify --due =",
    ],
)
def test_what_changes_something_does_not_take_an_unset_variable_for_all(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here ``=`` stands for an empty word; what lists takes it for all, as bash Dysnomia does."""
    prog, *words = line.replace("=", " =").split()
    assert call(monkeypatch, prog, *("" if word == "=" else word for word in words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "''" in err or "its value is empty" in err


def test_wrong_usage_under_json_is_an_object_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for prog in MAINS:
        assert call(monkeypatch, prog, "--json", "--frobnicate") == 2
        out, err = capsys.readouterr()
        found = json.loads(out)
        assert found["exit"] == 2
        assert err == f"{prog}: {found['error']}\n"


def test_what_stands_behind_two_dashes_is_no_option() -> None:
    assert common.wants_json(["jobs", "--json"])
    assert not common.wants_json(["--resolve", "--", "--json"])


def test_a_component_is_written_with_its_container(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "dysnomia-tui", "timeline", "bad") == 2
    assert capsys.readouterr().err == "dysnomia-tui: 'bad' is not a component: write CONTAINER/COMPONENT\n"


@pytest.mark.parametrize("prog", MAINS)
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version(
    prog: str, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, prog, option) == 0
    out = capsys.readouterr().out
    assert prog in out
    if option == "--help":
        for code in Exit:
            assert f" {int(code)} " in out, "every exit code is in the help"


@pytest.mark.parametrize("prog", ["dysnomia", "dysnomia-snapshots", "dysnomia-containers"])
def test_a_syntax_error_in_config_toml_names_file_and_line(
    prog: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "config" / "dysnomia-tui"
    folder.mkdir()
    (folder / "config.toml").write_text('theme = "a"\nthis is wrong\n')
    arguments = {
        "dysnomia": ["-o", "snapshot", "-C", "a", "-c", "b"],
        "dysnomia-snapshots": ["--query-all"],
        "dysnomia-containers": ["--query-containers"],
    }[prog]
    assert call(monkeypatch, prog, *arguments) == 2
    err = capsys.readouterr().err
    assert "config.toml" in err
    assert "line 2" in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineError("x"), Exit.FAILED),
        (common.Usage("x"), Exit.USAGE),
        (SettingsError("x"), Exit.USAGE),
        (store_errors.NotFound("x"), Exit.NOT_FOUND),
        (store_errors.Locked("x", "job 3"), Exit.LOCKED),
        (store_errors.Corrupt("x"), Exit.CORRUPT),
        (store_errors.StoreFull("x"), Exit.NO_SPACE),
        (store_errors.NotPermitted("x"), Exit.REFUSED),
        (OSError(errno.ENOSPC, "No space left"), Exit.NO_SPACE),
        (PermissionError(errno.EACCES, "Permission denied", "/srv/x"), Exit.REFUSED),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (MemoryError(), Exit.FAILED),
    ],
)
def test_every_failure_is_a_line_and_its_exit_code(
    error: BaseException, code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    def body() -> int:
        raise error

    assert common.run("prog", body) == int(code)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("prog: ")


def test_an_error_about_a_file_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        raise PermissionError(errno.EACCES, "Permission denied", "/srv/new\nline")

    common.run("prog", body)
    assert capsys.readouterr().err == "prog: /srv/new\\nline: Permission denied\n"


def test_a_reader_that_left_is_no_traceback(tmp_path: Path) -> None:
    """``dysnomia-snapshots --help | head -0``: the pipe is closed before anything is written."""
    read, write = os.pipe()
    os.close(read)
    code = "from dysnomia_tui.cli.shared.parser import run\nfrom dysnomia_tui.cli.shared.output import write_lines\n"
    code += "import sys\nsys.exit(run('p', lambda: write_lines('x' * 100 for _ in range(10000)) or 0))"
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == int(Exit.FAILED)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("orders", "orders"),
        ("/etc/dysnomia/components/sqlite/orders", "orders"),
        ("./orders/", "orders"),
        ("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-orders", "orders"),
        ("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-orders/", "orders"),
    ],
)
def test_the_name_that_an_argument_stands_for(given: str, name: str) -> None:
    assert names.plain_name(given, {}) == name


def test_a_nix_store_elsewhere() -> None:
    path = "/gnu/store/0123456789abcdfghijklmnpqrsvwxyz-orders"
    assert names.plain_name(path, {}) != "orders"
    assert names.plain_name(path, {"NIX_STORE_DIR": "/gnu/store"}) == "orders"


@pytest.mark.parametrize(
    "module",
    [
        "dysnomia",
        "snapshots.command",
        "containers.command",
        "tui.command",
        "shared.jobs",
        "snapshots.diff",
        "shared.selection",
        "snapshots.gc",
        "tui.mark",
    ],
)
def test_no_command_imports_textual_or_a_plugin_to_start(module: str) -> None:
    code = (
        f"import sys, dysnomia_tui.cli.{module}\n"
        "heavy = {'textual', 'rich', 'psutil', 'sqlite3', 'dysnomia_plugins.loading.registry'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "dysnomia-containers --restore --yes orders",
        "dysnomia-containers --collect-garbage orders",
        "dysnomia -o restore -C shop -c orders 3",
        "dysnomia -o put-back -C shop -c orders --section customers 4711",
        "dysnomia -o collect-garbage -C shop -c orders customers",
        "dysnomia-snapshots --gc --keep 3 shop/orders",
    ],
)
def test_what_replaces_or_deletes_passes_over_no_argument(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dysnomia does: it would be done to everything, or with the newest generation."""
    assert call(monkeypatch, *line.split()) == int(Exit.USAGE)
    assert f"unexpected argument '{line.split()[-1]}'" in capsys.readouterr().err


def test_yes_says_nothing_of_what_is_not_trusted() -> None:
    args = dysnomia.parser().parse_args(["-o", "restore", "--yes"])
    assert not args.yes_untrusted


def test_what_only_reads_or_adds_passes_over_an_argument_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "dysnomia-snapshots", "--query-all", "shop/orders") == 0
    assert "ignoring unexpected argument 'shop/orders'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--query-all", "--query-latest", "--gc", "--resolve"])
def test_a_store_that_is_no_folder(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert call(monkeypatch, "dysnomia-snapshots", option, "--statedir", str(tmp_path / "file")) == 2
    assert "is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("closed", ["generations", "generations/a"])
def test_a_folder_that_may_not_be_read_is_named_and_not_taken_as_empty(
    closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root may read anything, so the refusal is the system call's own, made up here."""
    folder = tmp_path / "state" / closed
    folder.mkdir(parents=True)
    listdir = os.listdir

    def refusing(path: str | Path) -> list[str]:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refusing)
    assert call(monkeypatch, "dysnomia-snapshots", "--query-all") == int(Exit.REFUSED)
    assert str(folder) in capsys.readouterr().err


def test_a_store_that_is_not_there_yet_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "dysnomia-snapshots", "--query-all", "--statedir", str(tmp_path / "not-yet")) == 0
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "not-yet").exists()
