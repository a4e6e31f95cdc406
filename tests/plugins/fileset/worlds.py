"""Trees as nobody here would make them: the other worlds of the fileset's conformance suite."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Place
from tests.plugins.fileset.changes import CHANGES, all_below
from tests.plugins.fileset.world import FilesetWorld
from tests.plugins.other_user import OtherUser, open_folder

LIMIT = 255
"""Bytes of a name."""


class OtherOwnerWorld(FilesetWorld):
    """The target folder and most of what is in it are another user's; we are root."""

    def __init__(self, other: OtherUser, folder: Path) -> None:
        self._open = open_folder()
        super().__init__(self._open / folder.name)
        self.other = other
        self.target.mkdir(parents=True)
        other.own(self.target)

    def close(self) -> None:
        shutil.rmtree(self._open)

    def seed(self) -> None:
        super().seed()
        below = [path for path in all_below(self.target) if path.lstat().st_uid == 0 and path.name != "block"]
        modes = {path: path.stat().st_mode for path in below if path.is_file() and not path.is_symlink()}
        self.other.own(*below)
        for path, mode in modes.items():
            path.chmod(mode & 0o7777)  # a new owner takes setuid away


class WideWorld(FilesetWorld):
    """One of every kind of thing that a file system holds, and the edges of each."""

    def seed(self) -> None:
        super().seed()
        make_zoo(self.path("data/zoo"))
        with socket.socket(socket.AF_UNIX) as made, chdir(self.path("data/zoo")):
            made.bind("socket")  # an address is 107 bytes at most

    def whole(self, place: Place | None = None) -> object:
        """Without the socket: it is its server's, which makes it anew; a snapshot says that it is left out."""
        found = super().whole(place)
        assert found is None or isinstance(found, list)
        return found and [one and [entry for entry in one if entry[0] != b"zoo/socket"] for one in found]


class UpdatedWorld(FilesetWorld):
    """After a tenth of the files was changed and a tenth deleted, as applications do: in place, by rename, appended."""

    def seed(self) -> None:
        super().seed()
        used = self.path("data/used")
        random = Random(3)
        for number in range(300):
            path = used / f"{number % 20:02}" / f"{number}.dat"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(random.randbytes(number * 7 % 3000))
        for number in range(3, 300, 10):
            path = used / f"{number % 20:02}" / f"{number}.dat"
            new = path.with_suffix(".tmp")
            new.write_bytes(random.randbytes(5000))
            new.replace(path)
        for number in range(5, 300, 10):
            path = used / f"{number % 20:02}" / f"{number}.dat"
            with path.open("r+b") as file:
                file.truncate(number)
                file.seek(2 * number)
                file.write(b"after a hole")
        for number in range(7, 300, 10):
            (used / f"{number % 20:02}" / f"{number}.dat").unlink()
        for number in range(9, 300, 10):
            path = used / f"{number % 20:02}" / f"{number}.dat"
            path.rename(used / "00" / f"moved {number}")
        shutil.rmtree(used / "13")

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)


def make_zoo(folder: Path) -> None:
    """Kinds, modes, names, sizes, holes, links, attributes and lists of access."""
    folder.mkdir()
    for mode in (0o000, 0o111, 0o222, 0o444, 0o777, 0o7777, 0o4000, 0o2070, 0o1000):
        (folder / f"mode {mode:04o}").write_text("x")
        (folder / f"mode {mode:04o}").chmod(mode)
        (folder / f"folder {mode:04o}").mkdir()
        (folder / f"folder {mode:04o}").chmod(mode)
    for size in (0, 1, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537, (1 << 20) + 1):
        (folder / f"size {size}").write_bytes(Random(size).randbytes(size))
    _holes(folder / "holes")
    _names(folder / "names")
    _links(folder / "links")
    _attributes(folder / "attributes")
    os.mkfifo(folder / "pipe")
    (folder / "pipe").chmod(0o604)
    if os.geteuid() == 0:
        os.mknod(folder / "character device", 0o020640, os.makedev(5, 300))
        os.mknod(folder / "block device", 0o060300, os.makedev(259, 70000))
        for number in (1, 65534, 65535, 65536, 2**31, 2**32 - 2):
            (folder / f"owner {number}").write_text("")
            os.chown(folder / f"owner {number}", number, number)
    deep = folder / "deep"
    for _ in range(12):
        deep = deep / ("d" * 60)
    deep.mkdir(parents=True)
    (deep / "bottom").write_text("at the end of a path of 700 bytes")
    wide = folder / "many"
    wide.mkdir()
    for number in range(70):
        (wide / f"{number}").write_text("")


