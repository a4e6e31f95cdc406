"""A snapshot of a tree: its members as a tar, streamed into the store.

A file that changes while it is read is noticed by its times and size and read again a few times. Small files are
read whole before anything of them is stored. A large one that is being written is copied aside first, until a copy
went through undisturbed; one that nobody seems to write is streamed, and if it changed after all that is said.
Reading files takes time, so a snapshot of a tree that is written to holds its files as of different moments: what
changed between beginning and end is found by a second look, and said.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.files_reader import SNIFFED, is_text
from dysnomia_plugins.toolkit.guarded.system import read_xattrs
from dysnomia_plugins.toolkit.trees.batch import Batch
from dysnomia_plugins.toolkit.trees.extract import MAX_DEPTH
from dysnomia_plugins.toolkit.trees.known import Known, Noting, key_of
from dysnomia_plugins.toolkit.trees.member import ContentDigest, Kind, Member
from dysnomia_plugins.toolkit.trees.names import RootAt
from dysnomia_plugins.toolkit.trees.plain import PlainFiles
from dysnomia_plugins.toolkit.trees.tarread import CHUNK, MAX_EXTENTS
from dysnomia_plugins.toolkit.trees.tarwrite import END, header, padding
from dysnomia_plugins.toolkit.trees.walk import Names, Seen, Walk
from dysnomia_store.model import Form
from dysnomia_store.sink import ContentSink

SMALL = 1 << 20
"""Bytes up to which a file is held in memory until it is known to be whole."""
TRIES = 5
TICK = 0.025
"""Seconds in which two writes may get the same time from the kernel's clock."""
COPIED = 1 << 30
"""Bytes up to which a large file that is being written is copied aside."""
HOT = 5.0
"""Seconds since its last change up to which a large file counts as being written."""
TOLD = 512
"""Members that are known, after which progress is told."""
SHOWN = 200
"""Characters of a very long name in a message."""

Extents = Sequence[tuple[int, int]]


