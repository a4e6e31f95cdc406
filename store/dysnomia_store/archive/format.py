"""An archive: snapshots of one store with all that is known of them, in one file, for another store.

It is a tar that any tar lists and unpacks: first ``dysnomia-archive.json``, which says everything that follows, then
the digest of that, then the files in the order in which they are named there. Reading it needs no more of tar than
this: the bytes of each member's header are those that the record gives, or it is no archive of ours. So no name, link
or size in it is ever believed that was not validated here.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from dysnomia_store.archive import schema
from dysnomia_store.errors import Corrupt, Refused, UnknownFormat
from dysnomia_store.model import FileEntry, Metadata, Reason
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_store.records import codec as records

FORMAT = 1
FRAMES = 2
"""Of one that holds artefacts as folders of frames."""
RECORD = "dysnomia-archive.json"
DIGEST = "dysnomia-archive.sha256"
BLOCK = 512
END = bytes(2 * BLOCK)
MOST_RECORD = 32 << 20
"""Bytes of the record: about 100,000 generations."""
MOST_VALUES = 2_000_000
"""Objects and lists in it: what reading it may cost in memory."""
MOST_DEPTH = 64
"""Folders within folders in a snapshot."""
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A regular file of a snapshot."""

    path: str
    size: int
    sha256: str
    runs: bool = False


