"""Repositories as nobody here would make them: the other worlds of git's conformance suite."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place
from tests.plugins.fileset.changes import all_below
from tests.plugins.git.changes import commit, git
from tests.plugins.git.world import GitWorld
from tests.plugins.other_user import OtherUser, open_folder

ENVIRONMENT = {
    "LC_ALL": "C",
    "LANG": "de_DE.ISO-8859-1",
    "LANGUAGE": "de",
    "TZ": "Asia/Kathmandu",
    "GIT_DIR": "/nowhere",
    "GIT_WORK_TREE": "/nowhere",
    "GIT_OBJECT_DIRECTORY": "/nowhere",
    "GIT_INDEX_FILE": "/nowhere",
    "GIT_NAMESPACE": "other",
    "GIT_CONFIG_PARAMETERS": "'core.bare=false'",
    "GIT_TRACE": "1",
    "GIT_PAGER": "/bin/false",
    "GIT_EXEC_PATH": "/nowhere",
    "GIT_TEMPLATE_DIR": "/nowhere",
    "GIT_DEFAULT_HASH": "sha256",
}
"""Of whoever starts a job: none of it may be seen in a snapshot."""
HOME_CONFIG = """
[core]
    quotePath = true
    bigFileThreshold = 1
    compression = 0
[init]
    defaultBranch = other
    templateDir = /nowhere
[log]
    showSignature = true
[pack]
    packSizeLimit = 1m
[transfer]
    hideRefs = refs
[safe]
    directory =
"""
PROGRAM = """#!/bin/sh
[ -n "$FROM_A_TEST" ] && exit 0
echo "$0 $*" >>'{ran}'
exit 1
"""
HOOKS = ("reference-transaction", "pre-receive", "update", "post-receive", "post-update", "pre-auto-gc", "proc-receive")
SETTINGS = (
    ("core.fsmonitor", "{program}"),
    ("core.hooksPath", "{hooks}"),
    ("core.alternateRefsCommand", "{program}"),
    ("core.sshCommand", "{program}"),
    ("core.pager", "{program}"),
    ("core.editor", "{program}"),
    ("core.askPass", "{program}"),
    ("core.gitProxy", "{program}"),
    ("credential.helper", "{program}"),
    ("diff.external", "{program}"),
    ("uploadpack.packObjectsHook", "{program}"),
    ("gpg.program", "{program}"),
    ("log.showSignature", "true"),
    ("alias.rev-list", "!{program}"),
    ("filter.x.clean", "{program}"),
    ("filter.x.smudge", "{program}"),
    ("pager.for-each-ref", "{program}"),
    ("receive.denyNonFastForwards", "true"),
    ("uploadpack.hideRefs", "refs"),
    ("pack.packSizeLimit", "1m"),
    ("pack.window", "0"),
    ("pack.allowPackReuse", "false"),
    ("core.compression", "0"),
    ("gc.pruneExpire", "now"),
    ("gc.reflogExpire", "never"),
    ("gc.reflogExpireUnreachable", "never"),
    ("i18n.logOutputEncoding", "latin1"),
)
"""Of a repository whose owner means no good: what names a program must run none, whoever asks git something."""


class HostileWorld(GitWorld):
    """Programs named wherever git can be told of one, and an environment that means something else."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        super().__init__(folder)
        self.ran = folder / "ran"
        home = folder / "home"
        home.mkdir()
        (home / ".gitconfig").write_text(HOME_CONFIG)
        for name, value in {**ENVIRONMENT, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}.items():
            patch.setenv(name, value)

    def seed(self) -> None:
        super().seed()
        program = self.folder / "program"
        program.write_text(PROGRAM.format(ran=self.ran))
        program.chmod(0o755)
        hooks = self.folder / "hooks"
        hooks.mkdir()
        for name in HOOKS:
            shutil.copy(program, hooks / name)
            (self.live / "hooks" / name).unlink(missing_ok=True)
            shutil.copy(program, self.live / "hooks" / name)
        for name, value in SETTINGS:
            git(self.live, "config", name, value.format(program=program, hooks=hooks))

    def whole(self, place: Place | None = None) -> object:
        assert not self.ran.exists(), self.ran.read_text()
        return super().whole(place)


class OtherOwnerWorld(GitWorld):
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


class WideWorld(GitWorld):
    """Every kind of object, reference and file beside."""

    def seed(self) -> None:
        super().seed()
        zoo(self.live, self.folder / "lender.git")


