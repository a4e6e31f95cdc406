"""The database that Debian's packages write down: ``debian-db.php`` by dbconfig-common's own program, as roundcube-core
has it called."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shlex import quote

import pytest

from dysnomia_plugins.base import PropertyValue
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.applications.model import Application
from dysnomia_tui.engine.applications.recognise import Here, Known, recognise
from dysnomia_tui.engine.applications.table import entries
from tests import debian
from tests.applications.installed import own_folder, unpacked

pytestmark = [
    pytest.mark.xdist_group("applications"),
    pytest.mark.skipif(os.geteuid() != 0, reason="its files are root's"),
]
PASSWORD = 'an\'other\\s3cret $dbname ?> /* "Wort"'
LOCAL = {"dbuser": "roundcube", "dbpass": PASSWORD, "dbname": "roundcube", "dbserver": "", "dbport": "", "basepath": ""}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return debian.program_of(
        "dbconfig-common", "usr/sbin/dbconfig-generate-include", tmp_path_factory.mktemp("dbconfig")
    )  # fmt: skip


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What Debian's package makes ``config.inc.php`` of: it includes the file that includes ``debian-db.php``."""
    root = unpacked("roundcube-core", tmp_path_factory.mktemp("roundcube"))
    return (root / "usr/share/roundcube/config.inc.php.sample").read_text()


@pytest.fixture
def etc(sample: str) -> Iterator[Path]:
    """As /etc/roundcube."""
    folder = own_folder("debian")
    folder.chmod(0o755)
    (folder / "config.inc.php").write_text(sample)
    yield folder
    shutil.rmtree(folder)


def written(program: Path, etc: Path, **values: str) -> Path:
    """As the postinst of roundcube-core has it written from /etc/dbconfig-common/roundcube.conf."""
    said, file = etc / "roundcube.conf", etc / "debian-db.php"
    said.write_text("".join(f"dbc_{name}={quote(value)}\n" for name, value in {**LOCAL, **values}.items()))
    words: list[str | Path] = [program, "-f", "php", "-a", "-O", "root:www-data", "-m", "640", said, file]
    subprocess.run(words, check=True)
    assert "automatically generated from" in file.read_text()
    return file


def where_of(type_: str, component: str, properties: Mapping[str, PropertyValue]) -> tuple[str, ...]:
    return type_, component, *(f"{name}={value}" for name, value in sorted(properties.items()) if name != "type")


def recognised(etc: Path, *known: Known) -> list[Application]:
    entry = entries()["roundcube"]
    first, second = entry.where
    where = [replace(first, files=[str(etc / "debian-db.php")]), replace(second, files=[str(etc / "config.inc.php")])]
    return list(recognise({"roundcube": replace(entry, where=where)}, Here(known, where_of, {}, ())))


@pytest.mark.parametrize(
    ("values", "type_", "properties"),
    [
        ({"dbtype": "mysql"}, "mysql-database", {}),
        ({"dbtype": "mysql", "dbserver": "localhost", "dbport": "3306"}, "mysql-database", {}),
        ({"dbtype": "pgsql", "dbserver": "localhost"}, "postgresql-database", {}),
        (
            {"dbtype": "pgsql", "dbserver": "db.example.org", "dbport": "5433"},
            "postgresql-database",
            {"postgresqlHost": "db.example.org", "postgresqlPort": "5433"},
        ),
    ],
)
def test_the_database_of_a_server_is_the_one_that_it_says(
    program: Path, etc: Path, values: dict[str, str], type_: str, properties: dict[str, PropertyValue]
) -> None:
    """And the other file, which includes it, is not a second application."""
    written(program, etc, **values)
    key = ComponentKey("here", "roundcube")
    known = Known(type_, key, where_of(type_, "roundcube", properties), properties, configured=True)
    (found,) = recognised(etc, known)
    assert (found.title, found.config) == ("Roundcube", str(etc / "debian-db.php"))
    assert ([part.key for part in found.parts], found.problems) == ([key], ())
    assert "s3cret" not in repr(found)


def test_a_database_that_is_a_file_is_the_one_that_it_says(program: Path, etc: Path) -> None:
    with closing(sqlite3.connect(etc / "roundcube")) as database, database:
        database.execute("CREATE TABLE users (id)")
    written(program, etc, dbtype="sqlite3", basepath=str(etc))
    (found,) = recognised(etc)
    ((part, properties),) = [(part.type, part.properties) for part in found.parts]
    assert (part, properties["sqliteDir"], found.problems) == ("sqlite-database", str(etc), ())


def test_nothing_is_recognised_before_a_database_was_set_up(etc: Path) -> None:
    assert recognised(etc) == []
