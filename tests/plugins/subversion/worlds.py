"""Repositories as nobody here would make them: the other worlds of Subversion's conformance suite."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.plugins.fileset.changes import all_below
from tests.plugins.other_user import OtherUser, open_folder
from tests.plugins.subversion.changes import mucc, run
from tests.plugins.subversion.world import SubversionWorld

ENVIRONMENT = {
    "LC_ALL": "C",
    "LANG": "de_DE.ISO-8859-1",
    "LANGUAGE": "de",
    "TZ": "Asia/Kathmandu",
    "SVN_EDITOR": "/bin/false",
    "EDITOR": "/bin/false",
    "SVN_SSH": "/bin/false",
    "SVN_MERGE": "/bin/false",
    "GREP_OPTIONS": "-v",
    "UMASK": "777",
}
"""Of whoever starts a job: none of it may be seen in a snapshot."""
CONFIG = """
[auth]
store-passwords = no
[helpers]
diff-cmd = /bin/false
diff3-cmd = /bin/false
[tunnels]
file = /bin/false
[miscellany]
global-ignores = *
enable-auto-props = yes
use-commit-times = yes
log-encoding = latin1
no-unlock = yes
[auto-props]
* = svn:eol-style=CRLF;svn:needs-lock=*
"""
FAILING = "#!/bin/sh\necho no >&2\nexit 1\n"
HOOKS = ("start-commit", "pre-commit", "post-commit", "pre-lock", "post-lock", "pre-unlock", "post-unlock")
FSFS = """
[memcached-servers]
[caches]
fail-stop = true
[rep-sharing]
enable-rep-sharing = false
[deltification]
enable-dir-deltification = true
enable-props-deltification = true
max-deltification-walk = 1
max-linear-deltification = 1
compression = zlib-9
[packed-revprops]
revprop-pack-size = 1
compress-packed-revprops = true
[io]
block-size = 4
l2p-page-size = 16
p2l-page-size = 16
[debug]
verify-before-commit = true
pack-after-commit = false
"""


class HostileWorld(SubversionWorld):
    """Hooks that refuse everything, and an environment and a configuration of ours that mean something else."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        super().__init__(folder)
        home = folder / "home"
        (home / ".subversion").mkdir(parents=True)
        (home / ".subversion" / "config").write_text(CONFIG)
        (home / ".subversion" / "servers").write_text("[global]\nhttp-proxy-host = nowhere.invalid\n")
        for name, value in {**ENVIRONMENT, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}.items():
            patch.setenv(name, value)

    def seed(self) -> None:
        super().seed()
        self.refuse()

    def change(self, name: str, random: Random) -> str:
        if "hook" in name:
            return super().change(name, random)
        with self.no_hooks():
            return super().change(name, random)

    def touch(self) -> str:
        with self.no_hooks():
            return super().touch()

    @contextmanager
    def no_hooks(self) -> Iterator[None]:
        """For what is no hook's change: they would refuse it."""
        hooks, away = self.live / "hooks", self.folder / "hooks"
        hooks.rename(away)
        hooks.mkdir()
        try:
            yield
        finally:
            hooks.rmdir()
            away.rename(hooks)

    def refuse(self) -> None:
        (self.live / "db/fsfs.conf").write_text(FSFS)
        for name in (*HOOKS, "pre-revprop-change", "post-revprop-change"):
            hook = self.live / "hooks" / name
            hook.unlink(missing_ok=True)
            hook.write_text(FAILING)
            hook.chmod(0o755)


class OtherOwnerWorld(SubversionWorld):
    """Repository and the folder it is in are another user's; we are root."""

    def __init__(self, other: OtherUser, folder: Path) -> None:
        self._open = open_folder()
        super().__init__(self._open / folder.name)
        self.other = other
        self.base.mkdir(parents=True)
        other.own(self.base)

    def close(self) -> None:
        shutil.rmtree(self._open)

    def seed(self) -> None:
        super().seed()
        self.other.own(self.live, *all_below(self.live))


class FormatWorld(SubversionWorld):
    """A repository made as by an older version: another format of its files, which load makes anew."""

    compatible = "1.6"

    def seed(self) -> None:
        super().seed()
        dump = run("svnadmin", "dump", "-q", str(self.live))
        run("svnadmin", "create", "--compatible-version", self.compatible, str(self.folder / "old"))
        run("svnadmin", "load", "-q", str(self.folder / "old"), stdin=dump)
        shutil.rmtree(self.live / "db")
        (self.folder / "old/db").rename(self.live / "db")
        shutil.copyfile(self.folder / "old/format", self.live / "format")
        shutil.rmtree(self.folder / "old")


class WideWorld(SubversionWorld):
    """Every kind of node, property, revision, lock and file beside."""

    def seed(self) -> None:
        super().seed()
        zoo(self.live)


