"""The format guard: what a newer version wrote is refused whole, and a record of a wrong shape is named alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dysnomia_store.errors import Corrupt, NewerFormat
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed
from dysnomia_store.store import Store
from dysnomia_tui.engine.plans.plan import Plan


def test_a_store_of_a_newer_format_is_refused_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text(json.dumps({"format": 99, "id": "0" * 32}))
    with pytest.raises(NewerFormat, match=r"is of format 99, and this version reads up to format 2"):
        Store(tmp_path)
    assert os.listdir(tmp_path) == ["store.json"]


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"id": 5}'], ids=lambda text: text[:9])
def test_a_store_whose_identity_is_torn_still_opens(text: str, tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text(text)
    assert Store(tmp_path).id == ""


def test_what_is_no_file_is_no_record(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder"):
        with pytest.raises((Corrupt, OSError)):
            records.read_file(tmp_path / name)


def test_a_field_of_another_type_is_named() -> None:
    with pytest.raises(Corrupt, match=r"\$\.as_of"):
        typed.seen({"number": 1, "id": "a", "as_of": 5}, "seen.jsonl")


@pytest.mark.parametrize("value", [None, [], 0, "x", {}, {"kind": "snapshot", "keys": 0}])
def test_a_plan_of_another_shape_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"Expected|missing"):
        Plan.from_json(value)  # type: ignore[arg-type]
