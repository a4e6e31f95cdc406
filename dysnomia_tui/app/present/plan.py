"""A plan in words: what would happen, what it needs, what stands in its way, and how it is confirmed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.sizes import size
from dysnomia_tui.app.present.text import join, plain, visible
from dysnomia_tui.engine.plans.plan import Grade, Plan, SpaceNeed


def title(plan: Plan) -> Text:
    """``Would restore generation 211 of postgresql/orders``."""
    return plain(f"Would {plan.title}", styles.STRONG)


def grade_line(plan: Plan) -> Text:
    """How dangerous it is: a glyph and words."""
    look = styles.GRADE[plan.grade]
    return plain(f"{look.glyph} {look.word}", look.style)


def body(plan: Plan) -> Table:
    """The plan in two columns, what matters most first: blockers, warnings, what is replaced, steps, notes, space,
    command."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for blocker in plan.blockers:
        _row(grid, "✗", f"cannot run: {blocker}", styles.BAD)
    for warning in plan.warnings:
        _row(grid, "!", warning, styles.WARN)
    if plan.replaces:
        _row(grid, "⇒", f"would replace {plan.replaces}", styles.STRONG)
    if plan.blockers or plan.warnings or plan.replaces:
        grid.add_row()
    for number, step in enumerate(plan.steps, 1):
        _row(grid, str(number), step.text, styles.PLAIN)
    for note in plan.notes:
        _row(grid, "·", note, styles.DIM)
    if plan.space:
        grid.add_row()
    for need in plan.space:
        grid.add_row("", _space(need))
    if plan.command:
        grid.add_row()
        _row(grid, "$", command_line(plan.command), styles.DIM)
    return grid


def _row(grid: Table, lead: str, raw: str, style: str) -> None:
    grid.add_row(Text(lead, style=style or styles.DIM), Text(visible(raw), style=style))


def _space(need: SpaceNeed) -> Text:
    about = styles.ESTIMATED if need.estimated else ""
    short = need.has is not None and need.has < need.needs
    has = "unknown" if need.has is None else size(need.has)
    words = f"{about}{size(need.needs)} needed, {has} free" + (", NOT ENOUGH" if short else "")
    return Text.assemble((f"{visible(need.where)}: ", styles.DIM), (words, styles.BAD if short else styles.PLAIN))


def command_line(argv: Sequence[str]) -> str:
    """The equivalent command, quoted for a shell."""
    return shlex.join(argv)


def to_type(plan: Plan) -> str:
    """What must be typed to confirm; ``""`` where Enter is enough.

    A plan of grade 2 or 3 that names nothing is still never confirmed by Enter alone: its component's name is asked
    for, or the word that says what it does.
    """
    if plan.grade <= Grade.ADDS:
        return ""
    return plan.confirm or (plan.keys[0].component if len(plan.keys) == 1 else str(plan.kind.value))


def not_listening() -> Text:
    """Return the line that is shown while keys are ignored: the same for every plan, so that nothing moves."""
    return join([plain("Read this first: keys are ignored for now;"), plain("Esc", styles.KEY), plain("cancels")])


def what_to_type(plan: Plan) -> Text:
    """The line above the field."""
    wanted = to_type(plan)
    if plan.blockers:
        return plain("This cannot be done: see above.", styles.BAD)
    if not wanted:
        return join([plain("Enter", styles.KEY), plain("confirms,"), plain("Esc", styles.KEY), plain("cancels")])
    return join(
        [
            plain("Type"),
            plain(wanted, styles.KEY),
            plain("and press Enter to confirm;"),
            plain("Esc", styles.KEY),
            plain("cancels"),
        ]
    )
