"""The targets a restore can have, and the generation it is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_store.model import Generation, Section
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.generations import content_size, reason_words
from dysnomia_tui.app.present.sizes import size, tally
from dysnomia_tui.app.present.text import join, plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.engine.engine import RestoreTarget
from dysnomia_tui.engine.records import ContainerView


@dataclass(frozen=True, slots=True)
class Target:
    """One of the four, as far as the operator has filled it in."""

    kind: str
    """``replace``, ``copy``, ``sections`` or ``elsewhere`` (a copy in another container)."""
    name: str = ""
    sections: tuple[str, ...] = ()
    container: str = ""
    """Of ``elsewhere``."""

    @property
    def filled(self) -> bool:
        """Whether nothing is missing that a plan needs."""
        if self.kind == "replace":
            return True
        chosen = {"sections": self.sections, "elsewhere": self.container}
        return bool(self.name) and bool(chosen.get(self.kind, True))

    def asked(self) -> RestoreTarget:
        return RestoreTarget(
            "copy" if self.kind == "elsewhere" else self.kind, self.name, self.sections, self.container
        )


def target_columns() -> tuple[Column[Target], ...]:
    return (
        Column("target", "", 22, lambda target: plain(_TITLE[target.kind], styles.STRONG), gap=1),
        Column("words", "", 20, _words, flex=1),
    )


_TITLE = {"replace": "replace what is live", "copy": "copy as another name", "sections": "some sections",
          "elsewhere": "copy to elsewhere"}  # fmt: skip


def _words(target: Target) -> Text:
    if target.kind == "replace":
        return plain("what is live becomes a guard generation first; undo brings it back")
    name = plain(f"as {target.name}", styles.INFO) if target.name else plain("Enter names it", styles.DIM)
    if target.kind == "copy":
        return join([name, plain("live stays untouched", styles.DIM)], "; ")
    if target.kind == "elsewhere":
        if not target.container:
            return plain("Enter chooses another container of this type: another server or folder", styles.DIM)
        return join([plain(f"in container {target.container}", styles.INFO), name], "; ")
    chosen = plural(len(target.sections), "section") if target.sections else "Enter chooses them"
    return join([plain(chosen, styles.INFO if target.sections else styles.DIM), name], "; ")


def address(container: ContainerView) -> str:
    """Where a container is, as its file says: what tells two of one type apart. Secrets are masked in it already."""
    return "  ".join(f"{name}={value}" for name, value in container.properties.items() if name != "type")


def about(generation: Generation, times: Times) -> Text:
    """The generation in a line: what is restored."""
    held = times.full(generation.as_of)
    if generation.as_of_estimated:
        held = f"{styles.ESTIMATED}{held}"
    look = styles.state_of(generation)
    return join(
        [
            plain(f"generation {generation.number}", styles.STRONG),
            plain(generation.id[:12], styles.DIM),
            plain(f"as of {held}"),
            plain(reason_words(generation), styles.DIM),
            plain(size(content_size(generation))),
            plain(f"{look.glyph} {look.words}", look.style),
        ],
        "  ",
    )


def section_id(section: Section) -> str:
    """As ``RestoreTarget.sections`` names it."""
    return f"{section.kind}:{section.name}"


def section_columns(sections: Sequence[Section] = ()) -> tuple[Column[Section], ...]:
    """Mark, kind, name, rows. Names are shown whole: one that is longer than the screen scrolls."""
    longest = plain(max((section.name for section in sections), key=len, default="")).cell_len
    name = max(longest, 8)
    return (
        Column("mark", "", 1, lambda _section: Text(""), gap=0, is_mark=True),
        Column("kind", "kind", 8, lambda section: plain(section.kind, styles.DIM), lambda section: section.kind),
        Column("rows", "rows", 8, _amount, lambda section: section.rows or section.size, "right", descending=True),
        Column(
            "name",
            "name",
            max(name, 8),
            lambda section: plain(section.name),
            lambda section: section.name,
            flex=1,
            gap=2,
        ),
    )


def _amount(section: Section) -> Text:
    return plain(tally(section.rows) if section.rows is not None else size(section.size), styles.DIM)
