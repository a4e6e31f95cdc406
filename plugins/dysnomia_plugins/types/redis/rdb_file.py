"""Writing, checking and digesting the RDB file of a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from dysnomia_plugins.base import CancelToken, Context, Stored
from dysnomia_plugins.types.redis import contents
from dysnomia_plugins.types.redis.folders import DUMP, reading, writing
from dysnomia_plugins.types.redis.rdb import RdbReader, RdbStream
from dysnomia_plugins.types.redis.server_info import Counts, ServerInfo
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink

CHUNK = 1 << 20
_AS_OF = "as-of"


def pieces(source: BinaryIO, cancel: CancelToken) -> Iterator[bytes]:
    while piece := source.read(CHUNK):
        cancel.check()
        yield piece


def digest(ctx: Context, source: BinaryIO, sink: ContentSink, now: int | None = None) -> contents.Scanned:
    """Read a file and write what it holds into ``sink`` as sections; its bytes are stored already."""
    ctx.progress.phase("digest")
    scanned = contents.scan(
        source, now=now, cancel=ctx.cancel, on_keys=lambda keys: ctx.progress.advance(keys, unit="keys")
    )
    contents.describe(scanned, sink)
    if scanned.expired:
        ctx.progress.log(f"{scanned.expired} keys had expired already: they are not counted")
    return scanned


def write_out(ctx: Context, stored: Stored, folder: Path, sections: Sequence[Section] | None) -> None:
    """Write a snapshot (or those sections of it) as a place's file; every byte is verified as it streams.

    It is not durable yet: see ``folders.syncing``."""
    total = stored.metadata.content_size if stored.metadata is not None else None
    with writing(folder, DUMP, durable=False) as write, stored.open() as source:
        if sections is None:
            done = 0
            while piece := source.read(CHUNK):
                ctx.cancel.check()
                write(piece)
                done += len(piece)
                ctx.progress.advance(done, total)
        else:
            contents.cut(source, write, {contents.which_of(section) for section in sections})


def write_from(source: Path, folder: Path) -> None:
    """Copy a file of the component's own into a place. Raises PluginError, OSError."""
    with writing(folder, DUMP) as write, source.open("rb") as file:
        while piece := file.read(CHUNK):
            write(piece)


def keep_as_of(folder: Path) -> None:
    """A server will write the file anew; what counts as expired in it stays what it was."""
    with reading(folder) as source:
        reader = RdbReader(RdbStream(source))
        next(reader.heads(), None)
    with writing(folder, _AS_OF) as write:
        write(b"%d" % reader.made)


def as_of(folder: Path) -> int | None:
    try:
        with reading(folder, _AS_OF) as file:
            return int(file.read(64))
    except (FileNotFoundError, ValueError):
        return None


def check_keys(actual: Mapping[int, Counts], expected: Mapping[int, contents.Keys]) -> int:
    """Compare what a server of ours has loaded with the contents index: keys that do not expire must all be there.

    A hash whose fields all expire may go with them, or, where they had expired already, may not have gone yet.
    Returns how many of those that do expire are not there. Raises Corrupt."""
    expired = 0
    for database in actual.keys() | expected.keys():
        wanted = expected.get(database, contents.Keys())
        counts = actual.get(database, Counts())
        if not wanted.lasting - wanted.passing <= counts.lasting <= wanted.lasting + counts.passing:
            raise Corrupt(
                f"database {database} has {counts.lasting} keys that do not expire, and the contents index says "
                f"{wanted.lasting}",
                "check the snapshot",
            )
        expired += max(0, wanted.expiring - counts.expiring) + max(0, wanted.lasting - counts.lasting)
    return expired


def say_what_it_does(ctx: Context, live: ServerInfo) -> list[str]:
    """What the server will do for a dump that an operator would wonder about. Returns warnings."""
    warnings = []
    if live.mode == "cluster":
        warnings.append(
            "the server is one of a cluster: only the keys of its own slots are in the dump, which is restored as a "
            "copy alone"
        )
    if live.settings.get("repl-diskless-sync") != "yes":
        return [*warnings, "the server wrote the dump into its own folder first (its repl-diskless-sync is no)"]
    delay = int(live.settings.get("repl-diskless-sync-delay") or 0)
    if delay:
        ctx.progress.log(f"the server starts to send after {delay} s (its repl-diskless-sync-delay)")
    return warnings
