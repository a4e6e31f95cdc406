# Paths are plain strings here, as in what is shared with the fileset.
"""A type whose state is one repository's folder: what Subversion's and git's have in common."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Place, Purpose, StatePlugin, Stored
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import identity_of
from dysnomia_plugins.toolkit.guarded.removal import remove_folder
from dysnomia_plugins.toolkit.repositories.making import drop_named
from dysnomia_plugins.toolkit.repositories.places import (
    COPY,
    Layout,
    refuse_mount,
    remove_wrapper,
    wrapper_made,
    wrapper_of,
)
from dysnomia_store.sink import ContentSink


class RepositoryState(StatePlugin):
    """One repository, which is made, loaded and exchanged as a whole."""

    digest_version: ClassVar[int] = 1
    copy_named: ClassVar[str]
    """The step in the journal that says which folder gets a copy's name."""

    @abstractmethod
    def layout_of(self, component: Component) -> Layout:
        """The places of a component. Raises PluginError, NotSafe."""

    @abstractmethod
    def create(self, ctx: Context, beside: Place) -> None:
        """Make it beside with its initial state, and give it its name, where there is none. Raises PluginError; what
        was made then is dropped by the caller."""

    # Life.

    def activate(self, ctx: Context) -> None:
        """Create the repository where there is none, with its initial state."""
        beside = self.place(ctx, Purpose.BESIDE)
        try:
            self.create(ctx, beside)
        except BaseException:
            self.drop(ctx, beside)
            raise

    def deactivate(self, ctx: Context) -> None:
        """The repository stays; the engine marks it as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        """Delete the repository."""
        live = self.layout_of(ctx.component).live
        if os.path.lexists(live):
            refuse_mount(live)
        remove_folder(live)

    def location(self, component: Component) -> tuple[str, ...]:
        return (os.path.realpath(self.layout_of(component).live),)

    # Places.

    def live(self, component: Component) -> Place:
        return Place(self.layout_of(component).live)

    def identity(self, component: Component) -> str:
        return identity_of([self.layout_of(component).live])

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return self.layout_of(ctx.component).made(ctx.tag, purpose)

    def address(self, component: Component) -> str:
        return f"the folder {self.layout_of(component).parent}"

    def named(self, component: Component, name: str) -> Place:
        """A repository of that name beside what is live."""
        return self.layout_of(component).named(name)

    def exists(self, ctx: Context, place: Place) -> bool:
        return os.path.lexists(place.name)

    def drop(self, ctx: Context, place: Place) -> None:
        layout = self.layout_of(ctx.component)
        if place.name == layout.live:
            raise NotSafe(f"{place.name} is live", "deactivate the component and collect garbage")
        if not wrapper_of(place):
            drop_named(ctx, layout.made(ctx.tag, COPY), place, self.copy_named)
            return
        remove_wrapper(place)

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """Also folders of the job's that are empty, and a copy that never got its name."""
        layout = self.layout_of(ctx.component)
        places = [layout.made(ctx.tag, purpose) for purpose in (*Purpose, COPY)]
        return [place for place in places if os.path.lexists(wrapper_made(place))]

    # Snapshot and restore.

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        raise PluginError("a snapshot of a repository is rescanned artefact by artefact")

    def refuse_existing(self, ctx: Context, place: Place) -> None:
        """Raises NotSafe where something is at a place that a snapshot is to be loaded into."""
        if self.exists(ctx, place):
            raise NotSafe(f"{place.name} already exists", "nothing was loaded over it")
