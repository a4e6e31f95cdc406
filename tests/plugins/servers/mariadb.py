"""A real MariaDB server for the tests: in a short temporary folder, as an unprivileged user, gone at the end."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.in_memory import for_a_server
from tests.plugins.servers.common import Service, free_port, missing, server_user

SETTINGS = (
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--sync-frm=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=64M",
    "--innodb-use-native-aio=0",
    "--event-scheduler=ON",
    "--skip-name-resolve",
    "--max-connections=60",
)
OWN = {"information_schema", "mysql", "performance_schema", "sys"}


def mariadb_program(name: str) -> str:
    """Where one of its programs is."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        missing("MariaDB", "apt-get install mariadb-server mariadb-client")
    assert found is not None
    return found


class MariadbServer(Service):
    """One server on a socket of its own; with ``tcp`` also on 127.0.0.1. Its administrator is ``root``."""

    def __init__(self, *, tcp: bool = False, settings: Sequence[str] = (), globals_: str = "", calm: str = "") -> None:
        """``settings`` are options of the server, ``globals_`` statements that it runs when it starts; ``calm`` is what
        the tests' own sessions then set for themselves."""
        self._settings = settings
        self._globals = globals_
        self.calm = calm
        self._mariadbd = mariadb_program("mariadbd")
        self.client = mariadb_program("mariadb")
        self.dumper = mariadb_program("mariadb-dump")
        install = mariadb_program("mariadb-install-db")
        super().__init__("my.", server_user("nobody"), for_a_server())
        self.folder = self.home
        self.tcp_port = free_port() if tcp else 0
        # A server that starts removes what others keep in the same folder for temporary tables, and they crash of it.
        self._scratch = self.folder / "tmp"
        self._scratch.mkdir()
        self.give(self._scratch)
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        self._prepare([install, "--no-defaults", f"--datadir={self.data}", f"--tmpdir={self._scratch}", *options])

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> str:
        return str(self.folder / "s")

    @property
    def properties(self) -> dict[str, str]:
        """Of a container on it."""
        return {"type": "mysql-database", "mysqlSocket": self.socket}

    def start(self) -> Self:
        network = ["--bind-address=127.0.0.1", f"--port={self.tcp_port}"] if self.tcp_port else ["--skip-networking"]
        arguments = [f"--datadir={self.data}", f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}"]
        arguments += [f"--tmpdir={self._scratch}", *network]
        if self._globals:
            (self.folder / "init.sql").write_text(self._globals)
            arguments.append(f"--init-file={self.folder / 'init.sql'}")
        self._launch([self._mariadbd, "--no-defaults", *arguments, *SETTINGS, *self._settings])
        return self

    def _answers(self) -> bool:
        return subprocess.run(self.argv(), input=b"DO 1", capture_output=True, check=False).returncode == 0

    def argv(self, *options: str, user: str = "root", password: str = "") -> list[str]:
        """The mariadb client on it. (These passwords are nobody's secret.)"""
        secret = [f"--password={password}"] if password else []
        first = [self.client, "--no-defaults", f"--user={user}", f"--socket={self.socket}", *secret]
        first += [f"--init-command={self.calm}"] if self.calm else []
        return [*first, "--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4", *options]

    # Asking it, by its own client.

    def sql(self, text: str, database: str = "", *, check: bool = True, user: str = "root", password: str = "") -> str:
        """Run statements; what they give, a line each row."""
        done = subprocess.run(
            self.argv(*([f"--database={database}"] if database else []), user=user, password=password),
            input=text.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"mariadb: {done.stderr.decode(errors='replace')}\n{text[:2000]}")
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def databases(self) -> set[str]:
        return set(self.sql("SHOW DATABASES").split("\n")) - OWN

    def drop(self, database: str) -> None:
        self.sql("DROP DATABASE IF EXISTS `" + database.replace("`", "``") + "`")

    def locked(self) -> set[str]:
        """The accounts that are locked."""
        found = self.sql(
            "SELECT CONCAT(User, '@', Host) FROM mysql.global_priv"
            " WHERE JSON_VALUE(Priv, '$.account_locked') AND User <> 'mariadb.sys'"
        )
        return set(found.split("\n")) - {""}


HOSTILE = (
    "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "PAD_CHAR_TO_FULL_LENGTH,ONLY_FULL_GROUP_BY,IGNORE_SPACE,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT,NO_AUTO_VALUE_ON_ZERO",
    "--autocommit=0",
    "--completion-type=RELEASE",
    "--transaction-isolation=SERIALIZABLE",
    "--transaction-read-only=1",
    "--character-set-client-handshake=0",
    "--character-set-server=latin1",
    "--collation-server=latin1_swedish_ci",
    "--default-time-zone=-11:30",
    "--max-allowed-packet=256K",
    "--net-read-timeout=1",
    "--net-write-timeout=1",
    "--wait-timeout=1",
    "--lock-wait-timeout=1",
    "--innodb-lock-wait-timeout=1",
    "--max-statement-time=0.05",
    "--group-concat-max-len=4",
    "--explicit-defaults-for-timestamp=0",
    "--default-storage-engine=MyISAM",
    "--alter-algorithm=INSTANT",
    "--old-mode=NO_DUP_KEY_WARNINGS_WITH_IGNORE",
    "--div-precision-increment=0",
    "--max-sort-length=64",
    "--local-infile=1",
    "--read-only=1",
)
"""Options of a server, each of which shapes a session that does not say otherwise."""
HOSTILE_GLOBALS = """SET GLOBAL sql_select_limit = 2;
SET GLOBAL max_join_size = 1;
SET GLOBAL sql_safe_updates = 1;
SET GLOBAL sql_auto_is_null = 1;
SET GLOBAL sql_quote_show_create = 0;
SET GLOBAL foreign_key_checks = 0;
SET GLOBAL unique_checks = 0;
SET GLOBAL innodb_compression_default = 1;
SET GLOBAL sql_if_exists = 1;
SET GLOBAL init_connect = 'SET sql_select_limit = 1, NAMES latin1';
"""
CALM = (
    "SET NAMES utf8mb4, SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION', sql_select_limit ="
    " 18446744073709551615, max_join_size = 18446744073709551615, sql_big_selects = 1, sql_safe_updates = 0,"
    " sql_auto_is_null = 0, sql_quote_show_create = 1, foreign_key_checks = 1, unique_checks = 1, autocommit = 1,"
    " completion_type = 0, tx_isolation = 'REPEATABLE-READ', tx_read_only = 0, time_zone = '+00:00',"
    " net_read_timeout = 60, net_write_timeout = 60, wait_timeout = 3600, lock_wait_timeout = 60,"
    " innodb_lock_wait_timeout = 50, max_statement_time = 0, group_concat_max_len = 1048576,"
    " explicit_defaults_for_timestamp = 1, default_storage_engine = InnoDB, alter_algorithm = 'DEFAULT',"
    " div_precision_increment = 4, old_mode = 'UTF8_IS_UTF8MB3', innodb_compression_default = 0,"
    " max_sort_length = 1024, sql_if_exists = 0"
)
"""What the tests' own sessions set on such a server."""
