"""What a repository of the tests begins with, and every kind of single change to one, by git itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

ENVIRONMENT: Mapping[str, str] = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "HOME": "/nonexistent",
    "FROM_A_TEST": "1",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_AUTHOR_NAME": "Älice",
    "GIT_AUTHOR_EMAIL": "alice@example.org",
    "GIT_COMMITTER_NAME": "bob",
    "GIT_COMMITTER_EMAIL": "bob@example.org",
}
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def git(repository: Path, *argv: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
    """git in a bare repository; its output without the last newline. Raises CalledProcessError."""
    done = subprocess.run(
        ["git", f"--git-dir={repository}", *argv],
        input=stdin,
        env={**ENVIRONMENT, **(env or {})},
        cwd="/",
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"git {argv}: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def commit(repository: Path, branch: str, message: str, content: bytes = b"", name: str = "a.txt") -> str:
    """A commit of one file on a branch."""
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=content)
    tree = git(repository, "mktree", stdin=f"100644 blob {blob}\t{name}\n".encode())
    known = git(repository, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
    parents = ["-p", known] if known else []
    made = git(repository, "commit-tree", tree, *parents, "-F", "-", stdin=message.encode())
    git(repository, "update-ref", f"refs/heads/{branch}", made)
    return made


def seed(repository: Path) -> None:
    """A small repository with one of everything."""
    repository.parent.mkdir(parents=True, exist_ok=True)
    git(repository, "init", "--quiet", "--bare", "--initial-branch=main")
    first = commit(repository, "main", "begin", b"one\n")
    commit(repository, "main", "more\n\nin several\nlines", b"one\ntwo\n")
    commit(repository, "side/tschüß&'quotes'", "Ünïcode \x7f", bytes(range(256)) * 40, "blob 'ü'")
    git(repository, "tag", "light", first)
    git(repository, "tag", "-a", "-m", "a tag", "v1.0", "main")
    git(repository, "tag", "a-tree", f"{first}^{{tree}}")
    git(repository, "update-ref", "refs/notes/odd", first)
    git(repository, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/heads/main")
    (repository / "hooks").mkdir(exist_ok=True)
    hook = repository / "hooks/post-receive"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    (repository / "hooks/pre-rebase").unlink(missing_ok=True)
    (repository / "hooks/pre-rebase").symlink_to("/bin/true")
    (repository / "description").write_text("one of ours\n")
    (repository / "lfs/objects/ab").mkdir(parents=True)
    (repository / "lfs/objects/ab/abc").write_bytes(b"large")


def _word(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=12))


def _commit(repository: Path, random: Random) -> str:
    word = _word(random)
    return commit(repository, "main", word, word.encode())


def _branch(repository: Path, random: Random) -> str:
    word = _word(random)
    git(repository, "update-ref", f"refs/heads/{word}", "refs/tags/light^{commit}")
    return word


def _root(repository: Path, random: Random) -> str:
    word = _word(random)
    return commit(repository, f"orphans/{word}", word)


def _rewritten(repository: Path, random: Random) -> str:
    word = _word(random)
    tree = git(repository, "rev-parse", "refs/heads/main^{tree}")
    made = git(repository, "commit-tree", tree, "-m", word)
    git(repository, "update-ref", "refs/heads/main", made)
    return made


def _tag(repository: Path, random: Random) -> str:
    word = _word(random)
    git(repository, "tag", "-a", "-m", word, word, "main")
    return word


def _moved_tag(repository: Path, random: Random) -> str:
    made = git(repository, "hash-object", "-w", "--stdin", stdin=_word(random).encode())
    git(repository, "update-ref", "refs/tags/a-tree", made)
    return made


def _deleted(repository: Path, random: Random) -> str:
    known = git(repository, "for-each-ref", "--format=%(refname)", "refs/heads/gone")
    if not known:
        for number in range(40):
            git(repository, "update-ref", f"refs/heads/gone/{number}", "refs/tags/light^{commit}")
        return "forty"
    name = random.choice(known.split("\n"))
    git(repository, "update-ref", "-d", name)
    return name


def _head(repository: Path, random: Random) -> str:
    word = _word(random)
    git(repository, "symbolic-ref", "HEAD", f"refs/heads/{word}")
    return word


def _detached(repository: Path, random: Random) -> str:
    made = git(repository, "commit-tree", git(repository, "rev-parse", "refs/tags/light^{tree}"), "-m", _word(random))
    (repository / "HEAD").write_text(f"{made}\n")
    return made


def _symbolic(repository: Path, random: Random) -> str:
    word = _word(random)
    git(repository, "symbolic-ref", f"refs/remotes/{word}/HEAD", "refs/tags/light")
    return word


def _config(repository: Path, random: Random) -> str:
    word = _word(random)
    git(repository, "config", "gitweb.owner", word)
    return word


def _hook(repository: Path, random: Random) -> str:
    word = _word(random)
    (repository / "hooks/post-receive").write_text(f"#!/bin/sh\n# {word}\nexit 0\n")
    return word


def _mode(repository: Path, random: Random) -> str:
    hook = repository / "hooks/post-receive"
    hook.chmod(hook.stat().st_mode ^ random.choice([0o010, 0o001, 0o020]))
    return oct(hook.stat().st_mode)


def _link(repository: Path, random: Random) -> str:
    word = _word(random)
    (repository / "hooks/pre-rebase").unlink()
    (repository / "hooks/pre-rebase").symlink_to(f"/nowhere/{word}")
    return word


def _owner(repository: Path, random: Random) -> str:
    path = repository / "description"
    if os.geteuid() != 0:
        return _mode(repository, random)
    number = path.stat().st_uid + 1
    os.chown(path, number, -1)
    return str(number)


def _lfs(repository: Path, random: Random) -> str:
    word = _word(random)
    (repository / "lfs/objects/ab" / word).write_text(word)
    return word


def _exclude(repository: Path, random: Random) -> str:
    word = _word(random)
    (repository / "info").mkdir(exist_ok=True)
    (repository / "info/attributes").write_text(f"{word} -text\n")
    return word


CHANGES: Mapping[str, Callable[[Path, Random], str]] = {
    "a commit": _commit,
    "a branch": _branch,
    "a branch of its own root": _root,
    "a rewritten branch": _rewritten,
    "a tag": _tag,
    "a tag of a blob": _moved_tag,
    "a branch deleted": _deleted,
    "HEAD": _head,
    "HEAD, detached": _detached,
    "a symbolic reference": _symbolic,
    "the configuration": _config,
    "a hook": _hook,
    "a hook's mode": _mode,
    "a hook's link": _link,
    "an owner": _owner,
    "an LFS object": _lfs,
    "attributes": _exclude,
}
