"""The file of metrics that ``status`` puts where node_exporter reads it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.unit.cli.calling import call
from tests.unit.engine.ledger import Ledger


@pytest.fixture
def folder(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two components that are well, and the folder of metrics."""
    ledger.enter(monkeypatch)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    return metrics


def configured(folder: Path, text: str) -> None:
    config = folder.parent / "config" / "dysnomia-tui"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(text)


def test_the_report_is_written_as_ever_and_the_metrics_beside(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "dysnomia.prom"
    before = os.umask(0o077)
    try:
        assert call(monkeypatch, "dysnomia-tui", "status", "--metrics", str(file)) == 0
    finally:
        os.umask(before)
    assert capsys.readouterr().out.startswith("OK: 2 components\n")
    assert "dysnomia_known 1\n" in file.read_text()
    assert file.read_text().endswith("# EOF\n")
    assert file.stat().st_mode & 0o777 == 0o644, "node_exporter is another user"
    assert os.listdir(folder) == ["dysnomia.prom"]


def test_a_timer_puts_them_where_config_toml_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(folder, f'[schedule]\nmetrics = "{folder}/dysnomia.prom"\n')
    assert call(monkeypatch, "dysnomia-tui", "status") == 0
    assert os.listdir(folder) == [], "who asks by hand changes nothing"
    assert call(monkeypatch, "dysnomia-tui", "status", "--scheduled") == 0
    assert "dysnomia_known 1\n" in (folder / "dysnomia.prom").read_text()


def test_where_nothing_is_known_they_say_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the last report would pass for fresh ones."""
    file = folder / "dysnomia.prom"
    assert call(monkeypatch, "dysnomia-tui", "status", "--metrics", str(file)) == 0
    configured(folder, "nonsense = 1\n")
    assert call(monkeypatch, "dysnomia-tui", "status", "--metrics", str(file)) == 3
    assert "dysnomia_known 0\n" in file.read_text()


def test_what_a_killed_writer_left_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".dysnomia.prom.new").write_text("half")
    assert call(monkeypatch, "dysnomia-tui", "status", "--metrics", str(folder / "dysnomia.prom")) == 0
    assert os.listdir(folder) == ["dysnomia.prom"]


def test_a_link_on_the_way_is_refused_and_one_at_the_end_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (folder.parent / "link").symlink_to(elsewhere)
    assert call(monkeypatch, "dysnomia-tui", "status", "--metrics", str(folder.parent / "link" / "a.prom")) == 3
    errors = capsys.readouterr().err
    assert "the metrics were not written to" in errors
    assert "links are not followed here" in errors
    assert os.listdir(elsewhere) == []
    victim = folder.parent / "victim"
    victim.write_text("kept")
    for name in ("a.prom", ".a.prom.new"):
        (folder / name).symlink_to(victim)
    assert call(monkeypatch, "dysnomia-tui", "status", "--metrics", str(folder / "a.prom")) == 0
    assert victim.read_text() == "kept"
    assert not (folder / "a.prom").is_symlink()


def test_a_folder_that_is_not_there_or_is_held_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "dysnomia-tui", "status", "--metrics", str(folder / "none" / "a.prom")) == 3
    output = capsys.readouterr()
    assert output.out.startswith("OK: 2 components\n"), "the report is written all the same"
    assert "none/a.prom: No such file or directory" in output.err
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert call(monkeypatch, "dysnomia-tui", "status", "--metrics", str(folder / "a.prom")) == 3
    finally:
        os.close(held)
    assert "another process holds its folder" in capsys.readouterr().err