class UpdatedWorld(GitWorld):
    """After a tenth of many commits was rewritten and a tenth of the branches deleted, packed in between."""

    def seed(self) -> None:
        super().seed()
        made = [commit(self.live, f"many/{number}", f"number {number}", b"x" * number) for number in range(100)]
        git(self.live, "gc", "--quiet", "--prune=now")
        for number in range(3, 100, 10):
            git(self.live, "update-ref", "-d", f"refs/heads/many/{number}")
            tree = git(self.live, "rev-parse", f"{made[number]}^{{tree}}")
            again = git(self.live, "commit-tree", tree, "-m", f"again {number}")
            git(self.live, "update-ref", f"refs/heads/many/{number}", again)
        git(self.live, "gc", "--quiet", "--prune=now")
        for number in range(7, 100, 10):
            git(self.live, "update-ref", "-d", f"refs/heads/many/{number}")
            git(self.live, "update-ref", f"refs/heads/moved/{number}", made[number])


def zoo(repository: Path, lender: Path) -> None:
    """One of everything that a repository can hold."""
    git(lender, "init", "--quiet", "--bare")
    git(lender, "hash-object", "-t", "tree", "-w", "--stdin")
    lent = commit(lender, "main", "lent", b"lent\n")
    (repository / "objects/info").mkdir(exist_ok=True)
    (repository / "objects/info/alternates").write_text(f"{lender}/objects\n")
    git(repository, "update-ref", "refs/heads/borrowed", lent)
    main = git(repository, "rev-parse", "main")
    tree = git(repository, "rev-parse", "main^{tree}")
    parents = [
        word for branch in ("main", "side/tschüß&'quotes'", "borrowed") for word in ("-p", f"refs/heads/{branch}")
    ]
    git(repository, "update-ref", "refs/heads/octopus", git(repository, "commit-tree", tree, *parents, "-m", "all"))
    for name in ("a@b", "100%", "e\u0301", "x" * 200, "#&;$(true)`", "-not-an-option", "deep/" * 20 + "er", "✓", '"q"'):
        git(repository, "update-ref", f"refs/heads/named/{name}", main)
    git(repository, "update-ref", b"refs/heads/latin-\xfc".decode("utf-8", "surrogateescape"), main)
    git(repository, "tag", "-a", "-m", "a tag of a tag", "twice", "v1.0")
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=b"")
    git(repository, "update-ref", "refs/tags/empty-blob", blob)
    git(repository, "tag", "-a", "-m", "of a blob", "blob-tag", blob)
    git(repository, "replace", main, lent)
    odd = f"100755 blob {blob}\trun\n120000 blob {blob}\tlink\n160000 commit {main}\tmodule\n040000 tree {tree}\tdir\n"
    made = git(repository, "commit-tree", git(repository, "mktree", "--missing", stdin=odd.encode()), "-m", "modes")
    git(repository, "update-ref", "refs/heads/modes", made)
    for number, (author, date) in enumerate((("", "1 +0000"), ("<>", "2000000000 +1400"), ("a\x01b", "7 -1200"))):
        body = f"tree {tree}\nauthor {author} <x> {date}\ncommitter c <y> {date}\nencoding latin1\n\n".encode()
        raw = git(repository, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=body + b"\xfc\xff\n")
        git(repository, "update-ref", f"refs/heads/odd/{number}", raw)
    same = [git(repository, "commit-tree", tree, "-m", f"at once {n}", env=AT_ONCE) for n in range(30)]
    for number, one in enumerate(same):
        git(repository, "update-ref", f"refs/heads/at-once/{number}", one)
    git(repository, "config", "core.logAllRefUpdates", "always")
    gone = git(repository, "commit-tree", tree, "-m", "only in a reflog")
    git(repository, "update-ref", "refs/heads/logged", gone)
    git(repository, "update-ref", "refs/heads/logged", main)
    git(repository, "reflog", "expire", "--expire=never", "--expire-unreachable=never", "--all")
    git(repository, "symbolic-ref", "HEAD", "refs/heads/not-yet")
    (repository / "hooks/odd ü\nname").write_bytes(bytes(range(256)))
    (repository / "hooks/dangling").symlink_to("/nowhere")
    (repository / "info").mkdir(exist_ok=True)
    (repository / "info/exclude").write_text("*.o\n")
    (repository / "git-daemon-export-ok").touch()


AT_ONCE = {"GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000"}
