"""``config show``: behind each setting stands where it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from dysnomia_tui.cli.shared.parser import load
from dysnomia_tui.cli.tui import command
from dysnomia_tui.cli.tui.config_show import origin_of
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.machine.named import NO_PATTERN


def test_each_setting_says_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config" / "dysnomia-tui" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('# mine\nlabels = ["TEST"]\n\n[schedule]\ncollect_mode = "review"\n', "utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DYSNOMIA_STATEDIR", str(tmp_path / "state"))
    monkeypatch.delenv("DYSNOMIA_MODULES_PATH", raising=False)
    monkeypatch.setattr("sys.argv", ["dysnomia-tui", "config", "show"])
    assert command.main() == 0
    out = capfd.readouterr().out.splitlines()
    lines = dict(line.split(" = ", 1) for line in out if not line.startswith("#"))
    assert all(" # " in line for line in lines.values()), "each has an origin"
    assert lines["labels"] == f"TEST    # {config}, line 2"
    assert lines["collect_mode"].startswith("review")
    assert f"{config}, line 4" in lines["collect_mode"]
    assert lines["statedir"].endswith("# DYSNOMIA_STATEDIR")
    assert lines["modules_path"].endswith("# default")
    assert f"# read: {config}" in out
    assert lines["grace"].startswith("1w "), "as config.toml has it"
    assert lines["read_only"].startswith("false ")
    assert lines["hosts"].startswith("not set ")


def _with_a_line(table: str) -> str:
    line = 'compression = "xz"' if "containers" in table else 'stale_after = "1h"'
    return f"{table}\n{line}\n"


def test_a_table_for_what_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A name that was mistyped: nothing of it is stale, and nothing is ever collected."""
    config = tmp_path / "config" / "dysnomia-tui" / "config.toml"
    config.parent.mkdir(parents=True)
    tables = ('[components."shop/orders"]', '[components."shop/*"]', '[components."*/*"]', "[containers.shop]")
    wrong = ('[components."shpo/orders"]', '[components."shop/ord*"]', '[components."shpo/*"]', "[containers.shpo]")
    config.write_text("\n".join(_with_a_line(table) for table in (*tables, *wrong)), "utf-8")
    for name, text in (("CONTAINERS", "containers"), ("COMPONENTS", "components")):
        monkeypatch.setenv(f"DYSNOMIA_{name}_PATH", str(tmp_path / text))
    (tmp_path / "containers").mkdir()
    (tmp_path / "containers" / "shop").write_text("type=echo\n")
    (tmp_path / "components" / "shop" / "orders").mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DYSNOMIA_STATEDIR", str(tmp_path / "state"))
    monkeypatch.setattr("sys.argv", ["dysnomia-tui", "config", "show"])
    assert command.main() == 0
    begins = "# for nothing that is configured here or in the store: "
    named = [line.removeprefix(begins) for line in capfd.readouterr().out.splitlines() if line.startswith(begins)]
    assert named == [*wrong]
    alarms = [alarm.text for alarm in Engine(load()).overview().alarms]
    assert [text for text in alarms if "config.toml" in text] == [f"config.toml, {wrong[1]}: {NO_PATTERN}"]


def test_of_two_files_both_are_named_the_general_first() -> None:
    texts = {Path("/etc/a.toml"): "level = 3\n", Path("/home/b.toml"): "\nlevel = 4\n"}
    assert origin_of("level", texts, {}) == "/etc/a.toml, line 1; /home/b.toml, line 2"
    assert origin_of("theme", texts, {}) == "default"
    assert origin_of("statedir", texts, {"DYSNOMIA_STATEDIR": "/x"}) == "DYSNOMIA_STATEDIR"
