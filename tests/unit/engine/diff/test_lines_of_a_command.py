"""What ``dysnomia-snapshots --diff`` prints of a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from dysnomia_tui.cli.snapshots.diff import print_changes
from dysnomia_tui.engine.diff.handle import start_diff
from tests.unit.engine.diff.tables import Table, spec, write

ROWS = [b"%d\tx" % number for number in range(10, 40)]


def test_a_table_in_another_order_is_not_named_as_changed(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    old = write(tmp_path / "old", Table("changed", ROWS), Table("moved", ROWS), Table("same", ROWS))
    new = write(
        tmp_path / "new", Table("changed", [b"99\ty", *ROWS[1:]]), Table("moved", ROWS[::-1]), Table("same", ROWS)
    )
    with start_diff(spec(old), spec(new), spill=tmp_path) as diff:
        assert diff.wait(60)
        print_changes(diff, rows=True)
    assert capsysbinary.readouterr().out.decode().splitlines() == [
        "~ table changed  +1 -1",
        "  - 10 | x",
        "  + 99 | y",
        "= table moved  the same rows in another order",
    ]


def test_a_section_that_could_not_be_compared_is_said(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    old = write(tmp_path / "old", Table("t", ROWS))
    new = write(tmp_path / "new", Table("t", ROWS[1:]))
    dump = new / "dump.zst"
    dump.write_bytes(dump.read_bytes()[:12])
    with start_diff(spec(old), spec(new), spill=tmp_path) as diff:
        diff.wait(60)
        print_changes(diff, rows=False)
        (change,) = diff.sections()
        reason = diff.note(change)
    printed = capsysbinary.readouterr()
    assert printed.out.decode().splitlines() == ["~ table t"]
    assert reason
    assert f"table t: {reason}" in printed.err.decode()
