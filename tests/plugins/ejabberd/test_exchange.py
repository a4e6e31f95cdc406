"""What comes while rows are read or exchanged, and jobs that are killed then: nothing is lost, and nothing stays."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dysnomia_plugins.types.ejabberd import late, swap
from dysnomia_plugins.types.ejabberd.contents import raw_rows
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.crash import kills
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import ProgramWriter
from tests.plugins.ejabberd.killed import killed_after
from tests.plugins.ejabberd.world import EjabberdWorld
from tests.waiting import wait_until

pytestmark = [pytest.mark.server, pytest.mark.worlds]
DIRTY = r"""
N = '%s', {ok, F} = file:open("%s", [append, raw]), net_adm:ping(N),
W = fun W(I) ->
    Name = list_to_binary("d" ++ integer_to_list(I)),
    ok = rpc:call(N, mnesia, dirty_write, [%s]),
    file:write(F, [integer_to_list(I), "\n"]), W(I + 1)
end, W(0).
"""
"""Writes without a transaction, one after the other, each noted when it was acknowledged."""
ACTIVITY = '{last_activity, {Name, <<"localhost">>}, I, <<>>}'
PRIVATE = '{private_storage, {Name, <<"localhost">>, <<"x">>}, I}'
MESSAGE = '{offline_msg, {<<"ann">>, <<"localhost">>}, I, never, Name, <<>>, <<>>}'
TABLES = r"{tables,[{last_activity,[{record_name,last_activity},{attributes,[us,timestamp,status]}]}]}." + "\n"


@pytest.mark.worlds
@pytest.mark.parametrize(
    ("row", "there"),
    [(ACTIVITY, 0), (ACTIVITY, 6000), (PRIVATE, 0), (MESSAGE, 0)],
    ids=["new keys", "keys that the snapshot has", "on disk alone", "several rows of a key"],
)
def test_no_write_without_a_transaction_is_lost(
    world: EjabberdWorld, driver: Driver, tmp_path: Path, row: str, there: int
) -> None:
    """Of a key that the snapshot has as well, what was written must be in the guard or live: not the old row alone."""
    world.seed()
    world.server.do(
        f'[mnesia:dirty_write({{last_activity, {{list_to_binary("d" ++ integer_to_list(I)), <<"localhost">>}}, old, '
        f"<<>>}}) || I <- lists:seq(1, {there})]"
    )
    number = driver.snapshot().generation.number
    with _writer(world, tmp_path / "log", row) as writer:
        wait_until(lambda: len(writer.acknowledged()) > 200)
        result = driver.restore(number)
        before = len(writer.acknowledged())
        wait_until(lambda: len(writer.acknowledged()) > before + 50)
        writer.stop()
        acknowledged = writer.acknowledged()
    assert result.guard is not None
    guard = driver.restored_elsewhere(result.guard.number, "guard")
    kept = _numbers(world.lines()) | _numbers(world.lines(guard))
    assert acknowledged <= kept, f"{len(acknowledged - kept)} of {len(acknowledged)} are lost"


def _writer(world: EjabberdWorld, log: Path, row: str) -> ProgramWriter:
    argv = world.server.erl("-noinput", "-eval", DIRTY % (world.server.node, log, row))
    return ProgramWriter(log, argv, env=world.server.environment)


def _numbers(lines: list[bytes]) -> set[int]:
    """Of rows that the writer wrote."""
    names = (line.split(b'<<"d')[1].split(b'"')[0] for line in lines if b'<<"d' in line and b",old," not in line)
    return {int(name) for name in names if name.isdigit()}


@pytest.mark.worlds
@pytest.mark.parametrize("storage", ["disc_copies", "disc_only_copies"])
def test_no_row_is_missed_while_others_write(world: EjabberdWorld, driver: Driver, storage: str) -> None:
    """Rows are written anew, larger, and others come: all that were there are in each snapshot, each once."""
    count = 20_000
    world.server.do(
        f"{{atomic, ok}} = mnesia:create_table(own, [{{{storage}, [node()]}}, {{attributes, [key, value]}}]),"
        f"[mnesia:dirty_write({{own, I, x}}) || I <- lists:seq(1, {count})]"
    )
    with _hammering(world, f"{{own, 1 + I * 7919 rem {2 * count}, binary:copy(<<$y>>, 30 + I rem 90)}}"):
        for _ in range(3):
            stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
            (section,) = [one for one in stored.sections() if one.name == "own"]
            keys = [int(line.split(b",")[1]) for batch in raw_rows(stored, section) for line in batch]
            assert len(set(range(1, count + 1)) - set(keys)) == 0
            assert len(keys) == len(set(keys))


@contextmanager
def _hammering(world: EjabberdWorld, row: str) -> Iterator[None]:
    """A process at the server's that writes without a transaction, as quickly as it can."""
    world.server.do(
        "register(hammer, spawn(fun() -> W = fun W(I) -> mnesia:dirty_write(" + row + "), W(I + 1) end, W(0) end)), ok"
    )
    try:
        yield
    finally:
        world.server.do("exit(whereis(hammer), kill)")


