"""A policy written into config.toml: its table changes, every other line and every other value stays as it was."""

from __future__ import annotations

import os
import struct
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.records.retention import Policy
from dysnomia_tui.config import load_settings
from dysnomia_tui.config.edit import replace_text, values_of, why_not_written, with_retention
from dysnomia_tui.config.errors import SettingsError

PATH = Path("config.toml")
POLICY = Policy(last=7, within=timedelta(hours=36), tagged=("v1", 'a "b" \\'), max_size=3 << 29)
FILE = """\
# what we keep   # of everything
labels = ["PROD"]     # this machine

[components."*/*".retention]   # without a policy nothing is ever collected
last = 30          # a month
daily=14
# as the auditors want it:
tagged = ["release"]

[components."shop/*"]
stale_after = "26h"

[notify.ping]
snapshot = "https://example.org/secret"
"""


def test_a_policy_comes_at_the_end_where_there_is_none() -> None:
    new = with_retention(PATH, FILE, "shop/*", values_of(POLICY))
    assert new.startswith(FILE)
    assert new[len(FILE) :].splitlines() == [
        "", '[components."shop/*".retention]', "last = 7", 'within = "1d12h"', 'tagged = ["v1", "a \\"b\\" \\\\"]',
        'max_size = "1.5G"',
    ]  # fmt: skip


def test_of_a_policy_that_is_there_only_its_values_change() -> None:
    new = with_retention(PATH, FILE, "*/*", {"last": 7, "weekly": 8, "tagged": ["release"]})
    wanted = FILE.replace("last = 30          # a month", "last = 7          # a month").replace("daily=14\n", "")
    assert new == wanted.replace('tagged = ["release"]\n', 'tagged = ["release"]\nweekly = 8\n')


@pytest.mark.parametrize("text", ["", "labels = []", "# only a remark\n", "labels = []\r\n"])
def test_any_file_takes_a_policy(text: str) -> None:
    new = with_retention(PATH, text, "*/*", {"last": 7})
    assert tomllib.loads(new)["components"]["*/*"]["retention"] == {"last": 7}
    assert new.startswith(text)
    assert with_retention(PATH, new, "*/*", {"last": 7}) == new


@pytest.mark.parametrize(
    "text",
    [
        'components."*/*".retention.last = 3\n',
        '[components]\n"*/*" = {retention = {last = 3}}\n',
        '[components."*/*"]\nretention = {last = 3}\n',
        '[components."*/*".retention]\ntagged = [\n  "a",\n  "b",\n]\n',
        '[components."*/*".retention]\ntagged = ["a#b"]\n',
        'a = """\n[components."*/*".retention]\n"""\n',
    ],
)
def test_what_is_written_in_another_form_is_refused_or_right(text: str) -> None:
    try:
        new = with_retention(PATH, text, "*/*", {"last": 7})
    except SettingsError:
        return
    before, after = tomllib.loads(text), tomllib.loads(new)
    assert after["components"]["*/*"]["retention"] == {"last": 7}
    before.pop("components", None)
    after.pop("components")
    assert after == before


@given(
    st.builds(
        Policy,
        last=st.integers(0, 100_000),
        yearly=st.integers(0, 9),
        within=st.none() | st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds)),
        tagged=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), max_size=3).map(
            tuple
        ),
        max_size=st.none()
        | st.integers(1, 10**12 - 1)
        | st.integers(1, 9999).map(lambda tenths: tenths * (1 << 40) // 10),
    ).filter(lambda policy: not policy.empty)
)
def test_what_is_written_is_read_as_the_same_policy(tmp_path_factory: pytest.TempPathFactory, policy: Policy) -> None:
    folder = tmp_path_factory.mktemp("config")
    (folder / "dysnomia-tui").mkdir()
    path = folder / "dysnomia-tui" / "config.toml"
    replace_text(path, with_retention(path, FILE, "a/b", values_of(policy)))
    settings = load_settings({"XDG_CONFIG_HOME": str(folder)}, machine=folder / "none", uid=os.geteuid())
    assert settings.component("a", "b").policy == policy
    assert settings.component("c", "d").policy.last == 30


def test_mode_and_link_stay_and_what_is_of_others_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "config.toml"
    real.parent.mkdir()
    real.write_text(FILE)
    real.chmod(0o640)
    path = tmp_path / "config.toml"
    path.symlink_to(real)
    replace_text(path, "labels = []\n")
    assert path.is_symlink()
    assert real.read_text() == "labels = []\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in real.parent.iterdir()] == ["config.toml"]
    real.chmod(0o666)
    assert "may be written by" in why_not_written(path, {}, os.geteuid())
    real.chmod(0o644)
    assert why_not_written(path, {}, os.geteuid()) == ""
    assert "comes from the Nix store" in why_not_written(path, {"NIX_STORE_DIR": str(real.parent)}, os.geteuid())


ACCESS_LIST = "system.posix_acl_access"


def access_list(reader: int) -> bytes:
    """Of the kernel's form: the owner may write, one user more may read, nobody else."""
    none = 0xFFFFFFFF
    entries = ((1, 6, none), (2, 4, reader), (4, 0, none), (0x10, 4, none), (0x20, 0, none))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_the_access_list_stays_and_none_is_inherited(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(FILE)
    path.chmod(0o640)
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", access_list(12345))
    except OSError:
        pytest.skip("this file system has no access lists")
    replace_text(path, "labels = []\n")
    assert ACCESS_LIST not in os.listxattr(path), "what may read it is what could before"
    assert path.stat().st_mode & 0o777 == 0o640
    os.setxattr(path, ACCESS_LIST, access_list(23456))
    replace_text(path, "labels = ['a']\n")
    assert os.getxattr(path, ACCESS_LIST) == access_list(23456)
