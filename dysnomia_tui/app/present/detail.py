"""The third pane: one generation, what changed in it, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_store.model import Check, CheckResult, Generation, Section, lacks_words
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.generations import reason_words
from dysnomia_tui.app.present.sizes import signed, size
from dysnomia_tui.app.present.text import fit, join, plain, width
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.engine.records import Application, Change, ComponentView, Found, Health, Probe, SectionChange

NAME = 64
"""Cells of a section's name, so that its numbers stand beside it on a wide terminal; a longer one takes its own."""

AT_MOST = 5_000
"""Sections listed in the pane; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What the engine said of a generation's contents."""

    changes: tuple[SectionChange, ...] = ()
    sections: tuple[Section, ...] = ()
    more: int = 0
    """Sections beyond those listed."""
    problem: str = ""


@dataclass(frozen=True)
class Made:
    """The pane's lines, and which of them are sections."""

    head: tuple[Text, ...]
    changes: tuple[SectionChange, ...]
    rest: tuple[Section, ...]
    tail: tuple[Text, ...] = ()

    def texts(self, cells: int) -> list[Text]:
        """The lines for a pane of ``cells`` cells."""
        shown = list(self.head)
        shown.extend(change_line(change, cells) for change in self.changes)
        shown.extend(section_line(section, cells) for section in self.rest)
        shown.extend(self.tail)
        return shown

    @property
    def sections(self) -> Mapping[int, Section]:
        """By the number of the line; sections that are gone are not there to be looked into."""
        first = len(self.head)
        by_row = {first + at: change.new for at, change in enumerate(self.changes) if change.new is not None}
        first += len(self.changes)
        return by_row | {first + at: section for at, section in enumerate(self.rest)}


def lines(generation: Generation, contents: Contents | None, times: Times, alone: int | None = None) -> Made:
    """The pane of one generation; ``contents`` None while they are read. ``alone``: the bytes that only it holds."""
    head = [_when(generation, times), _how(generation, times, alone), *_remarks(generation, times)]
    head.append(_summary(generation, contents))
    if contents is None:
        return Made((*head, plain("reading what is in it…", styles.DIM)), (), ())
    if contents.problem:
        head.append(plain(contents.problem, styles.BAD))
    changed = {(change.section.kind, change.section.name) for change in contents.changes}
    rest = tuple(section for section in contents.sections if (section.kind, section.name) not in changed)
    tail = (plain(f"… and {plural(contents.more, 'section')} more", styles.DIM),) if contents.more else ()
    return Made(tuple(head), contents.changes, rest, tail)


def _when(generation: Generation, times: Times) -> Text:
    about = "about " if generation.as_of_estimated else ""
    parts = [plain(f"as of {about}{times.long(generation.as_of).strip()}", styles.STRONG)]
    if generation.seen > 1:
        until = times.short(generation.unchanged_until).strip()
        parts.append(plain(f"same until {until} (seen {generation.seen}×)", styles.DIM))
    return join(parts, ", ")


def _how(generation: Generation, times: Times, alone: int | None) -> Text:
    parts = [reason_words(generation)]
    if generation.job:
        parts.append(f"job {generation.job}")
    meta = generation.metadata
    if meta is not None:
        shared = f" ({size(alone)} of it alone)" if alone is not None and alone != meta.stored_size else ""
        parts.append(f"{size(meta.content_size)}, stored {size(meta.stored_size)}{shared}")
    if generation.last_check is not None:
        parts.append(check_words(generation.last_check, times))
    return plain(", ".join(parts))


def check_words(check: Check, times: Times) -> str:
    """``verified by restore 20 Nov 02:00``."""
    when = times.short(check.at).strip()
    if check.result is CheckResult.OK:
        return f"{'proved by restore' if check.how == 'restore' else 'bytes checked'} {when}"
    return f"{check.result.value.upper()} {when}" + (f" ({check.text})" if check.text else "")


