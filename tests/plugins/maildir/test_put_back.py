"""Messages that were deleted go back into a live mailbox, while a real Dovecot serves it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.errors import NotSafe
from dysnomia_store.model import Generation
from dysnomia_tui.engine import RowsAsked
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.rows import PlannedRow
from dysnomia_tui.engine.rows.look import look
from tests.plugins.conformance.driver import Driver
from tests.plugins.maildir.changes import messages
from tests.plugins.maildir.world import MaildirWorld

pytestmark = pytest.mark.server
FIELDS = "mailbox uid flags hdr.subject"


def answer(driver: Driver, generation: Generation, *names: str) -> Mapping[str, Any]:
    stored = driver.store.stored(driver.key, generation.id)
    with driver.context() as ctx:
        return look(driver.world.plugin, ctx, stored, [RowsAsked(name, ((),)) for name in names])


def put_back(driver: Driver, generation: Generation, *names: str) -> tuple[Generation, list[PlannedRow]]:
    told = answer(driver, generation, *names)
    assert not told["refusals"]
    assert not [row["conflict"] for row in told["rows"] if row["conflict"]]
    rows = [
        PlannedRow(row["section"], tuple(row["key"]), row["seen"], row["made"])
        for row in told["rows"]
        if row["change"] != "="
    ]
    done = activities.put_back(driver.bench(), generation.number, generation.id, rows, "put back")
    assert done.left == ()
    return done.guard, rows


def undo(driver: Driver, guard: Generation, rows: list[PlannedRow]) -> None:
    stored = driver.store.stored(driver.key, guard.id)
    asked = [RowsAsked(row.section, (row.key,), (row.made or "-",)) for row in rows]
    with driver.context() as ctx:
        told = look(driver.world.plugin, ctx, stored, asked)
    planned = [
        PlannedRow(row["section"], tuple(row["key"]), row["seen"], row["made"])
        for row in told["rows"]
        if row["change"] != "="
    ]
    activities.put_back(driver.bench(), guard.number, guard.id, planned, "undo")


def names_of(world: MaildirWorld, mailbox: str = "") -> list[str]:
    return [str(one.relative_to(world.top)) for one in messages(world.top / mailbox)]


def test_a_deleted_message_comes_back_with_its_flags_and_a_new_uid(world: MaildirWorld, driver: Driver) -> None:
    server = world.server
    before = server.messages(world.account)
    numbered = server.messages(world.account, FIELDS)
    validity = server.status(world.account)
    first = driver.snapshot().generation
    gone = next(one for one in names_of(world) if "F" in one.partition(":2,")[2])
    client = server.imap(world.account)
    client.select("INBOX")
    client.uid("store", "2", "+flags", "\\Deleted")
    client.expunge()
    server.deliver(world.account, "came since")
    (world.top / "maildirsize").write_text("1000000S,100C\n400 5\n")
    guard, rows = put_back(driver, first, f"file:{gone}")
    client.noop()
    _, found = client.uid("search", "subject", '"first 1"')
    client.logout()
    assert int(found[0]) >= validity["uidnext"], "a UID that it never had"
    now = server.messages(world.account)
    assert [one for one in now if "came since" not in one] == before
    kept = set(numbered) & set(server.messages(world.account, FIELDS))
    assert len(kept) == len(numbered) - 1
    assert server.status(world.account)["uidvalidity"] == validity["uidvalidity"]
    size = (world.top / gone).stat().st_size
    assert (world.top / "maildirsize").read_text().splitlines()[2] == f"{size} 1"
    undo(driver, guard, rows)
    assert "first 1" not in " ".join(one for one in server.messages(world.account) if one.startswith("INBOX"))
    assert (world.top / "maildirsize").read_text().splitlines()[3] == f"{-size} -1"


def test_a_message_that_is_there_under_other_flags_stays(world: MaildirWorld, driver: Driver) -> None:
    first = driver.snapshot().generation
    name = names_of(world)[0]
    world.server.doveadm("flags", "add", "-u", world.account, "\\Draft", "mailbox", "INBOX", "all")
    now = world.whole()
    told = answer(driver, first, f"file:{name}")
    [conflict] = [row["conflict"] for row in told["rows"]]
    assert "that one stays" in conflict
    rows = [PlannedRow(f"file:{name}", (), "", told["rows"][0]["made"])]
    done = activities.put_back(driver.bench(), first.number, first.id, rows, "put back")
    assert (done.done, len(done.left)) == (0, 1)
    assert world.whole() == now


def test_flags_go_back_where_both_names_are_asked_for(world: MaildirWorld, driver: Driver) -> None:
    first = driver.snapshot().generation
    before = world.server.messages(world.account, FIELDS)
    was = names_of(world)[1]
    world.server.doveadm("flags", "replace", "-u", world.account, "\\Draft", "mailbox", "INBOX", "uid", "3")
    base = Path(was).name.partition(":")[0]
    now = next(one for one in names_of(world) if base in one)
    assert now != was
    put_back(driver, first, f"file:{was}", f"file:{now}")
    assert world.server.messages(world.account, FIELDS) == before


def test_a_deleted_mailbox_comes_back_and_goes_again(world: MaildirWorld, driver: Driver) -> None:
    """Undone after the server has made indexes in it."""
    server = world.server
    before = server.messages(world.account)
    first = driver.snapshot().generation
    server.doveadm("mailbox", "delete", "-u", world.account, "Work/Projects")
    now = world.whole()
    guard, rows = put_back(driver, first, "folder:.Work.Projects")
    assert server.messages(world.account) == before
    assert (world.top / ".Work.Projects" / "dovecot-uidlist").exists()
    undo(driver, guard, rows)
    assert world.whole() == now


def test_one_message_of_a_deleted_mailbox(world: MaildirWorld, driver: Driver) -> None:
    first = driver.snapshot().generation
    name = names_of(world, ".Work.Projects")[0]
    shutil.rmtree(world.top / ".Work.Projects")
    put_back(driver, first, f"file:{name}")
    assert [one for one in world.server.messages(world.account) if "project" in one] == [
        "Work/Projects\t\\Recent\tproject 0"
    ]


def test_a_copy_is_a_message_of_its_own(world: MaildirWorld, driver: Driver) -> None:
    """It is another name of the same file."""
    first = driver.snapshot().generation
    [name] = names_of(world, ".Sent")
    (world.top / name).unlink()
    put_back(driver, first, f"file:{name}")
    assert names_of(world, ".Sent") == [name]
    told = answer(driver, first, *(f"file:{one}" for one in names_of(world)))
    assert {row["change"] for row in told["rows"]} == {"="}


def test_what_the_server_makes_anew_is_not_put_back(world: MaildirWorld, driver: Driver) -> None:
    first = driver.snapshot().generation
    for name in ("dovecot-uidlist", ".Sent/dovecot.index.log", "tmp/half"):
        with pytest.raises(NotSafe, match=r"makes .* anew"):
            answer(driver, first, f"file:{name}")
    assert (world.top / "dovecot-uidlist").exists()
