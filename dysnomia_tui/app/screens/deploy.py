"""The deployment: what is available, active and garbage, and what would be done to bring them together."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.present import deploy as present
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.deploy import Line
from dysnomia_tui.app.present.text import plain
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine import Deployment


class DeployScreen(DysnomiaScreen):
    """Of all containers, or of one."""

    SCOPE = "deploy"
    BINDINGS = bindings("deploy", "everywhere")
    AUTO_FOCUS = "#components"
    DEFAULT_CSS = """
    DeployScreen #would { height: auto; min-height: 1; padding: 0 1; }
    DeployScreen #components { height: 1fr; border: round $border-blurred; border-title-color: $text-muted;
        scrollbar-size-horizontal: 0; }
    DeployScreen #components:focus { border: round $primary; border-title-color: $text; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._container = ""
        self._there: Deployment | None = None
        self._has_failed = False

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield Static(id="would", markup=False)
            yield VirtualTable[Line](key=present.line_key, widget_id="components", empty="reading…")

    @property
    def components(self) -> VirtualTable[Line]:
        return self.query_one("#components", VirtualTable)

    def here(self) -> Selection:
        line = self.components.item
        view = self.services.state.component(line.key) if line is not None else None
        steps = self._there is not None and bool(self._there.steps)
        return Selection(component=view, planned=steps, planning=self._there is None and not self._has_failed)

    def on_state(self, state: AppState) -> None:
        container = self._container

        def have(deployment: Deployment) -> None:
            if self.is_attached and container == self._container:
                self._there, self._has_failed = deployment, False
                self.components.set_empty(plain("no component is available, active or garbage", styles.DIM))
                self.components.set_items(present.lines(deployment))
                self._draw()

        self.ask(f"deployment {id(self)}", lambda engine: engine.deployment(container), have, self._failed)

    def _failed(self, problem: str) -> None:
        self._there, self._has_failed = None, True
        self.query_one("#would", Static).update(plain(problem, styles.BAD))
        self.components.set_empty(plain("not known", styles.DIM))
        self.components.set_items(())

    def _draw(self) -> None:
        self.components.set_columns_by_width(present.columns)
        self.components.border_title = "WOULD be done"
        if self._there is not None:
            self.query_one("#would", Static).update(present.head(self._there, self._container))
        self.set_path(f"{self._container}/deploy" if self._container else "deploy")

    # --- actions ------------------------------------------------------------------------------------------------

    @on(VirtualTable.Chosen, "#components")
    def _chosen(self) -> None:
        line = self.components.item
        if line is not None:
            self.services.show_component(line.key)

    def act_deploy_scope(self) -> None:
        line = self.components.item
        self._container = "" if self._container or line is None else line.key.container
        self._there, self._has_failed = None, False
        self.on_state(self.services.state)

    def act_deploy_apply(self) -> None:
        container = self._container
        self.services.plan(lambda engine: engine.plan_deploy(container))
