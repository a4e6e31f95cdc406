"""Rows or files of a comparison or of a history put back into live: which ones, and the plan that is confirmed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present.diff import change_key, rows_asked
from dysnomia_tui.app.services import Services
from dysnomia_tui.app.widgets.row_table import RowTable
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine import MOST_ROWS, Diff, HistoryAsked, RowsAsked
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.records import Change, HistoryLine, RowChange, SectionChange

PAGE = 500


def put_marked_back(
    services: Services, key: ComponentKey, number: int, diff: Diff, change: SectionChange, rows: RowTable
) -> None:
    """Plan the marked rows of a section back as generation ``number`` has them, and ask. Once they are, no mark is left
    that another key could be meant for."""
    section, marks = change.section, rows.marked_rows
    if not section.key:
        services.trouble(
            f"the lines of {section.kind} {section.name} have no key: mark the {section.kind} itself, at the left"
        )
        return

    def plan(engine: Engine) -> Plan:
        return engine.plan_put_back(key, number, [rows_asked(change, list(_rows(diff, change, marks)))])

    services.plan(plan, lambda _job: rows.act_unmark())


def put_sections_back(
    services: Services, key: ComponentKey, number: int, sections: VirtualTable[SectionChange]
) -> None:
    """Plan the marked sections back whole, as generation ``number`` has them: files and folders. A type whose sections
    are tables says that its rows are to be marked."""
    marked = [change for change in sections.items if change_key(change) in sections.marks]
    asked = [RowsAsked(f"{change.section.kind}:{change.section.name}", ((),)) for change in marked]
    services.plan(lambda engine: engine.plan_put_back(key, number, asked), lambda _job: sections.act_unmark())


def _rows(diff: Diff, change: SectionChange, marks: Sequence[int]) -> Iterator[RowChange]:
    """The rows of these numbers, which ascend; one more than a plan takes is enough for it to say so."""
    start, page = 0, list[RowChange]()
    for at in marks[: MOST_ROWS + 1]:
        if not start <= at < start + len(page):
            start, page = at, list(diff.rows(change, at, PAGE))
        if page:
            yield page[at - start]


def put_line_back(services: Services, key: ComponentKey, asked: HistoryAsked, line: HistoryLine) -> None:
    """Plan a row back as a line of its history has it: of a line that says that it went, as it was before."""
    number = line.before if line.row.change is Change.REMOVED else line.generation
    cells = [cell for cell in asked.row or () if cell is not None]
    if line.whole and number is not None:
        whole = [RowsAsked(f"{line.kind}:{line.name}", ((),))]
        services.plan(lambda engine: engine.plan_put_back(key, number, whole))
        return
    if number is None or not line.columns or (asked.row is not None and len(cells) != len(asked.row)):
        services.trouble("only a row of a table, or a file, can be put back from its history")
        return
    keys, texts = ((tuple(cells),), ()) if asked.row is not None else ((), (asked.text,))
    rows = [RowsAsked(f"{line.kind}:{line.name}", keys, texts=texts)]
    generation = number
    services.plan(lambda engine: engine.plan_put_back(key, generation, rows))