@pytest.mark.parametrize("end", ["{write,se", "{write,set,{last_activity,b,1}}.", "\0\0\0\0"])
def test_notes_that_were_cut_hold_what_was_whole(end: str) -> None:
    notes = TABLES + "{write,set,{last_activity,a,1}}.\n" + end
    tables, events = late.noted(io.BytesIO(notes.encode()))
    assert list(tables) == [b"last_activity"]
    assert events == {b"last_activity": {b"a": [(b"write", b"set", b"{last_activity,a,1}.\n")]}}


@pytest.mark.parametrize("notes", ["", TABLES[:20], "\0" * 100])
def test_notes_without_a_whole_line_are_none(notes: str) -> None:
    assert late.noted(io.BytesIO(notes.encode())) == ({}, {})


@pytest.mark.worlds
def test_a_server_that_dies_while_it_notes_is_recovered(world: EjabberdWorld, driver: Driver) -> None:
    """The job was killed after the exchange, and the last line of the notes has no end."""
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    world.change("registered", random.Random(1))
    now = world.lines()
    job = killed_after(driver, swap.DONE, lambda bench: activities.restore(bench, number))
    (notes,) = world.server.spool.glob("*.late")
    notes.write_text(TABLES + '{write,set,{last_activity,{<<"ann">>,<<"localhost">>},7,<<>>}}.\n{write,set,{last_ac')
    activities.recover(driver.bench(), driver.left(job))
    assert world.whole() == then
    guard = driver.restored_elsewhere(driver.generations()[-2].number, "guard")
    assert set(world.lines(guard)) - set(now) == {b'{last_activity,{<<"ann">>,<<"localhost">>},7,<<>>}'}
    assert driver.left_behind(job) == []


def test_what_another_job_has_to_know_stays(world: EjabberdWorld, driver: Driver) -> None:
    """Another component of the same server: its restore was killed, and its mark is in the same table."""
    world.seed()
    number = driver.snapshot().generation.number
    world.server.do(
        "{atomic, ok} = mnesia:create_table(dysnomia_exchange, "
        "[{disc_copies, [node()]}, {attributes, [name, moment]}]),"
        'mnesia:dirty_write({dysnomia_exchange, "other", 1})'
    )
    driver.restore(number)
    assert world.server.do("mnesia:dirty_all_keys(dysnomia_exchange)") == b'["other"]'


@pytest.mark.worlds
@pytest.mark.parametrize("activity", ["collect-garbage", "activate"])
def test_an_activity_that_was_killed_is_recovered(world: EjabberdWorld, driver: Driver, activity: str) -> None:
    """At any step: all rows are there or none, and the next writer has nothing in its way."""
    if activity == "collect-garbage":
        driver.activity("activate")
        driver.activity("deactivate")
    seen = set()
    for job in kills(driver, lambda bench: activities.activity(bench, activity)):
        activities.recover(driver.bench(), driver.left(job))
        assert driver.left_behind(job) == []
        assert list(world.server.spool.glob("*dysnomia-*")) == []
        seen.add(world.whole() is None)
    assert True in seen
    driver.activity("activate")
    assert world.whole() is not None
