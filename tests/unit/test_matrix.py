"""docs/matrix.md's table of types and cases is of the types, cases and servers that are here."""

from __future__ import annotations

import re

from dysnomia_plugins.loading.registry import Registry
from tests import matrix
from tests.readme import page


def test_every_type_is_in_it_with_every_case_passed() -> None:
    versions, rows = matrix.in_docs()
    there = {(column.name, case) for column in matrix.columns() for case in column.cases}
    said = {(column, case) for case, row in rows.items() for column, mark in row.items() if mark in ("✓", "-")}
    assert said == there, "run `make matrix`"
    assert all(mark in "✓·-" for row in rows.values() for mark in row.values())
    always = {column.name for column in matrix.columns() if column.in_every_run}
    not_run = {column for row in rows.values() for column, mark in row.items() if mark == "-"}
    assert not not_run & always, "only a world that make test leaves out may be shown as not run"
    assert set(versions) == {column.name for column in matrix.columns()}


def test_which_types_only_refuse_to_put_back_is_told() -> None:
    """A mark beside their names would promise what they cannot do."""
    case = "what is marked is put back exactly and undone"
    types = {column.name.partition(",")[0] for column in matrix.columns() if case in column.cases}
    refuse = {name for name in types if not getattr(Registry().get(name), "puts_back", False)}
    text = page("matrix.md").read_text("utf-8")
    (listed,) = re.findall(r"What cannot be put back one by one \((.*?)\)", text, re.DOTALL)
    assert set(re.findall(r"`(.*?)`", listed)) == refuse


def test_the_servers_are_those_that_are_here() -> None:
    """Of a server that is not installed here nothing can be said."""
    versions, _ = matrix.in_docs()
    for column in matrix.columns():
        if column.version:
            assert matrix.significant(versions[column.name]) == matrix.significant(column.version), "run `make matrix`"


def test_a_table_is_read_as_it_was_written() -> None:
    outcomes = {"one case": {"a": "passed", "b": "failed"}, "another": {"b": "skipped"}}
    versions, rows = matrix.parsed(matrix.table(outcomes, {"a": "1.2.3", "b": ""}))
    assert versions == {"a": "1.2.3", "b": "·"}
    assert rows == {"one case": {"a": "✓", "b": "✗"}, "another": {"a": "·", "b": "-"}}
