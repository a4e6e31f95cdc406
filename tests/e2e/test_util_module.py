"""A bash module that sources ``<prefix>/share/dysnomia/util``: run by us, and by others beside us, on one store."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.e2e.world import World

KEY = ("-C", "books", "-c", "shop")
MODULE = Path(__file__).parent / "modules_with_util" / "ledger"


class Books(World):
    """A machine where a module was configured for the prefix that ``install-modules`` filled."""

    @property
    def prefix(self) -> Path:
        return self.root / "prefix"

    @property
    def module(self) -> Path:
        return self.prefix / "libexec" / "dysnomia" / "ledger"

    @property
    def live(self) -> Path:
        return self.root / "live" / "shop"

    def prepare(self) -> None:
        self.run("dysnomia-tui", "install-modules", str(self.prefix))
        self.module.write_text(MODULE.read_text().replace("@prefix@", str(self.prefix)))
        self.module.chmod(0o755)
        self.extra = {"DYSNOMIA_MODULES_PATH": str(self.module.parent)}
        self.live.parent.mkdir()
        self.container("books", type="ledger", ledgerDir=str(self.live.parent))
        self.component("books", "shop", "opened\n")

    def by_another(self, activity: str) -> None:
        """Run the module as bash Dysnomia does, on the same store: none of our programs takes part."""
        subprocess.run(
            [str(self.module), activity, str(self.root / "components/books/shop"), "books"],
            env={
                "PATH": os.defpath, "DYSNOMIA_STATEDIR": str(self.state), "ledgerDir": str(self.live.parent)
            },
            check=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def ids(self) -> list[str]:
        return [line.rpartition("/")[2] for line in self.run("dysnomia-snapshots", "--query-all", *KEY).lines]


@pytest.fixture
def books(tmp_path: Path) -> Books:
    world = Books(tmp_path)
    world.prepare()
    return world


def test_any_generation_comes_back_through_it(books: Books) -> None:
    books.run("dysnomia", "-o", "activate", *KEY)
    assert books.live.read_text() == "opened\n"
    assert (books.state / "activated/books/shop").exists()
    for text in ("one\n", "one\ntwo\n", "wrong\n"):
        books.run("dysnomia", "-o", "snapshot", *KEY)
        books.live.write_text(text)

    books.run("dysnomia", "-o", "restore", *KEY, "--generation", "2")

    assert books.live.read_text() == "one\n"
    ids = books.ids()
    assert len(ids) == 5, "three, the guard, and what is live now"
    assert ids[4] == ids[1]
    books.run("dysnomia", "-o", "restore", *KEY, "--generation", "4")
    assert books.live.read_text() == "wrong\n", "the guard holds what was live"
    assert "ok, 0 bad, 0 unverifiable" in books.run("dysnomia-snapshots", "--check").err


def test_what_it_writes_into_the_store_by_itself_is_there_and_described(books: Books) -> None:
    books.by_another("activate")
    books.by_another("snapshot")
    books.live.write_text("one\n")
    books.run("dysnomia", "-o", "snapshot", *KEY)
    books.live.write_text("two\n")
    books.by_another("snapshot")
    books.by_another("snapshot")
    assert sorted(os.listdir(books.state / "generations/books/shop")) == ["1", "2", "3"]
    assert len(books.ids()) == 3
    assert "3 checked: 3 ok" in books.run("dysnomia-snapshots", "--check").err

    # Metadata is worked out when it is first needed, and kept.
    metadata = books.state / "metadata/books/shop"
    assert len(list(metadata.glob("*.json"))) == 1
    assert "two" in books.run("dysnomia-snapshots", "--diff", "2", "3", "--rows", *KEY).out
    books.run("dysnomia", "-o", "check", *KEY, "--generation", "1")
    books.run("dysnomia", "-o", "check", *KEY, "--generation", "3")
    assert len(list(metadata.glob("*.json"))) == 3

    books.run("dysnomia", "-o", "restore", *KEY, "--generation", "1")
    assert books.live.read_text() == "opened\n"
    books.by_another("restore")
    assert books.live.read_text() == "opened\n", "its 'restore the last' restores what we say is live"


def test_numbers_that_another_gave_out_again_are_told_apart(books: Books) -> None:
    books.run("dysnomia", "-o", "activate", *KEY)
    books.run("dysnomia", "-o", "snapshot", *KEY, "--reason", "ours")
    first = books.ids()[0]
    (books.state / "generations/books/shop/1").unlink()
    books.live.write_text("another\n")
    books.by_another("snapshot")
    (found,) = books.run("dysnomia-snapshots", "--query-all", "--json", *KEY).json
    assert (found["generation"], found["id"] != first) == (1, True)
    history = list((books.state / "history/books/shop").glob("1.*.json"))
    assert [path.name for path in history] == [f"1.{first}.json"], "what was written of ours is not said of theirs"


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("user", ["nobody", "$(echo nobody)"])
def test_one_that_becomes_another_user_can_read_what_it_restores(user: str) -> None:
    """A store of ours is nobody else's business; but such a module, as many of Dysnomia's are, has to get at it."""
    with tempfile.TemporaryDirectory(prefix="books.", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        books = Books(Path(folder))
        books.prepare()
        books.container("books", type="ledger", ledgerDir=str(books.live.parent), ledgerUser=user)
        books.run("dysnomia", "-o", "activate", *KEY)
        books.run("dysnomia", "-o", "snapshot", *KEY)
        books.live.write_text("changed\n")
        books.run("dysnomia", "-o", "restore", *KEY)
        assert books.live.read_text() == "opened\n"
        for path in books.state.rglob("*"):
            assert path.is_symlink() or path.stat().st_mode & 0o006 == 0, f"{path} is no business of everybody's"


def test_without_util_nothing_is_run_and_the_way_out_is_said(books: Books) -> None:
    books.run("dysnomia", "-o", "activate", *KEY)
    books.run("dysnomia", "-o", "snapshot", *KEY)
    (books.prefix / "share/dysnomia/util").unlink()
    books.live.write_text("changed\n")
    failed = books.run("dysnomia", "-o", "restore", *KEY, status=None)
    assert failed.status not in (0, 130)
    assert f"dysnomia-tui install-modules {books.prefix}" in failed.err
    assert books.live.read_text() == "changed\n"
    books.run("dysnomia-tui", "install-modules", str(books.prefix))
    books.run("dysnomia", "-o", "restore", *KEY, "--generation", "1")
    assert books.live.read_text() == "opened\n"


def test_what_another_program_installed_stays(books: Books) -> None:
    echo = books.prefix / "libexec/dysnomia/echo"
    before = echo.read_text()
    echo.write_text("#!/bin/bash\n# Dysnomia's own\n")
    again = books.run("dysnomia-tui", "install-modules", str(books.prefix), status=3)
    assert f"{echo} belongs to another program" in again.err
    assert "own" in echo.read_text()
    echo.write_text(before)
    assert str(echo) in books.run("dysnomia-tui", "install-modules", str(books.prefix)).lines


def test_our_own_types_are_not_found_as_modules(books: Books) -> None:
    assert (books.prefix / "libexec/dysnomia/echo").exists()
    types = {one["type"]: one["title"] for one in books.run("dysnomia-tui", "plugins", "--json").json}
    assert types["ledger"] == "module ledger"
    assert not types["echo"].startswith("module")
