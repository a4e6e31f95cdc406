# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""Messages and mailboxes back into live mail.

A message goes back under the name that it had, with its flags, and the mail server gives it a new UID, as IMAP demands
of one that had been expunged. Where its mailbox has a message of the same unique name by now, under any flags, that one
stays: it is the message. Copies of a message in several mailboxes may be names of one file, and are looked at as what
they are to the mail server, files of their own. Indexes and locks of a mailbox go with it.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Sequence
from contextlib import suppress

from dysnomia_plugins.base import PutRow
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.toolkit.filesets.putting.item import Item, read_raw
from dysnomia_plugins.toolkit.filesets.putting.live import LiveTree
from dysnomia_plugins.toolkit.guarded.folder import Folder, NotAFile
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, open_folder, write_all
from dysnomia_plugins.toolkit.trees.member import Kind
from dysnomia_plugins.types.maildir import names as naming


class MailTree(LiveTree):
    """The live mail, looked at by name. What a mailbox holds is looked up once."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._by_base: dict[str, dict[str, list[str]]] = {}

    def item(self, name: str) -> Item | None:
        return self.plain(name)

    @property
    def other_names(self) -> dict[str, str]:
        """None: each name of a file is a file of its own."""
        return {}

    def size(self, name: str) -> int | None:
        """Of a file; None where there is none."""
        try:
            with self.parent(name) as (folder, leaf):
                return os.lstat(leaf, dir_fd=folder).st_size
        except (OSError, LinkInTheWay):
            return None

    def counts(self, name: str) -> bool:
        folder, _, leaf = name.rpartition("/")
        if naming.holds_messages(folder):
            return True
        in_tmp = folder.rpartition("/")[2] == naming.TMP and self._is_mailbox(naming.mailbox_of(folder))
        if in_tmp:
            return False
        return naming.is_state(leaf) or (self._kind(name) is Kind.FOLDER and naming.is_state(leaf, folder=True))

    def taken(self, name: str, leaving: Collection[str]) -> str:
        what = naming.message(name)
        if what is None:
            return ""
        mailbox, _, leaf = what
        if mailbox not in self._by_base:
            self._by_base[mailbox] = _by_base(self, mailbox)
        others = self._by_base[mailbox].get(naming.unique(leaf), ())
        stays = next((one for one in others if one != name and one not in leaving), None)
        return "" if stays is None else f"the message is there, as {stays}: that one stays"

    def _is_mailbox(self, folder: str) -> bool:
        return self._kind(naming.below(folder, naming.CUR)) is Kind.FOLDER

    def _kind(self, name: str) -> Kind | None:
        try:
            with self.parent(name) as (folder, leaf):
                os.close(open_folder(leaf, folder))
        except (OSError, LinkInTheWay):
            return None
        return Kind.FOLDER


def _by_base(tree: LiveTree, mailbox: str) -> dict[str, list[str]]:
    """The names of a mailbox's messages by their unique names."""
    names: dict[str, list[str]] = {}
    for folder in (naming.NEW, naming.CUR):
        at = naming.below(mailbox, folder)
        for leaf in tree.entries(at) or ():
            names.setdefault(naming.unique(leaf), []).append(f"{at}/{leaf}")
    return names


def count(tree: MailTree, rows: Sequence[PutRow], left: Collection[int], was: Sequence[int | None]) -> None:
    """Add what was put back to the quota files, as a delivery does: a line each.

    Args:
        tree: the live mail.
        rows: what was to be put back.
        left: which of them was left alone.
        was: how many bytes live held in the place of each; None for nothing.
    """
    added: dict[str, tuple[int, int]] = {}
    for at, row in enumerate(rows):
        what = naming.message(row.section.name)
        if at in left or what is None or row.section.kind != Kind.FILE:
            continue
        now, wanted = was[at], None if row.wanted is None else int(read_raw(row.wanted)["size"])
        size, messages = added.get(what[0], (0, 0))
        added[what[0]] = size + (wanted or 0) - (now or 0), messages + (wanted is not None) - (now is not None)
    for mailbox, (size, messages) in added.items():
        if size or messages:
            _add_line(tree, mailbox, b"%d %d\n" % (size, messages))


def _add_line(tree: MailTree, mailbox: str, line: bytes) -> None:
    """To the quota file of the mailbox, or of the one that it is a subfolder of."""
    while True:
        with (
            suppress(OSError, LinkInTheWay, NotAFile),
            tree.parent(naming.below(mailbox, naming.QUOTA)) as (above, name),
        ):
            folder = Folder(os.dup(above), mailbox)
            with folder, folder.file(name, os.O_WRONLY | os.O_APPEND) as descriptor:
                write_all(descriptor, line)
                return
        if mailbox == ".":
            return
        mailbox = posixpath.dirname(mailbox) or "."
