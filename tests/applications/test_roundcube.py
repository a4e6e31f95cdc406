"""A Roundcube of Debian's on MariaDB and on SQLite, with a real IMAP server: recognised, adopted, damaged, restored as
a group, and its users find what they had."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

import pytest

from tests.applications.imap import ImapServer
from tests.applications.installed import PhpServer, by_the_server, own_folder, unpacked
from tests.applications.operator import Operator
from tests.plugins.servers.mariadb import MariadbServer

pytestmark = [
    pytest.mark.server,
    pytest.mark.worlds,
    pytest.mark.xdist_group("applications"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the table looks below /srv, where root alone may install"),
]
DATABASE, PASSWORD, OF_ANNA = "own_mail", "mail-s3cret-Wort", "annas-Wort-4-imap"
LIBRARIES = ("php-pear", "php-auth-sasl", "php-mail-mime", "php-net-socket", "php-net-smtp", "php-masterminds-html5")
CONFIG = """<?php
$config = [];
$config['db_dsnw'] = '{dsn}';
$config['imap_host'] = '127.0.0.1:{port}';
$config['smtp_host'] = 'localhost:25';
$config['des_key'] = 'twenty-four-bytes-of-key';
$config['plugins'] = [];
$config['skin'] = 'elastic';
$config['log_dir'] = '{root}/logs/';
$config['temp_dir'] = '{root}/temp/';
"""
ROUTER = """<?php
define('INSTALL_PATH', '{root}/');
if (is_file(INSTALL_PATH . $_SERVER['SCRIPT_NAME']) && $_SERVER['SCRIPT_NAME'] != '/index.php') {{
    return false;
}}
require INSTALL_PATH . 'index.php';
"""
FILL = """define('INSTALL_PATH', getcwd() . '/'); require 'program/include/clisetup.php';
$user = rcube_user::query('anna', '127.0.0.1');
$book = new rcube_contacts($rcmail->get_dbh(), $user->ID);
for ($n = 1; $n <= 30; $n++) {
    $book->insert(['name' => "Zoë Nummer $n", 'surname' => sprintf('N%02d', $n), 'email' => "zoe$n@example.org"]);
}
$friends = $book->create_group('Freunde');
$book->add_to_group($friends['id'], [1, 2, 3]);
$user->insert_identity(['name' => 'Anna Ärmel', 'email' => 'anna@example.org', 'signature' => 'viele Grüße']);
$user->save_prefs(['timezone' => 'Asia/Tokyo', 'date_format' => 'd.m.Y'], true);
"""
MESSAGE = (
    "From: b@example.org\nTo: anna@example.org\nSubject: {}\nDate: Mon, 02 Mar 2026 20:00:00 +0000\n\nzwölf Pflaumen\n"
)


class Reader:
    """A browser in which one user has logged in."""

    def __init__(self, web: PhpServer) -> None:
        self._url = f"http://127.0.0.1:{web.port}/"
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(CookieJar()))

    def text(self, form: dict[str, str] | None = None, **words: str) -> str:
        """The answer to ``?_task=…&_action=…``."""
        query = urlencode({f"_{name}": word for name, word in words.items()})
        data = None if form is None else urlencode(form).encode()
        request = Request(f"{self._url}?{query}", data, {"X-Roundcube-Request": "x"} if "remote" in words else {})
        with self._opener.open(request, timeout=60) as answer:
            body: bytes = answer.read()
        return body.decode()

    def log_in(self) -> str:
        """The page that follows."""
        (token,) = re.findall(r'name="_token" value="(\w+)"', self.text(task="login"))
        form = {"_task": "login", "_action": "login", "_token": token, "_user": "anna", "_pass": OF_ANNA}
        return self.text(form, task="login")

    def sees(self) -> dict[str, Any]:
        """Her address book, groups, identities, settings and mail, without what differs at each request."""
        book = self.text(task="addressbook")
        settings = self.text(task="settings", action="edit-prefs", section="general", framed="1")
        mail = json.loads(self.text(task="mail", action="list", mbox="INBOX", remote="1"))["exec"]
        names = json.loads(self.text(task="addressbook", action="list", source="0", remote="1"))["exec"]
        return {
            "groups": re.findall(r"Freunde", book)[:1],
            "names": re.findall(r"add_contact_row.*", names),
            "identities": re.findall(r"Anna Ärmel[^<]*", self.text(task="settings", action="identities")),
            "chosen": re.findall(r'<option value="[^"]*" selected="selected">[^<]*', settings),
            "mail": re.findall(r"add_message_row.*", mail),
        }


@dataclass
class Mail:
    """One that is installed and served; ``server`` is None where its database is a file."""

    root: Path
    web: PhpServer
    imap: ImapServer
    server: MariadbServer | None

    @property
    def file(self) -> Path:
        return self.root / "db" / f"{DATABASE}.db"

    def php(self, code: str) -> str:
        done = by_the_server(self.root, code)
        assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def sql(self, text: str) -> None:
        if self.server is not None:
            self.server.sql(text, DATABASE)
            return
        with closing(sqlite3.connect(self.file)) as connection:
            connection.executescript(text)
        shutil.chown(self.file, "www-data", "www-data")


def installed(root: Path) -> None:
    """The package's files, where somebody would put them who does not follow Debian's own layout."""
    source = unpacked("roundcube-core", root / "u")
    for library in LIBRARIES:
        unpacked(library, source)
    for path in (source / "usr/share/roundcube").iterdir():
        path.rename(root / path.name)
    for path in (source / "usr/share/php").iterdir():
        path.rename(root / "program" / "lib" / path.name)
    (source / "etc/roundcube").rename(root / "config")
    shutil.rmtree(source)
    root.chmod(0o755)
    for name in ("logs", "temp", "db"):
        (root / name).mkdir()
        shutil.chown(root / name, "www-data", "www-data")


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def mail(request: pytest.FixtureRequest) -> Iterator[Mail]:
    root = own_folder("mail")
    on_server = request.param == "mariadb"
    try:
        installed(root)
        (root / "router.php").write_text(ROUTER.format(root=root))
        web = PhpServer(root, router=root / "router.php")
        with ImapServer("anna", OF_ANNA) as imap, web:
            if on_server:
                with MariadbServer() as server:
                    server.sql(f"CREATE USER mail@localhost IDENTIFIED BY '{PASSWORD}'")
                    server.sql(f"CREATE DATABASE {DATABASE}; GRANT ALL ON {DATABASE}.* TO mail@localhost")
                    dsn = f"mysql://mail:{PASSWORD}@unix({server.socket})/{DATABASE}"
                    yield filled(Mail(root, web, imap, server), dsn, "mysql")
            else:
                mail = Mail(root, web, imap, None)
                yield filled(mail, f"sqlite:///{mail.file}?mode=0640", "sqlite")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def filled(mail: Mail, dsn: str, kind: str) -> Mail:
    """With its tables, and a message in its user's mailbox."""
    config = mail.root / "config" / "config.inc.php"
    config.write_text(CONFIG.format(dsn=dsn, port=mail.imap.port, root=mail.root))
    mail.sql((mail.root / "SQL" / f"{kind}.initial.sql").read_text())
    mail.imap.deliver("1.one", MESSAGE.format("Plums"))
    return mail


