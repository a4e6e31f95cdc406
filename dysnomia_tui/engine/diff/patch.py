"""A comparison written as SQL: applied to one state it gives the other. The type writes it; here is what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from dysnomia_base.escape import visible
from dysnomia_plugins.base import RowPair, SectionPatch, StatePlugin
from dysnomia_plugins.errors import Unsupported
from dysnomia_store import Pair, changed_sections
from dysnomia_tui.engine.diff.compare import Compared, Comparer, Opened
from dysnomia_tui.engine.diff.sections import as_pair, spill_changes
from dysnomia_tui.engine.diff.sides import SideSpec, opener_of
from dysnomia_tui.engine.diff.spill import PrivateFolder, told_where

PAGE = 1000


def patch_lines(old: SideSpec, new: SideSpec) -> Iterator[str]:
    """The patch, a piece at a time; what does not fit into memory is in a private folder meanwhile.

    Raises Unsupported, before anything was given, where no SQL can say it; StoreError, PluginError, OSError."""
    if new.remark:
        raise Unsupported(f"there is no patch between these: {new.remark}")
    with ExitStack() as stack:
        folder = stack.enter_context(PrivateFolder())
        sides = []
        for name, side in (("old", old), ("new", new)):
            scratch = folder / name
            scratch.mkdir(mode=0o700)
            sides.append(stack.enter_context(opener_of(side)(side.args, scratch)))
        try:
            yield from sql_patch(sides[0], sides[1], folder, f"{old.title} -> {new.title}")
        except OSError as error:
            raise told_where(error) from error


def sql_patch(old: Opened, new: Opened, folder: Path, title: str) -> Iterator[str]:
    """The same between two sides that are open. Raises Unsupported where the type has no SQL."""
    plugin = new.reader
    if not isinstance(plugin, StatePlugin) or not isinstance(old.reader, type(plugin)):
        raise Unsupported("there is no SQL for state of this type", "--diff --rows shows what differs")
    pairs = spill_changes(changed_sections(old.stored.sections(), new.stored.sections(), spill=folder), folder)
    comparer = Comparer(old, new, folder, lambda _rows: None)
    changes = [_Change(as_pair(next(pairs.page(number, 1))), comparer) for number in range(len(pairs))]
    try:
        patches = [SectionPatch(*change.pair, change.rows) for change in changes]
        yield from plugin.sql_patch(old.stored, new.stored, patches, visible(title))
    finally:
        pairs.close()
        for change in changes:
            change.close()


@dataclass
class _Change:
    """One section that differs, compared when its rows are asked for."""

    pair: Pair
    comparer: Comparer = field(repr=False)
    compared: Compared | None = None

    def rows(self) -> Iterator[RowPair]:
        if self.compared is None:
            self.compared = self.comparer.compare(self.pair, whole=True)
        records, start = self.compared.rows, 0
        while records is not None and start < len(records):
            yield from [(old, new) for old, new, _ in records.page(start, PAGE)]
            start += PAGE

    def close(self) -> None:
        if self.compared is not None:
            self.compared.close()
