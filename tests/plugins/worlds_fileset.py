"""The conformance world of filesets: two folders of files, read and changed with plain system calls."""

from __future__ import annotations

import os
import random as randomness
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place, PropertyValue
from dysnomia_plugins.fileset import Fileset
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance import World, Writer

ROOT = os.geteuid() == 0
SPEC = "mkdir data\nmkdir data/inner\nmkdir more/uploads\n"
ROOTS = ("data", "more/uploads")
LOG = "data/log"
ODD = os.fsdecode(b"not \xff\xfe utf-8 \x1b[31m\nline")
WRITER = """
import os, sys
path, log = sys.argv[1:]
out = open(log, "a", buffering=1)
n = 0
while True:
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, b"%d\\n" % n)
        finally:
            os.close(file)
        out.write(f"{n}\\n")
    except FileNotFoundError:
        pass
    n += 1
"""


class FileWriter(Writer):
    """Appends to a log file that it opens anew for each line; a number is logged when ``write`` has returned."""

    def __init__(self, path: str, log: Path) -> None:
        self._log = log
        log.touch()
        self._process = subprocess.Popen([sys.executable, "-c", WRITER, path, str(log)])

    def acknowledged(self) -> set[int]:
        return {int(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")}

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def fileset_component(folder: Path, target: Path, spec: str = SPEC, **properties: PropertyValue) -> Component:
    """A component in ``folder`` whose target folder is ``target``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".dysnomia-fileset").write_text(spec)
    (folder / ".dysnomia-targetdir").write_text(f"{target}\n")
    return Component(ComponentKey.of("files", folder.name), folder, {"type": "fileset", **properties})


class FilesetWorld(World):
    """A target folder in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.plugin = Fileset()
        self.folder = folder
        self.target = folder / "srv"
        self.component = fileset_component(folder / "component", self.target)

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name: str, place: Place | None = None) -> Path:
        return Path(place.name if place else self.target, name)

    def seed(self) -> None:
        make_tree(self.path("data"))
        make_tree(self.path("more/uploads"), seed=2)
        self.path(LOG).write_text("")
        inner = self.path("data/inner")
        inner.mkdir()
        (inner / "one.txt").write_text("one\ntwo\n")
        (inner / "blob").write_bytes(bytes(range(256)))

    def whole(self, place: Place | None = None) -> object:
        found = [tree(self.path(root, place)) for root in ROOTS]
        return None if all(one is None for one in found) else found

    def changes(self) -> Sequence[str]:
        return tuple(_CHANGES)

    def change(self, name: str, random: Random) -> str:
        root = self.path(random.choice(ROOTS))
        return f"{name}: {_CHANGES[name](root, random)}"

    def touch(self) -> str:
        for path in _all(self.path("data")):
            os.utime(path, ns=(1, 1700000000 * 10**9 + 17), follow_symlinks=False)
        sparse = self.path("data/sparse")
        content = sparse.read_bytes()
        with sparse.open("r+b") as file:
            file.write(content)
        (self.path("data") / "new").write_text("gone at once")
        (self.path("data") / "new").unlink()
        self.path("data").with_name("elsewhere").write_text("in no folder of the fileset")
        return "times, zeros for a hole, a file made and deleted, a file beside the folders"

    def grow(self, size: int) -> None:
        block = randomness.Random(1).randbytes(1 << 20)
        for number in range(4):
            with self.path(f"data/big{number}").open("wb") as file:
                for _ in range((size >> 20) // 4 + 1):
                    file.write(block)

    def some_sections(self) -> tuple[str, ...]:
        return ("file:data/notes.txt", "folder:data/inner", "hard link:data/second name")

    def part(self, place: Place | None = None) -> object:
        notes, second = self.path("data/notes.txt", place), self.path("data/second name", place)
        assert notes.stat().st_ino != second.stat().st_ino
        seen = notes.stat()
        return notes.read_bytes(), seen.st_mode, seen.st_uid, second.read_bytes(), tree(self.path("data/inner", place))

    def spoil(self, place: Place) -> None:
        self.path("data/notes.txt", place).write_text("spoiled\n")

    def writer(self, log: Path) -> Writer:
        return FileWriter(str(self.path(LOG)), log)

    def written(self, place: Place | None = None) -> set[int]:
        return {int(line) for line in self.path(LOG, place).read_text().splitlines()}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.target.with_name("away")
        self.target.rename(away)
        try:
            yield
        finally:
            away.rename(self.target)


def make_tree(folder: Path, seed: int = 1) -> None:
    """One of everything that a file system can hold, deterministic but for times."""
    random = Random(seed)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("first\nsecond\nthird\n")
    (folder / "empty").write_text("")
    (folder / "binary").write_bytes(random.randbytes(5000))
    (folder / "block").write_bytes(random.randbytes(200_000))
    with (folder / "sparse").open("wb") as file:
        file.seek(3 << 20)
        file.write(b"in the middle")
        file.truncate(7 << 20)
    (folder / "first name").write_text("one file, two names")
    os.link(folder / "first name", folder / "second name")
    (folder / "sub").mkdir()
    (folder / "sub" / "empty folder").mkdir()
    (folder / "sub" / ODD).write_text("odd")
    (folder / "sub" / ("n" * 255)).write_text("long")
    (folder / "link").symlink_to("notes.txt")
    (folder / "dangling").symlink_to("/nowhere/" + "x" * 200)
    os.mkfifo(folder / "pipe")
    (folder / "notes.txt").chmod(0o640)
    (folder / "binary").chmod(0o4755)
    (folder / "sub").chmod(0o2750)
    os.setxattr(folder / "notes.txt", "user.origin", b"here=there")
    os.setxattr(folder / "sub", "user.binary", bytes(range(32)))
    if ROOT:
        os.chown(folder / "empty", 1234, 4321)
        os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))


