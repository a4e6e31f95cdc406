"""What changed in a tree since a moment: every member looked at once more, and no more than looked at."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, open_folder
from dysnomia_plugins.toolkit.trees.member import kind_of
from dysnomia_plugins.toolkit.trees.names import RootAt, own_name
from dysnomia_plugins.toolkit.trees.unreadable import unreadable
from dysnomia_plugins.toolkit.trees.walk import opened_root

MOST = 1000
_STEP = 1_000_000_000
"""Nanoseconds by which a clock that is only slewed does not differ, within a job, from one that is never set."""
_NEVER = 1 << 127


@dataclass(frozen=True, slots=True)
class Began:
    """A moment by both clocks: that of the times of files, which may be set meanwhile, and that which goes on."""

    at: int = field(default_factory=lambda: time.time_ns())
    steady: int = field(default_factory=lambda: time.monotonic_ns())

    def until_now(self, *, own_clock: bool, before: int = 0) -> tuple[int, int]:
        """Between which times of files something was changed from then on.

        Times that are yet to come are of a clock that was ahead and has been set right: nothing is being changed there.

        Args:
            own_clock: whether this machine's clock gives the times, so that none can be ahead of it.
            before: nanoseconds that are looked at besides.
        """
        now = time.time_ns()
        passed = time.monotonic_ns() - self.steady
        if abs(now - self.at - passed) > _STEP:
            return min(self.at, now - passed) - before, _NEVER
        return self.at - before, now if own_clock else _NEVER


def changed_since(roots: Sequence[RootAt], since: int, until: int = _NEVER) -> list[str]:
    """The names of members that changed after ``since`` and not after ``until`` (nanoseconds), at most a thousand.

    Raises PluginError where a folder cannot be read."""
    return list(islice(chain.from_iterable(_changed_below(root, range(since + 1, until + 1)) for root in roots), MOST))


def _changed_below(root: RootAt, when: range) -> Iterator[str]:
    try:
        with opened_root(root) as descriptor:
            if os.fstat(descriptor).st_ctime_ns in when:
                yield root.root
            yield from _changed_in(descriptor, "" if root.root == "." else f"{root.root}/", when)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(str(error.filename or root.path), error) from error


def _changed_in(top: int, prefix: str, when: range) -> Iterator[str]:
    """Depth first, without recursion: folders may be nested deeper than Python's stack is."""
    folders: list[str] = []
    yield from (prefix + name for name in _looked_at(top, when, folders) if not own_name(name))
    waiting = [(os.dup(top), prefix, [name for name in folders if not own_name(name)])]
    try:
        while waiting:
            parent, prefix, names = waiting[-1]
            if not names:
                os.close(waiting.pop()[0])
                continue
            name = names.pop()
            try:
                deeper = open_folder(name, parent)
            except (FileNotFoundError, LinkInTheWay):
                continue  # the folder it was in has changed, and was found
            inside = f"{prefix}{name}/"
            changed: list[str] = []
            waiting.append((deeper, inside, changed))
            yield from (inside + one for one in _looked_at(deeper, when, changed))
    finally:
        for descriptor, _, _ in waiting:
            os.close(descriptor)


def _looked_at(folder: int, when: range, folders: list[str]) -> Iterator[str]:
    """The names right in a folder that changed; folders are added to ``folders``."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                seen = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(seen.st_mode):
                folders.append(entry.name)
            if seen.st_ctime_ns in when and kind_of(seen.st_mode) is not None:
                yield entry.name