def _holes(folder: Path) -> None:
    folder.mkdir()
    for name, at, size in (
        ("only", 0, 1 << 24),
        ("begin", 1 << 22, 1 << 22),
        ("end", 0, 1 << 22),
        ("odd", 4097, 99999),
    ):
        with (folder / name).open("wb") as file:
            if name != "only":
                file.seek(at)
                file.write(b"data")
            file.truncate(max(size, at + 4))
    (folder / "zeros, no hole").write_bytes(bytes(1 << 17))
    with (folder / "many").open("wb") as file:
        for number in range(64):
            file.seek(number << 17)
            file.write(b"x")


def _names(folder: Path) -> None:
    folder.mkdir()
    odd = [bytes(set(range(1, 127)) - set(b"/")), bytes(range(127, 256)), b"\x01", b"\x7f", b"\x80", b"\xff"]
    odd += [b"a\nb", b" ", b"  lead", b"trail ", b"-rf", b"--", b"...", b"..x", b"x" * LIMIT, b"\xff" * LIMIT]
    odd += [
        "é".encode(),
        "e\u0301".encode(),
        "✓".encode() * 85,
        b"\\x41",
        b"%41",
        b"$(touch x)",
        b"a\\",
        b"CON",
        b"a:b",
    ]
    odd += [b"pax\n30 mtime=1\n", b"./", b"dump", b".dysnomia-fileset", b"*", b"?[a-z]", b"~", b"#", b"'\"`"]
    for number, name in enumerate(odd):
        if b"/" not in name:
            with open(os.fsencode(folder) + b"/" + name, "wb") as file:  # noqa: PTH123  # names of bytes
                file.write(b"%d" % number)


def _links(folder: Path) -> None:
    folder.mkdir()
    (folder / "file").write_text("of many names")
    for number in range(9):
        os.link(folder / "file", folder / f"name {number}")
    (folder / "sub").mkdir()
    os.link(folder / "file", folder / "sub" / "name elsewhere")
    for name, target in (
        ("absolute", "/etc/passwd"), ("up", "../.."), ("self", "self"), ("loop a", "loop b"), ("loop b", "loop a"),
        ("to a folder", "sub"), ("long", "x/" * 2000), ("bytes", os.fsdecode(b"\xff\n")), ("dot", "."), ("end", "sub/"),
    ):  # fmt: skip
        (folder / name).symlink_to(target)
    os.link(folder / "absolute", folder / "a link of two names", follow_symlinks=False)
    os.mkfifo(folder / "pipe")
    os.link(folder / "pipe", folder / "a pipe of two names")


def _attributes(folder: Path) -> None:
    """Extended attributes, and lists of access in the form of the kernel's ``posix_acl_xattr.h``."""
    folder.mkdir()
    file = folder / "file"
    file.write_text("x")
    os.setxattr(file, "user.empty", b"")
    os.setxattr(file, "user.large", Random(1).randbytes(2000))
    os.setxattr(file, "user.odd = name\n", b"\x00=\n")
    for number in range(20):
        os.setxattr(file, f"user.number{number}", b"%d" % number)
    acl = [(1, 7), (2, 5, 1), (2, 4, 70000), (4, 4), (8, 6, 1), (16, 7), (32, 1)]
    value = (2).to_bytes(4, "little")
    for tag, bits, *who in acl:
        value += tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + (who or [0xFFFFFFFF])[0].to_bytes(4, "little")
    os.setxattr(file, "system.posix_acl_access", value)
    (folder / "sub").mkdir()
    os.setxattr(folder / "sub", "system.posix_acl_default", value)
    (folder / "sub" / "heir").write_text("")
    if os.geteuid() == 0:
        os.setxattr(file, "trusted.note", b"of root")
        capability = bytes.fromhex("010000020004000000000000" + "00" * 8)  # cap_net_bind_service, linux/capability.h
        (folder / "capable").write_text("#!/bin/true\n")
        os.setxattr(folder / "capable", "security.capability", capability)
