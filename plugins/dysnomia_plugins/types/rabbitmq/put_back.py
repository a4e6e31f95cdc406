"""Single definitions of a snapshot put back into live.

RabbitMQ has no transaction for them. What is wanted, and what live had of the same definitions, is written down first,
in two files of the job's; then they are changed one after the other, each only while it is what it was read as. Where
the server refuses one, or the job dies, they are finished or taken back by these two files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dysnomia_plugins.base import Context, LiveLook, Place, PutRow
from dysnomia_plugins.errors import UNAVAILABLE, NotSafe, OutcomeUnknown, PluginError, ProcessFailed
from dysnomia_plugins.types.rabbitmq import live as reading
from dysnomia_plugins.types.rabbitmq import messages
from dysnomia_plugins.types.rabbitmq.changes import Target
from dysnomia_plugins.types.rabbitmq.conflicts import Meeting, targets_of
from dysnomia_plugins.types.rabbitmq.contents import parse_row
from dysnomia_plugins.types.rabbitmq.definitions import (
    BY_TITLE,
    USERS,
    VHOST,
    Document,
    name_of,
)
from dysnomia_plugins.types.rabbitmq.exchange import Exchange
from dysnomia_plugins.types.rabbitmq.live import Live
from dysnomia_plugins.types.rabbitmq.node import Server, State
from dysnomia_plugins.types.rabbitmq.rows import Wanted, row_of, shown_key, wanted, with_rows
from dysnomia_plugins.types.rabbitmq.spool import Spool
from dysnomia_plugins.types.rabbitmq.terms import Atom
from dysnomia_plugins.types.rabbitmq.vhosts import shown
from dysnomia_store.model import Section

BEGUN, DONE, REVERTED = "rabbitmq-rows", "rabbitmq-rows-put", "rabbitmq-rows-reverted"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""


def look(ctx: Context, server: Server, vhost: bytes, rows: Sequence[PutRow]) -> LiveLook:
    """See ``StatePlugin.look_at_rows``. Raises PluginError."""
    looked = _meeting(ctx, server, vhost, rows)
    if looked is None:
        return LiveLook((), refusals=(f"{server} has no virtual host {shown(vhost)}: restore the generation whole",))
    meeting, wants = looked
    refusals = tuple(meeting.state.against_changes())
    if refusals:
        return LiveLook((), refusals=refusals)
    conflicts = meeting.conflicts(wants)
    answer = tuple(row_of(want, meeting.live, meeting.users) for want in wants)
    return LiveLook(answer, conflicts, tuple(meeting.warnings(wants, conflicts)))


def _meeting(ctx: Context, server: Server, vhost: bytes, rows: Sequence[PutRow]) -> tuple[Meeting, list[Wanted]] | None:
    """None where there is no such virtual host."""
    status, facts, depths = server.ask(
        ctx.runner, (Atom("status"),), (Atom("read"), vhost), (Atom("depths"), vhost), timeout=reading.READ_SECONDS
    )
    live = reading.of_answer(facts)
    if live is None:
        return None
    wants = wanted(rows, live)
    users = _users(ctx, server, live, wants)
    return Meeting(ctx, server, live, State.of(status), messages.depths(depths), users), wants


def _users(ctx: Context, server: Server, live: Live, wants: Sequence[Wanted]) -> frozenset[bytes]:
    """Those that the server has, of all that are named."""
    names = {want.key[0] for want in wants if want.kind is USERS and want.key is not None}
    names |= {name_of(want.one, "user") for want in wants if want.one is not None and "user" in want.kind.key}
    names |= {key[0] for key in live.document.of[USERS.name]}
    if not names:
        return frozenset()
    (absent,) = server.ask(ctx.runner, (Atom("lacking"), sorted(names)))
    return frozenset(names - set(absent))


def put_back(
    ctx: Context, server: Server, vhost: bytes, rows: Sequence[PutRow], seen: Sequence[str], places: Sequence[Place]
) -> dict[int, str]:
    """See ``StatePlugin.put_back``. ``places``: those beside and aside. Raises NotSafe, PluginError, OutcomeUnknown."""
    looked = _meeting(ctx, server, vhost, rows)
    if looked is None:
        raise NotSafe(f"nothing was changed: there is no virtual host {shown(vhost)}", "restore the generation whole")
    meeting, wants = looked
    for text in meeting.state.against_changes():
        raise NotSafe(f"nothing was changed: {text}")
    left = {at: "" for at, want in enumerate(wants) if row_of(want, meeting.live, meeting.users).digest != seen[at]}
    taken = [at for at in range(len(wants)) if at not in left]
    conflicts = meeting.conflicts([wants[at] for at in taken])
    left |= {taken[at]: text for at, text in conflicts.items()}
    making = [want for at, want in enumerate(wants) if at not in left and meeting.differs(want)]
    if not making:
        return left
    ctx.cancel.check()
    targets = targets_of(making)
    beside, aside = (Spool(place.name) for place in places)
    aside.write(_of(meeting.live.document, targets))
    beside.write(_of(with_rows(meeting.live.document, making), targets))
    ctx.journal.step(BEGUN, vhost=vhost.hex(), beside=beside.path, aside=aside.path)
    missed = _make(ctx, server, vhost, meeting.live, making)
    ctx.journal.step(DONE)
    beside.drop()
    aside.drop()
    for at, want in enumerate(wants):
        if at not in left and want.target in missed:
            left[at] = ""
    return left


def _of(document: Document, targets: set[Target]) -> Document:
    """Only these definitions of it, and the virtual host's own, which no file may lack."""
    part = Document()
    for kind, ones in document.of.items():
        part.of[kind] = {key: one for key, one in ones.items() if (kind, key) in targets or kind == VHOST.name}
    return part


