"""The two lists that ``git update-server-info`` makes, ``info/refs`` and ``objects/info/packs``: a server of plain
files (git calls that dumb HTTP) gives them to clients, which find nothing without them.

They say of the references and packs what can be worked out again, so no snapshot holds them. Where a repository had
them, one that is made in its place has them too: written by us, since git may not write in all its folders by then.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from dysnomia_plugins.base import Stored
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.guarded.folder import Folder, hand_over
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, write_all
from dysnomia_plugins.types.git.refs import HEAD, Ref
from dysnomia_plugins.types.git.repository import Access, Repository

NOTED = "server info"
"""In a snapshot's surroundings: whether the repository had them."""
_FOLDER, _REFS, _PACKS = "info", "refs", "packs"


def is_kept(repository: str) -> bool:
    """Whether a repository has a list of its references for such servers."""
    try:
        with Folder.at(repository) as top, top.folder(_FOLDER) as info:
            seen = info.seen(_REFS)
    except (OSError, LinkInTheWay):
        return False
    return seen is not None and stat.S_ISREG(seen.st_mode)


def was_kept(stored: Stored) -> bool:
    """Whether the repository had it that a snapshot was made of. Older snapshots do not tell."""
    return stored.metadata is not None and stored.metadata.surroundings.get(NOTED) is True


def list_refs(repository: Repository, refs: Sequence[Ref]) -> bytes:
    """The list of references: each with its object, a tag also with what it is a tag of. Raises PluginError."""
    plain = sorted((ref for ref in refs if ref.name != HEAD and ref.target), key=lambda ref: os.fsencode(ref.name))
    tagged = _tagged(repository, sorted({ref.target for ref in plain if ref.kind == "tag"}))
    lines = []
    for ref in plain:
        lines.append(f"{ref.target}\t{ref.name}\n")
        if ref.target in tagged:
            lines.append(f"{tagged[ref.target]}\t{ref.name}^{{}}\n")
    return os.fsencode("".join(lines))


def _tagged(repository: Repository, tags: Sequence[str]) -> dict[str, str]:
    """What tags lead to in the end."""
    if not tags:
        return {}
    asked = "".join(f"{tag}^{{}}\n" for tag in tags).encode("ascii")
    answers = repository.run("cat-file", "--batch-check=%(objectname)", stdin=asked).decode("ascii").splitlines()
    return dict(zip(tags, answers, strict=True))


def write(path: str, listing: bytes, access: Access | None) -> None:
    """Write both lists into a repository that nobody else can reach and whose objects are there, and hand the first
    over. Of one without the folder for it neither is made. Raises NotSafe, OSError."""
    with Folder.at(path) as top:
        seen = top.seen(_FOLDER)
        if seen is None or not stat.S_ISDIR(seen.st_mode):
            return
        with top.folder(_FOLDER) as info:
            if info.seen(_REFS) is not None:
                raise NotSafe(f"{info.shown(_REFS)} is there already", "nothing was replaced")
            with info.new_file(_REFS) as file:
                write_all(file, listing)
                if access is not None:
                    hand_over(file, access.uid, access.gid, access.file_mode)
    with Folder.at(f"{path}/objects/pack", make=0o777) as packs:
        names = [name for name in packs.names() if name.endswith(".pack")]
    with Folder.at(f"{path}/objects/{_FOLDER}", make=0o777) as info:
        info.write_new(_PACKS, os.fsencode("".join(f"P {name}\n" for name in names) + "\n"))
