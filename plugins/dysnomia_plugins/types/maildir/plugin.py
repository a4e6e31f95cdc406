"""The type ``maildir``: the mail of one account.

A component is called as the account. What is live is its folder ``<mailRoot>/<component>/<mailFolder>``: a Maildir with
its subfolders, or the account's home with one in it. A snapshot is a tar of it as for a fileset (``filesets``), without
what the mail server makes anew: indexes, locks, half delivered messages. A restore is loaded beside and exchanged.

Container properties: ``mailRoot``, ``mailFolder``, ``mailOwner``.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Found,
    ListedState,
    LiveLook,
    Place,
    Preflight,
    Probe,
    Purpose,
    PutRow,
    Runner,
    Stored,
    WholeAsked,
)
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.toolkit.filesets.plugin import FilesetState
from dysnomia_plugins.toolkit.filesets.spec import FilesetSpec
from dysnomia_plugins.toolkit.guarded.folder import PRIVATE_FOLDER, Folder, hand_over
from dysnomia_plugins.toolkit.trees.names import purpose_of
from dysnomia_plugins.toolkit.trees.owners import owner_ids
from dysnomia_plugins.types.maildir import names as naming
from dysnomia_store.model import Section

if TYPE_CHECKING:
    from dysnomia_plugins.types.maildir.put_back import MailTree

_MADE = (naming.CUR, naming.NEW, naming.TMP)


class Maildir(FilesetState):
    """The mail of one account."""

    type: ClassVar[str] = "maildir"
    title: ClassVar[str] = "mailbox (Maildir)"
    property_names: ClassVar[tuple[str, ...]] = ("mailRoot", "mailFolder", "mailOwner")
    main_artefact: ClassVar[str] = "state.tar"

    def spec_of(self, component: Component) -> FilesetSpec:
        """All that is in the account's folder. Raises PluginError."""
        return FilesetSpec(
            target=folder_of(component), folders=(".",), links=(), owner=component.prop("mailOwner"), setting="mailRoot"
        )

    # Life.

    def activate(self, ctx: Context) -> None:
        """An account that has no mail yet gets an empty mailbox. Idempotent. Raises PluginError."""
        layout = self.layout_of(ctx.component)
        try:
            _activate(layout.target, *(owner_ids(layout.spec.owner) if layout.spec.owner else (-1, -1)))
        except OSError as error:
            raise PluginError(
                f"{layout.target} could not be made: {error.strerror} ({error.filename or ''})",
                "run it as root" if isinstance(error, PermissionError) else "",
            ) from error

    def deactivate(self, ctx: Context) -> None:
        """The mail stays; the engine marks it as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        layout = self.layout_of(ctx.component)
        layout.remove(layout.target)

    def probe(self, component: Component, runner: Runner) -> Probe:
        """Also how many messages there are, as far as they can be counted in a second."""
        from dysnomia_plugins.types.maildir.counted import count

        probe = super().probe(component, runner)
        return replace(probe, detail=count(folder_of(component))) if probe.up else probe

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        """Raises PluginError; NotSafe for what was set aside while somebody still writes in it: then it must stand."""
        from dysnomia_plugins.types.maildir.dump import dump

        return dump(ctx, self.layout_of(ctx.component), place, draft)

    def rescan_artefacts(self, ctx: Context, stored: Stored, draft: Draft) -> bool | None:
        from dysnomia_plugins.types.maildir import numbers

        with draft.artefact(self.main_artefact) as sink:
            whole = self.rescan(ctx, stored, sink)
        if numbers.ARTEFACT in stored.artefacts():
            with draft.artefact(numbers.ARTEFACT) as sink, stored.open(numbers.ARTEFACT) as stream:
                numbers.store(stream, sink)
        return whole

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        from dysnomia_plugins.types.maildir.preflight import restore_preflight

        return restore_preflight(ctx, self.layout_of(ctx.component), stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        """Also the numbers, where all of it is loaded; nobody looks at what is made for a proof. Raises PluginError."""
        from dysnomia_plugins.types.maildir import numbers

        super().load(ctx, stored, place, sections)
        if sections is not None or purpose_of(place) == Purpose.SCRATCH:
            return
        try:
            numbers.restore(stored, self.layout_of(ctx.component).target, place)
        except OSError as error:
            raise PluginError(
                f"{place.name} could not be loaded: {error.strerror} ({error.filename or ''})", "nothing was replaced"
            ) from error

    # Messages and mailboxes back into what is live.

    def live_tree(self, layout: Layout) -> MailTree:
        from dysnomia_plugins.types.maildir.put_back import MailTree

        return MailTree(layout)

    def whole_sections(self, ctx: Context, stored: Stored, asked: Sequence[WholeAsked]) -> Sequence[PutRow]:
        """Raises NotSafe for what the mail server makes anew, NotFound, PluginError, Corrupt."""
        from dysnomia_plugins.toolkit.filesets.putting.choice import split
        from dysnomia_plugins.types.maildir.messages import with_stored

        tree = self.live_tree(self.layout_of(ctx.component))
        for one in asked:
            name = split(one.section)[1]
            if not one.exact and not tree.counts(name):
                raise NotSafe(f"the mail server makes {name} anew", "name messages, or their folder")
        rows = with_stored(stored, super().whole_sections(ctx, stored, asked))
        if not any(one.lacking for one in asked):
            return rows
        # A message that has other flags by now, or was moved from new to cur, is not lacking.
        named = {split(one.section)[1] for one in asked if not one.lacking}
        return [row for row in rows if row.section.name in named or not tree.taken(row.section.name, ())]

    def put_sections_back(
        self, ctx: Context, stored: Stored, rows: Sequence[PutRow], seen: Sequence[str]
    ) -> Sequence[int]:
        """Raises NotSafe, PluginError, Cancelled."""
        from dysnomia_plugins.types.maildir import put_back

        tree = self.live_tree(self.layout_of(ctx.component))
        was = [tree.size(row.section.name) for row in rows]
        left = super().put_sections_back(ctx, stored, rows, seen)
        put_back.count(tree, rows, frozenset(left), was)
        return left

    # Which mail a message is.

    has_remarks: ClassVar[bool] = True

    def remark(self, stored: Stored, section: Section) -> str:
        from dysnomia_plugins.types.maildir.headers import in_words
        from dysnomia_plugins.types.maildir.messages import about_stored

        return in_words(about_stored(stored, section))

    def look_at_rows(self, ctx: Context, rows: Sequence[PutRow]) -> LiveLook:
        """Also of what live has instead: which mail it is."""
        from dysnomia_plugins.types.maildir.messages import with_live

        return with_live(self.live_tree(self.layout_of(ctx.component)), rows, super().look_at_rows(ctx, rows))

    # What there is.

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        from dysnomia_plugins.types.maildir.discover import accounts

        return accounts(root_of(container), subfolder_of(container))

    def discover(self, runner: Runner) -> Iterable[Found]:
        from dysnomia_plugins.types.maildir.discover import discover

        return discover(runner)


def root_of(component: Component) -> str:
    """The folder in which the accounts have theirs. Raises PluginError."""
    root = component.prop("mailRoot")
    if not root.startswith("/"):
        what = f"the mailRoot {root!r} is not absolute" if root else "the container has no mailRoot"
        raise PluginError(what, "set it to the folder that holds the mail of the accounts: mailRoot=/var/mail/vhosts")
    return posixpath.normpath("/" + root.lstrip("/"))


def subfolder_of(component: Component) -> str:
    """Where in an account's folder its mail is; ``.`` where it is that itself. Raises PluginError."""
    folder = component.prop("mailFolder", ".")
    if folder.startswith("/") or ".." in folder.split("/") or "\0" in folder:
        raise PluginError(f"the mailFolder {folder!r} leads out of the account's folder", "set it to a name: Maildir")
    return posixpath.normpath(folder)