def tree(folder: Path) -> object:
    """Everything below a folder that is state, to be compared with ``==``; None where there is none."""
    if not os.path.lexists(folder):
        return None
    inodes: dict[tuple[int, int], str] = {}
    found: list[object] = []
    for path in (folder, *_all(folder)):
        seen = path.lstat()
        name = os.fsencode(path.relative_to(folder))
        same = inodes.setdefault((seen.st_dev, seen.st_ino), os.fsdecode(name))
        content: object = None
        if stat.S_ISREG(seen.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(seen.st_mode):
            content = os.readlink(path)
        elif stat.S_ISCHR(seen.st_mode):
            content = seen.st_rdev
        xattrs = {
            key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
        }
        found.append((name, same, oct(seen.st_mode), seen.st_uid, seen.st_gid, content, xattrs))
    return found


def _all(folder: Path) -> list[Path]:
    return sorted(
        (Path(path, name) for path, folders, files in os.walk(folder) for name in (*folders, *files)), key=os.fsencode
    )


# --- single changes ------------------------------------------------------------------------------------------------


def _files(root: Path, *, content: bool = False) -> list[Path]:
    found = [path for path in _all(root) if path.is_file() and not path.is_symlink() and path.name != "log"]
    return [path for path in found if path.stat().st_size] if content else found


def _word(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=12))


def _new(folder: Path, random: Random) -> Path:
    """A name that nothing has."""
    while os.path.lexists(path := folder / _word(random)):
        pass
    return path


def _byte(root: Path, random: Random) -> str:
    path = random.choice(_files(root, content=True))
    with path.open("r+b") as file:
        at = random.randrange(path.stat().st_size)
        file.seek(at)
        old = file.read(1)
        file.seek(at)
        file.write(bytes([old[0] ^ 1 << random.randrange(8)]))
    return f"{path} at {at}"


def _append(root: Path, random: Random) -> str:
    path = random.choice(_files(root))
    with path.open("ab") as file:
        file.write(b"\0" if random.random() < 0.5 else b"x")
    return str(path)


def _cut(root: Path, random: Random) -> str:
    path = random.choice(_files(root, content=True))
    os.truncate(path, path.stat().st_size - 1)
    return str(path)


def _same_size_zeros(root: Path, random: Random) -> str:
    """A hole longer by as many zeros as there are bytes fewer elsewhere would be another state; so is this."""
    path = _new(root, random)
    with path.open("wb") as file:
        file.truncate(random.choice([1, 65535, 65536, 65537, 1 << 21]))
    return str(path)


def _mode(root: Path, random: Random) -> str:
    path = random.choice([one for one in _all(root) if not one.is_symlink()])
    mode = stat.S_IMODE(path.stat().st_mode) ^ random.choice([0o4000, 0o2000, 0o1000, 0o040, 0o004, 0o010])
    path.chmod(mode)
    return f"{path} {mode:o}"


def _owner(root: Path, random: Random) -> str:
    path = random.choice(_all(root))
    seen = path.lstat()
    if ROOT:
        os.chown(path, seen.st_uid + 1, -1, follow_symlinks=False)
    else:
        path = _new(root, random)
        path.mkdir()
    return str(path)


def _group(root: Path, random: Random) -> str:
    path = random.choice(_all(root))
    seen = path.lstat()
    if ROOT:
        os.chown(path, -1, seen.st_gid + 1, follow_symlinks=False)
        return str(path)
    return _mode(root, random)


