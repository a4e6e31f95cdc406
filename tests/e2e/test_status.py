"""``dysnomia-tui status`` as a monitoring system calls it, where things are against it: 3, and never 0, 1 or 2."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as strict

from tests.e2e.world import BIN, World

DOCS = ("-C", "files", "-c", "docs")
FORMS: tuple[list[str], ...] = ([], ["--json"], ["--openmetrics"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    (tmp_path / "home").mkdir()
    (tmp_path / "tree" / "docs").mkdir(parents=True)
    made.container("files", type="fileset", targetDir=str(tmp_path / "tree"))
    made.component("files/docs", ".dysnomia-fileset", "mkdir docs\n")
    made.run("dysnomia-containers", "--deploy")
    made.run("dysnomia-containers", "--snapshot")
    return made


def status(
    world: World, *words: str, out: int | None = subprocess.PIPE, before: Callable[[], None] | None = None, **env: str
) -> tuple[int, str]:
    """Its exit code, and what it said on standard error."""
    done = subprocess.run(
        [BIN / "dysnomia-tui", "status", *words], env={**world.environment, **env}, stdin=subprocess.DEVNULL,
        stdout=out, stderr=subprocess.PIPE, text=True, check=False, preexec_fn=before,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("form", FORMS)
def test_where_it_cannot_be_written_nothing_is_known(world: World, form: list[str], unbuffered: str) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    code, said = status(world, *form, out=full, PYTHONUNBUFFERED=unbuffered)
    os.close(full)
    assert (code, said) == (3, "dysnomia-tui: standard output: No space left on device\n")
    code, said = status(world, *form, out=None, before=lambda: os.close(1), PYTHONUNBUFFERED=unbuffered)
    assert (code, said) == (3, "dysnomia-tui: standard output: Bad file descriptor\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("dysnomia-tui", "status", "--json"), ("dysnomia", "-o", "export", *DOCS)])
def test_a_part_that_fits_is_not_taken_for_all(world: World, words: tuple[str, ...], unbuffered: str) -> None:
    """The system takes the bytes that there is room for, and fails at the next call."""
    limit = 8 << 20
    with (world.root / "out").open("wb") as out:
        out.truncate(limit)
        out.seek(limit - 100)
        done = subprocess.run(
            [BIN / words[0], *words[1:]], stdout=out, stderr=subprocess.PIPE, check=False, text=True,
            env={**world.environment, "PYTHONUNBUFFERED": unbuffered, "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )  # fmt: skip
    assert done.returncode == (3 if "status" in words else 1)
    assert "standard output" in done.stderr
    assert "File too large" in done.stderr
    assert (world.root / "out").stat().st_size == limit


def test_a_configuration_that_cannot_be_read_is_no_warning(world: World) -> None:
    config = world.root / "config" / "dysnomia-tui" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[schedule\n")
    code, said = status(world)
    assert (code, "config.toml" in said) == (3, True)
    done = world.run("dysnomia-tui", "status", "--json", status=3)
    assert done.json["exit"] == 3
    assert "config.toml" in done.json["error"]
    written = world.run("dysnomia-tui", "status", "--openmetrics", status=3).out
    families = strict.text_string_to_metric_families(written)  # type: ignore[no-untyped-call]
    metrics = {family.name: family.samples[0].value for family in families}
    assert metrics.pop("dysnomia_known") == 0
    assert time.time() - metrics.pop("dysnomia_report_timestamp_seconds") < 300
    assert metrics == {}
    full = os.open("/dev/full", os.O_WRONLY)
    code, why = status(world, "--openmetrics", out=full)
    os.close(full)
    assert (code, "config.toml" in why) == (3, True)


def test_what_is_no_store_is_no_warning(world: World) -> None:
    code, said = status(world, "--statedir", "/etc/passwd")
    assert (code, "/etc/passwd" in said) == (3, True)


def test_a_disk_that_is_not_mounted_is_no_good_news(world: World) -> None:
    assert status(world)[0] == 0
    away = world.root / "away"
    world.state.rename(away)
    assert "the store is empty" in world.run("dysnomia-tui", "status", status=1).out
    world.state.mkdir()  # the folder that it is mounted at
    assert "the store is empty" in world.run("dysnomia-tui", "status", status=1).out
    assert "the store is empty" in world.run("dysnomia-tui", "status", status=1).out, "looking makes no store"
    world.state.rmdir() if not any(world.state.iterdir()) else shutil.rmtree(world.state)
    away.rename(world.state)
    assert status(world)[0] == 0


def test_generations_are_listed_with_what_is_known_of_each(world: World) -> None:
    (world.root / "tree/docs/a").write_text("hello")
    world.run("dysnomia", "-o", "snapshot", "-C", "files", "-c", "docs", "--reason", "by hand")
    world.run("dysnomia-tui", "mark", "files/docs", "2", "--pin", "kept", "--tag", "t", "--bad")
    world.run("dysnomia", "-o", "check", "-C", "files", "-c", "docs")
    first, second = world.run("dysnomia-snapshots", "--query-all", "--json").json
    assert (first["generation"], second["generation"]) == (1, 2)
    assert (first["good"], second["good"], second["verdict"], second["tags"]) == (True, False, "bad", ["t"])
    assert (second["reason"], second["text"], second["who"], second["pins"][0]["why"]) == (
        "manual", "by hand", second["who"], "kept",
    )  # fmt: skip
    assert first["as_of"] < second["as_of"] <= second["unchanged_until"]
    assert second["content_size"] > 0
    assert second["stored_size"] > 0
    assert second["checked"]["result"] == "ok"
    (latest,) = world.run("dysnomia-snapshots", "--query-latest", "--json").json
    assert latest == second
    assert json.dumps(latest)
    lines = world.run("dysnomia-snapshots", "--query-all").lines
    assert lines == [one["path"] for one in (first, second)], "as Dysnomia writes it"