def _remarks(generation: Generation, times: Times) -> list[Text]:
    shown = []
    if generation.problem:
        shown.append(plain(f"✗ broken link: {generation.problem}", styles.BAD))
    if generation.suspicious:
        shown.append(plain(f"! suspicious: {generation.suspicious}", styles.WARN))
    if generation.metadata is not None:
        if generation.metadata.lacks and not generation.suspicious:
            shown.append(plain(f"! {lacks_words(generation.metadata.lacks)}", styles.WARN))
        shown += [plain(f"! {text}", styles.WARN) for text in generation.metadata.warnings]
    if generation.text:
        shown.append(plain(f"“{generation.text}”"))
    for pin in generation.marks.pins:
        until = f" until {times.short(pin.until).strip()}" if pin.until else ""
        by = f"held by job {pin.held_by}" if pin.held_by else f"pinned by {pin.who}" if pin.who else "pinned"
        shown.append(plain(f"P {by}{until}: {pin.why}" if pin.why else f"P {by}{until}", styles.MARK))
    if generation.marks.verdict is not None:
        look = styles.state_of(generation)
        shown.append(plain(f"{look.glyph} marked known {generation.marks.verdict.value}", look.style))
    if generation.marks.tags:
        shown.append(plain("tags: " + ", ".join(generation.marks.tags), styles.INFO))
    if generation.marks.note:
        shown.append(plain(f"note: {generation.marks.note}", styles.INFO))
    return shown


def _summary(generation: Generation, contents: Contents | None) -> Text:
    meta = generation.metadata
    parts = []
    if meta is not None and meta.sections is not None:
        parts.append(plural(meta.sections, _kind(contents.sections if contents is not None else ())))
    if meta is not None and meta.rows is not None:
        parts.append(plural(meta.rows, "row"))
    lead = ", ".join(parts)
    delta = generation.delta
    if delta is None:
        tail = "the first generation" if meta is not None else "no metadata: made by another tool"
    else:
        count = delta.changed + delta.added + delta.removed
        tail = f"{count or 'nothing'} changed since {delta.since}"
    return plain("; ".join(part for part in (lead, tail) if part))


def _kind(sections: Sequence[Section]) -> str:
    """What all of them are: a section where there are several kinds, or it says what is in one (Redis' ``keys``)."""
    kinds = {section.kind for section in sections}
    return kinds.pop() if len(kinds) == 1 and not min(kinds).endswith("s") else "section"


def change_line(change: SectionChange, cells: int) -> Text:
    """``~ orders  4,102,331  +1,204``."""
    look = styles.CHANGE[change.change]
    section = change.section
    return _section(section, look.glyph, look.style, _net(change), cells)


def section_line(section: Section, cells: int) -> Text:
    """A section that did not change."""
    return _section(section, " ", styles.DIM, "", cells)


def _section(section: Section, glyph: str, style: str, net: str, cells: int) -> Text:
    kind = "" if section.kind in ("table", "file") else f" {section.kind}"
    amount = f"{section.rows:,}" if section.rows is not None else size(section.size)
    right = plain(f"{amount:>11} {net:>9}", style)
    room = max(cells - right.cell_len - 3, 8)
    name = plain(section.name, style or "")
    name.append_text(plain(kind, styles.DIM))
    room = min(room, max(NAME, name.cell_len))
    if name.cell_len > room:
        name.truncate(room, overflow="ellipsis")
    name.pad_right(max(room - name.cell_len, 0))
    return join([plain(glyph, style), name, right])


def _net(change: SectionChange) -> str:
    if change.change is Change.ADDED:
        return "new"
    if change.change is Change.REMOVED:
        return "gone"
    old, new = change.old, change.new
    if old is not None and new is not None:
        if old.rows is not None and new.rows is not None:
            return signed(new.rows - old.rows)
        if new.size != old.size:
            return ("+" if new.size > old.size else "-") + size(abs(new.size - old.size))
    return "±0"


