# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""What a mail server numbers and counts messages by: stored beside the mail, and given back with new numbers.

An IMAP client keeps what it has read under the mailbox's UIDVALIDITY and the message's UID, and takes it that this pair
never means another message. A list that is brought back as it was would give the next message a UID that clients have
seen on one that is gone now. So a restored mailbox gets a UIDVALIDITY that it never had, higher than any before: each
client forgets what it had kept, and reads the mailbox anew. The UIDs in the list, and with them the order of messages
and what POP3 clients know them by, stay. These lists are no part of a snapshot's identity: the state that was restored
has the id it was restored from, and a client that has only looked makes no new state.

The quota file's first line says what may be stored; what is stored is counted again.

Sources: RFC 3501, 2.3.1.1; https://doc.dovecot.org/2.3/admin_manual/mailbox_formats/maildir/ ("dovecot-uidlist v3");
https://www.courier-mta.org/imap/README.maildirquota.html.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO

from dysnomia_plugins.base import Context, Place, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder, NotAFile, hand_over
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, open_below, write_all
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.tarread import CHUNK, Entry, TarReader
from dysnomia_plugins.toolkit.trees.tarwrite import END, header, padding
from dysnomia_plugins.toolkit.trees.walk import member_of
from dysnomia_plugins.types.maildir import names as naming
from dysnomia_store.sink import ContentSink

ARTEFACT = "numbers.tar"
MAKING = ".dysnomia-numbers"
_LARGEST = (1 << 32) - 1
_LEAST, _A_MESSAGE = 1 << 20, 2048
"""Bytes of one such file that are stored: so many, and so many more for each message in the mailbox. Whoever owns it
could make it as large as he likes, and the file system of the store full."""
_LINE = 4096
_HEAD = re.compile(rb"3(?= )(.*? )V([0-9]{1,10})(?= )(.*)", re.DOTALL)
_QUOTA = re.compile(rb"[0-9SC,]{1,100}")
_SIZE = re.compile(r",S=([0-9]{1,15})")


def spool(ctx: Context, root: Folder, mailboxes: Mapping[str, int]) -> BinaryIO:
    """Copy the lists of all mailboxes (with how many messages each has) aside, as a tar. To be closed.

    Raises PluginError."""
    spooled: BinaryIO = tempfile.TemporaryFile(dir=ctx.staging)  # noqa: SIM115
    try:
        for mailbox, messages in mailboxes.items():
            ctx.cancel.check()
            for name in sorted(naming.COUNTED):
                _spool_one(root, mailbox, name, _LEAST + _A_MESSAGE * messages, spooled)
        spooled.write(END)
        spooled.seek(0)
    except OSError as error:
        spooled.close()
        raise PluginError(
            f"the lists of {root.path} could not be copied to {ctx.staging} ({error.strerror})", "nothing was stored"
        ) from error
    except BaseException:
        spooled.close()
        raise
    return spooled


def _spool_one(root: Folder, mailbox: str, name: str, most: int, spooled: BinaryIO) -> None:
    """One that is replaced while it is read is read as it was: it is never written over."""
    try:
        with _inside(root, mailbox) as folder, folder.file(name) as descriptor:
            seen = os.fstat(descriptor)
            size = seen.st_size
            if size > most:
                return
            member = member_of(naming.below(mailbox, name), seen, Kind.FILE, "", ())
            spooled.write(header(member)[0])
            at = 0
            while at < size:
                data = os.pread(descriptor, min(CHUNK, size - at), at) or bytes(min(CHUNK, size - at))
                spooled.write(data)
                at += len(data)
            spooled.write(padding(size))
    except (FileNotFoundError, LinkInTheWay, NotAFile):
        return


def store(spooled: BinaryIO, sink: ContentSink) -> None:
    """They are stored, and are no part of the identity."""
    while data := spooled.read(CHUNK):
        sink.store_only(data)


