"""What a repository of the tests begins with, and every kind of single change to one, by Subversion's own clients."""

from __future__ import annotations

import os
import subprocess
import tempfile
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from tests.plugins.servers.common import missing

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "TZ": "UTC"}
SHARD = 4
"""Revisions to a shard: few enough that ``svnadmin pack`` has something to do."""


def run(*argv: str, stdin: bytes = b"") -> bytes:
    """A program's output. Its failure is the test's."""
    try:
        done = subprocess.run(argv, input=stdin, env=ENVIRONMENT, capture_output=True, check=False)
    except FileNotFoundError:
        missing("Subversion", "apt-get install subversion")
        raise
    assert done.returncode == 0, f"{argv}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def svn(*argv: str, stdin: bytes = b"") -> bytes:
    return run("svn", "--non-interactive", *argv, stdin=stdin)


def mucc(repository: Path, log: str, *actions: str, stdin: bytes = b"") -> None:
    """One commit, without a working copy."""
    run("svnmucc", "--non-interactive", "-m", log, "-U", url_of(repository), "--", *actions, stdin=stdin)


def url_of(repository: Path, path: str = "") -> str:
    return "file://" + urllib.parse.quote(str(repository)) + (f"/{urllib.parse.quote(path)}" if path else "")


def number_of(path: Path) -> int:
    """The number of its newest revision."""
    return int(run("svnlook", "youngest", str(path)))


def seed(repository: Path) -> None:
    """A small repository with one of everything."""
    repository.parent.mkdir(parents=True, exist_ok=True)
    run("svnadmin", "create", str(repository))
    form = repository / "db/format"
    form.chmod(0o644)
    form.write_text(form.read_text().replace("sharded 1000", f"sharded {SHARD}"))
    config = repository / "db/fsfs.conf"
    config.write_text(config.read_text().replace("# compression = lz4", "compression = none"))
    mucc(repository, "layout", "mkdir", "trunk", "mkdir", "branches", "mkdir", "log")
    mucc(repository, "files\nin several\n\nlines", "put", "-", "trunk/a.txt", stdin=b"one\ntwo\n")
    mucc(repository, "binary", "put", "-", "trunk/blob", stdin=bytes(range(256)) * 40)
    mucc(repository, "once", "put", "-", "trunk/once.txt", stdin=b"once\n")
    mucc(repository, "Ünïcode \x7f", "put", "-", "trunk/tschüß & 'quotes' @5.txt", stdin=b"\n")
    mucc(repository, "properties", "propset", "svn:eol-style", "native", "trunk/a.txt", "propset", "note", "n\nn", ".")
    mucc(repository, "a branch", "cp", "HEAD", "trunk", "branches/1.0")
    mucc(repository, "changed", "put", "-", "trunk/a.txt", stdin=b"one\ntwo\nthree\n")
    mucc(repository, "gone", "rm", "branches/1.0/blob")
    run("svnadmin", "lock", str(repository), "/trunk/blob", "alice", "/dev/null", "opaquelocktoken:first")
    hook = repository / "hooks/post-commit"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    (repository / "hooks/pre-revprop-change").symlink_to("/bin/true")
    (repository / "conf/authz").write_text("[/]\n* = rw\n")
    (repository / "conf/passwd").chmod(0o640)
    (repository / "mailer.conf").write_text("[general]\n")


def _word(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=12))


def _youngest(repository: Path) -> int:
    return int(run("svnlook", "youngest", str(repository)))


def _edit(repository: Path, random: Random) -> str:
    word = _word(random)
    mucc(repository, "edit", "put", "-", "trunk/a.txt", stdin=f"{word}\n".encode())
    return word


def _add(repository: Path, random: Random) -> str:
    word = _word(random)
    mucc(repository, f"add {word}", "put", "-", f"trunk/{word}", stdin=b"")
    return word


def _add_and_delete(repository: Path, random: Random) -> str:
    word = _add(repository, random)
    mucc(repository, "delete", "rm", f"trunk/{word}")
    return word


def _copy(repository: Path, random: Random) -> str:
    word = _word(random)
    mucc(repository, "copy", "cp", str(random.randint(3, 5)), "trunk", f"branches/{word}")
    return word


