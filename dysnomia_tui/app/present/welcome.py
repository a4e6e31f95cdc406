"""What is shown where there is nothing yet: the first start, and the time before the store was read."""

from __future__ import annotations

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.text import join, plain
from dysnomia_tui.app.state import AppState


def reading(state: AppState) -> str:
    """Before the store was read for the first time."""
    if state.reading is None:
        return "reading the store…"
    done, of = state.reading
    return f"reading the store… {done:,} of {plural(of, 'component')}"


def waiting(state: AppState) -> str:
    """For the first pane while it is empty."""
    if state.problem:
        return "the store cannot be read"
    if state.overview is None:
        return reading(state)
    return "looking for databases…" if state.found is None else "nothing here"


def lines(state: AppState) -> list[Text]:
    """The first start: what this is, what was found, what to press."""
    overview = state.overview
    if overview is None:
        return [plain(state.problem or reading(state), styles.BAD if state.problem else styles.DIM)]
    if overview.containers:
        return []
    shown = [plain("Nothing is configured here yet.", styles.STRONG)]
    if overview.notice:
        shown.append(plain(overview.notice, styles.WARN))
    if state.found is None:
        shown.append(plain("Looking for databases and files on this machine…", styles.DIM))
    elif state.found:
        shown.append(plain("On the left is what was found on this machine."))
        shown.append(
            join(
                [
                    plain("Enter", styles.KEY),
                    plain("on one adopts it: you see the files that would be written before they are."),
                ]
            )
        )
        shown.append(join([plain("Then"), plain("s", styles.KEY), plain("takes the first snapshot.")]))
    else:
        shown.append(plain("No database or files were found that could be adopted."))
    shown.append(join([plain("Or try the demo, the last line on the left: real data, nothing of yours is touched.")]))
    return shown
