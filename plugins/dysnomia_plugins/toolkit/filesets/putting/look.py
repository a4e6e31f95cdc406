"""What live holds where files are to be put back, and what stands against each of them."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dysnomia_plugins.base import LiveLook, LiveRow, PutRow
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.putting.item import Item, read_raw
from dysnomia_plugins.toolkit.filesets.putting.live import LiveTree
from dysnomia_plugins.toolkit.findings import existing, free_bytes
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, folder_at
from dysnomia_plugins.toolkit.trees.member import Kind
from dysnomia_plugins.toolkit.trees.users import users_of


@dataclass
class Look:
    """One look at all of them."""

    live: LiveTree
    rows: Sequence[PutRow]
    now: list[Item | None] = field(default_factory=list)
    wrong: dict[int, str] = field(default_factory=dict)
    """What cannot be looked at, or not be put back, with the reason."""
    refusals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for at, row in enumerate(self.rows):
            self.now.append(self._seen(at, row.section.name))
        self._wanted = [None if row.wanted is None else read_raw(row.wanted) for row in self.rows]
        self._at = {row.section.name: at for at, row in enumerate(self.rows)}
        self._leaving = frozenset(row.section.name for row in self.rows if row.wanted is None)

    def _seen(self, at: int, name: str) -> Item | None:
        try:
            return self.live.item(name)
        except LinkInTheWay:
            return None  # no folder is there that could hold it
        except NotSafe as error:
            self.wrong[at] = error.message
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG):
                raise
            raise PluginError(f"{self.live.path(name)} cannot be read ({error.strerror})", "run it as root") from error
        return None

    def digest(self, at: int) -> str:
        """Of what live holds; ``""`` for nothing."""
        now = self.now[at]
        return "" if now is None else now.digest

    def wanted(self, at: int) -> str:
        """Of what is to be there; ``""`` for nothing."""
        wanted = self._wanted[at]
        return "" if wanted is None else str(wanted["digest"])

    def moved(self) -> list[int]:
        """Those that would change anything."""
        return [at for at in range(len(self.rows)) if at in self.wrong or self.digest(at) != self.wanted(at)]

    def answer(self) -> LiveLook:
        """For the plan."""
        conflicts = self.conflicts(self.moved())
        rows = tuple(
            LiveRow(None if now is None else now.to_raw(), self.digest(at), self.wanted(at))
            for at, now in enumerate(self.now)
        )
        takes = [at for at in self.moved() if at not in conflicts]
        return LiveLook(rows, conflicts, tuple(self._warnings(takes)), self._full(takes))

    def conflicts(self, places: Sequence[int]) -> Mapping[int, str]:
        """Which of these cannot be put back, the others with each other; each with the reason."""
        conflicts = {at: self.wrong[at] for at in places if at in self.wrong}
        writers = self._writers([at for at in places if at not in conflicts])
        for at in places:
            if at not in conflicts and (why := self._alone(at) or writers.get(at, "")):
                conflicts[at] = why
        while True:
            left = {at for at in places if at not in conflicts}
            more = {at: why for at in left if (why := self._together(at, left))}
            if not more:
                return conflicts
            conflicts |= more

    def _alone(self, at: int) -> str:
        """What stands against one, whatever becomes of the others."""
        name, wanted = self.rows[at].section.name, self._wanted[at]
        if wanted is not None and wanted.get("problem"):
            return str(wanted["problem"])
        if self.live.root_of(name) is None:
            return f"{name} is in no folder that .dysnomia-fileset names"
        if wanted is not None and self.now[at] is None and (why := self.live.taken(name, self._leaving)):
            return why
        path = self.live.path(name)
        for point in (path, *self.live.layout.mounts_below(path)):
            if self.live.layout.is_mount(point) and not self._stays(at):
                return f"another file system is mounted at {point}: unmount it first"
        try:
            refused = self.live.refuses(name)
            device = self.live.device(name)
        except (FileNotFoundError, LinkInTheWay):
            return ""  # its folder is looked at with the others
        if refused:
            return refused
        if device != self._staged_on(name) and not self._stays(at):
            return f"{name} is on a file system of its own below its root, where nothing can be exchanged with it"
        return ""

    def _stays(self, at: int) -> bool:
        """Whether it is a folder before and after."""
        now, wanted = self.now[at], self._wanted[at]
        kinds = (now.member.kind if now is not None else None, wanted["kind"] if wanted is not None else None)
        return kinds == (Kind.FOLDER, Kind.FOLDER)

    def _staged_on(self, name: str) -> int:
        """The device on which it is made before it gets its place."""
        root = self.live.root_of(name)
        assert root is not None, "what is in no root is left before"
        with folder_at(existing(self.live.layout.staged_in(root.root))) as folder:
            return os.fstat(folder).st_dev

    def _writers(self, places: Sequence[int]) -> dict[int, str]:
        """Files that programs have open for writing: what these write later would be lost with them."""
        paths = {
            self.live.path(self.rows[at].section.name): at
            for at in places
            if (now := self.now[at]) is not None and now.member.kind in (Kind.FILE, Kind.HARDLINK)
        }
        users: dict[int, str] = {}
        for user in users_of(list(paths), writers_only=True) if paths else ():
            if user.path in paths:
                users[paths[user.path]] = f"{user}: stop it, for what it writes later would be lost"
        return users

    def _together(self, at: int, left: set[int]) -> str:
        name, now, wanted = self.rows[at].section.name, self.now[at], self._wanted[at]
        if (wanted is None or wanted["kind"] != Kind.FOLDER) and now is not None and now.member.kind is Kind.FOLDER:
            stays = next((one for one in self.live.below(name) if self._at.get(one) not in left), None)
            if stays is not None:
                return f"{name} is a folder in live now, and {stays} in it would go: name folder:{name} for all of it"
        if wanted is None:
            return ""
        return self._homeless(name, left) or self._unlinked(name, wanted, left)

    def _homeless(self, name: str, left: set[int]) -> str:
        """Whether the folder it is to be in is there, or made."""
        above = posixpath.dirname(name)
        root = self.live.root_of(name)
        if root is None or name == root.root:
            return ""
        above = above or "."
        at = self._at.get(above)
        if at is not None and at in left:
            wanted = self._wanted[at]
            if wanted is not None:
                return "" if wanted["kind"] == Kind.FOLDER else f"{above} would be a {wanted['kind']}"
            return f"the folder {above} that it is in would go"
        try:
            now = self.live.plain(above)
        except (NotSafe, LinkInTheWay):
            return f"the way to {above}, which {name} was in, leads through a link or no folder: put that back as well"
        if now is not None and now.member.kind is Kind.FOLDER:
            return ""
        what = "not there" if now is None else f"a {now.member.kind} in live now"
        return f"the folder {above}, which {name} was in, is {what}: put that back as well"

    def _unlinked(self, name: str, wanted: Mapping[str, object], left: set[int]) -> str:
        """Of another name of a file: whether that file is there, as the snapshot has it."""
        link = str(wanted["link"])
        if wanted["kind"] != Kind.HARDLINK or (self._at.get(link) in left):
            return ""
        at = self._at.get(link)
        try:
            now = self.live.item(link) if at is None else self.now[at]
        except (NotSafe, LinkInTheWay, OSError):
            now = None
        if now is not None and now.digest == wanted["file"]:
            return ""
        return f"{name} is another name of {link}, which is not as the snapshot has it: put that back as well"

    def _warnings(self, places: Sequence[int]) -> Iterator[str]:
        names = {self.rows[at].section.name for at in places}
        for at in places:
            now = self.now[at]
            if now is None or now.links < 2 or now.member.kind in (Kind.FOLDER, Kind.HARDLINK):
                continue
            name = self.rows[at].section.name
            others = [one for one, first in self.live.other_names.items() if first == name and one not in names]
            if others:
                yield f"{', '.join(others[:5])}: another name of {name} in live, which stays, with what it holds now"

    def _full(self, places: Sequence[int]) -> tuple[str, ...]:
        sizes = [int(wanted["size"]) for at in places if (wanted := self._wanted[at]) is not None]
        free = free_bytes(existing(self.live.layout.target))
        if free is not None and sum(sizes) > free:
            return (f"{self.live.layout.target} has {free:,} bytes free, and {sum(sizes):,} are needed",)
        return ()
