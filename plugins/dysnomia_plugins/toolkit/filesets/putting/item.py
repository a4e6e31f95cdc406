"""One file, folder or link as it is put back: what it is, a digest of all of that, and the words for a plan."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dysnomia_base.clock import from_seconds
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.guarded.system import open_folder, proc_path, read_xattrs
from dysnomia_plugins.toolkit.trees.member import ContentDigest, Kind, Member, kind_of
from dysnomia_plugins.toolkit.trees.tarread import Entry
from dysnomia_plugins.toolkit.trees.walk import member_of

_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Item:
    """What has a name, in live or in a snapshot."""

    member: Member
    content: bytes = b""
    """Of a file the digest of its content; of a hard link that of the file it is another name of (``Item.digest``)."""
    inode: tuple[int, int] = (0, 0)
    """Device and inode; of a snapshot's there is none."""
    links: int = 1

    @property
    def digest(self) -> str:
        """Equal for two that hold the same: kind, name, mode, owner, attributes, content. Not when it was written."""
        return hashlib.sha256(self.member.canonical() + self.content).hexdigest()

    def renamed(self, name: str) -> Item:
        return replace(self, member=replace(self.member, name=name))

    def to_raw(self, **more: object) -> bytes:
        """As a raw record, for whoever shows it (``shown``) and for a later look (``read_raw``)."""
        member = self.member
        shown = dict(member.attributes())
        if member.kind is Kind.FILE:
            shown = {"size": str(member.size), "content": self.content.hex()[:12], **shown}
        shown["written"] = from_seconds(member.mtime // 10**9).strftime("%Y-%m-%d %H:%M:%S")
        if member.kind is Kind.HARDLINK:
            del shown["written"]
            shown["file"] = self.content.hex()[:12]
        held = {"digest": self.digest, "kind": member.kind, "link": member.link, "size": member.size}
        held["file"] = self.content.hex()
        return json.dumps({"item": {**held, **more}, "shown": shown}).encode()


def read_raw(raw: bytes) -> Mapping[str, Any]:
    """What ``to_raw`` noted of an item: its digest, kind, link, size, and what else was given."""
    item: Mapping[str, Any] = json.loads(raw)["item"]
    return item


def shown(raw: bytes) -> Mapping[str, str]:
    """What ``to_raw`` noted to be shown."""
    shown: Mapping[str, str] = json.loads(raw)["shown"]
    return shown


def stored_item(entry: Entry, member: Member) -> Item:
    """Of an entry of an archive, its content read; ``member`` is what becomes of it. Raises Corrupt, BadArchive."""
    if member.kind is not Kind.FILE:
        entry.skip()
        return Item(member)
    digest, at = ContentDigest(), 0
    for offset, data in entry.content():
        digest.skip(offset - at)
        digest.feed(data)
        at = offset + len(data)
    digest.skip(member.size - at)
    return Item(member, digest.end())


def item_at(folder: int, leaf: str, name: str) -> Item | None:
    """What has a name in an open folder, as the member ``name``; a link as a link, every name of a file as that file.

    None where nothing has. Raises NotSafe for what cannot be put back or changes while it is read, OSError."""
    try:
        seen = os.lstat(leaf, dir_fd=folder)
    except FileNotFoundError:
        return None
    kind = kind_of(seen.st_mode)
    if kind is None:
        raise NotSafe(f"{name} is now a socket, which cannot be put back", "remove it, then plan again")
    if kind is Kind.FILE:
        return _file_at(folder, leaf, name)
    if kind is Kind.FOLDER:
        descriptor = open_folder(leaf, folder)
        try:
            seen = os.fstat(descriptor)
            return Item(member_of(name, seen, kind, "", read_xattrs(descriptor)), inode=(seen.st_dev, seen.st_ino))
        finally:
            os.close(descriptor)
    link = os.readlink(leaf, dir_fd=folder) if kind is Kind.SYMLINK else ""
    member = member_of(name, seen, kind, link, read_xattrs(proc_path(leaf, folder)))
    return Item(member, inode=(seen.st_dev, seen.st_ino), links=seen.st_nlink)


def _file_at(folder: int, leaf: str, name: str) -> Item | None:
    descriptor = os.open(leaf, _READING, dir_fd=folder)
    try:
        for _ in range(_TRIES):
            seen = os.fstat(descriptor)
            if not stat.S_ISREG(seen.st_mode):
                raise NotSafe(f"another process replaced {name} while it was read", "plan again")
            member = member_of(name, seen, Kind.FILE, "", read_xattrs(descriptor))
            content = _digest_of(descriptor)
            now = os.fstat(descriptor)
            if (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns) == (now.st_size, now.st_mtime_ns, now.st_ctime_ns):
                return Item(member, content, (seen.st_dev, seen.st_ino), seen.st_nlink)
    finally:
        os.close(descriptor)
    raise NotSafe(f"another process is writing {name}", "wait until it has finished, then plan again")


def _digest_of(descriptor: int) -> bytes:
    digest, at = ContentDigest(), 0
    while data := os.pread(descriptor, _CHUNK, at):
        digest.feed(data)
        at += len(data)
    return digest.end()
