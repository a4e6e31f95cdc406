"""Names in a tree of Maildirs: which of them are state, and what the name of a message says.

A Maildir is a folder with the folders ``cur``, ``new`` and ``tmp`` in it. Its subfolders are folders in it that begin
with a full stop (Maildir++), or any others (Dovecot's ``LAYOUT=fs``). A message's unique name never changes; flags
follow it (``:2,FS``), and ``new`` becomes ``cur``, by rename.

Sources: https://cr.yp.to/proto/maildir.html, https://www.courier-mta.org/imap/README.maildirquota.html,
https://doc.dovecot.org/2.3/admin_manual/mailbox_formats/maildir/.
"""

from __future__ import annotations

import re

CUR, NEW, TMP = "cur", "new", "tmp"
UIDLIST, QUOTA = "dovecot-uidlist", "maildirsize"
COUNTED = frozenset({UIDLIST, QUOTA})
"""What a mail server numbers and counts messages by: it comes back, with new numbers (``numbers``), and is no part of
the identity."""
FLAGS = ":2,"
MARKS = "DFPRSTabcdefghijklmnopqrstuvwxyz"
"""The letters of flags: those of Maildir's own, and Dovecot's keywords."""
_DERIVED = re.compile(
    r"""
    dovecot\.(?:list\.)?index(?:[.-].*)?  # indexes, logs and caches of mailboxes and of the list of them
    | dovecot\.(?:mailbox\.log|map\.index)(?:\..*)?
    | dovecot-(?:uidvalidity|acl-list|vsize)(?:[.-].*)?
    | \.?dovecot\.lda-dupes(?:\..*)?
    | courierimap(?:uiddb|session.*|hieracl.*)
    | (?:dovecot[.-][a-z-]+|subscriptions|maildirsize|dovecot-uidlist)\.(?:lock|tmp|newlock)
    | maildirsize\..*
    | \.temp\..+\.[0-9]+\.[0-9a-f]+  # what becomes a lock, or a new version of a list
    | .*\.svbin  # a compiled Sieve script
    """,
    re.VERBOSE | re.DOTALL,
)

_SEARCHED = frozenset({"lucene-indexes", "xapian-indexes", "fts-flatcurve"})
"""Folders of indexes for searches."""


def is_state(name: str, *, folder: bool = False) -> bool:
    """Whether what has that name, in a folder that holds no messages, is state that is stored as it stands. A mailbox
    may be called anything."""
    if folder:
        return name not in _SEARCHED
    return name not in COUNTED and _DERIVED.fullmatch(name) is None


def counts_as_written(path: str) -> bool:
    """Whether a program that has this file open for writing may write state into it: a mail server holds its indexes
    open as long as a client is there."""
    folder, _, name = path.rpartition("/")
    if folder.rpartition("/")[2] == TMP:
        return False  # whoever delivers it finds that it is gone, and delivers it again
    return is_state(name) or holds_messages(folder)


def holds_messages(folder: str) -> bool:
    """Whether a folder is one in which messages stand."""
    return folder.rpartition("/")[2] in (CUR, NEW)


def mailbox_of(folder: str) -> str:
    """The Maildir that ``cur`` or ``new`` is in; ``.`` is the whole tree's."""
    return folder.rpartition("/")[0] or "."


def below(folder: str, name: str) -> str:
    """The name of what is in a folder of the tree."""
    return name if folder == "." else f"{folder}/{name}"


def unique(name: str) -> str:
    """A message's unique name: without its flags."""
    return name.partition(":")[0]


def flags(name: str) -> str:
    """The letters of its flags; ``""`` where it has none."""
    return name.partition(FLAGS)[2]


def message(name: str) -> tuple[str, str, str] | None:
    """Mailbox, ``cur`` or ``new``, and file name of a message of the tree; None for what is none."""
    folder, _, leaf = name.rpartition("/")
    if not leaf or not holds_messages(folder):
        return None
    return mailbox_of(folder), folder.rpartition("/")[2], leaf


def likely_names(folder: str, leaf: str) -> list[str]:
    """What a message is most likely called by now, in its mailbox: moved to ``cur``, one flag more or fewer."""
    base, marks = unique(leaf), flags(leaf)
    other = [f"{NEW}/{base}", f"{CUR}/{base}{FLAGS}", f"{CUR}/{base}{FLAGS}S", f"{CUR}/{leaf}"]
    for mark in MARKS:
        now = "".join(sorted(set(marks) ^ {mark}))
        other += [f"{folder}/{base}{FLAGS}{now}", f"{CUR}/{base}{FLAGS}{now}"]
    return list(dict.fromkeys(other))
