"""A worker that waits at a pipe ends itself; one that opens files all the time goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, threading, time
from dysnomia_tui.engine.jobs import stuck
stuck.watch(lambda line: print(line, flush=True), patience=0.5, look=0.1)
{body}
print("went on", flush=True)
"""


def run(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)], capture_output=True, text=True, timeout=30, check=False
    )


def test_it_ends_where_a_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe = repr(str(tmp_path / "pipe"))
    for body in (f"open({pipe})", f"t = threading.Thread(target=open, args=({pipe},)); t.start(); t.join()"):
        done = run(body)
        assert done.returncode == 70
        assert "could not be opened within 0.5 s" in done.stdout
        assert "went on" not in done.stdout


def test_it_goes_on_where_files_are_opened_all_the_time_or_something_else_waits(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    opening = f"end = time.monotonic() + 2\nwhile time.monotonic() < end: open({str(tmp_path / 'file')!r}).close()"
    for body in (opening, "time.sleep(2)"):
        done = run(body)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "went on\n"