def folder_of(component: Component) -> str:
    """Raises PluginError."""
    return posixpath.normpath(posixpath.join(root_of(component), component.key.component, subfolder_of(component)))


def _activate(target: str, uid: int, gid: int) -> None:
    """Where a mailbox is, it is left as it is, but for one that an activation which was killed left half made.

    Raises NotSafe, OSError."""
    parent, name = posixpath.split(target)
    with Folder.at(parent) as above:
        seen = above.stat()
        owner = (seen.st_uid if uid < 0 else uid, seen.st_gid if gid < 0 else gid)
        try:
            folder = above.make_folder(name, PRIVATE_FOLDER)
        except FileExistsError:
            folder = above.folder(name)
        with folder:
            if _is_half_made(folder):
                _fill(folder, *owner)


def _is_half_made(folder: Folder) -> bool:
    """Whether it is still ours alone, and there is nothing in it but what is made here."""
    seen = folder.stat()
    if seen.st_uid != os.geteuid() or stat.S_IMODE(seen.st_mode) != PRIVATE_FOLDER:
        return False
    return set(folder.names()) < set(_MADE) or (os.geteuid() == 0 and set(folder.names()) == set(_MADE))


def _fill(folder: Folder, uid: int, gid: int) -> None:
    """The folder itself is handed over last."""
    for name in _MADE:
        try:
            made = folder.make_folder(name, PRIVATE_FOLDER)
        except FileExistsError:
            made = folder.folder(name)
        with made:
            if made.stat().st_uid == os.geteuid():
                hand_over(made.descriptor, uid, gid, PRIVATE_FOLDER)
    hand_over(folder.descriptor, uid, gid, PRIVATE_FOLDER)
    folder.sync()
