"""What is recognised, and what is refused: what somebody else may write, and what only a run would tell."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_tui.engine.applications.recognise import Here, recognise
from dysnomia_tui.engine.applications.table import entries
from tests.applications.installed import own_folder
from tests.applications.operator import Operator
from tests.plugins.servers.common import server_user
from tests.thorough import seldom

pytestmark = [
    pytest.mark.xdist_group("applications"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the table looks below /srv, where root alone may install"),
]
LOCAL = """<?php
$wgSitename = 'W'; $wgDBtype = 'sqlite'; $wgDBname = 'wiki'; $wgDBpassword = 'very-s3cret';
$wgSQLiteDataDir = '{data}';
{more}
"""


@pytest.fixture
def wiki() -> Iterator[Path]:
    """The folder of a wiki on SQLite that nothing serves."""
    root = own_folder("hostile")
    root.chmod(0o755)
    for name in ("images", "data"):
        (root / name).mkdir()
    with closing(sqlite3.connect(root / "data" / "wiki.sqlite")) as database, database:
        database.execute("CREATE TABLE page (id)")
    yield root
    shutil.rmtree(root)


def configure(wiki: Path, more: str = "", data: str = "", *, owner: str = "") -> Path:
    config = wiki / "LocalSettings.php"
    config.write_text(LOCAL.format(data=data or wiki / "data", more=more))
    if owner:
        user = server_user(owner)
        for path in (wiki, *wiki.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
    return config


def test_a_wiki_on_sqlite_is_offered_and_nothing_of_its_password_stays(wiki: Path, tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    config = configure(wiki)
    found = operator.found(config)
    assert found["problems"] == []
    assert {part["type"] for part in found["parts"]} == {"fileset", "sqlite-database"}
    operator.run("dysnomia-tui", "applications", found["name"], "--adopt")
    assert operator.config.read_text().startswith('labels = ["OWN"]\n\n# MediaWiki, recognised by ')
    operator.run("dysnomia-tui", "group", found["name"], "snapshot")
    assert operator.mentions("very-s3cret") == []
    assert operator.all_found(config) == []


@pytest.mark.worlds
def test_what_is_adopted_already_is_only_joined(wiki: Path, tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    config = configure(wiki)
    operator.run("dysnomia-tui", "applications", operator.found(config)["name"], "--adopt")
    operator.config.write_text("")  # the group is gone, the components are not
    again = operator.found(config)
    assert [part["configured"] for part in again["parts"]] == [True, True]
    operator.run("dysnomia-tui", "applications", again["name"], "--adopt")
    assert operator.all_found(config) == []


@pytest.mark.parametrize(
    "more", ["$wgUploadDirectory = getenv('UPLOADS');", "if (PHP_SAPI != 'cli') { $wgUploadDirectory = '/srv'; }"]
)
def test_what_only_a_run_would_tell_is_not_adopted(wiki: Path, tmp_path: Path, more: str) -> None:
    (problem,) = Operator(tmp_path).found(configure(wiki, more))["problems"]
    assert "wgUploadDirectory" in problem


@pytest.mark.parametrize(
    "place",
    seldom(["/etc", "/root/.ssh", "/etc/ssl", "/etc/../root", "relative"], "/root/.ssh", "/etc/../root", "relative"),
)
def test_another_user_cannot_have_folders_of_roots_taken(wiki: Path, tmp_path: Path, place: str) -> None:
    config = configure(wiki, f"$wgUploadDirectory = '{place}';", owner="www-data")
    found = Operator(tmp_path).found(config)
    assert [part for part in found["parts"] if part["type"] == "fileset"] == []
    assert any(place.split("/")[-1] in text for text in (*found["problems"], *found["notes"]))


def test_another_users_wiki_is_offered_with_a_note(wiki: Path, tmp_path: Path) -> None:
    found = Operator(tmp_path).found(configure(wiki, owner="www-data"))
    assert (len(found["parts"]), found["problems"]) == (2, [])
    assert "www-data may write" in found["notes"][-1]


def test_a_link_of_another_user_is_not_followed(wiki: Path, tmp_path: Path) -> None:
    config = configure(wiki, owner="www-data")
    shutil.rmtree(wiki / "images")
    (wiki / "images").symlink_to("/root")
    user = server_user("www-data")
    os.chown(wiki / "images", user.pw_uid, user.pw_gid, follow_symlinks=False)
    found = Operator(tmp_path).found(config)
    assert "is a link of user www-data" in found["problems"][0]


def test_a_pipe_or_a_huge_file_holds_nothing_up(wiki: Path, tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    config = wiki / "LocalSettings.php"
    os.mkfifo(config)
    assert operator.all_found(config) == []
    config.unlink()
    with config.open("wb") as file:
        file.truncate(1 << 32)
    assert operator.all_found(config) == []


@pytest.mark.parametrize(
    "address", ["user=mm password={} host=/run/nowhere dbname=mm", "mm:{}/mattermost", "mysql://mm:{}/mattermost"]
)
def test_a_password_in_an_address_is_not_shown(tmp_path: Path, address: str) -> None:
    """Mattermost's own way is libpq's notation; the others are mistakes of an administrator."""
    (entry,) = [one for name, one in entries().items() if name == "mattermost"]
    config = tmp_path / "config.json"
    settings = {"DriverName": "postgres", "DataSource": address.format("very-s3cret")}
    config.write_text(json.dumps({"SqlSettings": settings}))
    where = replace(entry.where[0], files=[str(config)])
    here = Here([], lambda _type, _component, _properties: (), {}, ())
    (found,) = recognise({"mattermost": replace(entry, where=[where])}, here)
    assert "database" in " ".join(found.problems)
    assert "very-s3cret" not in repr(found)


def test_a_database_whose_file_has_a_hidden_name_is_not_taken_for_another(wiki: Path, tmp_path: Path) -> None:
    (wiki / "data" / "wiki.sqlite").rename(wiki / "data" / ".wiki.sqlite")
    config = configure(wiki, "$wgDBname = '.wiki';")
    found = Operator(tmp_path).found(config)
    assert [part["key"] for part in found["parts"] if part["type"] == "sqlite-database"] == []
    assert "cannot be a component" in found["problems"][0]


@pytest.mark.parametrize("place", ["folder", "database"])
def test_what_lies_below_the_configuration_has_to_be_its_owners_too(wiki: Path, tmp_path: Path, place: str) -> None:
    config = configure(wiki, owner="www-data")
    other = server_user("nobody")
    os.chown(wiki / "images" if place == "folder" else wiki / "data" / "wiki.sqlite", other.pw_uid, other.pw_gid)
    found = Operator(tmp_path).found(config)
    assert len(found["parts"]) == 1
    assert "it belongs to nobody, and www-data may write the file that names it" in found["problems"][0]


def test_a_file_of_roots_that_others_may_write_names_no_folder_of_roots(wiki: Path, tmp_path: Path) -> None:
    config = configure(wiki, "$wgUploadDirectory = '/etc/ssl';")
    config.chmod(0o666)
    found = Operator(tmp_path).found(config)
    assert [part for part in found["parts"] if part["type"] == "fileset"] == []
    assert "others than root may write the file that names it" in found["problems"][0]


@pytest.mark.parametrize(
    ("of_occ", "of_folder", "mode", "runs"),
    [
        ("www-data", "www-data", 0o755, True),
        ("root", "root", 0o755, True),
        ("nobody", "www-data", 0o755, False),
        ("www-data", "nobody", 0o755, False),
        ("www-data", "www-data", 0o777, False),
    ],
)
def test_occ_is_run_only_where_nobody_else_could_have_written_it(
    *, of_occ: str, of_folder: str, mode: int, runs: bool
) -> None:
    """Nextcloud's own program, which is run as the owner of config.php."""
    folder = own_folder("nextcloud")
    try:
        (folder / "config").mkdir()
        (folder / "occ").touch()
        config = folder / "config" / "config.php"
        settings = {"instanceid": "x", "datadirectory": str(folder / "config"), "dbtype": "mysql", "dbname": "nc"}
        items = "".join(f"'{name}' => '{value}'," for name, value in settings.items())
        config.write_text(f"<?php $CONFIG = array({items});")
        owners = {config: "www-data", config.parent: "www-data", folder: of_folder, folder / "occ": of_occ}
        for path, name in owners.items():
            uid = 0 if name == "root" else server_user(name).pw_uid
            os.chown(path, uid, -1)
        (folder / "occ").chmod(mode)
        folder.chmod(0o755)
        entry = entries()["nextcloud"]
        (program,) = {word for word in entry.where[0].before if word.endswith("php")}
        words = [["/usr/bin/env" if word == program else word for word in line]
                 for line in (entry.where[0].before, entry.where[0].after)]  # fmt: skip
        where = replace(entry.where[0], files=[str(config)], before=words[0], after=words[1])
        here = Here([], lambda _type, _component, _properties: (), {}, ())
        (found,) = recognise({"nextcloud": replace(entry, where=[where])}, here)
        assert (f"{config.parent}/../occ" in found.before) is runs
        assert any("occ is not run" in note for note in found.notes) is not runs
    finally:
        shutil.rmtree(folder)
