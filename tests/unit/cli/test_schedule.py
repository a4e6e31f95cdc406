"""``dysnomia-tui schedule``: what is written, what is left alone, what is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dysnomia_tui.config.load import load_settings
from dysnomia_tui.engine import timers as standing
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.operations.adopt import plan_adopt
from dysnomia_tui.engine.records import Found
from dysnomia_tui.engine.schedule import MARK, NotWritten, Timer, cron, is_written, remove, timers, write
from tests.e2e.world import BIN
from tests.unit.cli.calling import call
from tests.unit.engine.ledger import BEGAN

HOSTILE = {"DYSNOMIA_STATEDIR": '/srv/a b%n$HOME"x', "DYSNOMIA_MODULES_PATH": "/m", "PGPASSWORD": "sesame"}


def found(tmp_path: Path, text: str = "") -> tuple[Timer, ...]:
    """The timers of a config.toml."""
    machine = tmp_path / "etc"
    machine.mkdir(exist_ok=True)
    (machine / "config.toml").write_text(text)
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "none")}
    return timers(load_settings(environ, machine=machine), BIN, HOSTILE)


def test_systemd_understands_every_unit_and_expands_nothing_in_it(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    made = found(tmp_path, '[schedule]\ncollect = "04:00"\nverify = "Sat 03:00"\non_failure = ["tell@%n.service"]\n')
    folder = tmp_path / "units"
    write(made, folder)
    assert len(list(folder.iterdir())) == 10
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(folder.glob("*.timer"))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in checked.stderr.splitlines() if "dysnomia-tui-" in line and "tell@" not in line]
    assert ours == []
    assert "dysnomia-tui verify --due --scheduled\n" in (folder / "dysnomia-tui-verify.service").read_text()
    text = (folder / "dysnomia-tui-snapshot.service").read_text()
    assert 'Environment="DYSNOMIA_STATEDIR=/srv/a b%%n$$HOME\\"x"' in text
    assert "sesame" not in text
    assert "OnFailure=tell@%n.service" in text


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_users_units_are_in_no_namespace_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int
) -> None:
    """There root's files would belong to nobody, and no configuration would be obeyed (systemd 253 and newer)."""
    monkeypatch.setattr("dysnomia_tui.engine.schedule.os.geteuid", lambda: uid)
    for timer in found(tmp_path):
        for unit in timer.units:
            options = re.findall(r"(?m)^(Protect|Private|Restrict|Lock|NoNew)", unit.text)
            assert bool(options) == (uid == 0 and unit.name.endswith(".service"))


def test_what_is_written_is_known_again_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "units"
    first = found(tmp_path, '[schedule]\ncheck = "never"\n')
    assert [is_written(timer, folder) for timer in first if timer.when] == [None, None]
    assert write(first, folder) == (["dysnomia-tui-snapshot.timer", "dysnomia-tui-status.timer"], [])
    assert all(is_written(timer, folder) for timer in first if timer.when)
    second = found(tmp_path, '[schedule]\nsnapshot = "03:00"\nstatus = "never"\ncheck = "never"\n')
    assert is_written(second[0], folder) is False
    assert write(second, folder) == (["dysnomia-tui-snapshot.timer"], ["dysnomia-tui-status.timer"])
    (folder / "other.timer").write_text("[Timer]\n")
    assert remove(second, folder) == ["dysnomia-tui-snapshot.timer"]
    assert [path.name for path in folder.iterdir()] == ["other.timer"]


def test_a_unit_of_the_same_name_that_is_anothers_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "units"
    folder.mkdir()
    (folder / "dysnomia-tui-status.service").write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(NotWritten, match="was not written by this command"):
        write(found(tmp_path), folder)
    assert [path.name for path in folder.iterdir()] == ["dysnomia-tui-status.service"]
    assert remove(found(tmp_path), folder) == []


def test_a_timer_that_is_masked_is_refused_with_the_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "units"
    folder.mkdir()
    (folder / "dysnomia-tui-status.timer").symlink_to("/dev/null")
    with pytest.raises(NotWritten) as refused:
        write(found(tmp_path), folder)
    assert str(refused.value).startswith("dysnomia-tui-status.timer is masked: systemctl --user unmask dysnomia-")
    assert len(list(folder.iterdir())) == 1