@dataclass
class TreeDump:
    """Streams the roots of a tree into a sink."""

    ctx: Context
    open_sink: Callable[[], ContentSink]
    """Called when there is something to store: not where all of it is known already."""
    roots: Sequence[RootAt]
    warnings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Roots that are not there, where others are."""
    changed: list[str] = field(default_factory=list)
    """What changed while it was read, in words."""
    skip: Collection[str] = ()
    """Names right in a root that are no part of it."""
    known: Known | None = None
    """What was read before and need not be read again."""
    noting: Noting | None = None
    """What is told of each member, for the next dump."""
    names: Names | None = None
    """Which names there are, where files are renamed all the time (``Walk.names``)."""
    members: int = 0
    _sink: ContentSink | None = None
    _done: int = 0
    _settled: float = 0.0
    """What changed last before this time shows every change since; later times must be looked at."""
    _plain: PlainFiles | None = None
    _batch: Batch = field(default_factory=Batch)
    _as_found: bool = False
    """Whether a look at the file that was stored last, after it was read, showed what it was found as."""

    def run(self) -> None:
        """Raises PluginError where something cannot be read, or nothing is there."""
        if self.known is None:
            self._plain = PlainFiles(self._batch, self._flush, self.noting)
        known = None if self.known is None else self.known.same
        walk = Walk(self.roots, skip=self.skip, known=known, taker=self._plain, names=self.names)
        for seen in walk:
            self._member(seen)
            self.members += 1
        if self._plain is not None:
            self.members += self._plain.taken
        if len(walk.missing) == len(self.roots):
            where = ", ".join(root.path for root in self.roots) or "no mkdir line"
            raise PluginError(
                f"none of the folders of the fileset exists ({where})", "activate the component, or create them"
            )
        self._flush()
        if not self.unchanged:
            if self.known is not None and self.known.pending:
                self.known.flush(self.sink)
            self.sink.store_only(END)
        self.changed += walk.changed
        self.missing += walk.missing
        self.warnings += walk.left_out

    @property
    def sink(self) -> ContentSink:
        if self._sink is None:
            self._sink = self.open_sink()
        return self._sink

    @property
    def unchanged(self) -> bool:
        """Whether every member is as it was, so that nothing was stored."""
        return self._sink is None and self.known is not None and self.known.whole

    def _member(self, seen: Seen) -> None:
        if self.known is not None:
            if self._is_known(seen, self.known):
                return
            if self.known.pending:
                self.known.flush(self.sink)
        self._as_found = False
        self._store(seen)
        if self.noting is not None:
            still = seen.kind is not Kind.FILE or self._as_found or _same(seen.stat, os.fstat(seen.descriptor))
            key = key_of(seen.name, seen.kind, seen.link, seen.stat) if still else b""
            self.noting.read(key, seen.stat.st_ctime_ns)

    def _is_known(self, seen: Seen, known: Known) -> bool:
        """Whether a member is as it was; then it is taken over."""
        key = seen.key or known.same(seen.name, seen.kind, seen.link, seen.stat)
        if key is None:
            return False
        if self._batch.waiting:
            self._flush()
        known.take(lambda: self.sink)
        if self.noting is not None:
            self.noting.same(key)
        if seen.kind is Kind.FILE:
            self._done += seen.stat.st_size
        if self.members % TOLD == 0:
            self.ctx.cancel.check()
            self.ctx.progress.advance(self._done)
        return True

    def _store(self, seen: Seen) -> None:
        try:
            if seen.kind is not Kind.FILE:
                _refuse_too_deep(seen)
                if self._batch.add_member(seen.member):
                    self._flush()
            elif seen.stat.st_size <= SMALL:
                self._small(seen)
            else:
                self._large(seen)
        except OSError as error:
            raise PluginError(f"{seen.path} cannot be read ({error.strerror})", "nothing was stored") from error

    def _flush(self) -> None:
        """Hand on what small members have come together."""
        self.ctx.cancel.check()
        if self._batch.waiting:
            self._done += self._batch.hand_on(self.sink)
        self.ctx.progress.advance(self._done)

    def _small(self, seen: Seen) -> None:
        """Read whole, again where it changed; then store."""
        before, descriptor = seen.stat, seen.descriptor
        if before.st_ctime > self._settled:
            settle(before)
            self._settled = time.time() - TICK
            if self._plain is not None:
                self._plain.settled = self._settled
        for left in reversed(range(TRIES)):
            data = _read_all(descriptor, before.st_size)
            after = os.fstat(descriptor)
            if _same(before, after) and len(data) == after.st_size:
                break
            if after.st_size > SMALL:
                self._large(seen)
                return
            before = after
            if not left:
                self.changed.append(f"{seen.name} changed while it was read")
        self._as_found = before is seen.stat
        whole = before is seen.stat and len(data) == before.st_size <= before.st_blocks * 512
        if whole and (full := self._batch.add_file(seen, data)) is not None:
            if full:
                self._flush()
            return
        self._flush()
        extents = _extents(seen.descriptor, before) if len(data) == before.st_size else None
        with _section(self.sink, _anew(seen, before, len(data)), extents, data[:SNIFFED]) as content:
            for offset, length in extents if extents is not None else ((0, len(data)),):
                content.data(offset, data[offset : offset + length])
        self._advance(len(data))

    def _advance(self, size: int) -> None:
        self._done += size
        self.ctx.progress.advance(self._done)

    def _large(self, seen: Seen) -> None:
        self._flush()
        self._store_large(seen)
        self._advance(seen.stat.st_size)

    def _store_large(self, seen: Seen) -> None:
        before = os.fstat(seen.descriptor)
        settle(before)
        if time.time() - before.st_ctime < HOT and self._by_copy(seen):
            return
        before = os.fstat(seen.descriptor)
        if not self._stream(_anew(seen, before, before.st_size), seen.descriptor):
            self.changed.append(f"{seen.name} changed while it was read")

    def _by_copy(self, seen: Seen) -> bool:
        """Store from a copy that went through undisturbed. False where there was none, or no room for one."""
        for _ in range(TRIES):
            before = os.fstat(seen.descriptor)
            free = os.statvfs(self.ctx.staging)
            if before.st_size > min(COPIED, free.f_bavail * free.f_frsize // 2):
                return False
            settle(before)
            with tempfile.TemporaryFile(dir=self.ctx.staging) as copy:
                try:
                    extents = _extents(seen.descriptor, before)
                    for offset, length in extents if extents is not None else ((0, before.st_size),):
                        self._copy(seen.descriptor, copy, offset, length)
                    copy.truncate(before.st_size)
                except OSError as error:
                    if error.errno in (*NO_SPACE, errno.EFBIG):
                        return False
                    raise
                if _same(before, os.fstat(seen.descriptor)):
                    return self._stream(_anew(seen, before, before.st_size), copy.fileno())
        return False

    def _copy(self, source: int, target: BinaryIO, offset: int, length: int) -> None:
        target.seek(offset)
        end = offset + length
        while offset < end:
            self.ctx.cancel.check()
            data = os.pread(source, min(CHUNK, end - offset), offset)
            if not data:
                return
            target.write(data)
            offset += len(data)

    def _stream(self, member: Member, descriptor: int) -> bool:
        """Store as it is read. False where it changed: what is missing then is stored as zeros, what is new is not."""
        before = os.fstat(descriptor)
        extents = _extents(descriptor, before)
        whole = True
        with _section(self.sink, member, extents, os.pread(descriptor, SNIFFED, 0)) as content:
            for offset, length in extents if extents is not None else ((0, member.size),):
                end = offset + length
                while offset < end:
                    self.ctx.cancel.check()
                    data = os.pread(descriptor, min(CHUNK, end - offset), offset)
                    if not data:
                        whole = False
                        data = bytes(min(CHUNK, end - offset))
                    content.data(offset, data)
                    offset += len(data)
                    self.ctx.progress.advance(self._done + offset)
        return whole and _same(before, os.fstat(descriptor))


def _refuse_too_deep(seen: Seen) -> None:
    """What could not be restored is not stored either. Raises PluginError."""
    if seen.kind is Kind.FOLDER and seen.name.count("/") >= MAX_DEPTH:
        name = seen.name if len(seen.name) <= SHOWN else f"{seen.name[:SHOWN]}…"
        raise PluginError(
            f"{name} holds folders nested deeper than {MAX_DEPTH}, which could not be restored",
            "nothing was stored: move the deepest folders elsewhere",
        )


def settle(seen: os.stat_result) -> None:
    """Wait until a change after this look is sure to show in the times: the kernel's clock moves in ticks."""
    wait = TICK - (time.time() - seen.st_ctime)
    if 0 < wait <= TICK:
        time.sleep(wait)


