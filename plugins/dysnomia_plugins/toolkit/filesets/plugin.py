# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""State that is folders of files below a target folder: what ``fileset`` is, and what other types have of it.

A snapshot is one tar, ``state.tar``, of the folders that the component names with ``mkdir``. Its identity is what the
files are (kind, name, mode, owner, link target, extended attributes, content), not when they were written nor where
their holes are. A restore loads beside and exchanges; what was live is set aside whole and is the guard.
"""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    LiveLook,
    Place,
    Preflight,
    Probe,
    Purpose,
    PutRow,
    Row,
    Runner,
    StatePlugin,
    Stored,
    WholeAsked,
)
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.files_reader import content_row
from dysnomia_plugins.toolkit.filesets.places import NAMED, Layout
from dysnomia_plugins.toolkit.filesets.spec import FilesetSpec, read_spec
from dysnomia_plugins.toolkit.guarded.folder import Folder, identity_of
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.trees.names import purpose_of
from dysnomia_plugins.toolkit.trees.owners import owner_ids
from dysnomia_plugins.toolkit.trees.size import measure
from dysnomia_plugins.toolkit.trees.users import users_of
from dysnomia_store.errors import NameRejected
from dysnomia_store.model import Section
from dysnomia_store.names import validate_name
from dysnomia_store.sink import ContentSink

if TYPE_CHECKING:
    from dysnomia_plugins.toolkit.filesets.putting.live import LiveTree
    from dysnomia_plugins.toolkit.trees.exchange import RootSwap
    from dysnomia_plugins.toolkit.trees.extract import Trust


class FilesetState(StatePlugin):
    """Folders of files."""

    digest_version: ClassVar[int] = 1

    def spec_of(self, component: Component) -> FilesetSpec:
        """What the component's files say. Raises PluginError."""
        return read_spec(component)

    def layout_of(self, component: Component) -> Layout:
        """The places of a component, as its files and this machine's mounts are now. Raises PluginError."""
        return Layout(self.spec_of(component))

    # Deployment.

    def activate(self, ctx: Context) -> None:
        from dysnomia_plugins.toolkit.filesets import activation

        activation.activate(self.layout_of(ctx.component))

    def deactivate(self, ctx: Context) -> None:
        from dysnomia_plugins.toolkit.filesets import activation

        activation.deactivate(self.layout_of(ctx.component))

    def collect_garbage(self, ctx: Context) -> None:
        from dysnomia_plugins.toolkit.filesets import activation

        activation.collect(self.layout_of(ctx.component))

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell in the target folder."""
        layout = self.layout_of(component)
        environment = {"targetDir": layout.spec.target, "filesetOwner": layout.spec.owner}
        return ("env", f"--chdir={layout.target}", "bash", "-i"), environment

    def probe(self, component: Component, runner: Runner) -> Probe:
        """Size as far as it can be counted in a second, and who has files open."""
        layout = self.layout_of(component)
        roots = layout.roots_at(layout.live)
        missing = [root.path for root in roots if not _is_folder(root.path)]
        size, whole = measure([root.path for root in roots], deadline=time.monotonic() + 1.0)
        users = users_of([root.path for root in roots])
        detail = (
            f"{', '.join(missing)} not there" if missing else "" if whole else "too many files to count in a second"
        )
        return Probe(
            up=not missing,
            version=layout.mount_of(layout.target).kind,
            size=size if whole else None,
            clients=len(users),
            who=tuple(map(str, users)),
            detail=detail,
        )

    # Places.

    def live(self, component: Component) -> Place:
        return self.layout_of(component).live

    def identity(self, component: Component) -> str:
        layout = self.layout_of(component)
        return identity_of([root.path for root in layout.roots_at(layout.live)])

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return self.layout_of(ctx.component).made(ctx.tag, purpose)

    def address(self, component: Component) -> str:
        return f"the folder {posixpath.dirname(self.layout_of(component).target)}"

    def named(self, component: Component, name: str) -> Place:
        """A folder of that name beside the target folder.

        Raises PluginError for a name that no copy can have, or that is the live state's."""
        layout = self.layout_of(component)
        try:
            validate_name(name, "copy")
        except NameRejected as error:
            raise PluginError(error.message, error.hint) from error
        if name == posixpath.basename(layout.target):
            raise PluginError(f"{name!r} is the live state", "choose another name for the copy")
        return Place(posixpath.join(posixpath.dirname(layout.target), name))

    def exists(self, ctx: Context, place: Place) -> bool:
        from dysnomia_plugins.toolkit.trees.exchange import identity

        layout = self.layout_of(ctx.component)
        if place != layout.live and not purpose_of(place):
            return os.path.lexists(place.name)
        return any(identity(root.path) is not None for root in layout.roots_at(place))

    def drop(self, ctx: Context, place: Place) -> None:
        layout = self.layout_of(ctx.component)
        if place == layout.live:
            raise NotSafe(f"{place.name} is live", "deactivate the component and collect garbage")
        if purpose_of(place):
            for base in layout.bases(place):
                layout.remove_made(base)
            return
        layout.remove_made(layout.copy_in_the_making(place, ctx.tag))
        inode = identity_of([place.name]) if os.path.lexists(place.name) else ""
        noted = [data for name, data in ctx.journal.steps() if name == NAMED and data["place"] == place.name]
        if inode and any(data["identity"] == inode for data in noted):
            layout.remove(place.name)
        elif inode:
            ctx.progress.log(f"{place.name} is not what this job made, and was left as it is")

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """Also folders of the job's that are empty, and a copy that never got its name."""
        layout = self.layout_of(ctx.component)
        places = [self.place(ctx, purpose) for purpose in Purpose]
        existing = [place for place in places if any(os.path.lexists(base) for base in layout.bases(place))]
        copy = layout.copy_in_the_making(Place(layout.target), ctx.tag)
        return [*existing, Place(copy)] if os.path.lexists(copy) else existing

    # Snapshot. What makes and reads it is imported when it is needed: a status asks of all types what they are.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        """Raises NothingKept where the component lists links alone, NotSafe for what was set aside while somebody still
        writes in it: then it must stand."""
        from dysnomia_plugins.toolkit.filesets.dump import dump

        return dump(ctx, self.layout_of(ctx.component), place, draft)

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        from dysnomia_plugins.toolkit.trees.contents import ARTEFACT, rescan_tar

        with stored.open(ARTEFACT) as stream:
            return rescan_tar(stream, sink)

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        from dysnomia_plugins.toolkit.filesets.preflight import restore_preflight

        return restore_preflight(ctx, self.layout_of(ctx.component), stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        from dysnomia_plugins.toolkit.filesets.load import Loader
        from dysnomia_plugins.toolkit.trees.extract import Trust

        layout = self.layout_of(ctx.component)
        if place == layout.live or self.exists(ctx, place):
            raise NotSafe(f"{place.name} already exists", "nothing was loaded over it")
        owner = owner_ids(layout.spec.owner) if layout.spec.owner else None
        scratch = purpose_of(place) == Purpose.SCRATCH
        # A proof needs every attribute. Nobody but its maker may enter a scratch folder, so nothing in it can harm.
        trust = Trust(ctx.made_here or scratch, owner, exact=scratch)
        Loader(ctx, layout, stored, place, trust).run(sections)

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        from dysnomia_plugins.toolkit.trees.exchange import swap_roots

        layout = self.layout_of(ctx.component)
        for root in layout.roots_at(layout.live):
            mounted = None if layout.swapped_inside(root.root) else next(layout.mounts_below(root.path), None)
            if mounted is not None:
                raise NotSafe(f"{mounted} is mounted inside {root.path}", "unmount it first; live is unchanged")
        swap_roots(self._swaps(layout, beside, aside), ctx.journal)

    def _swaps(self, layout: Layout, beside: Place, aside: Place) -> tuple[RootSwap, ...]:
        from dysnomia_plugins.toolkit.trees.exchange import RootSwap, identity

        three = zip(*(layout.roots_at(place) for place in (layout.live, beside, aside)), strict=True)
        return tuple(
            RootSwap(
                root=live.root,
                live=live.path,
                beside=new.path,
                aside=old.path,
                old=identity(live.path),
                new=identity(new.path),
                move=layout.swapped_inside(live.root),
            )
            for live, new, old in three
        )

    def recover(self, ctx: Context) -> bool:
        from dysnomia_plugins.toolkit.filesets.putting import put
        from dysnomia_plugins.toolkit.trees.exchange import recover_swap

        if put.begun(ctx.journal):
            return put.recover_put(ctx.journal, self.layout_of(ctx.component))
        return recover_swap(ctx.journal)

    # Files and folders back into what is live.

    puts_back: ClassVar[bool] = True
    puts_back_sections: ClassVar[bool] = True
    put_back_word: ClassVar[str] = "file"
    put_back_in_transaction: ClassVar[bool] = False

    def live_tree(self, layout: Layout) -> LiveTree:
        """What is live, to be looked at by name."""
        from dysnomia_plugins.toolkit.filesets.putting.live import LiveTree

        return LiveTree(layout)

    def whole_sections(self, ctx: Context, stored: Stored, asked: Sequence[WholeAsked]) -> Sequence[PutRow]:
        from dysnomia_plugins.toolkit.filesets.putting import choice

        layout = self.layout_of(ctx.component)
        return choice.chosen(self.live_tree(layout), stored, self._trust(ctx, layout), asked)

    def look_at_rows(self, ctx: Context, rows: Sequence[PutRow]) -> LiveLook:
        from dysnomia_plugins.toolkit.filesets.putting import look

        return look.Look(self.live_tree(self.layout_of(ctx.component)), rows).answer()

    def put_sections_back(
        self, ctx: Context, stored: Stored, rows: Sequence[PutRow], seen: Sequence[str]
    ) -> Sequence[int]:
        from dysnomia_plugins.toolkit.filesets.putting import put

        layout = self.layout_of(ctx.component)
        return put.put_back(ctx, self.live_tree(layout), stored, self._trust(ctx, layout), rows, seen)

    def parse_whole(self, raw: bytes) -> Mapping[str, str]:
        from dysnomia_plugins.toolkit.filesets.putting import item

        return item.shown(raw)

    def _trust(self, ctx: Context, layout: Layout) -> Trust:
        from dysnomia_plugins.toolkit.trees.extract import Trust

        return Trust(ctx.made_here, owner_ids(layout.spec.owner) if layout.spec.owner else None)

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        from dysnomia_plugins.toolkit.trees.contents import member_rows

        return member_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return content_row(section, raw)


def _is_folder(path: str) -> bool:
    """Whether a folder is there, through no link."""
    try:
        with Folder.at(path):
            return True
    except (OSError, LinkInTheWay):
        return False
