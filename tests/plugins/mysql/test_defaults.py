"""The operator's option file, as programs that print it give it: MariaDB's own, and a stand-in for MySQL's."""

from __future__ import annotations

from pathlib import Path

import pytest

from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.mysql.defaults import CLIENT_GROUPS, connection_options
from tests.plugins.servers.mariadb import mariadb_program

MYSQLS = """#!/bin/sh
# MySQL's my_print_defaults, as its manual has it: passwords are shown with --show alone.
case " $* " in *" --show "*) shown=1 ;; esac
echo --user=backup
if [ "$shown" ]; then echo '--password=s3cret "x"'; else echo '--password=*****'; fi
echo --where=1=0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "options.cnf"
    path.write_text("[client]\nuser=backup\npassword='*****'\n[mysql]\nxml\n")
    path.chmod(0o600)
    return path


def test_a_password_that_mysqls_program_hides_is_asked_for(tmp_path: Path, file: Path) -> None:
    program = tmp_path / "my_print_defaults"
    program.write_text(MYSQLS)
    program.chmod(0o755)
    assert connection_options(ProcessRunner(), str(program), str(file), CLIENT_GROUPS) == (
        ("user", "backup"), ("password", 's3cret "x"'),
    )  # fmt: skip


def test_one_that_looks_so_is_taken_as_mariadbs_program_prints_it(file: Path) -> None:
    program = str(mariadb_program("my_print_defaults"))
    assert connection_options(ProcessRunner(), program, str(file), CLIENT_GROUPS) == (
        ("user", "backup"), ("password", "*****"),
    )  # fmt: skip
