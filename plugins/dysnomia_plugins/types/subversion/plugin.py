# Paths are plain strings here, as in what is shared with the fileset.
"""The type ``subversion-repository``: a repository of Subversion's FSFS below ``svnBaseDir``.

A snapshot is the whole history, the locks, and the files beside them (hooks, configuration): see svn/contents.py. Its
id is the digest of all of it, so two snapshots at the same revision that differ have different ids; which revision it
is, is in its list of revisions and in what is known of it (``youngest``). Dysnomia's own snapshots, which are named by
a revision and hold the files of that one alone, are read, checked and restored as well: the revision keeps its number.

Container properties: ``svnBaseDir``, ``svnGroup``. A place is a repository's folder, see svn/places.py.
"""

from __future__ import annotations

import os
import urllib.parse
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
from dysnomia_plugins.types.subversion import contents, discover, swap
from dysnomia_plugins.types.subversion import dump as dumping
from dysnomia_plugins.types.subversion.activation import activate
from dysnomia_plugins.types.subversion.load import NAMED, Loader
from dysnomia_plugins.types.subversion.places import Layout
from dysnomia_plugins.types.subversion.preflight import preflight
from dysnomia_plugins.types.subversion.repository import Repository
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink


class SubversionRepository(StatePlugin):
    """A repository."""

    type: ClassVar[str] = "subversion-repository"
    title: ClassVar[str] = "Subversion repository"
    tools: ClassVar[tuple[str, ...]] = ("svnadmin", "svnlook")
    packages: ClassVar[Mapping[str, str]] = {"svnadmin": "subversion", "svnlook": "subversion"}
    digest_version: ClassVar[int] = 1
    main_artefact: ClassVar[str] = contents.DUMP

    # Life.

    def activate(self, ctx: Context) -> None:
        """Create the repository where there is none, with ``subversion-repositories/*`` of the component in it."""
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
        """A shell in the repository's folder, as whoever its programs run as here: svnadmin, svnlook and svn are for
        the command line, and run hooks. As root only where nobody else may write what they run.

        ``$REPOS`` is its path and ``$URL`` what ``svn`` takes."""
        layout = Layout.of(component)
        actor = Repository(layout.live, ProcessRunner()).actor
        argv = [*as_command(actor), "env", f"--chdir={layout.live}", "bash", "-i"]
        return argv, {"REPOS": layout.live, "URL": f"file://{urllib.parse.quote(layout.live)}"}

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
