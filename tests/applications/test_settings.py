"""Settings are read as text: what is plain is known, what only a run would tell is None, and nothing is run."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_tui.engine.applications.config_file import MOST_BYTES
from dysnomia_tui.engine.applications.database import Database, database_of, database_of_url
from dysnomia_tui.engine.applications.formats import read_settings
from dysnomia_tui.engine.applications.php import php_settings
from dysnomia_tui.engine.applications.table import entries

SECRET = "p@ss/w:rd"
PHP = r"""<?php # define('COMMENT', 'x');
/* $block = 'x'; */ // $line = 'x';
define( 'DB_NAME', 'it\'s \\ here' );
define("DB_HOST", "127.0.0.1");
$IP = __DIR__ . '/wiki';
$wgUploadDirectory = "$IP/images";
$wgOther = "{$IP}/other";
$computed = getenv('HOME');
$below = "$computed/x";
$CONFIG = array ( 'dbname' => 'nc', 'nested' => ['a' => 1, 'b' => true], 'call' => f(1, [2]), 'after' => 'kept', );
$config['db_dsnw'] = 'mysql://u:p@localhost/rc';
if (PHP_SAPI === 'cli') { $branch = 'one'; } else $branch = 'two';
$twice = 'first'; $twice = 'second';
$maybe = 'sure'; if (x()) $maybe = 'other';
$sum = 'a' . strtoupper('b');
$ternary = true ? 'a' : 'b';
$equal == 'x';
system('touch /tmp/never');
?> $outside = 'x';
"""


def test_php_is_read_and_never_run() -> None:
    known = {name: value for name, value in php_settings(PHP, "/srv/w").items() if value is not None}
    assert known == {
        "DB_NAME": "it's \\ here", "DB_HOST": "127.0.0.1", "IP": "/srv/w/wiki",
        "wgUploadDirectory": "/srv/w/wiki/images",
        "wgOther": "/srv/w/wiki/other", "CONFIG.dbname": "nc", "CONFIG.nested.a": "1", "CONFIG.nested.b": "true",
        "CONFIG.after": "kept", "config.db_dsnw": "mysql://u:p@localhost/rc", "twice": "second",
    }  # fmt: skip
    unknown = {name for name, value in php_settings(PHP, "/srv/w").items() if value is None}
    assert {"computed", "below", "CONFIG.call", "branch", "maybe", "sum", "ternary"} <= unknown


@given(st.text(max_size=200))
def test_any_text_is_read_in_any_format(text: str) -> None:
    for format_ in ("php", "ini", "env", "yaml", "json"):
        read_settings(f"<?php {text}" if format_ == "php" else text, format_, "/srv")


HOSTILE = {
    "heredocs without an end": "<<<A\n",
    "comments without an end": "/*/",
    "texts without an end": "\\'",
    "double texts without an end": '\\"',
    "many settings": "$a{}=1;",
    "many keys of one array": "$a['{}']=1;",
    "doubled texts": '$a="x$a$a";',
    "joined texts": "$a='x';$b=$a.$a;$a=$b.$b;",
    "open brackets": "$a=[",
    "nested arrays": "[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "long numbers": "1",
    "long names": "$aaaa",
    "closed texts": "$a='';",
    "arrays": "$a=array(1,2,'b'=>f(),);",
    "keys": "$a['b']",
    "keys below one another": "['b']",
    "a text in one text": "$b",
}


STARTS = ("", "$b = '" + "x" * 4000 + "'; $a = \"")
MORE_STARTS = ("$a = 'x'; $b = '", "$a = [", "$a", "$a" + "['b']" * 20 + "=[")


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("start", [*STARTS, *(pytest.param(one, marks=pytest.mark.worlds) for one in MORE_STARTS)])
def test_no_file_takes_long_to_read(piece: str, start: str) -> None:
    """In the processor's time, with room for a loaded machine: what grows with the square takes minutes."""
    pieces = (piece.format(number) if "{}" in piece else piece for number in range(MOST_BYTES // len(piece)))
    text = f"<?php {start}" + "".join(pieces)
    before = time.process_time()
    settings = php_settings(text[:MOST_BYTES], "/srv")
    assert time.process_time() - before < 4
    assert sum(len(value or "") for value in settings.values()) <= 10 * MOST_BYTES


def test_a_long_name_is_not_repeated_for_each_of_its_keys() -> None:
    settings = php_settings(f"<?php $a['{'k' * 30_000}'] = [{'1,' * 30_000}]; $b = 'x';", "/srv")
    assert settings["b"] == "x"
    assert sum(map(len, settings)) < 100_000


def test_nothing_behind_a_text_without_an_end_is_known() -> None:
    assert php_settings("<?php $a = 'x'; $b = <<<A\n text; $c = 'y';", "/") == {"a": "x", "b": None}
    assert php_settings("<?php $a = 'x'; /* $c = 'y';", "/") == {"a": "x"}


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20))
def test_a_text_in_single_quotes_is_what_php_takes_it_for(text: str) -> None:
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    assert php_settings(f"<?php $a = {quoted};", "/")["a"] == text


