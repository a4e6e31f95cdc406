"""The live tree, looked at by name: part by part below descriptors, through no link."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.toolkit.filesets.putting.item import Item, item_at
from dysnomia_plugins.toolkit.guarded.flags import is_fixed
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, folder_at, open_below, open_folder
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.names import RootAt, below, own_name
from dysnomia_plugins.toolkit.trees.walk import Walk


class LiveTree:
    """What is live. Nothing is kept but which names belong to one file."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.roots = layout.roots_at(layout.live)

    def root_of(self, name: str) -> RootAt | None:
        """The root that a name lies in; None where the component names none."""
        return next((root for root in self.roots if below(name, root.root)), None)

    def path(self, name: str) -> str:
        """Absolute."""
        return posixpath.normpath(posixpath.join(self.layout.target, name))

    @contextmanager
    def parent(self, name: str) -> Iterator[tuple[int, str]]:
        """An open folder, and the name in it. Raises LinkInTheWay, FileNotFoundError, OSError, NotSafe."""
        root = self.root_of(name)
        if root is None:
            raise NotSafe(f"{name} is not in the fileset", "see the folders in .dysnomia-fileset")
        if name == root.root:
            if root.path == "/":
                raise NotSafe("the root of the file system cannot be put back")
            with folder_at(posixpath.dirname(root.path)) as above:
                yield above, posixpath.basename(root.path)
            return
        parts = name.split("/") if root.root == "." else name[len(root.root) + 1 :].split("/")
        with folder_at(root.path) as top:
            folder = open_below(top, parts[:-1])
        try:
            yield folder, parts[-1]
        finally:
            os.close(folder)

    def item(self, name: str) -> Item | None:
        """What has a name, as a snapshot would have it. Raises LinkInTheWay, NotSafe, OSError."""
        file_here = self.plain(name)
        if (
            file_here is None
            or file_here.links < 2
            or file_here.member.kind is Kind.FOLDER
            or name not in self.other_names
        ):
            return file_here
        first = self.other_names[name]
        file = self.plain(first)
        if file is None or file.inode != file_here.inode:
            raise NotSafe(f"another process replaced {name} while it was read", "plan again")
        member = Member(kind=Kind.HARDLINK, name=name, link=first)
        return replace(file_here, member=member, content=bytes.fromhex(file.digest))

    def plain(self, name: str) -> Item | None:
        """The same, and another name of a file as that file."""
        try:
            with self.parent(name) as (folder, leaf):
                return item_at(folder, leaf, name)
        except FileNotFoundError:
            return None

    @cached_property
    def other_names(self) -> dict[str, str]:
        """Names of files that have one before, with that one. The whole tree is gone through, once."""
        walk = Walk(self.roots, open_files=False, attributes=False)
        return {seen.name: seen.link for seen in walk if seen.kind is Kind.HARDLINK}

    def below(self, name: str) -> Iterator[str]:
        """Names of all that is in a folder, each folder before what is in it. Nothing where it is no folder."""
        waiting = [name]
        while waiting:
            at = waiting.pop()
            for leaf in self.entries(at) or ():
                inner = leaf if at == "." else f"{at}/{leaf}"
                if not self.counts(inner):
                    continue
                yield inner
                waiting.append(inner)

    def counts(self, name: str) -> bool:
        """Whether what has that name is state; what is not goes with its folder, and stands against nothing."""
        return True

    def taken(self, name: str, leaving: Collection[str]) -> str:
        """Why nothing may get a name that nothing has, once the others are gone; ``""`` where it may."""
        return ""

    def entries(self, name: str) -> list[str] | None:
        """Names right in a folder that are state; None for what is no folder."""
        try:
            with self.parent(name) as (folder, leaf):
                inside = open_folder(leaf, folder)
        except (FileNotFoundError, LinkInTheWay):
            return None
        try:
            top = any(name == root.root for root in self.roots)
            return sorted(one for one in os.listdir(inside) if not (top and own_name(one)))
        finally:
            os.close(inside)

    def refuses(self, name: str) -> str:
        """Why what has a name, or its folder, takes no change, as far as that can be told; ``""`` where it may."""
        with self.parent(name) as (folder, leaf):
            if os.fstatvfs(folder).f_flag & os.ST_RDONLY:
                return f"{name} is on a file system that is mounted read-only (mount -o remount,rw)"
            if is_fixed(folder):
                return f"the folder of {name} is immutable (lsattr -d)"
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True):
                return f"the folder of {name} may not be written"
            try:
                if stat.S_IFMT(os.lstat(leaf, dir_fd=folder).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                    return ""
                descriptor = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            except OSError:
                return ""
            try:
                return f"{name} is immutable (lsattr)" if is_fixed(descriptor) else ""
            finally:
                os.close(descriptor)

    def device(self, name: str) -> int:
        """Of the folder that a name is in. Raises as ``parent`` does."""
        with self.parent(name) as (folder, _):
            return os.fstat(folder).st_dev
