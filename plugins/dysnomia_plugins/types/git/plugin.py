# Paths are plain strings here, as in what is shared with the fileset.
"""The type ``git-repository``: a bare repository of git below ``gitBaseDir``.

A snapshot is every reference with all objects it leads to, ``HEAD``, the reflogs and the files beside them
(configuration, hooks, LFS objects): see contents.py. Its id is the digest of references, commits and files, so a
repository that was only packed anew has the same. Objects that it borrows (alternates) are in it.

A place is a repository's folder, see toolkit/repositories/places.py. How pushes meet a restore: swap.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Found,
    Place,
    Preflight,
    Probe,
    Purpose,
    Row,
    Runner,
    StatePlugin,
    Stored,
)
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.interface.status import Status
from dysnomia_plugins.toolkit.guarded.acting import as_command
from dysnomia_plugins.toolkit.guarded.folder import identity_of
from dysnomia_plugins.toolkit.guarded.removal import remove_folder
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.repositories.making import drop_named
from dysnomia_plugins.toolkit.repositories.places import COPY, refuse_mount, wrapper_made, wrapper_of
from dysnomia_plugins.types.git import contents, discover, swap
from dysnomia_plugins.types.git import dump as dumping
from dysnomia_plugins.types.git.activation import activate
from dysnomia_plugins.types.git.load import NAMED, Loader
from dysnomia_plugins.types.git.places import Layout
from dysnomia_plugins.types.git.preflight import preflight
from dysnomia_plugins.types.git.repository import Repository
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink


class GitRepository(StatePlugin):
    """A bare repository."""

    type: ClassVar[str] = "git-repository"
    title: ClassVar[str] = "git repository"
    tools: ClassVar[tuple[str, ...]] = ("git",)
    digest_version: ClassVar[int] = 1
    main_artefact: ClassVar[str] = contents.BUNDLE

    # Life.

    def activate(self, ctx: Context) -> None:
        """Create the repository where there is none, with the bundles ``git-repositories/*`` of the component in it."""
        layout = Layout.of(ctx.component)
        beside = self.place(ctx, Purpose.BESIDE)
        try:
            activate(ctx, layout, beside)
        except BaseException:
            self.drop(ctx, beside)
            raise

    def deactivate(self, ctx: Context) -> None:
        """The repository stays; the engine marks it as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        """Delete the repository."""
        layout = Layout.of(ctx.component)
        if os.path.lexists(layout.live):
            refuse_mount(layout.live)
        remove_folder(layout.live)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell in the repository's folder, as whoever git runs as here: git obeys its configuration and hooks.
        As root only where nobody else may write them."""
        layout = Layout.of(component)
        actor = Repository(layout.live, ProcessRunner()).actor
        return [*as_command(actor), "env", f"--chdir={layout.live}", "bash", "-i"], {"GIT_DIR": layout.live}

    def probe(self, component: Component, runner: Runner) -> Probe:
        return discover.probe(Layout.of(component), runner)

    def status(self, component: Component, runner: Runner) -> Status:
        return discover.status(Layout.of(component), runner)

    def discover(self, runner: Runner) -> Iterable[Found]:
        return discover.discover(runner)

    def location(self, component: Component) -> tuple[str, ...]:
        return (os.path.realpath(Layout.of(component).live),)

    # Places.

    def live(self, component: Component) -> Place:
        return Place(Layout.of(component).live)

    def identity(self, component: Component) -> str:
        return identity_of([Layout.of(component).live])

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return Layout.of(ctx.component).made(ctx.tag, purpose)

    def address(self, component: Component) -> str:
        return f"the folder {Layout.of(component).parent}"

    def named(self, component: Component, name: str) -> Place:
        """A repository of that name beside what is live."""
        return Layout.of(component).named(name)

    def exists(self, ctx: Context, place: Place) -> bool:
        return os.path.lexists(place.name)

    def drop(self, ctx: Context, place: Place) -> None:
        layout = Layout.of(ctx.component)
        if place.name == layout.live:
            raise NotSafe(f"{place.name} is live", "deactivate the component and collect garbage")
        if not wrapper_of(place):
            drop_named(ctx, layout.made(ctx.tag, COPY), place, NAMED)
            return
        remove_folder(wrapper_of(place))

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """Also folders of the job's that are empty, and a copy that never got its name."""
        layout = Layout.of(ctx.component)
        places = [layout.made(ctx.tag, purpose) for purpose in (*Purpose, COPY)]
        return [place for place in places if os.path.lexists(wrapper_made(place))]

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        return dumping.dump(ctx, place, draft)

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        raise PluginError("a snapshot of a repository is rescanned artefact by artefact")

    def rescan_artefacts(self, ctx: Context, stored: Stored, draft: Draft) -> bool | None:
        return contents.rescan(stored, draft)

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return preflight(ctx, Layout.of(ctx.component), stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        if self.exists(ctx, place):
            raise NotSafe(f"{place.name} already exists", "nothing was loaded over it")
        Loader(ctx, Layout.of(ctx.component), stored, place).run(sections)

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        swap.swap(ctx, Layout.of(ctx.component), beside, aside)

    def recover(self, ctx: Context) -> bool:
        return swap.recover(ctx)

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        return contents.raw_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return contents.parse_row(section, raw)