def restore(stored: Stored, live: str, place: Place) -> None:
    """Give the mailboxes at a place their lists, with numbers that no client knows. Raises BadArchive, OSError."""
    if ARTEFACT not in stored.artefacts():
        return
    now = int(time.time())
    with Folder.at(place.name) as root, stored.open(ARTEFACT) as stream:
        for entry in TarReader(stream):
            mailbox, name = posixpath.split(entry.member.name)
            if entry.member.kind is not Kind.FILE or name not in naming.COUNTED:
                entry.skip()
                continue
            try:
                folder = _inside(root, mailbox or ".")
            except (FileNotFoundError, LinkInTheWay):
                entry.skip()
                continue
            with folder, suppress(FileExistsError):
                if name == naming.UIDLIST:
                    _uidlist(folder, entry, max(now, uidvalidity(live, mailbox or ".") + 1))
                else:
                    _quota(folder, entry)


def uidvalidity(top: str, mailbox: str) -> int:
    """Of a mailbox as it is; 0 where it has none."""
    try:
        with Folder.at(top) as root, _inside(root, mailbox) as folder:
            head = _HEAD.match(folder.read_bytes(naming.UIDLIST, _LINE).partition(b"\n")[0])
    except (OSError, LinkInTheWay, NotAFile):
        return 0
    return int(head[2]) if head is not None else 0


def _uidlist(folder: Folder, entry: Entry, least: int) -> None:
    """A list whose head is not understood is left away: the server makes a new one."""
    chunks = entry.content()
    first, newline, rest = next(chunks, (0, b""))[1].partition(b"\n")
    head = _HEAD.fullmatch(first) if newline and len(first) < _LINE else None
    new = max(least, int(head[2]) + 1) if head is not None else _LARGEST + 1
    if head is None or new > _LARGEST:
        _drain(chunks)
        return
    content = b"3%bV%d%b\n" % (head[1], new, head[3])
    _write(folder, naming.UIDLIST, entry.member, _pieces(content + rest, chunks))


def _quota(folder: Folder, entry: Entry) -> None:
    """What it allows, then what there is: bytes and messages."""
    chunks = entry.content()
    definition = next(chunks, (0, b""))[1].partition(b"\n")[0]
    _drain(chunks)
    if _QUOTA.fullmatch(definition) is None:
        return
    size = count = 0
    for message in _sizes(folder):
        size += message
        count += 1
    _write(folder, naming.QUOTA, entry.member, iter([b"%b\n%12d %12d\n" % (definition, size, count)]))


def _sizes(root: Folder) -> Iterator[int]:
    """Of all messages below a folder: as the name says (it is that before compression), else as it is on disk."""
    waiting = ["."]
    while waiting:
        at = waiting.pop()
        with _inside(root, at) as folder, os.scandir(folder.descriptor) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(naming.below(at, entry.name))
                elif naming.holds_messages(at):
                    named = _SIZE.search(naming.unique(entry.name))
                    yield int(named[1]) if named is not None else entry.stat(follow_symlinks=False).st_size


def _drain(chunks: Iterable[tuple[int, bytes]]) -> None:
    """Read what is left of a member, so that the next can be read."""
    for _ in chunks:
        pass


def _pieces(first: bytes, chunks: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    yield first
    for _, data in chunks:
        yield data


def _write(folder: Folder, name: str, member: Member, pieces: Iterator[bytes]) -> None:
    """A new file, whole under its name at once, and of whoever has the folder."""
    owner = folder.stat()
    folder.unlink(MAKING)
    try:
        with folder.new_file(MAKING) as descriptor:
            for data in pieces:
                write_all(descriptor, data)
            hand_over(descriptor, owner.st_uid, owner.st_gid, stat.S_IMODE(member.mode) & 0o666)
            os.fsync(descriptor)
        folder.move(MAKING, folder, name)
    finally:
        _drain((0, data) for data in pieces)
        folder.unlink(MAKING)
    folder.sync()


def _inside(root: Folder, mailbox: str) -> Folder:
    """Raises FileNotFoundError, LinkInTheWay, OSError."""
    if mailbox == ".":
        return Folder(os.dup(root.descriptor), root.path)
    return Folder(open_below(root.descriptor, mailbox.split("/")), root.shown(mailbox))
