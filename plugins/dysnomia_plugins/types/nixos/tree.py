"""Places and snapshots: a folder of snapshots as Dysnomia's module makes it, and an archive of that.

A place (but for live) is a folder ``<container>/<component>/<id>/…``: what Dysnomia's module keeps as its snapshot, so
that each can be imported from there. Stored, it is one tar archive with a section for each component.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from dysnomia_plugins.base import Context, Place, Stored
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_store.model import Form, Section
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_store.sink import ContentSink

ARTEFACT = "components.tar"
COMPONENT = "component"
SNAPSHOT = "snapshot"
_PIECE = 1 << 20
_END = bytes(2 * tarfile.BLOCKSIZE)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_WRITTEN = (*_FILES, tarfile.DIRTYPE, tarfile.SYMTYPE)
"""What a member of an archive can be: no hole of a sparse file, no header of another format of tar."""
_LONGEST = 1 << 16
_DEEPEST = 40
"""Folders in a snapshot; modules make two at most."""


@dataclass(frozen=True, slots=True)
class Part:
    """The snapshot of one component of the system."""

    key: ComponentKey
    id: str

    @property
    def path(self) -> str:
        return f"{self.key}/{self.id}"


def parts_at(place: Place) -> list[Part]:
    """What a folder of snapshots holds, in the order of names. Raises PluginError, OSError."""
    with Folder.at(place.name) as root:
        parts = []
        for container in root.names():
            with root.folder(container) as outer:
                for component in outer.names():
                    with outer.folder(component) as inner:
                        key = ComponentKey.of(container, component)
                        parts += [Part(key, validate_name(name, "snapshot id")) for name in inner.names()]
    return sorted(parts, key=lambda part: (part.key, part.id))


# --- writing -------------------------------------------------------------------------------------------------------


def write(ctx: Context, sink: ContentSink, root: str, parts: Sequence[Part]) -> None:
    """Write snapshots that are below a folder into a sink. Raises PluginError, OSError."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        ctx.cancel.check()
        done += count
        ctx.progress.advance(done)

    for part in parts:
        sink.begin_section(COMPONENT, str(part.key), Form.BYTES, attributes={SNAPSHOT: part.id})
        with Folder.at(f"{root}/{part.path}") as folder:
            _write_below(sink, folder, part.path, advance)
        sink.end_section()
    sink.write(_END)


def _write_below(sink: ContentSink, folder: Folder, path: str, advance: Callable[[int], None]) -> None:
    sink.write(_header(path, tarfile.DIRTYPE))
    for name in folder.names():
        within = f"{path}/{name}"
        seen = folder.seen(name)
        if seen is None:
            raise PluginError(f"{folder.shown(name)} disappeared while it was read", "do it again")
        if stat.S_ISDIR(seen.st_mode):
            with folder.folder(name) as deeper:
                _write_below(sink, deeper, within, advance)
        elif stat.S_ISLNK(seen.st_mode):
            sink.write(_header(within, tarfile.SYMTYPE, link=folder.link_target(name) or ""))
        else:
            with folder.file(name) as descriptor:
                _write_file(sink, descriptor, folder.shown(name), within, advance)


def _write_file(sink: ContentSink, descriptor: int, shown: str, within: str, advance: Callable[[int], None]) -> None:
    size = left = os.fstat(descriptor).st_size
    sink.write(_header(within, tarfile.REGTYPE, size=size))
    while left:
        piece = os.read(descriptor, min(left, _PIECE))
        if not piece:
            raise PluginError(f"{shown} became shorter while it was read", "do it again")
        sink.write(piece)
        left -= len(piece)
        advance(len(piece))
    sink.write(bytes(-size % tarfile.BLOCKSIZE))


def _header(path: str, kind: bytes, *, size: int = 0, link: str = "") -> bytes:
    """A header that says nothing but what the store holds: no owner, no time."""
    member = tarfile.TarInfo(path)
    member.type, member.size, member.linkname = kind, size, link
    member.mode = 0o700 if kind == tarfile.DIRTYPE else 0o600
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


# --- reading -------------------------------------------------------------------------------------------------------


def is_ours(stored: Stored) -> bool:
    """Whether a snapshot is an archive; else it is a folder of snapshots, as Dysnomia's module stores it."""
    return stored.artefacts() == (ARTEFACT,)