def test_lines_for_cron(tmp_path: Path) -> None:
    made = found(tmp_path, '[schedule]\nsnapshot = "02:30"\ncheck = "Sun 05:00"\nstatus = "Mon..Fri 08:00:00/15"\n')
    lines = list(cron(made))
    assert lines[0].startswith("30 2 * * * DYSNOMIA_")
    assert lines[0].endswith(f" {BIN}/dysnomia-containers --snapshot --scheduled")
    # What cron does with it: a % that has no backslash ends the command, one that has loses it; then a shell runs it.
    command = lines[0].removeprefix("30 2 * * * ").replace(f"{BIN}/dysnomia-containers", "printenv")
    words = re.split(r"(?<!\\)%", command)
    assert len(words) == 1
    out = subprocess.run(
        ["sh", "-c", command.replace("\\%", "%").replace("--snapshot --scheduled", "")], env={"PATH": os.defpath},
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert f"DYSNOMIA_STATEDIR={HOSTILE['DYSNOMIA_STATEDIR']}" in out, "else it would work on another store"
    assert "sesame" not in "\n".join(lines)
    assert lines[1].startswith("0 5 * * Sun ")
    assert lines[2].startswith("# 'Mon..Fri 08:00:00/15' in cron's words")


def test_a_timer_reads_the_same_config(tmp_path: Path) -> None:
    """A timer has no ``XDG_CONFIG_HOME`` of its own, and would run with the defaults, and tell nobody."""
    environ = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "own")}
    (tmp_path / "own/dysnomia-tui").mkdir(parents=True)
    (tmp_path / "own/dysnomia-tui/config.toml").write_text('[schedule]\nsnapshot = "02:30"\n')
    made = timers(load_settings(environ, machine=tmp_path / "none"), BIN, environ)
    (line, *_) = cron(made)
    assert line.startswith(f"30 2 * * * XDG_CONFIG_HOME={tmp_path}/own ")
    assert f"Environment=XDG_CONFIG_HOME={tmp_path}/own\n" in made[0].units[0].text
    for other in ({**environ, "XDG_CONFIG_HOME": str(tmp_path / "elsewhere")}, {"HOME": str(tmp_path)}):
        again = timers(load_settings(other, machine=tmp_path / "none"), BIN, other)
        assert "XDG_CONFIG_HOME" not in again[0].units[0].text, "it holds none of ours"


def test_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    units = tmp_path / "units"
    assert call(monkeypatch, "dysnomia-tui", "schedule", "--write", "--dir", str(units)) == 0
    assert (units / "dysnomia-tui-snapshot.timer").read_text().startswith(MARK)
    capsys.readouterr()
    assert call(monkeypatch, "dysnomia-tui", "schedule", "--json", "--dir", str(units)) == 0
    said = {one["task"]: one for one in json.loads(capsys.readouterr().out)}
    assert said["snapshot"]["written"] == "yes"
    assert said["collect"]["when"] == "never"


def test_a_time_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    (tmp_path / "dysnomia-tui").mkdir()
    (tmp_path / "dysnomia-tui" / "config.toml").write_text('[schedule]\nsnapshot = "when it rains"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert call(monkeypatch, "dysnomia-tui", "schedule", "--write", "--dir", str(tmp_path / "units")) == 2
    assert "schedule.snapshot" in capsys.readouterr().err
    assert not (tmp_path / "units").exists()


def test_collecting_without_a_retention_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    (tmp_path / "dysnomia-tui").mkdir()
    (tmp_path / "dysnomia-tui" / "config.toml").write_text('[schedule]\ncollect = "04:00"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert call(monkeypatch, "dysnomia-tui", "schedule", "--write", "--dir", str(tmp_path / "units")) == 2
    assert "no retention" in capsys.readouterr().err


def test_without_systemd_no_timer_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(standing, "BOOTED", tmp_path / "none")
    monkeypatch.setattr(standing, "SYSTEM", tmp_path / "units")
    assert call(monkeypatch, "dysnomia-tui", "schedule", "--write") == 1
    assert "was not booted by systemd: instead: dysnomia-tui schedule --cron" in capsys.readouterr().err
    assert list(tmp_path.rglob("*.timer")) == []


def test_timers_of_a_user_who_does_not_linger_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(standing, "BOOTED", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr("dysnomia_tui.engine.jobs.spawn.LINGER", tmp_path / "linger")
    warning = "timers of nobody stop when nobody logs out: loginctl enable-linger nobody"
    assert standing.why_not_lasting() == warning
    found = Found("sqlite-database", "shop", "plums", {"type": "sqlite-database", "sqliteDir": str(tmp_path)})
    machine = Machine(load_settings({"HOME": str(tmp_path)}, machine=tmp_path))
    assert plan_adopt(machine, [found], BEGAN, timers=True).warnings == (warning,)
    assert plan_adopt(machine, [found], BEGAN).warnings == ()
    assert call(monkeypatch, "dysnomia-tui", "schedule", "--write", "--dir", str(tmp_path / "units")) == 0
    assert f"warning: {warning}" in capsys.readouterr().err
    (tmp_path / "linger").mkdir()
    (tmp_path / "linger" / "nobody").touch()
    assert standing.why_not_lasting() == ""
