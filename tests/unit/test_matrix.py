"""The README's table of types and cases is of the types, cases and servers that are here."""

from __future__ import annotations

import re

from tests import matrix, readme


def in_readme() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    found = re.search(r"<!-- matrix:[^\n]*-->\n(.*?)<!-- /matrix -->", readme.README.read_text("utf-8"), re.DOTALL)
    assert found
    return matrix.parsed(found[1])


def test_every_type_is_in_it_with_every_case_passed() -> None:
    versions, rows = in_readme()
    there = {(made.column, case) for made in matrix.classes() for case in matrix.cases(made)}  # type: ignore[attr-defined]
    said = {(column, case) for case, row in rows.items() for column, mark in row.items() if mark == "✓"}
    assert said == there, "run `make matrix`"
    assert all(mark in "✓·" for row in rows.values() for mark in row.values())
    assert set(versions) == {made.column for made in matrix.classes()}  # type: ignore[attr-defined]


def test_the_servers_are_those_that_are_here() -> None:
    """Of a server that is not installed here nothing can be said."""
    versions, _ = in_readme()
    for made in matrix.classes():
        here, said = matrix.version(made), versions[made.column]  # type: ignore[attr-defined]
        if here:
            assert matrix.significant(said) == matrix.significant(here), "run `make matrix`"


def test_a_table_is_read_as_it_was_written() -> None:
    outcomes = {"one case": {"a": "passed", "b": "failed"}, "another": {"b": "skipped"}}
    versions, rows = matrix.parsed(matrix.table(outcomes, {"a": "1.2.3", "b": ""}))
    assert versions == {"a": "1.2.3", "b": "·"}
    assert rows == {"one case": {"a": "✓", "b": "✗"}, "another": {"a": "·", "b": "-"}}
