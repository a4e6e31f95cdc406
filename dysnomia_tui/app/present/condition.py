"""A component as its type tells of it now, with what it logged last; a container as its server does. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.detail import probe_lines
from dysnomia_tui.app.present.sizes import size
from dysnomia_tui.app.present.text import join, plain
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.engine.records import ComponentView, Condition, ContainerView, Fact, Health, Probe, Tone

LOOKS = {
    Tone.PLAIN: (" ", styles.PLAIN),
    Tone.GOOD: ("●", styles.GOOD),
    Tone.WARN: ("!", styles.WARN),
    Tone.BAD: ("✗", styles.BAD),
    Tone.DIM: ("○", styles.DIM),
}


def told(view: ComponentView, condition: Condition | None, times: Times) -> list[Text]:
    """The second pane of a component that has no generations because it holds no state."""
    if view.health is Health.GONE:
        return [plain("it is no longer on its server" if view.dropped else "it is no longer configured", styles.DIM)]
    if condition is None:
        return [plain("checking its state…", styles.DIM)]
    probe, status = condition.probe, condition.status
    lines = [] if probe.up else probe_lines(probe)
    lines.extend(fact_line(fact, times) for fact in status.facts)
    if not lines and not status.log_note:
        lines = probe_lines(probe)
    if status.log or status.log_note:
        lines.append(Text(""))
        newest = ", newest first" if status.log else ""
        lines.append(plain(f"{status.log_note}{newest}", styles.DIM))
        lines.extend(log_line(fact, times) for fact in reversed(status.log))
    return lines


def why_no_generations(view: ComponentView, condition: Condition | None) -> list[Text]:
    """The third pane of such a component."""
    look = styles.HEALTH[view.health]
    shown = [plain(f"{look.glyph} {look.words}", look.style)]
    if view.health is Health.OK and condition is not None and condition.status.word:
        glyph, style = LOOKS[condition.status.tone]
        shown = [plain(f"{glyph} {condition.status.word}", style)]
    if view.problem:
        shown.append(plain(view.problem, styles.WARN))
    if condition is not None and condition.probe.up and condition.probe.version:
        shown.append(plain(f"{view.type}, version {condition.probe.version}", styles.DIM))
    shown.append(plain(view.stateless))
    return shown


def fact_line(fact: Fact, times: Times) -> Text:
    """``● web.service active (running), pid 812, since 22 Nov 12:00:04, 12M``."""
    glyph, style = LOOKS[fact.tone]
    when = times.long(fact.at).strip() if fact.at is not None else ""
    if times.kind is ZoneKind.RELATIVE:
        when = when.removesuffix(" ago")
    text = join([fact.text, when])
    if fact.memory is not None:
        text = join([text, f"{size(fact.memory)} memory"], ", ")
    text.stylize(style)
    return join([plain(glyph, style), text])


def log_line(fact: Fact, times: Times) -> Text:
    """``12:00:04 sh[812]: ready``; the day too where it is not today's."""
    when = ""
    if fact.at is not None:
        today = times.local(fact.at).date() == times.local(times.now).date()
        when = times.clock_of(fact.at) if today else times.long(fact.at).strip()
    style = LOOKS[fact.tone][1]
    return join([plain(when, styles.DIM), plain(fact.text, style)])


def container_told(container: ContainerView, probe: Probe | None) -> list[Text]:
    """The second pane of a container: how its server is, and who is connected."""
    kind = container.title or container.type or "type not known"
    shown = [plain(f"{kind}, {plural(len(container.components), 'component')}")]
    if container.problem:
        shown.append(plain(f"! {container.problem}", styles.BAD))
    if container.remedy:
        shown.append(plain(container.remedy, styles.WARN))
    if probe is None:
        shown.append(plain("asking its server…", styles.DIM))
    else:
        shown.extend(probe_lines(probe))
    return shown


def container_settings(container: ContainerView) -> Sequence[Text]:
    """The third pane of a container: its file, and what it says."""
    shown = [plain(container.file, styles.DIM)] if container.file else []
    shown.extend(plain(f"{name} = {value}") for name, value in sorted(container.properties.items()))
    return shown
