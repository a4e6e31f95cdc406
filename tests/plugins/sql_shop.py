"""What the tests of rows that are put back into an SQL server share: what one snapshot of a live database holds, and
how the commands find the component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from dysnomia_plugins.base import LiveLook, PutRow, Stored
from dysnomia_store.model import Section
from dysnomia_tui.engine.component.rows_by_key import wanted_rows
from tests.plugins.conformance.bare import Bare

WHERE = ("-C", "box", "-c", "orders")
"""Which component it is for the commands."""


def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, properties: Mapping[str, str]) -> None:
    """Have the commands of this process find the database ``orders`` in a container with these properties."""
    for variable, folder in (("CONTAINERS", "containers"), ("COMPONENTS", "components")):
        monkeypatch.setenv(f"DYSNOMIA_{variable}_PATH", str(tmp_path / folder))
    monkeypatch.setenv("DYSNOMIA_STATEDIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "components" / "box" / "orders").mkdir(parents=True)
    (tmp_path / "containers").mkdir()
    lines = "".join(f"{name}='{value}'\n" for name, value in properties.items())
    (tmp_path / "containers" / "box").write_text(lines)


@dataclass
class SqlShop:
    """The rows of one snapshot, and what live does with them."""

    bare: Bare
    stored: Stored | None = None

    def keep(self) -> None:
        self.stored = self.bare.dump()

    def sections(self) -> dict[str, Section]:
        assert self.stored is not None
        return {one.name: one for one in self.stored.sections() if one.kind == "table"}

    def wanted(self, table: str, *keys: str | tuple[str, ...]) -> list[PutRow]:
        assert self.stored is not None
        cells = [key if isinstance(key, tuple) else (key,) for key in keys]
        return wanted_rows(self.bare.plugin, self.stored, self.sections()[table], cells)

    def all_of(self, table: str) -> list[PutRow]:
        """Every row of the snapshot's table."""
        assert self.stored is not None
        plugin, section = self.bare.plugin, self.sections()[table]
        return [
            PutRow(section, tuple(map(str, plugin.parse_row(section, raw).key)), raw)
            for batch in plugin.raw_rows(self.stored, section)
            for raw in batch
        ]

    def lacking(self, section: Section) -> list[PutRow]:
        assert self.stored is not None
        plugin = self.bare.plugin
        batches = iter(plugin.raw_rows(self.stored, section))
        return [
            PutRow(section, tuple(map(str, plugin.parse_row(section, raw).key)), raw)
            for raw in plugin.lacking(self.bare.context(), section, batches)
        ]

    def look(self, rows: Sequence[PutRow]) -> LiveLook:
        return self.bare.plugin.look_at_rows(self.bare.context(), rows)

    def put(self, rows: Sequence[PutRow], look: LiveLook | None = None) -> Mapping[int, str]:
        """Of those that the look says can be."""
        look = look or self.look(rows)
        assert look.refusals == ()
        chosen = [at for at, row in enumerate(look.rows) if row.digest != row.wanted and at not in look.conflicts]
        seen = [look.rows[at].digest for at in chosen]
        return self.bare.plugin.put_back(self.bare.context(), [rows[at] for at in chosen], seen)
