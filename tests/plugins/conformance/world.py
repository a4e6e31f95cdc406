"""What the conformance suite needs to know of a type of state: its ``World``.

One suite runs the same cases against every plugin that holds state, over the engine's own activities. A type joins it
with a ``World`` of its own and a few lines in ``test_conformance_<kind>.py``:

    class TestSqlite(Conformance):
        @pytest.fixture
        def world(self, tmp_path: Path) -> Iterator[World]:
            with SqliteWorld(tmp_path) as world:
                yield world

A world is *one component on one real server or folder*, made fresh for each test. A server is best shared by all of
them (a session fixture); then a world is a new database on it. Whatever a world reads or changes, it does with the
type's own clients and never through the plugin: what the plugin says of itself proves nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Self

from dysnomia_plugins.base import Component, Place, StatePlugin
from dysnomia_store.store import Store
from dysnomia_tui.engine import RowsAsked
from tests.plugins.servers.common import GUARDED


class Writer(ABC):
    """A client in a process of its own that writes all the time, and logs what was acknowledged.

    It writes the numbers 0, 1, 2… , one a transaction (a row, a file), as quickly as it can, connecting anew after
    any error, each number once. When, and only when, the server (or ``fsync``) has acknowledged a number, it is
    written to a log.
    """

    @abstractmethod
    def acknowledged(self) -> set[int]:
        """The numbers in the log now."""

    @abstractmethod
    def stop(self) -> None:
        """End it and wait for its end. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class ProgramWriter(Writer):
    """A writer that is a program: it adds a line to the log for each number that was acknowledged."""

    def __init__(
        self, log: Path, argv: Sequence[str], *, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> None:
        self._log = log
        log.touch()
        self._process = subprocess.Popen(
            [*GUARDED, *argv], env=env, stdin=subprocess.PIPE, start_new_session=True, text=True
        )
        assert self._process.stdin is not None
        with self._process.stdin as writes:
            writes.write(stdin)

    def acknowledged(self) -> set[int]:
        return {int(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")}

    def stop(self) -> None:
        """Kill it with all it has started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class World(ABC):
    """One component, live, with all its type knows in it: what its owner would call state, in every flavour."""

    plugin: StatePlugin
    component: Component
    """Its ``path`` holds an initial state, which ``activate`` lays down."""

    #: Whether a load puts rows in the order in which they were dumped. Where not, the same state has another id after
    #: a restore, and is known by its rows.
    keeps_order: bool = True

    #: Begins the names of copies, where a type keeps those of all its servers in one folder.
    copy_prefix: str = ""

    #: Seconds, generous: for the cases that wait for a writer to have written something.
    patience: float = 60.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def belongs_to(self, store: Store) -> None:
        """A store whose jobs work on it: told for worlds that share a folder with others, and remove what jobs left."""

    @abstractmethod
    def close(self) -> None:
        """Remove all of it from server and disk. Idempotent."""

    # State. Nothing of it exists before ``seed``, or ``activate`` through the suite.

    @abstractmethod
    def seed(self) -> None:
        """Make live from nothing: small (loads and dumps well under a second), with one of everything."""

    @abstractmethod
    def whole(self, place: Place | None = None) -> object:
        """All state at a place (None: live), to be compared with ``==``; None where there is nothing.

        It says everything that the snapshot's id must see, and nothing else. Read with other means than the plugin's.
        """

    @abstractmethod
    def changes(self) -> Sequence[str]:
        """The names of all kinds of single change: a cell, a default, a mode, a sequence… (at least a dozen)."""

    @abstractmethod
    def change(self, name: str, random: Random) -> str:
        """Make one change of that kind to what is live, somewhere chosen by ``random``; each leaves ``whole``
        different from before, and can be made again and again. Returns what was done, for the failure's message."""

    @abstractmethod
    def touch(self) -> str:
        """Do something that is *no* change of state (VACUUM, ANALYZE, an mtime): the id must stay. Returns what."""

    @abstractmethod
    def grow(self, size: int) -> None:
        """Make live hold at least ``size`` bytes (some 200 MB), quickly, with bounded memory."""

    # Parts and copies.

    @abstractmethod
    def some_sections(self) -> tuple[str, ...]:
        """``kind:name`` of sections that make up a part of the seeded state: not all of it."""

    @abstractmethod
    def part(self, place: Place | None = None) -> object:
        """What those sections hold at a place, to be compared with ``==``."""

    @abstractmethod
    def spoil(self, place: Place) -> None:
        """Change one small thing at a place that is not live (a scratch place)."""

    # Put-back.

    def lose(self) -> Sequence[RowsAsked]:
        """Lose some of what the seeded state has, change some and let some come. Returns how it is asked back. Only of
        types that put something back."""
        raise NotImplementedError

    def by_key(self, whole: object) -> object:
        """What ``whole`` gave, without the order in which a server happens to keep rows."""
        return whole

    # Writers.

    @abstractmethod
    def writer(self, log: Path) -> Writer:
        """Start a writer on what is live (seeded), at its place for writes."""

    @abstractmethod
    def written(self, place: Place | None = None) -> set[int]:
        """The writer's numbers that a place holds."""

    # Bad luck.

    @abstractmethod
    def unreachable(self) -> AbstractContextManager[None]:
        """Make live unreachable for a while: stop the server, take the folder away. Back on leaving, unchanged."""
