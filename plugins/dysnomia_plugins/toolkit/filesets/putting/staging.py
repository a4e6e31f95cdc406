"""What comes: made in folders of the job's own that nobody else may enter, and checked to the last byte."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_plugins.base import Context, Purpose, Stored
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.load import new_folder
from dysnomia_plugins.toolkit.filesets.putting.item import Item, item_at, read_raw
from dysnomia_plugins.toolkit.filesets.putting.live import LiveTree
from dysnomia_plugins.toolkit.filesets.putting.look import Look
from dysnomia_plugins.toolkit.filesets.putting.stored import entries
from dysnomia_plugins.toolkit.filesets.putting.units import identity
from dysnomia_plugins.toolkit.guarded.syncing import syncing
from dysnomia_plugins.toolkit.guarded.system import open_below
from dysnomia_plugins.toolkit.trees.extract import Extractor, Trust
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.names import below, sort_key


@dataclass
class Staging:
    """One job's. Close it; ``remove`` what it made when nothing of what was live is in it."""

    ctx: Context
    live: LiveTree
    trust: Trust
    look: Look
    places: Sequence[int]
    """Which of the rows are put back."""
    tops: dict[str, list[int]] = field(default_factory=dict)
    """The name of each thing that changes places at once, with the rows in it."""
    folders: dict[int, Member] = field(default_factory=dict)
    """Folders that stay, with what they are to be like."""
    bases: dict[str, int] = field(default_factory=dict)
    """The job's folders, open."""
    staged: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of each name that comes: the job's folder, and the path in it."""
    _stay: dict[str, int] = field(default_factory=dict)

    def make(self, stored: Stored) -> None:
        """Everything that comes, in the job's folders, and checked. Raises PluginError."""
        self._sort()
        try:
            self._extract(stored)
            self._link_to_live()
            with syncing(list(self.bases.values())):
                for at in self.places:
                    self._check(at)
        except OSError as error:
            raise PluginError(
                f"nothing was changed: what is put back cannot be written beside {self.live.layout.target}"
                f" ({error.strerror})",
                "free some space" if error.errno in NO_SPACE else "run it as root, or as the owner",
            ) from error

    def _sort(self) -> None:
        """Which names come and go with which."""
        for at in sorted(self.places, key=lambda one: sort_key(self.name(one))):
            name, wanted, now = self.name(at), self._wanted(at), self.look.now[at]
            if wanted == Kind.FOLDER and now is not None and now.member.kind is Kind.FOLDER:
                self._stay[name] = at
                continue
            top = next((one for one in self._above(name) if one in self.tops), None)
            if top is None:
                top = name
                self.tops[name] = []
            self.tops[top].append(at)
            if wanted:
                self.staged[name] = self.base(name), self._place(top, name)

    def _place(self, top: str, name: str) -> str:
        number = list(self.tops).index(top) if top != name else len(self.tops) - 1
        return f"new-{number}{name[len(top) :]}"

    def _above(self, name: str) -> Iterator[str]:
        while "/" in name:
            name = posixpath.dirname(name)
            yield name

    def name(self, at: int) -> str:
        """Of a row."""
        return self.look.rows[at].section.name

    def _wanted(self, at: int) -> str:
        """The kind of what comes; ``""`` where something only goes."""
        raw = self.look.rows[at].wanted
        return "" if raw is None else str(read_raw(raw)["kind"])

    def base(self, name: str) -> str:
        """The job's folder on the file system that a name is on; made where it is asked for first."""
        made = self.live.layout.made(self.ctx.tag, Purpose.BESIDE)
        base = next(one.base for one in self.live.layout.roots_at(made) if below(name, one.root))
        if base not in self.bases:
            with new_folder(base) as folder:
                self.bases[base] = os.dup(folder.descriptor)
        return base

    def _extract(self, stored: Stored) -> None:
        rows = [self.look.rows[at] for at in self.places]
        wanted = [row.section for row in rows if row.wanted is not None]
        extractors = {base: Extractor(fd, self.trust, self.ctx.progress.log) for base, fd in self.bases.items()}
        try:
            for entry in entries(stored, wanted):
                self.ctx.cancel.check()
                if entry.member.name in self._stay:
                    member = self.trust.apply(entry.member) or entry.member
                    self.folders[self._stay[entry.member.name]] = member
                    continue
                base, place = self.staged[entry.member.name]
                member = replace(entry.member, name=place)
                if member.kind is Kind.HARDLINK:
                    if self.staged.get(member.link, ("", ""))[0] != base:
                        continue
                    member = replace(member, link=self.staged[member.link][1])
                extractors[base].extract(entry, member, lambda _size: self.ctx.cancel.check())
            for extractor in extractors.values():
                extractor.close(hand_over=False)
        finally:
            for extractor in extractors.values():
                extractor.abandon()

    def _link_to_live(self) -> None:
        """Other names of files that stay in live."""
        for at in self.places:
            name, raw = self.name(at), self.look.rows[at].wanted
            if raw is None or name not in self.staged or self._wanted(at) != Kind.HARDLINK:
                continue
            link = str(read_raw(raw)["link"])
            base, place = self.staged[name]
            if self.staged.get(link, ("", ""))[0] == base:
                continue
            file = self.live.plain(link)
            if file is None or file.digest != read_raw(raw)["file"]:
                raise NotSafe(f"nothing was changed: {link}, of which {name} is a hard link, was changed since")
            with self.live.parent(link) as (source, leaf):
                os.link(leaf, place, src_dir_fd=source, dst_dir_fd=self.bases[base], follow_symlinks=False)
            if identity(place, self.bases[base]) != file.inode:
                raise NotSafe(f"nothing was changed: another process replaced {link} while it was read", "plan again")

    def _check(self, at: int) -> None:
        """Whether what was made is what was planned, to the last byte."""
        name = self.name(at)
        if name not in self.staged:
            return
        base, place = self.staged[name]
        made = self.item(self.bases[base], place, name)
        raw = self.look.rows[at].wanted
        assert raw is not None
        wanted = read_raw(raw)
        if made is not None and wanted["kind"] == Kind.HARDLINK:
            link = str(wanted["link"])
            digest = made.renamed(link).digest
            if digest == wanted["file"]:
                return
        elif made is not None and made.digest == wanted["digest"]:
            return
        raise NotSafe(
            f"nothing was changed: {name} cannot be created with its stored owner and attributes",
            "run it as root, on a file system that supports them",
        )

    def item(self, base: int, place: str, name: str) -> Item | None:
        """What stands in a folder of the job's, as the member ``name``. Raises NotSafe, OSError."""
        folder = open_below(base, place.split("/")[:-1])
        try:
            return item_at(folder, posixpath.basename(place), name)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Idempotent."""
        while self.bases:
            os.close(self.bases.popitem()[1])

    def remove(self) -> None:
        """Delete the job's folders. Raises PluginError."""
        for base in list(self.bases):
            self.live.layout.remove_made(base)
        self.close()
