"""Where the operator is: what actions are judged by, with no screen in it."""

from __future__ import annotations

from dataclasses import dataclass

from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.records import Application, ComponentView, ContainerView, Found, GroupView, JobView


@dataclass(frozen=True, slots=True)
class Selection:
    """The selection on the screen in front, frozen at the moment a key was pressed."""

    read_only: str = ""
    """Why nothing can be changed, or ``""``."""
    loaded: bool = True
    """False until the store was read for the first time."""
    container: ContainerView | None = None
    component: ComponentView | None = None
    found: Found | None = None
    application: Application | None = None
    """One that is installed and no group yet."""
    group: GroupView | None = None
    generation: Generation | None = None
    marks: tuple[int, ...] = ()
    """Numbers of the marked generations of ``component``, ascending."""
    picked: tuple[ComponentView, ...] = ()
    """The components marked in the tree (those of marked containers and groups too), where it has the focus."""
    picked_found: tuple[Found, ...] = ()
    """What was found and is marked to be adopted, where the tree has the focus."""
    job: JobView | None = None
    """The job under the cursor, where jobs are listed."""
    undo: JobView | None = None
    """The newest job on the component (or on the whole group or container) that can be undone."""
    alarms: int = 0
    searching: bool = False
    """Whether rows that a search has found are listed, and have the focus."""
    trash: bool = False
    """Whether there is something in the trash that is listed."""
    working: bool = False
    """Whether work on other machines is under way."""
    policy: bool = False
    """Whether a policy was typed that the review is of."""
    planned: bool = False
    """Whether the screen has a plan to go on with."""
    planning: bool = False
    """Whether that plan is still being made."""
    reading: bool = False
    """Whether what the cursor would be on is still being read."""

    @property
    def key(self) -> ComponentKey | None:
        return self.component.key if self.component is not None else None

    @property
    def whole(self) -> str:
        """The group or container whose whole is meant; ``""`` where the cursor is on something else."""
        if self.group is not None:
            return self.group.name
        return self.container.name if self.container is not None and self.component is None else ""

    @property
    def members(self) -> tuple[ComponentView, ...]:
        """The components of that whole."""
        if self.group is not None:
            return self.group.components
        return self.container.components if self.whole and self.container is not None else ()

    @property
    def chosen(self) -> tuple[int, ...]:
        """The marked generations, or the one under the cursor."""
        if self.marks:
            return self.marks
        return (self.generation.number,) if self.generation is not None else ()
