# Paths are plain strings here, as in what is shared with the fileset.
"""The type ``git-repository``: a bare repository of git below ``gitBaseDir``.

A snapshot is every reference with all objects it leads to, ``HEAD``, the reflogs and the files beside them
(configuration, hooks, LFS objects): see contents.py. Its id is the digest of references, commits and files, so a
repository that was only packed anew has the same. Objects that it borrows (alternates) are in it.

A place is a repository's folder, see toolkit/repositories/places.py. How pushes meet a restore: swap.py.
"""

from __future__ import annotations

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
from dysnomia_plugins.types.git import contents, discover, swap
from dysnomia_plugins.types.git import dump as dumping
from dysnomia_plugins.types.git.activation import activate
from dysnomia_plugins.types.git.load import NAMED, Loader
from dysnomia_plugins.types.git.places import SETTING, Layout
from dysnomia_plugins.types.git.preflight import preflight
from dysnomia_plugins.types.git.repository import Repository
from dysnomia_store.model import Section


class GitRepository(RepositoryState):
    """A bare repository."""

    type: ClassVar[str] = "git-repository"
    title: ClassVar[str] = "git repository"
    property_names: ClassVar[tuple[str, ...]] = ("gitBaseDir",)
    tools: ClassVar[tuple[str, ...]] = ("git",)
    main_artefact: ClassVar[str] = contents.BUNDLE
    copy_named: ClassVar[str] = NAMED

    # Life.

    def layout_of(self, component: Component) -> Layout:
        return Layout.of(component)

    def create(self, ctx: Context, beside: Place) -> None:
        activate(ctx, Layout.of(ctx.component), beside)

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

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        return list_repositories(base_folder(container, SETTING), SETTING, {"HEAD", "objects", "refs"}.issubset)

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
