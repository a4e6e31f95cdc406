"""Failing the n-th change to the file system, in a process forked from this warm one."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from dysnomia_store.disk.syscalls import Disk
from dysnomia_store.errors import StoreError
from tests.thorough import often
from tests.unit.store.shop import Shop

Work = Callable[[Shop], object]
FAILED = 3
SURPRISED = 4


class Fault(Enum):
    KILL = "SIGKILL"
    EIO = "EIO"
    ENOSPC = "ENOSPC"
    EMLINK = "EMLINK"
    EXDEV = "EXDEV"

    @property
    def of_links(self) -> bool:
        """Whether only a link can meet it."""
        return self in (Fault.EMLINK, Fault.EXDEV)


IN_TURN = often(False, True)
"""Whether each call meets one of the faults, and not all of them."""
ANYWHERE = (Fault.KILL, Fault.EIO, Fault.ENOSPC)


@dataclass
class Counter:
    """Counts the calls of a disk, and lets one of them fail (``stays``: and those after it that need space)."""

    fail_at: int = 0
    fault: Fault = Fault.KILL
    log: list[tuple[str, str]] = field(default_factory=list)
    links: bool = False
    """Count hard links alone."""

    def __call__(self, call: str, path: str) -> None:
        if self.links and call != "link":
            return
        self.log.append((call, path))
        if len(self.log) != self.fail_at:
            return
        if self.fault is Fault.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        number = int(getattr(errno, self.fault.value))
        raise OSError(number, os.strerror(number), path)


def calls_of(shop: Shop, work: Work, where: Path) -> list[tuple[str, str]]:
    """Every change that a piece of work makes, in order, tried on a copy of the store."""
    counter = Counter()
    work(_copy(shop, where, Disk(before=counter)))
    shutil.rmtree(where)
    return counter.log


def each_fault(
    shop: Shop,
    work: Work,
    where: Path,
    faults: Collection[Fault] = ANYWHERE,
    *,
    below: Collection[str] = ("",),
    stride: int = 1,
    in_turn: bool = False,
) -> Iterator[tuple[str, Shop]]:
    """Do the work on a copy of the store once for each call and fault; yields what is left, and what happened.

    ``below``: only calls on a path that has one of these in it; ``stride``: of those, one in so many;
    ``in_turn``: each call meets one of the faults, and not all of them."""
    calls = calls_of(shop, work, where)
    assert len(calls) > 10
    for turn, fault in enumerate(faults):
        met = [one for one in calls if one[0] == "link"] if fault.of_links else calls
        here = [at for at, (_, path) in enumerate(met, 1) if any(part in path for part in below)]
        for at in here[turn :: len(faults)] if in_turn else here[::stride]:
            call, path = met[at - 1]
            broken = _copy(shop, where, Disk(before=Counter(at, fault, links=fault.of_links)))
            status = _in_child(broken, work)
            # Frames are written by several threads: it may have been the neighbour of this call.
            said = f"{fault.value} at call {at} of {len(met)}: {call} {Path(path).name}"
            if fault is Fault.KILL:
                assert os.WIFSIGNALED(status), said
            else:
                # Only housekeeping may fail unseen; nothing may end in a traceback.
                assert os.WEXITSTATUS(status) in (0, FAILED), f"{said}: {os.WEXITSTATUS(status)}"
            yield said, broken.again()
            shutil.rmtree(where)


def _copy(shop: Shop, where: Path, disk: Disk) -> Shop:
    subprocess.run(["cp", "-a", shop.root, where], check=True)  # hard links stay hard links
    return Shop(where, disk=disk, now=shop.now, cutting=shop.cutting)


def _in_child(shop: Shop, work: Work) -> int:
    """Do it in a fork of this process, and say how that ended."""
    return os.waitpid(forked(lambda: work(shop)), 0)[1]


def forked(work: Callable[[], object]) -> int:
    """Start a fork of this process that does it, and exits with ``FAILED`` for an error of the store's."""
    child = os.fork()
    if child == 0:
        code = SURPRISED
        try:
            work()
            code = 0
        except StoreError:
            code = FAILED
        finally:
            os._exit(code)
    return child
