"""The registry's entries for the screens that show rows and lines: diff, contents, a search in them, history."""

from __future__ import annotations

from dysnomia_tui.app.actions import reasons
from dysnomia_tui.app.actions.model import Action, action
from dysnomia_tui.engine.plans.plan import Grade

_DIFF = (
    action(
        "diff-into", "", "Open the section", "See the changed rows or lines of the section under the cursor.", "diff"
    ),
    action("diff-back", "", "Sections", "Go back to the list of sections.", "diff"),
    action(
        "diff-next",
        "n",
        "Next section",
        "Open the next section that differs; while a search is on, n and N go from hit to hit.",
        "diff",
        footer="next",
        why=reasons.search_has_the_key,
    ),
    action(
        "diff-before",
        "p",
        "Section before",
        "Open the section before that differs.",
        "diff",
        footer="before",
        why=reasons.still_read,
    ),
    action(
        "diff-restore",
        "r",
        "Restore the older",
        "Put the marked rows or files back into live as the older side has them; without marks, restore that side.",
        "diff",
        footer="restore",
    ),
)

_SEARCH = (
    action(
        "hit-next",
        "n",
        "Next hit",
        "Go to the next row or line that the search has found; after the last comes the first. Esc ends the search.",
        "search",
        footer="next hit",
        why=reasons.no_search,
    ),
    action(
        "hit-before",
        "N",
        "Hit before",
        "Go to the row or line before that the search has found.",
        "search",
        footer="hit before",
        why=reasons.no_search,
    ),
)

_COPY = (
    action(
        "browse-copy",
        "c",
        "Copy",
        "Copy the row under the cursor, or the path. Enter shows all of the row.",
        "browse",
        why=reasons.still_read,
    ),
    action(
        "diff-copy",
        "c",
        "Copy",
        "Copy the row under the cursor, or the path. Enter shows all of the row.",
        "diff",
        why=reasons.still_read,
    ),
    action(
        "history-copy",
        "c",
        "Copy",
        "Copy what the row was and became.",
        "history",
        why=reasons.still_read,
    ),
)

_HISTORY = (
    action(
        "diff-history",
        "H",
        "History",
        "See what became of the row under the cursor (or of the section) in all generations.",
        "diff",
        footer="history",
        why=reasons.still_read,
    ),
    action(
        "browse-history",
        "H",
        "History",
        "See what became of the row under the cursor (or of the section) in all generations.",
        "browse",
        footer="history",
        why=reasons.still_read,
    ),
    action(
        "history-diff",
        "d",
        "Compare",
        "See the comparison that shows the change (or Enter).",
        "history",
        footer="compare",
        why=reasons.still_read,
    ),
    action(
        "history-put",
        "r",
        "Put back",
        "Put the row back into what is live, as it is on the line under the cursor (as it was before it went).",
        "history",
        Grade.UNDOABLE,
        footer="put back",
        why=reasons.still_read,
    ),
)

_UNDO = tuple(
    action(
        f"{scope}-undo",
        "u",
        "Undo",
        "Undo the last restore or put back on the component.",
        scope,
        Grade.ADDS,
        why=reasons.nothing_to_undo,
    )
    for scope in ("diff", "history")
)

_HISTORY_PANE = (
    action("history-pane", "tab", "Other pane", "Go to what the line tells (to scroll it), or back.", "history"),
)

ROW_SCREENS: tuple[Action, ...] = (*_SEARCH, *_DIFF, *_HISTORY, *_HISTORY_PANE, *_COPY, *_UNDO)
"""In the order of footer and help."""
