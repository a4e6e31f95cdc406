"""Pane 3: what is in the generation under the cursor, or what there is to say of the component or container."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from dysnomia_store.model import Generation, Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import condition, detail, group_row
from dysnomia_tui.app.present.components import TreeRow
from dysnomia_tui.app.present.detail import Contents
from dysnomia_tui.app.present.text import escaped
from dysnomia_tui.app.reading import read_contents
from dysnomia_tui.app.widgets.lines import LinesView

REMEMBERED = 200
"""Generations whose contents are kept once they have been read."""


class DetailPane(LinesView):
    """The contents of a generation, read when they are first shown."""

    def __init__(self) -> None:
        super().__init__(widget_id="detail")
        self._contents: dict[tuple[ComponentKey, int, str], Contents] = {}
        self._sections: dict[int, Section] = {}
        self._generation: Generation | None = None
        self._alone: int | None = None

    @property
    def section(self) -> Section | None:
        """The section whose line the cursor is on, where the pane has the focus."""
        line = self.item
        return self._sections.get(line.source) if line is not None and self.has_focus else None

    def draw(
        self, row: TreeRow | None, generation: Generation | None, alone: int | None = None, *, top: bool = False
    ) -> None:
        """Show a generation (``alone``: the bytes that only it holds), else what the row of the tree stands for."""
        self._generation = generation
        self._alone = alone
        if generation is not None:
            self._draw_generation(generation, top=top)
            return
        self.border_title = "3 Contents"
        lines: Sequence[Text] = ()
        state = self.services.state
        if row is not None and row.component is not None and row.component.stateless:
            lines = condition.why_no_generations(row.component, state.conditions.get(row.component.key))
        elif row is not None and row.component is not None:
            key = self.services.key_of("snapshot")
            lines = detail.component_lines(row.component, state.read_only, key, state.notice)
        elif row is not None and row.container is not None:
            self.border_title = escaped(f"3 {row.container.name}")
            lines = condition.container_settings(row.container)
        elif row is not None and row.group is not None:
            self.border_title = escaped(f"3 {row.group.name}")
            lines = group_row.settings(row.group)
        elif row is not None and row.found is not None:
            lines = detail.found_lines(row.found)
        elif row is not None and row.application is not None:
            lines = detail.application_lines(row.application)
        self.show(lambda _cells: lines, top=top)

    def _draw_generation(self, generation: Generation, *, top: bool) -> None:
        known = self._contents.get((generation.key, generation.number, generation.id))
        if known is None and generation.id:
            self._read(generation)
        self.border_title = f"3 Generation {generation.number}"
        shown = known if known is not None or generation.id else Contents()
        made = detail.lines(generation, shown, self.services.times, self._alone)
        self._sections = dict(made.sections)
        self.show(made.texts, top=top)

    def _read(self, generation: Generation) -> None:
        known = (generation.key, generation.number, generation.id)

        def have(contents: Contents) -> None:
            if len(self._contents) > REMEMBERED:
                self._contents.clear()
            self._contents[known] = contents
            shown = self._generation
            if shown is not None and shown.number == generation.number:
                self._draw_generation(shown, top=False)

        def failed(problem: str) -> None:
            have(Contents(problem=problem))

        self.services.client.ask("contents", lambda engine: read_contents(engine, generation), have, failed)
