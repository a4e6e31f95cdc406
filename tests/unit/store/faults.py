"""Failing the n-th change to the file system, in a process forked from this warm one."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from dysnomia_store.disk.syscalls import Disk
from dysnomia_store.errors import StoreError
from tests.unit.store.shop import Shop

Work = Callable[[Shop], object]
FAILED = 3
SURPRISED = 4


class Fault(Enum):
    KILL = "SIGKILL"
    EIO = "EIO"
    ENOSPC = "ENOSPC"


@dataclass
class Counter:
    """Counts the calls of a disk, and lets one of them fail (``stays``: and those after it that need space)."""

    fail_at: int = 0
    fault: Fault = Fault.KILL
    log: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, call: str, path: str) -> None:
        self.log.append((call, path))
        if len(self.log) != self.fail_at:
            return
        if self.fault is Fault.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        number = errno.EIO if self.fault is Fault.EIO else errno.ENOSPC
        raise OSError(number, os.strerror(number), path)


def calls_of(shop: Shop, work: Work, where: Path) -> list[tuple[str, str]]:
    """Every change that a piece of work makes, in order, tried on a copy of the store."""
    counter = Counter()
    work(_copy(shop, where, Disk(before=counter)))
    shutil.rmtree(where)
    return counter.log


def each_fault(shop: Shop, work: Work, where: Path) -> Iterator[tuple[str, Shop]]:
    """Do the work on a copy of the store once for each call and fault; yields what is left, and what happened."""
    calls = calls_of(shop, work, where)
    assert len(calls) > 10
    for fault in Fault:
        for at in range(1, len(calls) + 1):
            broken = _copy(shop, where, Disk(before=Counter(at, fault)))
            status = _in_child(broken, work)
            call, path = calls[at - 1]
            said = f"{fault.value} at call {at} of {len(calls)}: {call} {Path(path).name}"
            if fault is Fault.KILL:
                assert os.WIFSIGNALED(status), said
            else:
                # Only housekeeping may fail unseen; nothing may end in a traceback.
                assert os.WEXITSTATUS(status) in (0, FAILED), f"{said}: {os.WEXITSTATUS(status)}"
            yield said, broken.again()
            shutil.rmtree(where)


def _copy(shop: Shop, where: Path, disk: Disk) -> Shop:
    shutil.copytree(shop.root, where, symlinks=True)
    return Shop(where, disk=disk, now=shop.now)


def _in_child(shop: Shop, work: Work) -> int:
    """Do it in a fork of this process, and say how that ended."""
    child = os.fork()
    if child == 0:
        code = SURPRISED
        try:
            work(shop)
            code = 0
        except StoreError:
            code = FAILED
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]
