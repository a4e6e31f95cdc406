# Paths are plain strings here, as in what is shared with the fileset.
"""The type ``subversion-repository``: a repository of Subversion's FSFS below ``svnBaseDir``.

A snapshot is the whole history, the locks, and the files beside them (hooks, configuration): see svn/contents.py. Its
id is the digest of all of it, so two snapshots at the same revision that differ have different ids; which revision it
is, is in its list of revisions and in what is known of it (``youngest``). Dysnomia's own snapshots, which are named by
a revision and hold the files of that one alone, are read, checked and restored as well: the revision keeps its number.

Container properties: ``svnBaseDir``, ``svnGroup``. A place is a repository's folder, see svn/places.py.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Found,
    ListedState,
    Place,
    Preflight,
    Probe,
    Row,
    Runner,
    Stored,
)
from dysnomia_plugins.interface.status import Status
from dysnomia_plugins.toolkit.guarded.acting import as_command
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.repositories.listing import list_repositories
from dysnomia_plugins.toolkit.repositories.places import base_folder
from dysnomia_plugins.toolkit.repositories.plugin import RepositoryState
from dysnomia_plugins.types.subversion import contents, discover, swap
from dysnomia_plugins.types.subversion import dump as dumping
from dysnomia_plugins.types.subversion.activation import activate
from dysnomia_plugins.types.subversion.load import NAMED, Loader
from dysnomia_plugins.types.subversion.places import Layout
from dysnomia_plugins.types.subversion.preflight import preflight
from dysnomia_plugins.types.subversion.repository import Repository
from dysnomia_store.model import Section


class SubversionRepository(RepositoryState):
    """A repository."""

    type: ClassVar[str] = "subversion-repository"
    title: ClassVar[str] = "Subversion repository"
    property_names: ClassVar[tuple[str, ...]] = ("svnBaseDir", "svnGroup")
    tools: ClassVar[tuple[str, ...]] = ("svnadmin", "svnlook")
    packages: ClassVar[Mapping[str, str]] = {"svnadmin": "subversion", "svnlook": "subversion"}
    main_artefact: ClassVar[str] = contents.DUMP
    copy_named: ClassVar[str] = NAMED

    # Life.

    def layout_of(self, component: Component) -> Layout:
        return Layout.of(component)

    def create(self, ctx: Context, beside: Place) -> None:
        activate(ctx, Layout.of(ctx.component), beside)

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

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        return list_repositories(base_folder(container, "svnBaseDir"), "svnBaseDir", {"format", "db", "hooks"}.issubset)

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        return dumping.dump(ctx, place, draft)

    def rescan_artefacts(self, ctx: Context, stored: Stored, draft: Draft) -> bool | None:
        return contents.rescan(stored, draft)

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return preflight(ctx, Layout.of(ctx.component), stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        self.refuse_existing(ctx, place)
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