def _property(repository: Path, random: Random) -> str:
    word = _word(random)
    mucc(repository, "property", "propset", "note", word, "trunk/a.txt")
    return word


def _empty(repository: Path, random: Random) -> str:
    mucc(repository, "a folder's property", "propset", _word(random), "1", "trunk")
    return ""


def _revprop(name: str) -> Callable[[Path, Random], str]:
    def change(repository: Path, random: Random) -> str:
        number = random.randint(1, _youngest(repository))
        value = _word(random)
        if name == "svn:date":
            value = f"20{random.randint(10, 99)}-01-01T00:00:00.{random.randint(0, 999999):06d}Z"
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(value)
            file.flush()
            run("svnadmin", "setrevprop", "-r", str(number), str(repository), name, file.name)
        return f"r{number} {value}"

    return change


def _first_revision(repository: Path, random: Random) -> str:
    word = _word(random)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(word)
        file.flush()
        run("svnadmin", "setrevprop", "-r", "0", str(repository), "svn:sync-from-url", file.name)
    return word


def _uuid(repository: Path, random: Random) -> str:
    digits = "".join(random.choices("0123456789abcdef", k=12))
    run("svnadmin", "setuuid", str(repository), f"00000000-0000-4000-8000-{digits}")
    return digits


def _lock(repository: Path, random: Random) -> str:
    word = _add(repository, random)
    run("svnadmin", "lock", str(repository), f"/trunk/{word}", "bob", "/dev/null", f"opaquelocktoken:{word}")
    return word


def _steal(repository: Path, random: Random) -> str:
    """The same lock for somebody else: nothing but the lock changes."""
    word = _word(random)
    run("svnadmin", "rmlocks", str(repository), "/trunk/blob")
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"mine\n{word}")
        file.flush()
        token = f"opaquelocktoken:{word}"
        run("svnadmin", "lock", str(repository), "/trunk/blob", word, file.name, token)
    return word


def _hook(repository: Path, random: Random) -> str:
    word = _word(random)
    (repository / "hooks/post-commit").write_text(f"#!/bin/sh\n# {word}\nexit 0\n")
    return word


def _new_hook(repository: Path, random: Random) -> str:
    word = _word(random)
    (repository / "hooks" / word).write_text("")
    return word


def _mode(repository: Path, random: Random) -> str:
    hook = repository / "hooks/post-commit"
    hook.chmod(hook.stat().st_mode ^ random.choice([0o010, 0o001, 0o020]))
    return oct(hook.stat().st_mode)


def _link(repository: Path, random: Random) -> str:
    word = _word(random)
    link = repository / "hooks/pre-revprop-change"
    link.unlink()
    link.symlink_to(f"/nowhere/{word}")
    return word


def _config(repository: Path, random: Random) -> str:
    word = _word(random)
    with (repository / "conf/authz").open("a") as file:
        file.write(f"[/{word}]\n* =\n")
    return word


def _owner(repository: Path, random: Random) -> str:
    path = repository / "conf/svnserve.conf"
    if os.geteuid() != 0:
        return _mode(repository, random)
    number = path.stat().st_uid + 1
    os.chown(path, number, -1)
    return str(number)


def _beside(repository: Path, random: Random) -> str:
    word = _word(random)
    (repository / "mailer.conf").write_text(word)
    return word


CHANGES: Mapping[str, Callable[[Path, Random], str]] = {
    "a commit": _edit,
    "a new file": _add,
    "a file that came and went": _add_and_delete,
    "a branch": _copy,
    "a property": _property,
    "a folder's property": _empty,
    "a log message": _revprop("svn:log"),
    "an author": _revprop("svn:author"),
    "a date": _revprop("svn:date"),
    "a revision property": _revprop("custom"),
    "a property of the first revision": _first_revision,
    "the UUID": _uuid,
    "a lock": _lock,
    "a lock stolen": _steal,
    "a hook": _hook,
    "a new hook": _new_hook,
    "a hook's mode": _mode,
    "a hook's link": _link,
    "the configuration": _config,
    "an owner": _owner,
    "a file beside": _beside,
}