def test_users_find_what_they_had(mail: Mail, tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    Reader(mail.web).log_in()  # which makes her one of Roundcube's users
    mail.php(FILL)
    anna = Reader(mail.web)
    assert 'id="messagelist"' in anna.log_in()
    anna.sees()  # her mail is recent the first time only
    before = anna.sees()
    assert all(before.values()), before
    assert len(before["names"]) == 30
    assert [("Plums" in text) for text in before["mail"]] == [True]
    assert any("Asia/Tokyo" in text for text in before["chosen"])

    config = mail.root / "config" / "config.inc.php"
    found = operator.found(config)
    assert (found["title"], found["problems"], len(found["parts"])) == ("Roundcube", [], 1)
    group = found["name"]
    operator.run("dysnomia-tui", "applications", group, "--adopt")
    assert operator.all_found(config) == []
    operator.run("dysnomia-tui", "group", group, "snapshot")

    mail.sql(
        "DELETE FROM contacts; DROP TABLE contactgroupmembers; DELETE FROM users; UPDATE identities SET name = 'x'"
    )
    broken = Reader(mail.web)
    broken.log_in()
    assert broken.sees()["names"] != before["names"]

    operator.run("dysnomia-tui", "group", group, "restore", "--at", "now")
    again = Reader(mail.web)
    assert 'id="messagelist"' in again.log_in()
    assert again.sees() == before
    assert anna.sees() == before  # she need not log in anew: sessions are rows, too
    assert operator.mentions(PASSWORD) == operator.mentions(OF_ANNA) == []
