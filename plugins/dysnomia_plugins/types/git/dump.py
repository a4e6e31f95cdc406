"""A snapshot of a repository, streamed into the store.

The references are those of one moment; the objects they lead to are there from then on, whoever pushes meanwhile: git
removes no object before it has been unused for two weeks. Files and reflogs are read right after the references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import BinaryIO

from dysnomia_plugins.base import Context, Draft, Dumped, Place
from dysnomia_plugins.errors import NotSafe, ProcessFailed
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.repositories.files import FILES, write_files
from dysnomia_plugins.types.git import server_info
from dysnomia_plugins.types.git.contents import (
    BUNDLE,
    COMMIT_FORMAT,
    COMMITS,
    REFS,
    begin_commits,
    printed_commits,
    write_refs,
)
from dysnomia_plugins.types.git.packs import damaged, refuse_damaged
from dysnomia_plugins.types.git.refs import Ref, bundle_header, objects
from dysnomia_plugins.types.git.repository import Access, Repository, git_failed, kept_in, version
from dysnomia_store.sink import ContentSink

_CHUNK = 1 << 20
_PACKING = (
    "pack-objects",
    "--revs",
    "--all",
    "--reflog",
    "--indexed-objects",
    "--keep-true-parents",
    "--stdout",
    "--quiet",
    "--delta-base-offset",
)

_CHECKING = ("unpack-objects", "-n", "-q")


def dump(ctx: Context, place: Place, draft: Draft) -> Dumped:
    """Raises PluginError, and then nothing is kept."""
    repository = Repository(place.name, ctx.runner)
    repository.require()
    repository.require_plain()
    ctx.progress.phase("dump")
    as_of = datetime.now(UTC)
    try:
        return _dump(ctx, repository, draft, as_of)
    except ProcessFailed as error:
        raise git_failed(error, place.name) from error


def _dump(ctx: Context, repository: Repository, draft: Draft, as_of: datetime) -> Dumped:
    refs, sure = repository.refs()
    names = repository.object_format()
    borrowed = _alternates(repository.path)
    seen_whole = refuse_damaged(repository.path, names, ctx.cancel) and not borrowed
    with draft.artefact(REFS) as sink:
        write_refs(sink, refs)
    with _objects_file(ctx, refs) as wanted:
        with draft.artefact(COMMITS) as sink:
            _write_commits(repository, sink, wanted, empty=not objects(refs))
        with draft.artefact(FILES) as sink:
            warnings = list(write_files(ctx, Place(repository.path), sink, kept_in(repository.path)))
        with draft.artefact(BUNDLE) as sink:
            sink.store_only(bundle_header(refs, names))
            if seen_whole:
                _write_pack(ctx, repository, wanted, sink.store_only)
            else:
                _write_unseen(ctx, repository, wanted, sink)
    if not sure:
        warnings.append("references changed all the time: they are in it as they were at different moments")
    if borrowed:
        warnings.append(f"objects that it borrows from {borrowed} are in it; a restored one has them itself")
    access = Access.at(repository.path)
    return Dumped(
        as_of=as_of,
        end=datetime.now(UTC),
        complete=True,
        tool_versions={"git": version(ctx.runner)},
        surroundings={
            "object format": names,
            "references": len(refs) - 1,
            "alternates": borrowed,
            server_info.NOTED: server_info.is_kept(repository.path),
            **({"access": access.noted()} if access is not None else {}),
        },
        warnings=tuple(warnings),
    )


@contextmanager
def _objects_file(ctx: Context, refs: Sequence[Ref]) -> Iterator[BinaryIO]:
    """The objects that references lead to, as git reads them from its standard input."""
    with (ctx.staging / "objects").open("w+b") as file:
        for name in objects(refs):
            file.write(name.encode("ascii") + b"\n")
        yield file
    (ctx.staging / "objects").unlink()


def _write_commits(repository: Repository, sink: ContentSink, wanted: BinaryIO, *, empty: bool) -> None:
    begin_commits(sink)
    count = 0
    if not empty:
        wanted.seek(0)
        argv = ("rev-list", "--stdin", "--no-commit-header", f"--format={COMMIT_FORMAT}")
        with repository.reading(*argv, source=wanted) as stream:
            for line in printed_commits(stream):
                sink.write(line)
                count += 1
    sink.end_section(count)


def _write_pack(ctx: Context, repository: Repository, wanted: BinaryIO, write: Callable[[bytes], object]) -> None:
    """All that references, reflogs, and the indexes and heads of work trees lead to; grafts hide no parent."""
    wanted.seek(0)
    done = 0
    with repository.reading(*_PACKING, source=wanted) as stream:
        while chunk := stream.read(_CHUNK):
            write(chunk)
            done += len(chunk)
            ctx.cancel.check()
            ctx.progress.advance(done)


def _write_unseen(ctx: Context, repository: Repository, wanted: BinaryIO, sink: ContentSink) -> None:
    """Of packs that are elsewhere: a second git looks into each object meanwhile, and writes nothing."""
    packed = False

    def write(chunk: bytes) -> None:
        sink.store_only(chunk)
        try:
            check.write(chunk)
        except BrokenPipeError:
            raise damaged(f"an object of {repository.path}") from None

    try:
        with repository.writing(*_CHECKING) as check:
            _write_pack(ctx, repository, wanted, write)
            packed = True
    except ProcessFailed as error:
        if packed:
            raise damaged(f"an object of {repository.path}") from error
        raise


def _alternates(path: str) -> str:
    """Where it borrows objects from, as its file says; ``""`` where it does not."""
    try:
        with Folder.at(f"{path}/objects") as kept, kept.folder("info") as info:
            text = info.read_bytes("alternates", 1 << 16).decode("utf-8", "backslashreplace")
    except (OSError, LinkInTheWay, NotSafe):
        return ""
    return ", ".join(line for line in text.splitlines() if line and not line.startswith("#"))
