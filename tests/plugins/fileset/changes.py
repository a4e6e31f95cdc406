"""Single changes of a fileset, each of them another state."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from random import Random

ROOT = os.geteuid() == 0


def all_below(folder: Path) -> list[Path]:
    """Everything below a folder, in the order of the names' bytes."""
    return sorted(
        (Path(path, name) for path, folders, files in os.walk(folder) for name in (*folders, *files)), key=os.fsencode
    )


def _files(root: Path, *, content: bool = False) -> list[Path]:
    found = [path for path in all_below(root) if path.is_file() and not path.is_symlink() and path.name != "log"]
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
    path = random.choice([one for one in all_below(root) if not one.is_symlink()])
    mode = stat.S_IMODE(path.stat().st_mode) ^ random.choice([0o4000, 0o2000, 0o1000, 0o040, 0o004, 0o010])
    path.chmod(mode)
    return f"{path} {mode:o}"


def _owner(root: Path, random: Random) -> str:
    path = random.choice(all_below(root))
    seen = path.lstat()
    if ROOT:
        os.chown(path, seen.st_uid + 1, -1, follow_symlinks=False)
    else:
        path = _new(root, random)
        path.mkdir()
    return str(path)


def _group(root: Path, random: Random) -> str:
    path = random.choice(all_below(root))
    seen = path.lstat()
    if ROOT:
        os.chown(path, -1, seen.st_gid + 1, follow_symlinks=False)
        return str(path)
    return _mode(root, random)


def _xattr(root: Path, random: Random) -> str:
    path = random.choice([one for one in all_below(root) if one.is_dir() or one in _files(root)])
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


CHANGES: dict[str, Callable[[Path, Random], str]] = {
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
