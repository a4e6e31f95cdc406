"""Which type passes which case of the conformance suite: gathered while the tests run, printed at their end.

A test class or module joins with ``column`` (the type, and what is special about it) and ``server`` (the command that
tells which version of it is here). ``python -m tests.matrix [column …]`` runs them (all) and writes the table into
docs/matrix.md, with the versions; a test fails where types, cases or servers there are no longer those that are here.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATH = "/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/lib/systemd"
MARKS = {"passed": "✓", "failed": "✗", "skipped": "-"}
MEANT = {mark: outcome for outcome, mark in MARKS.items()}
_VERSION = re.compile(r"\d+(?:\.\d+)*")


class Matrix:
    """A pytest plugin: outcomes by case and column. Works with workers too: they pass on what they ran."""

    def __init__(self, file: str, columns: Sequence[str] = ()) -> None:
        self._file = file
        self._columns = columns
        self._outcomes: dict[str, dict[str, str]] = {}
        self._places: dict[str, str] = {}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what is of no column asked for: one world of a file that holds several."""
        if not self._columns:
            return
        kept = [item for item in items if isinstance(item, pytest.Function) and column_of(item) in self._columns]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if isinstance(item, pytest.Function) and (column := column_of(item)):
            code = item.function.__code__
            place = f"{Path(code.co_filename).name} {code.co_firstlineno:05}"
            report.user_properties.append(("matrix", [column, words(item.originalname), place]))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == "matrix" and isinstance(value, list) and (report.when == "call" or not report.passed):
                column, case, place = (str(part) for part in value)
                self._places[case] = place
                row = self._outcomes.setdefault(case, {})
                if row.get(column) != "failed":
                    row[column] = report.outcome

    @property
    def outcomes(self) -> dict[str, dict[str, str]]:
        """By case, in the order in which they are written down, and column."""
        return {case: self._outcomes[case] for case in sorted(self._outcomes, key=self._places.__getitem__)}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._file:
            Path(self._file).write_text(json.dumps(self.outcomes))
        if not self.outcomes:
            return
        columns = sorted({column for row in self.outcomes.values() for column in row})
        terminalreporter.section("types of state, case by case")
        for number, column in enumerate(columns, 1):
            terminalreporter.write_line(f"  {number}  {column}")
        terminalreporter.write_line(f"{'':<76}" + "".join(f"{number:>2}" for number in range(1, len(columns) + 1)))
        for case, row in self.outcomes.items():
            marks = "".join(f"{MARKS.get(row.get(column, ''), ' '):>2}" for column in columns)
            terminalreporter.write_line(f"{case:<76}{marks}")


def column_of(item: pytest.Function) -> str:
    """The column a test is of; ``""`` if of none."""
    found: str = getattr(item.cls or item.module, "column", "")
    return found


def words(name: str) -> str:
    """``test_any_generation_is_restored_exactly`` as words."""
    return name.removeprefix("test_").replace("_", " ")


# --- what there is ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """A type, or one way it is used: the cases of one class, or of one module."""

    name: str
    server: Sequence[str]
    cases: tuple[str, ...]
    file: Path
    in_every_run: bool = True
    """False of a world that ``make test`` leaves out."""

    @property
    def version(self) -> str:
        """Which version of its server is here; ``""`` where it has none, or it is not installed."""
        program = shutil.which(self.server[0], path=PATH) if self.server else None
        if program is None:
            return ""
        done = subprocess.run([program, *self.server[1:]], capture_output=True, text=True, check=False)
        match = _VERSION.search(done.stdout + done.stderr)
        return match[0] if match else ""


