"""Which parts of an artefact are not what another holds at the same place: a copy of that is made into one of this."""

from __future__ import annotations

from dysnomia_base.records import dataclass
from dysnomia_store.content.frame_folder import FolderReader
from dysnomia_store.content.snapshots import StoredSnapshot


@dataclass(frozen=True, slots=True)
class Difference:
    """What of an artefact differs."""

    parts: tuple[tuple[int, int], ...]
    """Offset and length of each, in order, none touching the next."""
    size: int
    """Of all of it."""


def difference(old: StoredSnapshot, new: StoredSnapshot) -> Difference | None:
    """What of the only artefact of ``new`` is not at the same place in that of ``old``; None where there are several,
    or where one is not stored as frames. Raises NotFound, Corrupt."""
    readers = [one.reader(name) for one in (old, new) for name in one.artefacts()]
    if len(readers) != 2 or not all(isinstance(one, FolderReader) for one in readers):
        return None
    before, after = (one for one in readers if isinstance(one, FolderReader))
    held = set(_placed(before))
    parts: list[tuple[int, int]] = []
    for offset, size, digest in _placed(after):
        if (offset, size, digest) in held:
            continue
        if parts and sum(parts[-1]) == offset:
            parts[-1] = (parts[-1][0], parts[-1][1] + size)
        else:
            parts.append((offset, size))
    return Difference(tuple(parts), after.frames.table.content[-1])


def _placed(artefact: FolderReader) -> list[tuple[int, int, bytes]]:
    frames = artefact.frames
    return [(frames.table.content[at], frames.size(at), frames.digest(at)) for at in range(len(frames))]
