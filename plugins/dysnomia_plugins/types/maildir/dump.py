# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""The snapshot of an account's mail: its messages by the names of one moment, as a tar, and the lists beside it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

from dysnomia_plugins.base import Context, Draft, Dumped, Place, Purpose
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.filesets.dump import (
    mounted_in_words,
    surroundings_of,
    wait_for_writers,
    written_meanwhile,
)
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.trees.contents import ARTEFACT
from dysnomia_plugins.toolkit.trees.dump import TICK, TreeDump
from dysnomia_plugins.toolkit.trees.known import FILE_SYSTEMS, JUST, LEAST, MAPPED, Known, Noting
from dysnomia_plugins.toolkit.trees.names import RootAt, purpose_of
from dysnomia_plugins.toolkit.trees.second_look import Began, changed_since
from dysnomia_plugins.toolkit.trees.unreadable import unreadable
from dysnomia_plugins.toolkit.trees.users import users_of
from dysnomia_plugins.types.maildir import names as naming
from dysnomia_plugins.types.maildir import numbers
from dysnomia_plugins.types.maildir.cut import Cut


def dump(ctx: Context, layout: Layout, place: Place, draft: Draft) -> Dumped:
    """Raises PluginError; NotSafe for what was set aside while somebody still writes in it: then it must stand."""
    aside = purpose_of(place) == Purpose.ASIDE
    if aside:
        # A mail server keeps its indexes open as long as a client is there, and writes in what was set aside until the
        # client asks for something: that is no state. A message that is being written is.
        wait_for_writers(ctx, layout, place, besides=lambda one: not naming.counts_as_written(one))
    roots = layout.roots_at(place)
    began = Began()
    cut = _taken(roots[0].path)
    as_of = datetime.now(UTC)
    kinds = layout.kinds_below(roots)
    tells = place == layout.live and kinds <= FILE_SYSTEMS
    tree = TreeDump(
        ctx,
        lambda: sinks.enter_context(draft.artefact(ARTEFACT)),
        roots,
        known=Known(ctx.earlier, ["."]) if tells and ctx.earlier is not None else None,
        noting=Noting() if tells else None,
        names=cut,
    )
    mailboxes = {mailbox: cut.messages(mailbox) for mailbox in cut.mailboxes()}
    with Folder.at(cut.top) as root, numbers.spool(ctx, root, mailboxes) as spooled:
        with ExitStack() as sinks:
            tree.run()
        if not tree.unchanged:
            with draft.artefact(numbers.ARTEFACT) as sink:
                numbers.store(spooled, sink)
    if aside:
        _refuse_changed(place, roots, began)
    mounted = [point for root in roots for point in layout.mounts_below(root.path)]
    return Dumped(
        as_of=as_of,
        end=datetime.now(UTC),
        complete=True,
        surroundings=surroundings_of(layout, roots),
        warnings=(*tree.warnings, *_in_words(cut, tree.changed), *map(mounted_in_words, mounted)),
        unchanged=tree.unchanged,
        note=_note(tree, cut.top, began.at),
    )


def _taken(top: str) -> Cut:
    cut = Cut(top)
    try:
        cut.take()
    except FileNotFoundError as error:
        raise PluginError(f"{top} is not there", "activate the component, or restore a generation of it") from error
    except LinkInTheWay as error:
        raise PluginError(
            f"{top} goes through a link, or is not a folder", "set mailRoot to the real folder"
        ) from error
    except OSError as error:
        raise unreadable(str(error.filename or top), error) from error
    return cut


def _refuse_changed(place: Place, roots: Sequence[RootAt], began: Began) -> None:
    changed = changed_since(roots, *began.until_now(own_clock=False, before=int(TICK * 1e9)))
    late = [name for name in changed if naming.counts_as_written(name) and not _is_mailbox(place, name)]
    if late:
        raise written_meanwhile(late[0], place)


def _is_mailbox(place: Place, name: str) -> bool:
    """Whether it is a folder in which locks and indexes come and go."""
    if naming.holds_messages(name):
        return False
    try:
        Folder.at(posixpath.normpath(posixpath.join(place.name, name))).close()
    except (OSError, LinkInTheWay):
        return False
    return True


def _note(tree: TreeDump, top: str, began: int) -> bytes | None:
    """What the next dump should know; None where a dump that reads everything takes no longer."""
    if tree.noting is None or tree.unchanged or tree.members < LEAST:
        return None
    writes = users_of([top], writers_only=True, besides=lambda one: not naming.counts_as_written(one))
    return tree.noting.note(["."], began - (MAPPED if writes else JUST))


def _in_words(cut: Cut, torn: Sequence[str]) -> Iterator[str]:
    yield from torn[:10]
    if len(torn) > 10:
        yield f"…and {len(torn) - 10:,} more changed while they were read"
    if not cut.steady:
        yield (
            "mail came and went all the time: each message of a folder is in the snapshot once, but one that was moved "
            "to another folder meanwhile may be in both, or in none"
        )
    gone = cut.perhaps_moved
    if gone:
        yield (
            f"{len(gone):,} messages were deleted, or moved as copies under other names, before they could be read, "
            f"and are not in the snapshot ({gone[0]})"
        )
    missed = cut.missed()
    if missed:
        yield (
            f"{len(missed):,} messages were renamed more quickly than they could be read, and are not in the snapshot "
            f"({missed[0]}): take another"
        )
