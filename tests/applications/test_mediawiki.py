"""A MediaWiki of Debian's on MariaDB: recognised, adopted, damaged, restored as a group, and it answers as before."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.applications.installed import PhpServer, own_folder, unpacked
from tests.applications.operator import Operator
from tests.plugins.servers.common import server_user
from tests.plugins.servers.mariadb import MariadbServer

pytestmark = [
    pytest.mark.server,
    pytest.mark.xdist_group("applications"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the table looks below /srv, where root alone may install"),
]
PASSWORD = "wiki-s3cret-Wort"
PICTURE = (b"\x89PNG\r\n\x1a\n" + bytes(range(256))) * 40


@dataclass
class Wiki:
    """One that is installed and served."""

    root: Path
    server: MariadbServer
    web: PhpServer
    database: str

    def php(self, *words: str, text: str = "") -> str:
        user = server_user("www-data")
        done = subprocess.run(
            ["php", *words], cwd=self.root, input=text, capture_output=True, text=True, check=False,
            user=user.pw_uid, group=user.pw_gid, extra_groups=[], env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def page(self, title: str) -> tuple[int, str]:
        """What a reader sees of a page, without what differs at each request."""
        status, body = self.web.get(f"/index.php?title={title}")
        text = re.search(r'<div class="mw-parser-output">.*?<!--', body.decode(), re.DOTALL)
        return status, text[0] if text else ""

    def edit(self, title: str, text: str) -> None:
        self.php("maintenance/edit.php", "--user", "Admin", title, text=text)


@pytest.fixture(scope="module")
def wiki() -> Iterator[Wiki]:
    root = own_folder("wiki")
    database = "own_wiki"
    try:
        source = unpacked("mediawiki", root / "u")
        unpacked("mediawiki-classes", source)
        for path in (source / "usr/share/mediawiki").iterdir():
            if not path.is_symlink() or path.exists():
                path.rename(root / path.name)
        for name in ("images", "extensions", "cache"):
            (root / name).unlink(missing_ok=True)
            (root / name).mkdir()
        shutil.rmtree(source)
        root.chmod(0o755)
        user = server_user("www-data")
        for path in (root, root / "images", root / "cache"):
            os.chown(path, user.pw_uid, user.pw_gid)
        with MariadbServer() as server:
            server.sql(f"CREATE USER wiki@localhost IDENTIFIED BY '{PASSWORD}'")
            server.sql(f"CREATE DATABASE {database}")
            server.sql(f"GRANT ALL ON {database}.* TO wiki@localhost")
            with PhpServer(root) as web:
                wiki = Wiki(root, server, web, database)
                (root / "p").write_text(PASSWORD)
                os.chown(root / "p", user.pw_uid, user.pw_gid)
                wiki.php(
                    "maintenance/install.php", "--dbtype", "mysql", "--dbserver", f"localhost:{server.socket}",
                    "--dbname", database, "--dbuser", "wiki", "--dbpassfile", str(root / "p"), "--server",
                    f"http://127.0.0.1:{web.port}", "--scriptpath", "", "--pass", "long-Enough-4-admins",
                    "Wiki", "Admin",
                )  # fmt: skip
                (root / "p").unlink()
                with (root / "LocalSettings.php").open("a") as settings:
                    settings.write(f'$wgCacheDirectory = "{root}/cache";\n')  # Debian's is below /var
                yield wiki
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.worlds
def test_a_wiki_comes_back_whole(wiki: Wiki, tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    wiki.edit("Recipes", "'''Plum''' cake, zwölf Pflaumen")
    picture = wiki.root / "images" / "a" / "ab" / "Plum.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(PICTURE)
    before = [wiki.page("Recipes"), wiki.page("Main_Page"), wiki.web.get("/images/a/ab/Plum.png")]
    assert before[0][0] == 200
    assert "zwölf Pflaumen" in before[0][1]
    assert before[2] == (200, PICTURE)

    found = operator.found(wiki.root / "LocalSettings.php")
    assert (found["title"], found["problems"], len(found["parts"])) == ("MediaWiki", [], 2)
    group = found["name"]
    plan = operator.run("dysnomia-tui", "applications", group, "--adopt", "--dry-run")
    assert [text for text in (wiki.database, "mkdir images", f"[groups.{group}]") if text not in plan] == []
    operator.run("dysnomia-tui", "applications", group, "--adopt")
    assert operator.all_found(wiki.root / "LocalSettings.php") == []
    operator.run("dysnomia-tui", "group", group, "snapshot")

    wiki.server.sql("DELETE FROM text; DELETE FROM page; DROP TABLE slots", wiki.database)
    shutil.rmtree(picture.parent.parent)
    (wiki.root / "images" / "bad.txt").write_text("left by someone")
    broken = wiki.page("Recipes")
    assert (broken != before[0], wiki.web.get("/images/a/ab/Plum.png")[0]) == (True, 404)

    operator.run("dysnomia-tui", "group", group, "restore", "--at", "now")
    assert [wiki.page("Recipes"), wiki.page("Main_Page"), wiki.web.get("/images/a/ab/Plum.png")] == before
    assert not (wiki.root / "images" / "bad.txt").exists()
    wiki.edit("Recipes", "and it takes edits again")
    assert "takes edits again" in wiki.page("Recipes")[1]
    assert operator.mentions(PASSWORD) == []