def test_php_itself_agrees(tmp_path: Path) -> None:
    """Compared with PHP's own reading of the same file, where it is installed."""
    names = ("IP", "wgUploadDirectory", "wgOther", "twice")
    script = tmp_path / "a.php"
    script.write_text(PHP.partition("$computed")[0] + "$twice = 'first'; $twice = 'second';")
    probe = f"include '{script}'; echo json_encode([DB_NAME, DB_HOST, $IP, $wgUploadDirectory, $wgOther, $twice]);"
    try:
        done = subprocess.run(["php", "-r", probe], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("php is not installed: run .ci/packages")
    ours = php_settings(script.read_text(), str(tmp_path))
    assert read_settings(done.stdout, "json", "") == {}  # a list, which has no names
    import json

    assert json.loads(done.stdout) == [ours[name] for name in ("DB_NAME", "DB_HOST", *names)]


def test_other_formats() -> None:
    assert read_settings('; c\nA = 1\n[db]\nHOST = `/run/x` ; c\nPW="a;b"\n', "ini", "") == {
        "A": "1", "db.HOST": "/run/x", "db.PW": "a;b",
    }  # fmt: skip
    assert read_settings("export A='x y'\nB=\"$A\"\nC=plain # c\n#D=1\n", "env", "") == {
        "A": "x y", "B": None, "C": "plain",
    }  # fmt: skip
    yaml = "database:\n  name: psycopg2\n  args:\n    host: 'h' # c\n    user: !secret u\n  x: 1\n"
    yaml += "list:\n  - a: b\nlong: |\n  c: d\ne: f\n"
    assert read_settings(yaml, "yaml", "") == {
        "database.name": "psycopg2", "database.args.host": "h", "database.args.user": None, "database.x": "1",
        "long": None, "e": "f",
    }  # fmt: skip
    assert read_settings('{"a": {"b": "c", "d": [1]}, "e": 1}', "json", "") == {"a.b": "c", "e": "1"}


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("mysql://rc:%s@localhost/mail", Database("mysql-database", "mail", host="localhost")),
        ("mysql://rc:%s@unix(/run/my.sock)/mail", Database("mysql-database", "mail", socket="/run/my.sock")),
        ("mysql+pymysql://rc:%s@db:3307/mail?charset=x@y", Database("mysql-database", "mail", host="db", port="3307")),
        ("postgres://m:%s@localhost:5432/mm?sslmode=off", Database("postgresql-database", "mm", "localhost", "5432")),
        ("postgresql://m:%s@/mm?host=/run/pg", Database("postgresql-database", "mm", socket="/run/pg")),
        ("postgresql://[::1]:5433/mm", Database("postgresql-database", "mm", host="::1", port="5433")),
        ("sqlite:////var/lib/rc/sqlite.db?mode=0640", Database("sqlite-database", "/var/lib/rc/sqlite.db")),
        ("sqlite:///var/lib/rc/sqlite.db", Database("sqlite-database", "/var/lib/rc/sqlite.db")),
        ("oracle://x:%s@y/z", None),
        ("nothing", None),
        ("mysql://rc:%s/mail", None),
        ("mysql://rc:%s@db/mail password=%s", None),
        ("postgres://m@/mm?host=db password=%s", None),
    ],
)
def test_addresses(url: str, wanted: Database | None) -> None:
    found = database_of_url(url.replace("%s", SECRET))
    assert found == wanted
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("user=mm password=%s host=/run/pg dbname=mm", Database("postgresql-database", "mm", socket="/run/pg")),
        ("host = db port = 5433 dbname = 'mm' password = '%s'", Database("postgresql-database", "mm", "db", "5433")),
        (r"dbname=mm password='\' dbname=other %s'", Database("postgresql-database", "mm")),
        ("dbname=mm password=/run/%s/x", Database("postgresql-database", "mm")),
        ("user=mm password=%s host=/run/pg", None),
        ("dbname=mm host=db service=%s", None),
        ("dbname='mm password=%s", None),
        ("dbname='mm %s'", None),
        ("user=mm %s/x", None),
    ],
)
def test_keys_and_values_of_postgresqls_own_notation(text: str, wanted: Database | None) -> None:
    found = database_of_url(text.replace("%s", SECRET), "postgres")
    assert found == wanted
    assert SECRET not in repr(found)


def test_a_path_alone_is_sqlites() -> None:
    assert database_of_url("/srv/data/db.sqlite3", "sqlite") == Database("sqlite-database", "/srv/data/db.sqlite3")
    assert database_of_url(f"user=x password={SECRET} dbname=/y", "sqlite") is None


def test_hosts_as_applications_write_them() -> None:
    def mysql(host: str) -> Database:
        found = database_of("mysqli", "w", host)
        assert found is not None
        return found

    assert (mysql("localhost:/run/s").socket, mysql(":/run/s").socket, mysql("/run/s").socket) == ("/run/s",) * 3
    assert (mysql("db:3307").host, mysql("db:3307").port) == ("db", "3307")
    assert next(iter(mysql("localhost").containers())) == {}
    assert {} not in list(mysql("127.0.0.1:3307").containers())  # another server's, or a tunnel: not the socket's
    assert list(mysql("db").containers()) == [{"mysqlHost": "db", "mysqlPort": "3306"}]


def test_the_table_can_be_read_and_each_names_its_source() -> None:
    table = entries()
    assert len(table) >= 12
    assert [name for name, one in table.items() if not one.source.startswith("https://") or not one.where] == []
    assert {one.format for entry in table.values() for one in entry.where} <= {"php", "ini", "env", "yaml", "json"}
    programs = [line[0] for entry in table.values() for one in entry.where for line in (one.before, one.after) if line]
    assert [program for program in programs if not program.startswith("/")] == []