def _make(ctx: Context, server: Server, vhost: bytes, live: Live, making: Sequence[Wanted]) -> set[Target]:
    """Returns those that a client changed right before. Raises NotSafe with live as it was, else OutcomeUnknown."""
    targets = targets_of(making)
    try:
        return Exchange(ctx, server, vhost).make_once(with_rows(live.document, making), live, targets)
    except (*UNAVAILABLE, ProcessFailed) as error:
        raise OutcomeUnknown(
            f"{error.message}, while definitions were put back", "start the server, then recover the job"
        ) from error
    except PluginError as error:
        _revert(ctx, server)
        raise NotSafe(f"nothing was changed: {error.message}", error.hint) from error


def begun_in(ctx: Context) -> Any:
    return next((data for name, data in reversed(ctx.journal.steps()) if name == BEGUN), None)


def recover(ctx: Context, server: Server) -> bool:
    """Finish what a dead job began, or take it back. Idempotent. Raises PluginError."""
    names = [name for name, _ in ctx.journal.steps()]
    if REVERTED in names:
        return False
    if DONE in names:
        return True
    begun = begun_in(ctx)
    vhost = bytes.fromhex(str(begun["vhost"]))
    beside, aside = Spool(str(begun["beside"])).read(), Spool(str(begun["aside"])).read()
    try:
        live = _live(ctx, server, vhost)
        targets = _still(live, aside, beside)
        Exchange(ctx, server, vhost).make_once(_merged(live.document, beside, targets), live, targets)
    except PluginError as error:
        if isinstance(error, (*UNAVAILABLE, ProcessFailed)):
            raise
        ctx.progress.log(f"what was put back is taken back: {error.message}")
        _revert(ctx, server)
        return False
    ctx.journal.step(DONE)
    return True


def _revert(ctx: Context, server: Server) -> None:
    """Raises PluginError: then the journal stays open."""
    begun = begun_in(ctx)
    vhost = bytes.fromhex(str(begun["vhost"]))
    beside, aside = Spool(str(begun["beside"])), Spool(str(begun["aside"]))
    before = aside.read()
    live = _live(ctx, server, vhost)
    targets = _still(live, beside.read(), before)
    Exchange(ctx, server, vhost).make_once(_merged(live.document, before, targets), live, targets)
    ctx.journal.step(REVERTED)
    beside.drop()
    aside.drop()


def _live(ctx: Context, server: Server, vhost: bytes) -> Live:
    live = reading.read(server, ctx.runner, vhost)
    if live is None:
        raise NotSafe(f"there is no virtual host {shown(vhost)} any more", "restore the generation whole")
    return live


def _still(live: Live, now: Document, then: Document) -> set[Target]:
    """The definitions in which two files differ, but for those that a client has changed to something else, which stay
    as he made them. One that is gone may have been deleted to be declared again."""
    targets = set()
    for kind, key in now.keys() | then.keys():
        ours, other = (document.of[kind].get(key) for document in (now, then))
        held = live.document.of[kind].get(key)
        if ours != other and held != other and held in (ours, None):
            targets.add((kind, key))
    return targets


def _merged(live: Document, part: Document, targets: set[Target]) -> Document:
    """Live, with what a file has of these definitions."""
    merged = Document({kind: dict(ones) for kind, ones in live.of.items()})
    for kind, key in targets:
        one = part.of[kind].get(key)
        if one is None:
            merged.of[kind].pop(key, None)
        else:
            merged.of[kind][key] = one
    return merged


def lacking(
    ctx: Context, server: Server, vhost: bytes, section: Section, batches: Iterator[Sequence[bytes]]
) -> Iterator[bytes]:
    """See ``StatePlugin.lacking``. Raises PluginError where there is no such virtual host."""
    live = reading.read(server, ctx.runner, vhost)
    if live is None:
        raise PluginError(f"{server} has no virtual host {shown(vhost)}", "restore the generation whole")
    kind = BY_TITLE[section.name]
    known = {shown_key(kind, one) for one in live.document.of[kind.name].values()}
    for batch in batches:
        for raw in batch:
            if tuple(map(str, parse_row(section, raw).key)) not in known:
                yield raw
