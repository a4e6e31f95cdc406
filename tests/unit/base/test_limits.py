"""Where a limit of the process is behind an error, the words name it: nobody looks for a full disk."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from pathlib import Path

from dysnomia_base.limits import reason

WRITES = """
import os, sys
from dysnomia_base.limits import reason
try:
    os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), bytes(5000))
    os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND), b"x")
except OSError as error:
    print(reason(error))
"""


def test_a_file_that_may_not_grow_names_the_limit(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    words = [sys.executable, "-c", WRITES, str(tmp_path / "file")]
    said = subprocess.run(words, preexec_fn=limit, capture_output=True, text=True, check=True).stdout
    assert said == "File too large: this process may write files of 5,000 bytes at most (ulimit -f)\n"


def test_a_process_that_may_open_no_more_names_the_limit() -> None:
    said = reason(OSError(errno.EMFILE, "Too many open files"))
    assert said == "Too many open files: this process may open no more (ulimit -n)"


def test_anything_else_is_said_as_the_system_says_it() -> None:
    assert reason(OSError(errno.EIO, "Input/output error", "/a/path")) == "Input/output error"
    assert reason(OSError("no number")) == "no number"
