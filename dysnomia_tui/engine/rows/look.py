"""In the child that asks: which rows would be put back into live, and what it holds in their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from dysnomia_plugins.base import Context, LiveLook, LiveRow, PutRow, StatePlugin, Stored, WholeAsked
from dysnomia_plugins.errors import NotSafe
from dysnomia_store.errors import NotFound
from dysnomia_store.model import Section
from dysnomia_tui.engine.component.rows import MOST_ROWS, WAS_GONE, RowsAsked
from dysnomia_tui.engine.component.rows_by_key import Key, wanted_rows
from dysnomia_tui.engine.contents.contents import is_meant
from dysnomia_tui.engine.diff.pairing import changed_cells
from dysnomia_tui.engine.finding.asked import as_text, key_typed

LONGEST = 200
"""Characters of a row that a plan repeats."""
CELL = 60


def look(plugin: StatePlugin, ctx: Context, stored: Stored, asked: Sequence[RowsAsked]) -> Mapping[str, Any]:
    """The answer. Raises NotFound for a section or a key that is none, NotSafe, PluginError, StoreError."""
    gathered = _Gathered(plugin, ctx, stored)
    if plugin.puts_back_sections:
        gathered.add_whole(asked)
    else:
        for one in asked:
            gathered.add(one)
        gathered.add_besides()
    if len(gathered.rows) > MOST_ROWS:
        raise NotSafe(
            f"more than {MOST_ROWS:,} rows would be put back, the most for one job",
            "put them back in parts, or restore the section as a copy and copy them from there",
        )
    return gathered.answer()


@dataclass
class _Gathered:
    """The rows that are asked for, of all sections."""

    plugin: StatePlugin
    ctx: Context
    stored: Stored
    rows: list[PutRow] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def add(self, asked: RowsAsked) -> None:
        section = self._section(asked.section)
        if () in asked.keys:
            raise NotSafe(
                f"no rows of {section.kind} {section.name} specified: name them (--row), or mark them", _keys(section)
            )
        known = dict(zip(asked.keys, asked.seen or [""] * len(asked.keys), strict=True))
        for text in asked.texts:
            known.setdefault(_typed(section, text), "")
        for key in known:
            if len(key) != len(section.key) or not section.key:
                raise NotSafe(f"{section.kind} {section.name} has no rows with a key of that form", _keys(section))
        if known:
            self.rows += wanted_rows(self.plugin, self.stored, section, list(known))
            self.seen += known.values()
        if asked.lacking:
            batches = iter(self.plugin.raw_rows(self.stored, section))
            for raw in islice(self.plugin.lacking(self.ctx, section, batches), MOST_ROWS + 1):
                key = tuple(map(str, self.plugin.parse_row(section, raw).key))
                if key not in known:
                    self.rows.append(PutRow(section, key, raw))
                    self.seen.append(WAS_GONE)

    def add_besides(self) -> None:
        """What comes with these rows. Not with those that an undo takes back: it knows all that was put back."""
        rows = [row for row, seen in zip(self.rows, self.seen, strict=True) if seen in ("", WAS_GONE)]
        besides = list(self.plugin.rows_besides(self.ctx, self.stored, rows)) if rows else []
        known = {(row.section.name, row.key) for row in self.rows}
        besides = [row for row in besides if (row.section.name, row.key) not in known]
        self.rows += besides
        self.seen += [""] * len(besides)

    def add_whole(self, asked: Sequence[RowsAsked]) -> None:
        """Whole sections, and what comes with each; of those that are known to have been so and so, they alone."""
        known: list[str] = []
        wanted: list[WholeAsked] = []
        for one in asked:
            seen = one.seen or ("",) * len(one.keys)
            # Of an element that went nobody knows that all it belonged to went.
            seen = tuple(was if len(key) < 2 else "" for key, was in zip(one.keys, seen, strict=True))
            known += [*seen, *("" for _ in one.texts), *([""] if one.lacking else [])]
            wanted += [
                WholeAsked(one.section, key=key, exact=bool(was)) for key, was in zip(one.keys, seen, strict=True)
            ]
            wanted += [WholeAsked(one.section, key=(text,)) for text in one.texts]
            wanted += [WholeAsked(one.section, lacking=True)] if one.lacking else []
        rows = list(self.plugin.whole_sections(self.ctx, self.stored, wanted))
        self.rows += rows
        self.seen += known if len(rows) == len(known) else [""] * len(rows)

    def _section(self, name: str) -> Section:
        meant = [section for section in self.stored.sections() if is_meant(section, name)]
        if not meant:
            raise NotFound(f"the generation holds no section {name}", "see the list of its sections")
        if len(meant) > 1:
            raise NotFound(f"{name} is the name of {len(meant)} sections", "give KIND:NAME")
        return meant[0]

    def answer(self) -> Mapping[str, Any]:
        """Rows that are known to have changed are left out first, since others may depend on their staying."""
        first = self.plugin.look_at_rows(self.ctx, self.rows)
        if first.refusals:
            return {"refusals": first.refusals, "warnings": (), "rows": ()}
        conflicts = {**dict(self._changed(first)), **dict(self._other_keys(first))}
        taken = [at for at in range(len(self.rows)) if at not in conflicts]
        second = self.plugin.look_at_rows(self.ctx, [self.rows[at] for at in taken]) if conflicts else first
        conflicts |= {taken[at]: why for at, why in second.conflicts.items()}
        rows = [self._said(row, now) for row, now in zip(self.rows, first.rows, strict=True)]
        return {
            "refusals": (),
            "warnings": second.warnings,
            "rows": [{**one, "conflict": conflicts.get(at, "")} for at, one in enumerate(rows)],
        }

    def _other_keys(self, look: LiveLook) -> Iterator[tuple[int, str]]:
        """A server may take two keys for one (upper and lower case, spaces at the end, 012 and 12). Snapshots, the
        guard and an undo do not: such a row would be deleted, or not come back by the undo."""
        if self.plugin.puts_back_sections:
            return
        for at, (row, now) in enumerate(zip(self.rows, look.rows, strict=True)):
            if now.raw is None:
                continue
            live_key = tuple(map(str, self.plugin.parse_row(row.section, now.raw).key))
            if live_key != row.key:
                key = f"{','.join(row.key)} of {row.section.kind} {row.section.name}"
                other = _cut(",".join(live_key), CELL)
                help_ = "give the key as it is there, or change that row by hand"
                yield at, f"the server takes the key {key} for that of the row {other}: {help_}"

    def _changed(self, look: LiveLook) -> Iterator[tuple[int, str]]:
        for at, (row, now, seen) in enumerate(zip(self.rows, look.rows, self.seen, strict=True)):
            if not seen or now.digest in (now.wanted, "" if seen == WAS_GONE else seen):
                continue
            name = f"{row.section.kind} {row.section.name}"
            key = f"the key {','.join(row.key)} of {name}" if row.key else name
            name = f"{','.join(row.key)} of {name}" if row.key else name
            if now.raw is None:
                yield at, f"{name} was deleted since"
            elif seen == WAS_GONE:
                by = "" if self.plugin.puts_back_sections else "the row "
                yield at, f"{key} is used again, by {by}{self._cells(row.section, now.raw)}"
            else:
                yield at, f"{name} was changed since, to {self._cells(row.section, now.raw)}"

    def _said(self, row: PutRow, now: LiveRow) -> Mapping[str, Any]:
        section = row.section
        change, text = "=", ""
        if now.digest == now.wanted:
            pass
        elif row.wanted is None:
            assert now.raw is not None
            change, text = "-", self._cells(section, now.raw)
        elif now.raw is None:
            change, text = "+", self._cells(section, row.wanted)
        else:
            change, text = "~", self._difference(section, now.raw, row.wanted)
        return {
            "section": f"{section.kind}:{section.name}", "key": row.key, "change": change, "text": text,
            "seen": now.digest, "made": now.wanted, "known": row.wanted is not None or now.raw is not None,
        }  # fmt: skip

    def _cells(self, section: Section, raw: bytes) -> str:
        if self.plugin.puts_back_sections:
            words = self.plugin.parse_whole(raw)
            return _cut(", ".join(f"{name} {_cut(value, CELL)}" for name, value in words.items()), LONGEST)
        cells = self.plugin.parse_row(section, raw).cells
        return _cut(as_text([None if cell is None else _cut(cell, CELL) for cell in cells]), LONGEST)

    def _difference(self, section: Section, old: bytes, new: bytes) -> str:
        if self.plugin.puts_back_sections:
            return self._whole_difference(old, new)
        before, after = (self.plugin.parse_row(section, raw).cells for raw in (old, new))
        parts = [
            f"{section.columns[at]} {_cut(as_text(before[at : at + 1]), CELL)} -> "
            f"{_cut(as_text(after[at : at + 1]), CELL)}"
            for at in sorted(changed_cells(before, after))
        ]
        return _cut("; ".join(parts), LONGEST)

    def _whole_difference(self, old: bytes, new: bytes) -> str:
        before, after = self.plugin.parse_whole(old), self.plugin.parse_whole(new)
        parts = [
            f"{name} {_cut(before.get(name, '-'), CELL)} -> {_cut(after.get(name, '-'), CELL)}"
            for name in {**before, **after}
            if before.get(name) != after.get(name)
        ]
        return _cut("; ".join(parts), LONGEST)


def _typed(section: Section, text: str) -> Key:
    key = key_typed(section, text)  # as it stands: NAME=VALUE may be a value, and the row of VALUE another
    if key is None:
        raise NotSafe(f"{text} is not a key of {section.kind} {section.name}", _keys(section))
    return key


def _keys(section: Section) -> str:
    return f"a key of it is {','.join(section.key)}" if section.key else "its rows have no key"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