def _xattr(root: Path, random: Random) -> str:
    path = random.choice([one for one in _all(root) if one.is_dir() or one in _files(root)])
    os.setxattr(path, f"user.{_word(random)}", random.randbytes(9))
    return str(path)


def _xattr_value(root: Path, random: Random) -> str:
    os.setxattr(root, "user.value", random.randbytes(20))
    return str(root)


def _acl(root: Path, random: Random) -> str:
    """``user::rw-,user:N:r--,group::r--,mask::r--,other::---``, in the form of the kernel's ``posix_acl_xattr.h``."""
    entries = [
        (1, 6, 0xFFFFFFFF),
        (2, 4, random.randrange(1, 1 << 20)),
        (4, 4, 0xFFFFFFFF),
        (16, 4, 0xFFFFFFFF),
        (32, 0, 0xFFFFFFFF),
    ]
    value = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + who.to_bytes(4, "little") for tag, bits, who in entries
    )
    path = random.choice(_files(root))
    os.setxattr(path, "system.posix_acl_access", value)
    return str(path)


def _target(root: Path, random: Random) -> str:
    (root / "link").unlink(missing_ok=True)
    (root / "link").symlink_to(_word(random))
    return "link"


def _rename(root: Path, random: Random) -> str:
    path = random.choice([one for one in _files(root) if one.name not in ("sparse", "notes.txt")])
    new = _new(path.parent, random)
    path.rename(new)
    return f"{path} {new}"


def _move(root: Path, random: Random) -> str:
    """The same names and contents, in other folders."""
    path = _new(root, random)
    path.mkdir()
    random.choice([one for one in _files(root) if one.name not in ("sparse", "notes.txt")]).rename(path / "moved")
    return str(path)


def _empty_folder(root: Path, random: Random) -> str:
    (_new(root, random)).mkdir()
    return "a folder"


def _hard_link(root: Path, random: Random) -> str:
    path = random.choice(_files(root))
    os.link(path, _new(root, random))
    return str(path)


def _copy_for_link(root: Path, random: Random) -> str:
    """Two names of one file become two files of the same content."""
    path = _new(root, random)
    path.write_text("same")
    os.link(path, _new(root, random))
    return str(path)


def _break_link(root: Path, random: Random) -> str:
    names = [path for path in _files(root) if path.stat().st_nlink > 1]
    if not names:
        return _hard_link(root, random)
    path = random.choice(names)
    copy = _new(path.parent, random)
    shutil.copy2(path, copy)
    seen = path.stat()
    if ROOT:
        os.chown(copy, seen.st_uid, seen.st_gid)
    for name in os.listxattr(path):
        os.setxattr(copy, name, os.getxattr(path, name))
    copy.chmod(stat.S_IMODE(seen.st_mode))
    copy.rename(path)
    return str(path)


def _file_gone(root: Path, random: Random) -> str:
    (root / "gone").write_text("x")
    path = random.choice([one for one in _files(root) if one.name not in ("sparse", "notes.txt", "gone")])
    path.unlink()
    return str(path)


def _other_kind(root: Path, random: Random) -> str:
    path = root / "link"
    is_link = path.is_symlink()
    path.unlink(missing_ok=True)
    if is_link:
        path.write_text("notes.txt")
    else:
        path.symlink_to("notes.txt")
    return str(path)


def _fifo(root: Path, random: Random) -> str:
    os.mkfifo(_new(root, random))
    return "a fifo"


def _odd_name(root: Path, random: Random) -> str:
    path = os.fsencode(root) + b"/" + bytes([random.randrange(0x80, 0x100)]) + _word(random).encode()
    with open(path, "wb"):  # noqa: PTH123  # names of bytes
        pass
    return repr(path)


_CHANGES: dict[str, Callable[[Path, Random], str]] = {
    "a byte of content": _byte,
    "a byte more": _append,
    "a byte less": _cut,
    "a file of zeros": _same_size_zeros,
    "a mode": _mode,
    "an owner": _owner,
    "a group": _group,
    "an extended attribute": _xattr,
    "an extended attribute's value": _xattr_value,
    "an ACL": _acl,
    "a link's target": _target,
    "a name": _rename,
    "a file in another folder": _move,
    "an empty folder": _empty_folder,
    "a hard link": _hard_link,
    "a file of two names": _copy_for_link,
    "two files for one of two names": _break_link,
    "a file gone": _file_gone,
    "a file for a link": _other_kind,
    "a fifo": _fifo,
    "a name that is not UTF-8": _odd_name,
}
