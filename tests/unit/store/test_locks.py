"""One writer a component, and everybody may read who it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dysnomia_store.errors import Locked
from dysnomia_store.names import ComponentKey
from tests.unit.store.shop import KEY, Shop, rows
from tests.waiting import wait_until

HOLD = """
import sys
from pathlib import Path
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
with Store(Path(sys.argv[1])).lock(ComponentKey("databases", "orders"), who="bob", job="88", doing="restore"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(shop: Shop) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(shop.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_second_writer_is_told_of_the_first(shop: Shop) -> None:
    shop.commit(rows(1))
    with holding(shop) as child:
        try:
            with pytest.raises(Locked, match=r"locked by bob \(job 88\), restore since") as caught:
                shop.commit(rows(2))
            assert f"pid {child.pid}" in caught.value.holder
            holder = shop.store.holder(KEY)
            assert holder is not None
            assert (holder.who, holder.job, holder.pid) == ("bob", "88", child.pid)
            assert shop.numbers() == [1]
            assert shop.newest().number == 1
            with shop.store.lock(ComponentKey("databases", "other"), who="", job="", doing=""):
                pass
        finally:
            child.kill()
    assert shop.store.holder(KEY) is None


def test_a_lock_dies_with_its_process(shop: Shop) -> None:
    with holding(shop) as child:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert shop.store.holder(KEY) is None
    assert shop.commit(rows(1)).new


def test_but_not_while_a_child_that_inherited_it_lives(shop: Shop) -> None:
    with shop.store.lock(KEY, who="alice", job="3", doing="dump") as lock:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()])
    with pytest.raises(Locked, match="alice"):
        shop.commit(rows(1))
    child.communicate()
    assert shop.commit(rows(1)).new


def test_a_writer_that_waits_gets_it(shop: Shop) -> None:
    with holding(shop) as child:
        assert child.stdin is not None
        child.stdin.close()
        with shop.store.lock(KEY, who="alice", job="1", doing="", wait=None):
            assert child.wait() == 0


def test_two_writers_at_once_make_two_generations(shop: Shop) -> None:
    shop.commit(rows(1))
    children = []
    for count in (5, 6):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                again = shop.again()
                wait_until(lambda again=again, count=count: committed(again, count))  # type: ignore[misc]
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert shop.numbers() == [1, 2, 3]
    assert shop.all_ok()


def committed(shop: Shop, count: int) -> bool:
    try:
        shop.commit(rows(count))
    except Locked:
        return False
    return True


def test_asking_who_holds_it_never_keeps_a_writer_out(shop: Shop) -> None:
    shop.commit(rows(1))
    child = os.fork()
    if child == 0:
        signal.alarm(300)
        while True:
            shop.store.holder(KEY)
    try:
        for count in range(2, 12):
            assert shop.commit(rows(count)).new
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_nothing_is_made_by_looking(place: Path) -> None:
    shop = Shop(place / "nowhere")
    assert shop.store.keys() == ()
    assert shop.store.summaries() == {}
    assert shop.store.generations(KEY) == ()
    assert shop.store.holder(KEY) is None
    assert shop.store.trash() == ()
    assert shop.store.id == ""
    assert shop.store.usage().by_component == {}
    assert shop.store.strange() == ()
    assert not shop.root.exists()
