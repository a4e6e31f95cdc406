"""Messages as they are shown: the newest in the lines above the footer, all of them in a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from dysnomia_tui.app.messages import Said
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.text import ELLIPSIS, cut, join, plain
from dysnomia_tui.app.present.times import Times

LINES = 2
"""Of the screen at most."""
_LOOKS = {"information": ("·", styles.PLAIN), "warning": ("!", styles.WARN), "error": ("✗", styles.BAD)}


def bar(messages: Sequence[Said], key: str, cells: int) -> Text:
    """The newest message in at most ``LINES`` lines; which key shows the rest where it is longer, or one of several."""
    if not messages or cells <= 0:
        return Text("")
    newest = messages[-1]
    glyph, style = _LOOKS[newest.severity]
    more = f" +{len(messages) - 1} more, {key} shows all" if len(messages) > 1 else ""
    text = plain(f" {glyph} {newest.words}{more}", style)
    text.no_wrap = False
    lines = list(text.wrap(Console(width=cells), cells))
    if len(lines) <= LINES:
        return Text("\n", no_wrap=True, end="").join(lines)
    tail = plain(f"{ELLIPSIS} {key} shows all", styles.KEY)
    last = join([cut(lines[LINES - 1], cells - tail.cell_len - 1), tail])
    return Text("\n", no_wrap=True, end="").join([*lines[: LINES - 1], last])


def all_said(messages: Iterable[Said], times: Times) -> list[Text]:
    """Every message with its time, newest first."""
    shown = []
    for one in reversed(list(messages)):
        glyph, style = _LOOKS[one.severity]
        shown.append(join([plain(times.clock_of(one.at), styles.DIM), plain(f"{glyph} {one.words}", style)]))
    return shown or [plain("nothing was said yet", styles.DIM)]