def load(ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None) -> None:
    """Lay a snapshot, or the components that some sections name, out as a folder. Raises PluginError."""
    above, name = posixpath.split(place.name)
    try:
        with Folder.at(above) as folder, _made(folder, name) as root:
            if is_ours(stored):
                for section in stored.sections() if sections is None else sections:
                    _extract(ctx, stored, section, root)
            else:
                _copy_theirs(ctx, stored, root, None if sections is None else {one.name for one in sections})
            root.sync()
            folder.sync()
    except OSError as error:
        raise PluginError(f"{place.name} could not be made ({error.strerror})", "nothing was replaced") from error


def _made(folder: Folder, name: str) -> Folder:
    try:
        return folder.make_folder(name)
    except FileExistsError:
        raise NotSafe(f"{folder.shown(name)} already exists", "nothing was loaded over it") from None


def _extract(ctx: Context, stored: Stored, section: Section, root: Folder) -> None:
    if section.kind != COMPONENT or section.offset is None or section.length is None:
        raise PluginError(f"the section {section.name!r} of the snapshot is not a component", "check the snapshot")
    part = Part(ComponentKey.parse(section.name), validate_name(section.attributes.get(SNAPSHOT, ""), "snapshot id"))
    try:
        with (
            stored.open_range(ARTEFACT, section.offset, section.length) as stream,
            tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as archive,
        ):
            for member in archive:
                ctx.cancel.check()
                _put(archive, member, _inside(part, member.name), root)
    except tarfile.TarError as error:
        raise PluginError(f"the snapshot of {part.key} in it is damaged ({error})", "check the snapshot") from error


def _inside(part: Part, name: str) -> Sequence[str]:
    """The parts of a member's name, which must be of the component that its section names. Raises NotSafe."""
    words = name.rstrip("/").split("/")
    inside = "/".join(words[:3]) == part.path and len(words) <= _DEEPEST
    if not inside or any(word in ("", ".", "..") for word in words):
        raise NotSafe(f"the archive holds {name!r} in the snapshot of {part.key}", "nothing of it was loaded")
    return words


def _put(archive: tarfile.TarFile, member: tarfile.TarInfo, words: Sequence[str], root: Folder) -> None:
    if member.isdir():
        _folder(root, words).close()
        return
    with _folder(root, words[:-1]) as folder:
        if member.issym():
            folder.make_link(words[-1], member.linkname)
        elif member.type in _FILES and not member.issparse():
            source = archive.extractfile(member)
            assert source is not None
            _write_new(folder, words[-1], cast("BinaryIO", source), member.size)
        else:
            what = "is sparse" if member.issparse() else "is not a file"
            raise NotSafe(f"the archive holds {member.name!r}, which {what}", "nothing of it was loaded")


def _folder(root: Folder, words: Sequence[str]) -> Folder:
    """The folder at a path below the root, made where it is not there."""
    folder = Folder(os.dup(root.descriptor), root.path)
    for word in words:
        with folder as above:
            try:
                folder = above.folder(word)
            except FileNotFoundError:
                folder = above.make_folder(word)
    return folder


def _write_new(folder: Folder, name: str, source: BinaryIO, size: int) -> None:
    with folder.new_file(name) as descriptor, os.fdopen(os.dup(descriptor), "wb") as target:
        left = size
        while left:
            piece = source.read(min(left, _PIECE))
            if not piece:
                raise PluginError(f"{folder.shown(name)}: the snapshot ends before this file does", "check it")
            target.write(piece)
            left -= len(piece)
        target.flush()
        os.fsync(descriptor)


# --- Dysnomia's own ------------------------------------------------------------------------------------------------


def their_parts(stored: Stored) -> list[Part]:
    """The snapshots in one that Dysnomia's module made. Raises PluginError where it is none."""
    try:
        parts = parts_at(Place(real_path(str(stored.folder))))
    except OSError as error:
        raise PluginError(f"{stored.folder} holds no snapshots of components ({error.strerror})") from error
    if not parts:
        raise PluginError(f"{stored.folder} holds no snapshots of components", "check the snapshot")
    return parts


def write_theirs(ctx: Context, stored: Stored, sink: ContentSink) -> None:
    """Their content as ours, for digest and contents index. Raises PluginError."""
    write(ctx, sink, real_path(str(stored.folder)), their_parts(stored))


def _copy_theirs(ctx: Context, stored: Stored, root: Folder, names: set[str] | None) -> None:
    """File by file, as they are stored: what was compressed stays so."""
    source = real_path(str(stored.folder))
    _require_intact(stored, source)
    for part in their_parts(stored):
        if names is None or str(part.key) in names:
            with Folder.at(f"{source}/{part.path}") as folder, _folder(root, part.path.split("/")) as target:
                copy(ctx, folder, target, link=False)


