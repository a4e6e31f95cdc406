"""Values checked against types, by several threads at once."""

from __future__ import annotations

import subprocess
import sys
from typing import TypedDict

import pytest

from dysnomia_base.shapes import convert


class Pair(TypedDict):
    name: str
    size: int


def test_a_value_of_the_type_is_returned() -> None:
    assert convert({"name": "a", "size": 1}, Pair) == {"name": "a", "size": 1}


def test_a_field_of_another_type_is_named() -> None:
    with pytest.raises(ValueError, match="size"):
        convert({"name": "a", "size": "1"}, Pair)


THREADS = """
import sys, threading
from typing import NotRequired, TypedDict
from dysnomia_base.shapes import convert

sys.setswitchinterval(1e-6)
for i in range(100):
    inner = TypedDict(f"Inner{i}", {f"f{k}": NotRequired[dict[str, list[int]]] for k in range(30)})
    outer = TypedDict(f"Outer{i}", {f"a{k}": NotRequired[list[inner]] for k in range(10)} | {"s": str})
    together = threading.Barrier(4)
    def use():
        together.wait()
        convert({"a9": [{"f3": {"z": [2]}}], "s": "x"}, outer)
        convert({"f29": {"z": [2]}}, inner)
    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


def test_threads_that_use_a_type_for_the_first_time_do_not_end_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", THREADS], check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