@dataclass(frozen=True, slots=True)
class ArchivedSnapshot:
    """A snapshot: what it holds, and what was known of it where it was made."""

    id: str
    files: tuple[ArchivedFile, ...]
    links: tuple[tuple[str, str], ...] = ()
    """Path and target of each symbolic link; none leads out."""
    folders: tuple[str, ...] = ()
    """Every folder below it, parents first."""
    checksum: str = ""
    """Dysnomia's; ``""`` where there was none."""
    metadata: Metadata | None = None
    """Without its manifest, which is ``files`` and ``links``."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class ArchivedGeneration:
    """One generation, with its number where it was made."""

    number: int
    id: str
    as_of: datetime
    reason: Reason
    text: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class ArchivedComponent:
    """A component's snapshots, and its generations in their order."""

    key: ComponentKey
    snapshots: tuple[ArchivedSnapshot, ...]
    generations: tuple[ArchivedGeneration, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """The record of an archive."""

    store: str
    """The id of the store it is of."""
    host: str
    made: datetime
    components: tuple[ArchivedComponent, ...]

    @property
    def size(self) -> int:
        """Bytes of all files in it."""
        return sum(snapshot.size for component in self.components for snapshot in component.snapshots)

    @property
    def generations(self) -> int:
        return sum(len(component.generations) for component in self.components)


def member_name(key: ComponentKey, snapshot_id: str, path: str) -> str:
    """The path of a file in the tar: unpacked, that is a Dysnomia's ``snapshots`` folder."""
    return f"snapshots/{key.container}/{key.component}/{snapshot_id}/{path}"


def head(name: str, size: int) -> bytes:
    """The tar header of a member, byte for byte."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, 0
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padded(size: int) -> int:
    """Bytes that ``size`` bytes take in a tar."""
    return -(-size // BLOCK) * BLOCK


def members(archive: Archive) -> Iterator[tuple[ComponentKey, ArchivedSnapshot, ArchivedFile]]:
    """The files in their order."""
    for component in archive.components:
        for snapshot in component.snapshots:
            for file in snapshot.files:
                yield component.key, snapshot, file


def is_checksum(text: str) -> bool:
    """Whether it is one of Dysnomia's."""
    return _CHECKSUM.fullmatch(text) is not None


# As JSON.


def dump(archive: Archive) -> bytes:
    """Raises Refused where it is too much for one archive."""
    record = {
        "format": FRAMES if any(map(_framed, archive.components)) else FORMAT,
        "store": archive.store,
        "host": archive.host,
        "made": records.stamp(archive.made),
        "components": [_component_json(component) for component in archive.components],
    }
    data = records.dump(record)
    if len(data) > MOST_RECORD or data.count(b"[") + data.count(b"{") > MOST_VALUES:
        raise Refused(f"{archive.generations} generations are too many for one archive", "export fewer at a time")
    return data


def _framed(component: ArchivedComponent) -> bool:
    return any(records.framed(manifest(snapshot.files, ())) for snapshot in component.snapshots)


def _component_json(component: ArchivedComponent) -> Mapping[str, Any]:
    return {
        "container": component.key.container,
        "component": component.key.component,
        "snapshots": [_snapshot_json(snapshot) for snapshot in component.snapshots],
        "generations": [
            {
                "number": one.number, "id": one.id, "as_of": records.stamp(one.as_of),
                "reason": str(one.reason), "text": one.text, "who": one.who,
            }
            for one in component.generations
        ],
    }  # fmt: skip


def _snapshot_json(snapshot: ArchivedSnapshot) -> Mapping[str, Any]:
    metadata = None
    if snapshot.metadata is not None:
        metadata = records.metadata_json(replace(snapshot.metadata, files=()))
        del metadata["files"]
    return {
        "id": snapshot.id,
        "files": [[file.path, file.size, file.sha256, file.runs] for file in snapshot.files],
        "links": [list(link) for link in snapshot.links],
        "folders": list(snapshot.folders),
        "checksum": snapshot.checksum,
        "metadata": metadata,
    }


def load(data: bytes, what: str) -> Archive:
    """Read and validate a record. Raises Refused, NameRejected, naming what is wrong with it."""
    if data.count(b"[") + data.count(b"{") > MOST_VALUES:
        raise Refused(f"the record of {what} holds more than an archive can", "it was not made by this program")
    name = f"the record of {what}"
    try:
        record = schema.record(records.load(data, name, FRAMES), name)
        components = tuple(_component(one) for one in record["components"])
        archive = Archive(record["store"], record["host"], records.moment(record["made"]), components)
    except UnknownFormat as error:
        raise Refused(f"{what} is an archive of another format: {error.message}", error.hint) from error
    except Corrupt as error:
        raise Refused(error.message, "it was not made by this program") from error
    except ValueError as error:
        raise Refused(f"{name} cannot be read: {error}", "it was not made by this program") from error
    if len({component.key for component in components}) != len(components):
        raise Refused(f"{what} lists a component twice")
    return archive


def _component(component: schema.Component) -> ArchivedComponent:
    key = ComponentKey.of(component["container"], component["component"])
    snapshots = tuple(_snapshot(key, one) for one in component["snapshots"])
    generations = tuple(
        ArchivedGeneration(
            one["number"], validate_name(one["id"], "snapshot id"), records.moment(one["as_of"]), Reason(one["reason"]),
            one["text"], one["who"],
        )
        for one in component["generations"]
    )  # fmt: skip
    ids = {snapshot.id for snapshot in snapshots}
    if len(ids) != len(snapshots):
        raise Refused(f"{key}: the archive lists a snapshot twice")
    for generation in generations:
        if generation.id not in ids:
            raise Refused(f"generation {generation.number} of {key} links to a snapshot that is not in the archive")
    if any(one.number >= other.number for one, other in pairwise(generations)):
        raise Refused(f"the generations of {key} are out of order")
    return ArchivedComponent(key, snapshots, generations)


def _snapshot(key: ComponentKey, snapshot: schema.Snapshot) -> ArchivedSnapshot:
    snapshot_id = validate_name(snapshot["id"], "snapshot id")
    files = tuple(ArchivedFile(*file) for file in snapshot["files"])
    links = tuple(snapshot["links"])
    folders = tuple(snapshot["folders"])
    if snapshot["checksum"] and not is_checksum(snapshot["checksum"]):
        raise Refused(f"{key}/{snapshot_id}: invalid checksum in the archive")
    _validate_tree(f"{key}/{snapshot_id}", files, links, folders)
    metadata = None
    if snapshot["metadata"] is not None:
        metadata = replace(records.metadata_of({**snapshot["metadata"], "files": []}), files=manifest(files, links))
        if metadata.id != snapshot_id:
            raise Refused(f"the metadata of {key}/{snapshot_id} belongs to another snapshot")
    return ArchivedSnapshot(snapshot_id, files, links, folders, snapshot["checksum"], metadata)


def manifest(files: Sequence[ArchivedFile], links: Sequence[tuple[str, str]]) -> tuple[FileEntry, ...]:
    """The files and links as a snapshot's manifest has them, each frame of a folder of frames as well."""
    from dysnomia_store.content.manifest import link_entry

    entries = [FileEntry(file.path, file.size, file.sha256) for file in files]
    entries += [link_entry(path, target) for path, target in links]
    return tuple(sorted(entries, key=lambda entry: entry.path))


def without_frames(files: Sequence[FileEntry]) -> tuple[FileEntry, ...]:
    """A manifest sorted, with the footer alone of each folder of frames."""
    from dysnomia_store.content.frame_folder import collapsed

    kept = set(collapsed(entry.path for entry in files))
    return tuple(sorted((entry for entry in files if entry.path in kept), key=lambda entry: entry.path))


def _validate_tree(
    what: str, files: Sequence[ArchivedFile], links: Sequence[tuple[str, str]], folders: Sequence[str]
) -> None:
    """Every path stays in the snapshot, and in a folder that comes before it. Raises Refused."""
    if not files and not links:
        raise Refused(f"{what} holds no files: the archive was not made by this program")
    known = {""}
    for path in folders:
        _validate_path(what, path, known)
        known.add(path)
    taken = set(known)
    for path in (*(file.path for file in files), *(path for path, _ in links)):
        _validate_path(what, path, known)
        if path in taken:
            raise Refused(f"{path!r} is listed twice in {what}")
        taken.add(path)
    for path, target in links:
        if not target or target.startswith("/") or ".." in target.split("/") or "\0" in target:
            raise Refused(f"{path!r} in {what} is a link that leads out of the snapshot")


def _validate_path(what: str, path: str, folders: set[str]) -> None:
    parts = path.split("/")
    if path.startswith("/"):
        raise Refused(f"{path!r} in {what} is an absolute path")
    if ".." in parts:
        raise Refused(f"{path!r} in {what} leads out of the snapshot")
    if "" in parts or "." in parts or "\0" in path:
        raise Refused(f"{path!r} in {what} is not a path")
    if len(parts) > MOST_DEPTH or any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in parts):
        raise Refused(f"a path in {what} is too long for any file system")
    parent = "/".join(parts[:-1])
    if parent not in folders:
        raise Refused(f"{path!r} in {what}: its folder is not in the snapshot")
