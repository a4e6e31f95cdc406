"""The references of a repository: as git lists them, as a line of JSON each, and as a bundle's header names them.

Source of the bundle: ``Documentation/gitformat-bundle.txt`` of git 2.39.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from dysnomia_plugins.errors import NotSafe, PluginError

HEAD = "HEAD"
FORMAT = "%(objectname)%00%(objecttype)%00%(symref)%00%(refname)"
"""What ``git for-each-ref`` is asked for; no name of a reference holds a control character."""
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BAD = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|(^|/)\.|\.lock(/|$)|\.$|/$|^/|^-")
"""What ``git check-ref-format`` takes in no name."""
MAX_LINE = 1 << 16
_KINDS = frozenset({"", "commit", "tag", "tree", "blob"})
_LEFT_OUT = re.compile(r"ignoring (broken ref|dangling symref|ref with broken name) (.+)")
MAX_BYTES = 256 << 20
"""Of the list of references, which is held in memory: some two million of them."""


class BadBundle(PluginError):
    """What is not a bundle or a list of references, or one that git did not write."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One reference, or ``HEAD``. Names hold bytes that are no UTF-8 as surrogate escapes."""

    name: str
    target: str
    """The object; ``""`` where there is none yet (``HEAD`` of a repository without a commit)."""
    kind: str
    """Of the object: commit, tag, tree, blob; ``""`` where that is not known."""
    symbolic: str
    """The reference that it leads to; ``""`` for one that names an object itself."""

    def line(self) -> bytes:
        """As it is stored."""
        return json.dumps([self.name, self.target, self.kind, self.symbolic]).encode("ascii") + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Ref:
        """Raises BadBundle for what git could not have listed."""
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, list) or len(values) != 4 or not all(isinstance(one, str) for one in values):
            raise BadBundle("the snapshot's list of references holds an invalid line", repr(line[:60]))
        name, target, kind, symbolic = values
        if kind not in _KINDS or not all(map(_of_bytes, (name, symbolic))):
            raise BadBundle("the snapshot's list of references holds an invalid line", repr(line[:60]))
        for one in (name, symbolic):
            if one and one != HEAD and (not one.startswith("refs/") or _BAD.search(one)):
                raise BadBundle(f"{one!r} is not a valid name of a reference", "nothing was loaded")
        if not name or (target and not _OBJECT.fullmatch(target)) or not (target or symbolic):
            raise BadBundle(f"the reference {name!r} names no object", "nothing was loaded")
        return cls(name, target, kind, symbolic)


def _of_bytes(name: str) -> bool:
    """Whether a name is how some bytes are read, and the only way that these are."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == name
    except UnicodeEncodeError:
        return False


def listed(stream: BinaryIO) -> Iterator[Ref]:
    """Of what ``git for-each-ref`` prints. Raises NotSafe for more than can be held, or a line without an end."""
    size = 0
    while line := stream.readline(MAX_LINE):
        size += len(line)
        if size > MAX_BYTES or not line.endswith(b"\n"):
            raise NotSafe(f"the list of references is longer than {MAX_BYTES:,} bytes", "this is not handled")
        target, kind, symbolic, name = line[:-1].decode("utf-8", "surrogateescape").split("\0")
        yield Ref(name, target, kind, symbolic)


def left_out(line: bytes) -> str:
    """The reference that ``git for-each-ref`` says that it does not list; ``""`` of any other line."""
    match = _LEFT_OUT.search(line.decode("utf-8", "backslashreplace"))
    return match[2] if match else ""


def refuse_broken(names: Collection[str], path: str) -> None:
    """A snapshot without them would not be whole. Raises NotSafe."""
    if names:
        name, more = min(names), f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise NotSafe(
            f"the reference {name!r}{more} of {path} is broken, or leads to one that is not there",
            f"remove it (git update-ref --no-deref -d {name}), or give it an object",
        )


def refuse_unloadable(refs: Iterable[Ref]) -> None:
    """What could not be loaded is not dumped either. Raises NotSafe."""
    size = 0
    for ref in refs:
        line = ref.line()
        size += len(line)
        try:
            Ref.read(line)
        except BadBundle as error:
            raise NotSafe(
                f"the reference {ref.name!r} cannot be kept: {error.message}", "remove or rename it"
            ) from error
    if size > MAX_BYTES:
        raise NotSafe(f"the list of references is longer than {MAX_BYTES:,} bytes", "this is not handled")


def objects(refs: Iterable[Ref]) -> list[str]:
    """The objects that they lead to, each once, sorted."""
    return sorted({ref.target for ref in refs if ref.target})


def bundle_header(refs: Iterable[Ref], object_format: str) -> bytes:
    """What stands before the pack in a bundle of all of them."""
    head = (
        b"# v2 git bundle\n"
        if object_format == "sha1"
        else f"# v3 git bundle\n@object-format={object_format}\n".encode()
    )
    lines = (f"{ref.target} {ref.name}\n".encode("utf-8", "surrogateescape") for ref in refs if ref.target)
    return head + b"".join(lines) + b"\n"


def read_header(stream: BinaryIO) -> tuple[str, Sequence[Ref]]:
    """The object format and the references of a bundle; the stream stands at its pack then. Raises BadBundle."""
    first = _line(stream)
    if first not in (b"# v2 git bundle", b"# v3 git bundle"):
        raise BadBundle("this is not a git bundle", "git bundle create FILE --all makes one")
    object_format = "sha1"
    refs: list[Ref] = []
    size = 0
    while line := _line(stream):
        size += len(line)
        if size > MAX_BYTES:
            raise BadBundle("the bundle names too many references")
        if line.startswith(b"@object-format="):
            object_format = line.partition(b"=")[2].decode("ascii", "backslashreplace")
        elif line.startswith(b"@"):
            raise BadBundle(f"the bundle needs what is not known here: {line!r}", "git bundle create FILE --all")
        elif line.startswith(b"-"):
            raise BadBundle("the bundle holds only what came after other commits", "git bundle create FILE --all")
        else:
            target, _, name = line.decode("utf-8", "surrogateescape").partition(" ")
            refs.append(Ref.read(Ref(name, target, "", "").line()))
    if object_format not in ("sha1", "sha256"):
        raise BadBundle(f"the bundle's objects are named by {object_format!r}", "sha1 and sha256 are known")
    return object_format, refs


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline(MAX_LINE)
    if not line.endswith(b"\n"):
        raise BadBundle("the bundle ends in its header, or a line of it is too long")
    return line[:-1]
