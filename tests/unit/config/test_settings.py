"""Settings: the environment over the user's config.toml over the machine's; nothing is taken that is not understood."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.records.retention import Policy
from dysnomia_tui.config import Settings, SettingsError, load_settings
from dysnomia_tui.config.durations import format_duration, parse_duration


def load(tmp_path: Path, machine: str = "", user: str = "", uid: int = 0, **environ: str) -> Settings:
    (tmp_path / "machine").mkdir(exist_ok=True)
    (tmp_path / "user" / "dysnomia-tui").mkdir(parents=True, exist_ok=True)
    if machine:
        (tmp_path / "machine" / "config.toml").write_text(machine)
    if user:
        (tmp_path / "user" / "dysnomia-tui" / "config.toml").write_text(user)
    given_environ = {"XDG_CONFIG_HOME": str(tmp_path / "user"), "HOME": "/home/alice", **environ}
    return load_settings(given_environ, machine=tmp_path / "machine", uid=uid)


def test_without_anything_dysnomias_own_places_hold(tmp_path: Path) -> None:
    root = load(tmp_path)
    assert root.statedir == Path("/var/state/dysnomia")
    assert root.containers_path == (Path("/etc/dysnomia/containers"),)
    assert root.components_path == (Path("/etc/dysnomia/components"),)
    alice = load(tmp_path, uid=1000)
    assert alice.statedir == Path("/home/alice/.dysnomia")
    assert alice.containers_path[-1] == tmp_path / "user" / "dysnomia-tui" / "containers"


def test_the_environment_comes_first(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        machine='statedir = "/from/file"\n',
        DYSNOMIA_STATEDIR="/from/env",
        DYSNOMIA_CONTAINERS_PATH="/a::/b",
        DYSNOMIA_MODULES_PATH="/m",
    )
    assert settings.statedir == Path("/from/env")
    assert settings.containers_path == (Path("/a"), Path("/b"))
    assert settings.modules_path[0] == Path("/m")


def test_the_users_file_over_the_machines_but_labels_add_up_and_read_only_stays(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        machine='read_only = true\nlabels = ["PROD"]\ngrace = "3d"\ntheme = "a"\n',
        user='read_only = false\nlabels = ["mine"]\ntheme = "b"\n',
    )
    assert settings.read_only is True
    assert settings.labels == ("PROD", "mine")
    assert settings.grace == timedelta(days=3)
    assert settings.theme == "b"
    assert len(settings.files) == 2


def test_components_are_merged_from_general_to_particular(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        machine="""
[components."*/*"]
stale_after = "26h"
labels = ["site"]
retention = { last = 3 }
[components."pg/*"]
labels = ["PROD"]
[components."pg/orders".retention]
daily = 7
within = "1w3d"
tagged = ["release"]
min_age = "2d"
max_size = "50G"
""",
    )
    orders = settings.component("pg", "orders")
    assert orders.policy == Policy(
        daily=7, within=timedelta(days=10), tagged=("release",), min_age=timedelta(days=2), max_size=50 << 30
    )
    assert orders.labels == ("site", "PROD")
    assert orders.stale_after == timedelta(hours=26)
    assert settings.component("pg", "crm").policy == Policy(last=3)
    assert settings.component("other", "x").labels == ("site",)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("\nread_onyl = true\n", 2, "did you mean 'read_only'"),
        ("jobs_at_once = 0\n", 1, "a whole number from 1 to 64"),
        ("jobs_at_once = true\n", 1, "a whole number"),
        ('theme = "x"\ngrace = "soon"\n', 2, "is not a duration"),
        ("dim = 0\n", 1, "true or false"),
        ('zone = "mars"\n', 1, "one of server, utc, relative"),
        ("labels = 'PROD'\n", 1, "a list of texts"),
        ('statedir = "relative"\n', 1, "absolute path"),
        ("# x\n[components.'pg/*']\nlabel = []\n", 3, "did you mean 'labels'"),
        ("[components.pg]\nlabels = []\n", 1, "is not a component"),
        ("[components.'pg/']\nlabels = []\n", 1, "is not a component"),
        ("[components.'/x']\nlabels = []\n", 1, "is not a component"),
        ("[components.'*/x']\nlabels = []\n", 1, "is not a component"),
        ("[components.'pg/x/y']\nlabels = []\n", 1, "is not a component"),
        ("[components.'pg/x'.retention]\ndayly = 1\n", 2, "did you mean 'daily'"),
        ("[components.'pg/x'.retention]\nmax_size = 'big'\n", 2, "write 500M, 50G or 1.5T"),
        ("[components.'pg/x'.retention]\nlast = -1\n", 2, "a whole number from 0"),
        ("[containers.pg]\ncompression = 'lzma'\n", 2, "one of zstd, xz"),
        ("[keys]\nrestore = 3\n", 2, "a text in quotes"),
        ("x = = 1\n", 1, "not valid TOML"),
    ],
)
def test_what_is_not_understood_is_refused_with_file_and_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, machine=text)
    assert str(tmp_path / "machine" / "config.toml") in caught.value.message
    assert f"line {line}" in caught.value.message
    assert says in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine" / "config.toml").write_bytes(b"theme = '\xff'")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load(tmp_path)


def test_a_byte_order_mark_which_nobody_sees_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="byte order mark"):
        load(tmp_path, machine="\ufefflevel = 3\n")


@given(st.integers(0, 10**7))
def test_durations_go_there_and_back(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1", "d", "-1d", "1d x"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


def test_a_file_that_others_may_write_is_named_and_left_out(tmp_path: Path) -> None:
    user = tmp_path / "user" / "dysnomia-tui" / "config.toml"
    load(tmp_path, machine='theme = "a"\n', user='theme = "b"\nmodules_path = ["/odd"]\n')
    user.chmod(0o666)
    settings = load(tmp_path, machine='theme = "a"\n')
    assert (settings.theme, settings.modules_path) == ("a", ())
    assert settings.left_out == (f"{user} is left out: {user} may be written by everyone",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_as_root_anothers_home_says_nothing_and_nothing_is_written_there(tmp_path: Path) -> None:
    load(tmp_path, user='theme = "b"\n')
    os.chown(tmp_path / "user" / "dysnomia-tui", 12345, 12345)
    settings = load(tmp_path)
    assert settings.theme == ""
    assert "belongs to user 12345" in settings.left_out[0]
    assert not settings.user_config.is_relative_to(tmp_path)
    assert load(tmp_path, uid=12345).theme == "b", "it is its owner's own"


def test_a_group_keeps_its_order_and_the_users_takes_the_place_of_the_machines(tmp_path: Path) -> None:
    machine = '[groups.shop]\ncomponents = ["pg/orders", "files/uploads"]\n[groups.crm]\ncomponents = ["pg/crm"]\n'
    user = '[groups.shop]\ncomponents = ["files/uploads", "pg/orders"]\nbefore = ["/bin/stop", "shop"]\n'
    groups = load(tmp_path, machine=machine, user=user).groups
    assert list(map(str, groups["shop"].components)) == ["files/uploads", "pg/orders"]
    assert (groups["shop"].before, groups["shop"].after) == (("/bin/stop", "shop"), ())
    assert list(map(str, groups["crm"].components)) == ["pg/crm"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("[groups.shop]", "has no components"),
        ('[groups.shop]\ncomponents = ["orders"]', "write NAME/COMPONENT"),
        ('[groups.shop]\ncomponents = ["../x/y"]', "line 2"),
        ('[groups.shop]\ncomponents = ["a/b", "a/b"]', "named twice"),
        ('[groups."a\\u001b[31m"]\ncomponents = ["a/b"]', "control character"),
        ('[groups.shop]\ncomponents = ["a/b"]\nbefore = ["stop"]', "absolute path"),
        ('[groups.shop]\ncomponents = ["a/b"]\ntime_limit = "1d"', "from 1s to 10m"),
        ('[groups.shop]\nmembers = ["a/b"]', "unknown key"),
    ],
)
def test_a_group_that_is_not_one_is_refused_by_its_line(tmp_path: Path, said: str, why: str) -> None:
    with pytest.raises(SettingsError, match="machine/config") as refused:
        load(tmp_path, machine=said + "\n")
    assert why in str(refused.value)