def columns() -> Sequence[Column]:
    """Those that are here, by name."""
    found = []
    for path in sorted((ROOT / "tests" / "plugins").rglob("test_*.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for holder in (module, *vars(module).values()):
            if getattr(holder, "__module__", module.__name__) != module.__name__ or "column" not in vars_of(holder):
                continue
            cases = tuple(words(name) for name in dir(holder) if name.startswith("test_"))
            about = vars_of(holder)
            in_every_run = "worlds" not in {*_marks(module), *_marks(holder)}
            found.append(Column(about["column"], about.get("server", ()), cases, path, in_every_run))
    return sorted(found, key=lambda column: column.name)


def _marks(holder: object) -> Iterable[str]:
    """Names of the marks that a class or a module gives its tests."""
    marks = getattr(holder, "pytestmark", ())
    for mark in marks if isinstance(marks, (list, tuple)) else (marks,):
        yield mark.mark.name if isinstance(mark, pytest.MarkDecorator) else mark.name


def vars_of(holder: object) -> Mapping[str, Any]:
    """What a class or a module says itself; nothing of anything else."""
    return vars(holder) if isinstance(holder, (type, ModuleType)) else {}


def significant(number: str) -> str:
    """The part of a version that matters: 15 of 15.18, 10.11 of 10.11.19."""
    parts = number.split(".")
    return parts[0] if len(parts) < 3 else ".".join(parts[:2])


# --- docs/matrix.md --------------------------------------------------------------------------------------------------


def table(outcomes: Mapping[str, Mapping[str, str]], versions: Mapping[str, str]) -> str:
    """As Markdown: a row a case, a column a type, the servers' versions below the heads."""
    columns = sorted(versions)
    rows = [
        "| case | " + " | ".join(f"`{column}`" for column in columns) + " |",
        "| --- |" + " :-: |" * len(columns),
        "| version here | " + " | ".join(versions[column] or "·" for column in columns) + " |",
    ]
    for case, row in outcomes.items():
        rows.append(f"| {case} | " + " | ".join(MARKS.get(row.get(column, ""), "·") for column in columns) + " |")
    return "\n".join(rows)


def parsed(text: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Versions by column, and marks by case and column, of such a table."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    columns = [cell.strip("`") for cell in lines[0][1:]]
    versions = dict(zip(columns, lines[2][1:], strict=True))
    return versions, {line[0]: dict(zip(columns, line[1:], strict=True)) for line in lines[3:]}


def in_docs() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """What docs/matrix.md says now."""
    from tests.readme import page

    found = re.search(r"<!-- matrix:[^\n]*-->\n(.*?)<!-- /matrix -->", page("matrix.md").read_text("utf-8"), re.DOTALL)
    return parsed(found[1]) if found else ({}, {})


def run(wanted: Sequence[Column]) -> tuple[int, dict[str, dict[str, str]]]:
    """Run the cases of columns as ``make test-all`` does. pytest's status, and the outcomes."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        argv = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", f"--matrix-file={file.name}"]
        argv += [f"--matrix-column={column.name}" for column in wanted]
        files = sorted({str(column.file) for column in wanted})
        thorough = {**os.environ, "DYSNOMIA_THOROUGH": "1"}
        status = subprocess.run([*argv, *files], cwd=ROOT, env=thorough, check=False).returncode
        return status, json.loads(Path(file.name).read_text())


def main() -> int:
    """Run the columns that are named (all, if none) and write the table. Returns pytest's status."""
    from tests.readme import page, replaced

    there = columns()
    names = sys.argv[1:] or [column.name for column in there]
    status, fresh = run([column for column in there if column.name in names])
    said, rows = in_docs()
    outcomes: dict[str, dict[str, str]] = {}
    for case in dict.fromkeys([*rows, *fresh] if sys.argv[1:] else [*fresh, *rows]):
        kept = {name: MEANT.get(mark, "") for name, mark in rows.get(case, {}).items() if name not in names}
        outcomes[case] = {**kept, **fresh.get(case, {})}
    versions = {column.name: column.version if column.name in names else said.get(column.name, "") for column in there}
    page("matrix.md").write_text(
        replaced(page("matrix.md").read_text("utf-8"), "matrix", table(outcomes, versions)), "utf-8"
    )
    return status


if __name__ == "__main__":
    sys.exit(main())