@dataclass
class _Content:
    """Takes a file's content: stored as it is, digested so that holes and zeros are the same."""

    sink: ContentSink
    digest: ContentDigest
    at: int = 0

    def data(self, offset: int, data: bytes) -> None:
        if offset > self.at:
            self.digest.skip(offset - self.at)
        self.digest.feed(data)
        self.sink.store_only(data)
        self.at = offset + len(data)


@contextmanager
def _section(sink: ContentSink, member: Member, extents: Extents | None, head: bytes) -> Iterator[_Content]:
    """A file as a section: its header before, the digest of its content with the padding after."""
    sink.begin_section(
        member.kind, member.name, Form.TEXT if is_text(head) else Form.BYTES, attributes=member.attributes()
    )
    blocks, size = header(member, extents)
    sink.write_masked(blocks, member.canonical())
    content = _Content(sink, ContentDigest())
    yield content
    content.digest.skip(member.size - content.at)
    sink.write_masked(padding(size), content.digest.end())
    sink.end_section(size=member.size)


def _anew(seen: Seen, now: os.stat_result, size: int) -> Member:
    """The member as it was when its content was read, where that is later than when it was found."""
    if _same(now, seen.stat):
        return replace(seen.member, size=size)
    return replace(
        seen.member, size=size, mtime=now.st_mtime_ns, mode=stat.S_IMODE(now.st_mode), uid=now.st_uid, gid=now.st_gid,
        xattrs=read_xattrs(seen.descriptor),
    )  # fmt: skip


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_mtime_ns, before.st_ctime_ns, before.st_size) == (
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_size,
    )


def _read_all(descriptor: int, size: int) -> bytes:
    """The content, and no more than a little beyond ``size`` if it has grown."""
    parts: list[bytes] = []
    offset = 0
    while offset < size and (data := os.pread(descriptor, size + 1 - offset, offset)):
        if len(data) == size:
            return data
        parts.append(data)
        offset += len(data)
    return b"".join(parts)[:size]


def _extents(descriptor: int, seen: os.stat_result) -> Extents | None:
    """The runs of data of a file with holes; None where it has none, or so many that it is stored whole."""
    size = seen.st_size
    if seen.st_blocks * 512 >= size:
        return None
    extents: list[tuple[int, int]] = []
    at = 0
    while at < size and len(extents) < MAX_EXTENTS:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
            end = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            if error.errno == errno.EINVAL:
                return None
            raise
        if start >= size:
            break
        extents.append((start, end - start))
        at = end
    else:
        if at < size:
            return None
    if extents == [(0, size)]:
        return None
    return extents
