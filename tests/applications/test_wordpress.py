"""A WordPress of Debian's on MariaDB: recognised, adopted, damaged, restored as a group, and it answers as before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.applications.installed import PhpServer, by_the_server, own_folder, unpacked
from tests.applications.operator import Operator
from tests.plugins.servers.common import server_user
from tests.plugins.servers.mariadb import MariadbServer

pytestmark = [
    pytest.mark.server,
    pytest.mark.worlds,
    pytest.mark.xdist_group("applications"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the table looks below /srv, where root alone may install"),
]
PASSWORD = "blog-s3cret-Wort"
CONFIG = """<?php
define( 'DB_NAME', 'own_blog' );
define( 'DB_USER', 'blog' );
define( 'DB_PASSWORD', '{password}' );
define( 'DB_HOST', 'localhost:{socket}' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
define( 'DISABLE_WP_CRON', true );
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
$table_prefix = 'wp_';
if ( ! defined( 'ABSPATH' ) ) {{
    define( 'ABSPATH', __DIR__ . '/' );
}}
require_once ABSPATH . 'wp-settings.php';
"""
THEME = """<?php while ( have_posts() ) { the_post(); the_title( '<h1>', '</h1>' ); the_content(); } """
INSTALL = """define('WP_INSTALLING', true); $_SERVER['HTTP_HOST'] = '127.0.0.1:%d';
require 'wp-load.php'; require ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install('Blog', 'admin', 'a@example.org', false, '', 'long-Enough-4-admins'); switch_theme('own');
update_option('permalink_structure', '');"""
POST = """$_SERVER['HTTP_HOST'] = '127.0.0.1:%d'; require 'wp-load.php';
echo wp_insert_post(['post_title' => '%s', 'post_content' => '%s', 'post_status' => 'publish', 'post_author' => 1]);"""
PICTURE = (b"\xff\xd8\xff\xe0" + bytes(range(256))) * 40


@dataclass
class Blog:
    """One that is installed and served."""

    root: Path
    server: MariadbServer
    web: PhpServer

    def php(self, code: str) -> str:
        done = by_the_server(self.root, code)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def post(self, title: str, text: str) -> str:
        return self.php(POST % (self.web.port, title, text)).strip().splitlines()[-1]


@pytest.fixture(scope="module")
def blog() -> Iterator[Blog]:
    root = own_folder("blog")
    try:
        source = unpacked("wordpress", root / "u")
        for path in (source / "usr/share/wordpress").iterdir():
            if not path.is_symlink() and path.name != "wp-config.php":
                path.rename(root / path.name)
        shutil.rmtree(source)
        theme = root / "wp-content" / "themes" / "own"
        theme.mkdir(parents=True, exist_ok=True)
        (theme / "style.css").write_text("/*\nTheme Name: Own\n*/\n")
        (theme / "index.php").write_text(THEME)
        root.chmod(0o755)
        user = server_user("www-data")
        for path in (root / "wp-content", *(root / "wp-content").rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        with MariadbServer() as server:
            server.sql(f"CREATE USER blog@localhost IDENTIFIED BY '{PASSWORD}'")
            server.sql("CREATE DATABASE own_blog; GRANT ALL ON own_blog.* TO blog@localhost")
            (root / "wp-config.php").write_text(CONFIG.format(password=PASSWORD, socket=server.socket))
            with PhpServer(root) as web:
                blog = Blog(root, server, web)
                blog.php(INSTALL % web.port)
                yield blog
    finally:
        shutil.rmtree(root, ignore_errors=True)


def test_a_blog_comes_back_whole(blog: Blog, tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    number = blog.post("Plums", "zwölf Pflaumen")
    picture = blog.root / "wp-content" / "uploads" / "2026" / "plum.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(PICTURE)
    pages = (f"/?p={number}", "/", "/wp-content/uploads/2026/plum.jpg")
    before = [blog.web.get(page) for page in pages]
    assert before[0][0] == 200
    assert "zwölf Pflaumen" in before[0][1].decode()
    assert before[2] == (200, PICTURE)

    found = operator.found(blog.root / "wp-config.php")
    assert (found["title"], found["problems"], len(found["parts"])) == ("WordPress", [], 2)
    group = found["name"]
    operator.run("dysnomia-tui", "applications", group, "--adopt")
    operator.run("dysnomia-tui", "group", group, "snapshot")

    blog.server.sql("DELETE FROM wp_posts; DROP TABLE wp_options", "own_blog")
    shutil.rmtree(blog.root / "wp-content" / "themes")
    picture.unlink()
    assert [blog.web.get(page) for page in pages] != before

    operator.run("dysnomia-tui", "group", group, "restore", "--at", "now")
    assert [blog.web.get(page) for page in pages] == before
    assert "anew" in blog.web.get(f"/?p={blog.post('Pears', 'anew')}")[1].decode()
    assert operator.mentions(PASSWORD) == []
