"""A repository of root's that a group may write (``svnGroup``): what a member plants in it leads root nowhere else.

The member may spoil the repository, which is theirs to write. Not: have root run their hooks, read or change what only
root may, or wait for ever.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_store.errors import StoreError
from dysnomia_tui.engine.errors import EngineError
from tests.plugins.conformance.driver import Driver, with_properties
from tests.plugins.other_user import OtherUser, needs_root, other_user, passable
from tests.plugins.subversion.changes import ENVIRONMENT, mucc, run, url_of
from tests.plugins.subversion.world import SubversionWorld

pytestmark = [pytest.mark.server, needs_root]
WORLD = SubversionWorld
SECRET = "what only root may read"
HOOKS = (
    "start-commit pre-commit post-commit pre-revprop-change post-revprop-change pre-lock post-lock pre-unlock"
    " post-unlock"
)
PLANTED = {
    "hooks": f'for name in {HOOKS}; do printf "#!/bin/sh\\nid > $MARKS/$name\\n" > hooks/$name; chmod 755 hooks/$name;'
    " done",
    "a link among hooks": "ln -s $SECRET/file hooks/post-commit",
    "a link to hooks": "mv hooks away; ln -s $SECRET hooks",
    "a pipe among hooks": "mkfifo hooks/post-commit",
    "a link to the data": "mv db away; ln -s $SECRET db",
    "a link to the counter": "ln -sf $SECRET/file db/txn-current",
    "a link to the newest number": "ln -sf $SECRET/file db/current",
    "a pipe for the newest number": "rm db/current; mkfifo db/current",
    "a pipe for the format": "rm format; mkfifo format",
    "a pipe for the write lock": "rm db/write-lock; mkfifo db/write-lock",
    "a link to the settings": "ln -sf $SECRET/file db/fsfs.conf",
    "a link to the write lock": "ln -sf $SECRET/new db/write-lock",
    "a link to the kind": "ln -sf $SECRET/file db/fs-type; ln -sf $SECRET/file format",
    "a link among locks": "mkdir -p db/locks/abc; ln -s $SECRET/file db/locks/abc/abcdef",
    "a pipe among locks": "mkdir -p db/locks/abc; mkfifo db/locks/abc/abcdef",
    "a link to the locks": "rm -rf locks; ln -s $SECRET locks",
    "a link to the configuration": "rm -rf conf; ln -s $SECRET conf",
    "settings that name another file": 'printf "[caching]\\n[x\\n" > db/fsfs.conf',
    "another kind": "echo bdb > db/fs-type",
}


@pytest.fixture
def member(world: SubversionWorld) -> Iterator[OtherUser]:
    """Somebody in the group that a new repository is given to, by a job: with a job's umask."""
    world.base.mkdir()
    before = os.umask(0o077)
    try:
        with other_user() as user:
            world.folder.chmod(0o755)
            passable(world.live)
            with_properties(world, svnGroup=user.name)
            yield user
    finally:
        os.umask(before)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "secret"
    folder.mkdir(mode=0o700)
    (folder / "file").write_text(SECRET)
    (folder / "file").chmod(0o600)
    return folder


def _facts(folder: Path) -> object:
    """What a change of root's folder would show in."""
    found = [(path.name, path.read_bytes(), path.stat()) for path in sorted(folder.iterdir())]
    return [(name, content, seen.st_uid, seen.st_gid, seen.st_mode) for name, content, seen in found], folder.stat()[:3]


def _plant(member: OtherUser, live: Path, secret: Path, marks: Path, name: str) -> None:
    variables = (f"LIVE={live}", f"SECRET={secret}", f"MARKS={marks}")
    member.run("env", *variables, "sh", "-ec", f'cd "$LIVE"\n{PLANTED[name]}')


@pytest.mark.parametrize("name", PLANTED)
def test_what_a_member_plants_leads_root_nowhere(
    world: SubversionWorld, driver: Driver, member: OtherUser, secret: Path, tmp_path: Path, name: str
) -> None:
    driver.activity("activate")
    first = driver.snapshot().generation
    marks = member.folder(tmp_path / "marks")
    before = _facts(secret)
    _plant(member, world.live, secret, marks, name)
    with suppress(PluginError, StoreError, EngineError):
        driver.snapshot()
    with suppress(PluginError, StoreError, EngineError), driver.context() as ctx:
        world.plugin.preflight(ctx, driver.store.stored(driver.key, first.id), replace=True)
    with suppress(PluginError, StoreError, EngineError):
        driver.restore(first.number)
    with suppress(PluginError, StoreError, EngineError):
        driver.snapshot()
    with suppress(PluginError, StoreError, EngineError):
        driver.activity("activate")
    assert _facts(secret) == before
    assert sorted(os.listdir(marks)) == [], "root ran a hook"
    for generation in driver.generations():
        stored = driver.store.stored(driver.key, generation.id)
        for artefact in stored.artefacts():
            with stored.open(artefact) as stream:
                assert SECRET.encode() not in stream.read()


def test_the_member_goes_on_committing_after_a_restore(
    world: SubversionWorld, driver: Driver, member: OtherUser
) -> None:
    driver.activity("activate")
    first = driver.snapshot().generation
    member.run("svnmucc", "--non-interactive", "-m", "mine", "-U", url_of(world.live), "mkdir", "mine")
    mucc(world.live, "later", "mkdir", "later")
    driver.restore(first.number)
    argv = ["svnmucc", "--non-interactive", "-m", "theirs", "-U", url_of(world.live), "mkdir", "theirs"]
    done = subprocess.run(member.argv(*argv), env=ENVIRONMENT, cwd="/", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    run("svnadmin", "verify", "-q", str(world.live))


def test_the_shell_is_no_roots_where_a_member_may_write_what_it_runs(
    world: SubversionWorld, driver: Driver, member: OtherUser, tmp_path: Path
) -> None:
    driver.activity("activate")
    marks = member.folder(tmp_path / "marks")
    marks.chmod(0o777)
    _plant(member, world.live, marks, marks, "hooks")
    argv, env = world.plugin.shell(world.component)
    command = 'svnmucc --non-interactive -m by_hand -U "$URL" mkdir by_hand'
    done = subprocess.run([*argv[:-1], "-c", command], env={**ENVIRONMENT, **env}, capture_output=True, check=False)
    ran = [path.read_text() for path in marks.iterdir()]
    assert ran, done.stderr
    assert not [text for text in ran if text.startswith("uid=0")]
