"""A snapshot: the keys below a prefix at one revision, a section for each folder of keys, those in none last."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from dysnomia_plugins.base import Context, Draft, Dumped
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.etcd.api import Compacted, Session
from dysnomia_plugins.types.etcd.keyspace import Keyspace, compacted
from dysnomia_plugins.types.etcd.records import COLUMNS, KEY, KIND, LONGEST, folder_of, section_of, shown, to_line
from dysnomia_plugins.types.etcd.spool import Keyed, Spool
from dysnomia_store.model import Form
from dysnomia_store.sink import ContentSink

ARTEFACT = "keys.json"
_PIECE = 256 << 10
_NAMED = 5


class Reading:
    """The keys of a prefix at one revision, but those that are attached to a lease."""

    def __init__(self, ctx: Context, keyspace: Keyspace) -> None:
        self._ctx, self._keyspace = ctx, keyspace
        self.leased: list[str] = []
        self.leased_count = 0

    @property
    def revision(self) -> int:
        """Once it was read."""
        return self._keyspace.revision

    def pairs(self) -> Iterator[Keyed]:
        """Raises PluginError."""
        name = self._keyspace.prefix.decode("utf-8", "replace")
        try:
            for pair in self._keyspace.pairs(at_once=True):
                if pair.lease:
                    self.leased_count += 1
                    if len(self.leased) < _NAMED:
                        self.leased.append(shown(pair.key))
                    continue
                line = to_line(pair.key, pair.value)
                if len(line) >= LONGEST:
                    raise PluginError(f"the value of {shown(pair.key)} is longer than {LONGEST >> 20} MiB can hold")
                yield pair.key, line
        except Compacted as error:
            raise compacted(name) from error

    def warnings(self) -> tuple[str, ...]:
        if not self.leased_count:
            return ()
        more = ", …" if self.leased_count > len(self.leased) else ""
        one = self.leased_count == 1
        what = "1 key is attached to a lease and" if one else f"{self.leased_count:,} keys are attached to leases and"
        return (f"{what} not in the snapshot, since {'it goes' if one else 'they go'} with the lease: "
                f"{', '.join(self.leased)}{more}",)  # fmt: skip


def dump_live(ctx: Context, session: Session, prefix: str, draft: Draft, version: str) -> Dumped:
    """Raises PluginError where there is nothing below the prefix: a wrong prefix would look like an empty one."""
    ctx.progress.phase("dump")
    as_of = datetime.now(UTC)
    reading = Reading(ctx, Keyspace.of(session, prefix))
    with draft.artefact(ARTEFACT) as sink:
        count = write(ctx, reading.pairs(), sink)
    if not count:
        raise PluginError(
            f"etcd on {session.server} has no key that begins with {prefix!r}"
            + (" and is not attached to a lease" if reading.leased_count else ""),
            "check the component's name, etcdPrefix and etcdEndpoints",
        )
    ctx.progress.log(f"{count:,} {'key' if count == 1 else 'keys'} at revision {reading.revision}")
    return Dumped(
        as_of=as_of,
        end=datetime.now(UTC),
        complete=True,
        tool_versions={"etcd": version} if version else {},
        surroundings={"prefix": prefix, "keys": count, "revision": reading.revision},
        warnings=reading.warnings(),
    )


def dump_spool(ctx: Context, spool: Spool, draft: Draft) -> Dumped:
    """Of what was set aside or loaded. Raises PluginError."""
    as_of = datetime.now(UTC)
    with draft.artefact(ARTEFACT) as sink:
        count = write(ctx, spool.pairs(), sink)
    return Dumped(as_of=as_of, end=datetime.now(UTC), complete=True, surroundings={"keys": count})


def write(ctx: Context, pairs: Iterable[Keyed], sink: ContentSink) -> int:
    """Sorted keys, as sections; returns how many. Keys in no folder stand between folders: they wait in a file."""
    with tempfile.TemporaryFile(dir=Path(ctx.staging)) as loose:
        sections = _Sections(ctx, sink)
        loose_rows = 0
        for key, line in pairs:
            folder = folder_of(key)
            if folder:
                sections.add(folder, line)
            else:
                loose.write(line + b"\n")
                loose_rows += 1
        sections.end()
        if loose_rows:
            loose.seek(0)
            sections.begin(b"")
            while data := loose.read(_PIECE):
                ctx.cancel.check()
                sink.write(data)
            sink.end_section(rows=loose_rows)
        return sections.count + loose_rows


class _Sections:
    def __init__(self, ctx: Context, sink: ContentSink) -> None:
        self._ctx, self._sink = ctx, sink
        self._folder: bytes | None = None
        self._lines: list[bytes] = []
        self._size = self._rows = self._written = 0
        self.count = 0

    def add(self, folder: bytes, line: bytes) -> None:
        if folder != self._folder:
            self.end()
            self.begin(folder)
        self._lines.append(line)
        self._rows += 1
        self._size += len(line) + 1
        if self._size >= _PIECE:
            self._flush()

    def begin(self, folder: bytes) -> None:
        self._folder = folder
        self._sink.begin_section(KIND, section_of(folder), Form.ROWS, columns=COLUMNS, key=KEY)

    def end(self) -> None:
        if self._folder is not None:
            self._flush()
            self._sink.end_section(rows=self._rows)
            self.count += self._rows
        self._folder, self._rows = None, 0

    def _flush(self) -> None:
        self._ctx.cancel.check()
        if self._lines:
            self._lines.append(b"")
            self._sink.write(b"\n".join(self._lines))
            self._written += self._size
            self._ctx.progress.advance(self._written)
        self._lines, self._size = [], 0