class UpdatedWorld(SubversionWorld):
    """After a tenth of many files was changed and a tenth deleted, packed in between."""

    def seed(self) -> None:
        super().seed()
        mucc(self.live, "many", *_each(range(100), lambda n: ("put", "/etc/hostname", f"trunk/many {n}")))
        mucc(self.live, "a tenth", *_each(range(3, 100, 10), lambda n: ("put", "/etc/os-release", f"trunk/many {n}")))
        run("svnadmin", "pack", "-q", str(self.live))
        mucc(self.live, "gone", *_each(range(7, 100, 10), lambda n: ("rm", f"trunk/many {n}")))
        mucc(self.live, "again", *_each(range(7, 50, 10), lambda n: ("put", "/etc/hostname", f"trunk/many {n}")))
        mucc(self.live, "moved", *_each(range(9, 100, 10), lambda n: ("mv", f"trunk/many {n}", f"trunk/moved {n}")))


def _each(numbers: Sequence[int], words: object) -> list[str]:
    assert callable(words)
    return [word for number in numbers for word in words(number)]


def zoo(repository: Path) -> None:
    """One of everything that history can hold."""
    mucc(repository, "", "mkdir", "no message")
    mucc(repository, "deep", *_each(range(1, 12), lambda n: ("mkdir", "/".join(["deep"] * n))))
    for name in ("a b", "ü", "e\u0301", "100%", "a@b", "-x", "'\"", "x" * 200, "#?&;", "\\back", "..x", "✓"):
        mucc(repository, f"named {name}", "put", "-", f"trunk/{name}@", stdin=name.encode())
    for size in (0, 1, 4095, 4096, 1 << 18):
        mucc(repository, f"{size} bytes", "put", "-", f"trunk/size {size}", stdin=bytes(n % 251 for n in range(size)))
    mucc(
        repository,
        "endings",
        "put",
        "-",
        "trunk/crlf",
        "propset",
        "svn:eol-style",
        "CRLF",
        "trunk/crlf",
        stdin=b"a\r\n",
    )
    mucc(
        repository,
        "special",
        "put",
        "-",
        "trunk/symlink",
        "propset",
        "svn:special",
        "*",
        "trunk/symlink",
        stdin=b"link a",
    )
    for name, value in (
        ("svn:executable", "*"), ("svn:mime-type", "application/x-odd; charset=x"), ("svn:keywords", "Id Rev $X"),
        ("svn:needs-lock", "*"), ("odd:name-1.2_x", ""), ("long", "v" * 20_000), ("lines", "a\n\nb\n"), ("x:y", "é✓"),
    ):  # fmt: skip
        mucc(repository, f"property {name[:20]}", "propset", name, value, "trunk/a.txt")
    mucc(repository, "ignored", "propset", "svn:ignore", "*.o\n", "trunk")
    mucc(repository, "elsewhere", "propset", "svn:externals", "^/trunk ext\n", "trunk")
    mucc(repository, "merged", "propset", "svn:mergeinfo", "/branches/1.0:8-9*\n/trunk:2", "trunk")
    mucc(repository, "a copy of a copy", "cp", "HEAD", "branches/1.0", "branches/2.0")
    mucc(
        repository,
        "a copy, changed",
        "cp",
        "4",
        "trunk/a.txt",
        "trunk/copied",
        "put",
        "-",
        "trunk/copied",
        stdin=b"new",
    )
    mucc(repository, "replaced", "rm", "trunk/once.txt", "mkdir", "trunk/once.txt")
    mucc(repository, "replaced again", "rm", "trunk/once.txt", "put", "-", "trunk/once.txt", stdin=b"a file again\n")
    mucc(repository, "nothing at all", "propset", "svn:log-x", "same", "trunk", "propset", "svn:log-x", "same", "trunk")
    for number, (path, comment) in enumerate((("size 1", ""), ("copied", "ü & <xml>"), ("size 0", "two\nlines"))):
        note = repository / "note"
        note.write_text(comment)
        token = f"opaquelocktoken:zoo-{number}"
        run("svnadmin", "lock", str(repository), f"/trunk/{path}", f"bób {number}", str(note), token)
        note.unlink()
    for name in ("svn:author", "svn:date", "svn:log"):
        run("svnadmin", "delrevprop", "-r", "5", str(repository), name)
    (repository / "conf/groups").write_text("")
    (repository / "conf/sub").mkdir()
    (repository / "conf/sub" / os.fsdecode(b"odd \xff name")).write_text("x")
    (repository / "hooks/executable").write_bytes(bytes(range(256)))
    (repository / "hooks/executable").chmod(0o711)
    (repository / "hooks/dangling").symlink_to("/nowhere")
    (repository / "README of ours").write_text("x")
