"""What the commands write is what a script can read, and nothing that a name holds reaches the terminal."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.model import Reason
from dysnomia_store.names import ComponentKey
from dysnomia_tui.cli.shared import output


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand\rmore", "two\\nlines\\tand\\rmore"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("caf\udce9", "caf\\xe9"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("naïve Ω 表", "naïve Ω 表"),
        ("lone \ud800", "lone \\ud800"),
    ],
)
def test_control_characters_are_shown_and_never_sent(text: str, shown: str) -> None:
    assert output.visible(text) == shown


@given(st.text(st.characters(codec=None), max_size=40))
def test_whatever_comes_is_one_line_that_utf8_can_hold(text: str) -> None:
    shown = output.visible(text)
    shown.encode("utf-8")
    assert "\n" not in shown
    assert "\x1b" not in shown


def test_a_line_of_a_result_is_written_as_the_bytes_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    output.write_line("sqlite/caf\udce9/1")
    output.write_lines(["ä", "b"])
    assert raw.getvalue() == b"sqlite/caf\xe9/1\n\xc3\xa4\nb\n"


def test_records_become_json() -> None:
    made = output.jsonable(
        {
            "key": ComponentKey("a", "b"),
            "when": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "long": timedelta(minutes=2),
            "why": Reason.GUARD,
            "where": Path("/srv"),
            "some": frozenset({"y", "x"}),
            "pair": (1, None),
        }
    )
    assert made == {
        "key": {"container": "a", "component": "b"},
        "when": "2026-01-02T03:04:05+00:00",
        "long": 120.0,
        "why": "guard",
        "where": "/srv",
        "some": ["x", "y"],
        "pair": [1, None],
    }
    json.dumps(made)


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "?"), (0, "0B"), (999, "999B"), (1_000, "1.0K"), (20_480, "20K"), (1_288_490_189, "1.2G")],
)
def test_sizes_for_a_person(count: int | None, text: str) -> None:
    assert output.size(count) == text