def _require_intact(stored: Stored, source: str) -> None:
    """Compare what is stored with what was recorded when it was imported. Raises PluginError."""
    for entry in stored.metadata.files if stored.metadata is not None else ():
        above, name = posixpath.split(f"{source}/{entry.path}")
        with (
            Folder.at(above) as folder,
            folder.file(name) as descriptor,
            os.fdopen(os.dup(descriptor), "rb") as stream,
        ):
            if hashlib.file_digest(stream, "sha256").hexdigest() != entry.sha256:
                raise PluginError(f"{entry.path} of the snapshot is damaged", "restore another generation")


def copy(ctx: Context, source: Folder, target: Folder, *, link: bool) -> None:
    """Copy all that is in a folder into an empty one; by hard links where that is wanted and can be."""
    for name in source.names():
        ctx.cancel.check()
        seen = source.seen(name)
        mode = seen.st_mode if seen is not None else 0
        if stat.S_ISDIR(mode):
            with source.folder(name) as deeper, target.make_folder(name) as made:
                copy(ctx, deeper, made, link=link)
        elif stat.S_ISLNK(mode):
            target.make_link(name, source.link_target(name) or "")
        elif not (link and _linked(source, name, target)):
            with source.file(name) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
                _write_new(target, name, stream, os.fstat(descriptor).st_size)
    target.sync()


def _linked(source: Folder, name: str, target: Folder) -> bool:
    try:
        source.link(name, target, name)
    except OSError:
        return False
    return True


def below(root: Folder, part: Part) -> Folder:
    """The empty folder of a component's snapshot in a place, made anew. Raises OSError."""
    with _folder(root, part.path.split("/")[:2]) as folder:
        folder.remove(part.id)
        return folder.make_folder(part.id)


def all_sections(stored: Stored) -> Iterator[tuple[str, str]]:
    """The components in a stored snapshot, with the ids of their own."""
    for section in stored.sections():
        yield section.name, section.attributes.get(SNAPSHOT, "")


def scan(stored: Stored, sink: ContentSink) -> bool:
    """Work out digest and contents of an archive again. Returns whether it has its end. Raises PluginError."""
    current = ""
    with stored.open(ARTEFACT) as stream:
        try:
            while True:
                block = _block(stream)
                if block == bytes(tarfile.BLOCKSIZE):
                    break
                whole, member = _member(stream, block)
                if member.type not in _WRITTEN:
                    raise EOFError(f"{member.name!r} in it is neither a folder, a link nor a whole file")
                current = _in_section(sink, current, member)
                sink.write(whole)
                _through(stream, sink, member.size if member.isreg() else 0)
        except (tarfile.TarError, EOFError) as error:
            raise PluginError(f"it is not an archive of snapshots, or it is damaged ({error})", "check it") from error
        if current:
            sink.end_section()
        rest = stream.read(_PIECE)
        sink.write(block + rest)
        return rest == _END[tarfile.BLOCKSIZE :]


def _block(stream: BinaryIO) -> bytes:
    block = stream.read(tarfile.BLOCKSIZE)
    if len(block) != tarfile.BLOCKSIZE:
        raise EOFError("it ends too early")
    return block


def _member(stream: BinaryIO, block: bytes) -> tuple[bytes, tarfile.TarInfo]:
    """A member with all blocks of its header: a long name, or a link's, stands in front as a member of its own."""
    raw = block
    names: dict[bytes, str] = {}
    while block[156:157] in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK) and len(names) < 3:
        size = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").size
        if size > _LONGEST:
            raise EOFError("a name in it is too long")
        content = b"".join(_block(stream) for _ in range(-(-size // tarfile.BLOCKSIZE)))
        names[block[156:157]] = content[:size].rstrip(b"\0").decode("utf-8", "surrogateescape")
        block = _block(stream)
        raw += content + block
    member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    member.name = names.get(tarfile.GNUTYPE_LONGNAME, member.name)
    return raw, member


def _in_section(sink: ContentSink, current: str, member: tarfile.TarInfo) -> str:
    """Begin the section of a member's component where it is another than the one before."""
    words = member.name.rstrip("/").split("/")
    if len(words) < 3:
        raise EOFError(f"{member.name!r} in it is of no component")
    part = Part(ComponentKey.of(words[0], words[1]), validate_name(words[2], "snapshot id"))
    if part.path != current:
        if current:
            sink.end_section()
        sink.begin_section(COMPONENT, str(part.key), Form.BYTES, attributes={SNAPSHOT: part.id})
    return part.path


def _through(stream: BinaryIO, sink: ContentSink, size: int) -> None:
    left = size + -size % tarfile.BLOCKSIZE
    while left:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            raise EOFError("it ends within a file")
        sink.write(piece)
        left -= len(piece)
