"""One thing in a tree, as it is stored: what it is, whose, and the bytes that stand for it in the digest."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dysnomia_store.sink import Buffer

BLOCK = 1 << 16
"""Bytes in which content is digested: a whole block of zeros counts the same whether it is stored or a hole."""

_ZEROS = bytes(BLOCK)
_SHOWN_XATTR = 512


class Kind(StrEnum):
    """What a member is; also the kind of its section."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARDLINK = "hard link"
    """Another name of a file that came before."""
    FIFO = "fifo"
    CHAR = "character device"
    DISK = "block device"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a tree."""

    kind: Kind
    name: str
    """Below the target folder, ``/`` between parts, no slash at either end; ``.`` is the target folder."""
    mode: int = 0
    """Permission bits with setuid, setgid and sticky."""
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    size: int = 0
    """Bytes of content of a file, holes included."""
    mtime: int = 0
    """Nanoseconds since 1970. Stored, and no part of the identity."""
    link: str = ""
    """Where a symlink points; the stored name of the file that a hard link is another name of."""
    device: tuple[int, int] = (0, 0)
    """Major and minor."""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    """Extended attributes and ACLs, sorted by name."""

    def canonical(self) -> bytes:
        """The bytes that stand for everything but the content in the digest: each field with its length before it."""
        fields = [self.kind.encode(), os.fsencode(self.name)]
        if self.kind is Kind.HARDLINK:
            fields.append(os.fsencode(self.link))
        else:
            mode = 0o777 if self.kind is Kind.SYMLINK else self.mode
            fields += [b"%o" % mode, b"%d" % self.uid, b"%d" % self.gid, b"%d" % self.size, os.fsencode(self.link)]
            fields.append(b"%d,%d" % self.device)
            for name, value in self.xattrs:
                fields += [os.fsencode(name), value]
        return b"".join(b"%d:%b" % (len(field), field) for field in fields)

    def attributes(self) -> Mapping[str, str]:
        """Ready to show, and part of the section's digest. Owners by number: an account renamed is no new state."""
        if self.kind is Kind.HARDLINK:
            return {"same file as": self.link}
        shown = {"owner": f"{self.uid}:{self.gid}"}
        if self.kind is Kind.SYMLINK:
            shown["target"] = self.link
        else:
            shown["mode"] = f"{self.mode:04o}"
        if self.kind in (Kind.CHAR, Kind.DISK):
            shown["device"] = "{},{}".format(*self.device)
        for name, value in self.xattrs:
            shown[f"xattr {name}"] = _shown(value)
        return shown


def _shown(value: bytes) -> str:
    if len(value) > _SHOWN_XATTR:
        return f"{len(value)} bytes, sha256 {hashlib.sha256(value).hexdigest()}"
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return text if text.isprintable() and (text or not value) else f"base64 {base64.b64encode(value).decode()}"


def kind_of(mode: int) -> Kind | None:
    """The kind of what ``lstat`` saw; None for what cannot be stored (a socket)."""
    return _KINDS.get(stat.S_IFMT(mode))


_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.FOLDER,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.DISK,
}


class ContentDigest:
    """sha256 of a file's content, the same for zeros and holes.

    Each block of 64 KiB is digested as ``D`` and its bytes; a run of blocks of zeros as ``Z`` and its length. With
    the size, which is in the member's canonical bytes, no two contents have the same input. Zeros that are stored or
    left as a hole differ from one file system to the next, and from one copy to the next.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._rest = bytearray()
        self._zeros = 0

    def feed(self, data: Buffer) -> None:
        """Content that follows."""
        view = memoryview(data)
        if self._rest:
            taken = min(BLOCK - len(self._rest), len(view))
            self._rest += view[:taken]
            view = view[taken:]
            if len(self._rest) < BLOCK:
                return
            self._block(memoryview(bytes(self._rest)))
            self._rest.clear()
        whole = len(view) - len(view) % BLOCK
        for at in range(0, whole, BLOCK):
            self._block(view[at : at + BLOCK])
        self._rest += view[whole:]

    def skip(self, size: int) -> None:
        """``size`` zeros that follow."""
        if self._rest:
            taken = min(BLOCK - len(self._rest), size)
            self.feed(_ZEROS[:taken])
            size -= taken
        if size:
            self._zeros += size // BLOCK
            self._rest += _ZEROS[: size % BLOCK]

    def end(self) -> bytes:
        """The digest of it all, 32 bytes."""
        if self._rest:
            self._block(memoryview(bytes(self._rest)))
            self._rest.clear()
        self._flush()
        return self._digest.digest()

    @staticmethod
    def of_small(data: bytes) -> bytes:
        """The same of the whole content of a file that is no longer than a block."""
        if data and data[0] == 0 and data == _ZEROS[: len(data)]:
            return hashlib.sha256(b"Z%016x" % 1).digest()
        digest = hashlib.sha256(b"D" if data else b"")
        digest.update(data)
        return digest.digest()

    def _block(self, block: memoryview) -> None:
        if block[0] == 0 and block.tobytes() == _ZEROS[: len(block)]:
            self._zeros += 1
            return
        self._flush()
        self._digest.update(b"D")
        self._digest.update(block)

    def _flush(self) -> None:
        if self._zeros:
            self._digest.update(b"Z%016x" % self._zeros)
            self._zeros = 0