def probe_lines(probe: Probe) -> list[Text]:
    """What a server said of itself."""
    state = "● up" if probe.up else "✗ down"
    parts = [plain(state, styles.GOOD if probe.up else styles.BAD)]
    if probe.version:
        parts.append(plain(f"version {probe.version}"))
    if probe.size is not None:
        parts.append(plain(f"{size(probe.size)} live"))
    if probe.clients is not None:
        parts.append(plain(plural(probe.clients, "client")))
    shown = [join(parts, ", ")]
    if probe.detail:
        shown.append(plain(probe.detail, styles.DIM if probe.up else styles.BAD))
    shown.extend(plain(f"  {who}", styles.DIM) for who in probe.who)
    return shown


def component_lines(view: ComponentView, read_only: str, key: str, notice: str = "") -> list[Text]:
    """A component without generations, or one whose generations are still read, or may not be (``notice`` says how)."""
    look = styles.HEALTH[view.health]
    shown = [plain(f"{look.glyph} {look.word}", look.style)]
    if view.problem:
        shown.append(plain(view.problem, styles.WARN))
    if view.health is Health.UNKNOWN:
        shown.append(plain(notice, styles.INFO))
    elif not view.generations and "snapshot" in view.can:
        hint = f"nothing can be changed: {read_only}" if read_only else f"{key} takes the first snapshot"
        shown.append(plain(hint, styles.INFO))
    elif not view.generations:
        shown.append(plain("its type holds no state of its own: nothing to snapshot", styles.DIM))
    return shown


def found_list(discovered: Sequence[Found]) -> list[Text]:
    """All that could be adopted: its type, its size and its place, a line each."""
    rows = [(one.component, one.type, size(one.size) if one.readable else "locked", place(one)) for one in discovered]
    widths = [max((width(row[at]) for row in rows), default=0) for at in range(3)]
    shown = []
    for name, kind, amount, where in rows:
        parts = [
            fit(plain(name, styles.STRONG), min(widths[0], 32)),
            fit(plain(kind), widths[1]),
            fit(plain(amount), widths[2], "right"),
            plain(where, styles.DIM),
        ]
        shown.append(join(parts, "  "))
    return shown


def place(discovered: Found) -> str:
    """Where it is: the folder or socket that its container's file would name; else the container's name."""
    values = (value for value in discovered.properties.values() if isinstance(value, str))
    return next((value for value in values if value.startswith("/")), discovered.container)


def found_lines(discovered: Found) -> list[Text]:
    """Something that could be adopted."""
    shown = [plain(f"{discovered.type}: {discovered.container}/{discovered.component}", styles.STRONG)]
    if discovered.size is not None:
        shown.append(plain(f"{size(discovered.size)} live"))
    if discovered.detail:
        shown.append(plain(discovered.detail))
    if not discovered.readable:
        shown.append(plain("it cannot be read as this user", styles.WARN))
    if discovered.remedy:
        shown.append(join([plain("this could:"), plain(discovered.remedy, styles.KEY)]))
    for name, value in sorted(discovered.properties.items()):
        shown.append(plain(f"{name} = {value if isinstance(value, str) else ' '.join(value)}", styles.DIM))
    if discovered.readable:
        shown.append(join([plain("Enter", styles.KEY), plain("adopts it: the files that would be written are shown")]))
    return shown


def application_lines(application: Application) -> list[Text]:
    """An application that could be adopted as a group: what belongs to it, and what stands against it."""
    shown = [plain(f"{application.title}: group {application.name}", styles.STRONG), plain(application.config)]
    if not application.tested:
        shown.append(plain("known from its documentation, not tested", styles.DIM))
    for part in application.parts:
        state = plain("configured" if part.configured else part.type, styles.DIM)
        shown.append(join([plain(str(part.key)), state]))
    for name, argv in (("before", application.before), ("after", application.after)):
        if argv:
            shown.append(join([plain(name, styles.DIM), plain(" ".join(argv))]))
    shown += [plain(text, styles.WARN) for text in application.notes]
    shown += [plain(text, styles.BAD) for text in application.problems]
    shown.append(plain(application.source, styles.DIM))
    if not application.problems:
        shown.append(join([plain("Enter", styles.KEY), plain("adopts it: what would be written is shown")]))
    return shown
