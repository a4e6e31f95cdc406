"""Keys of a snapshot put back into live, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import LiveLook, LiveRow, PutRow
from dysnomia_plugins.errors import NotSafe, OutcomeUnknown, ServerDown
from dysnomia_plugins.types.etcd.api import Refused, Session
from dysnomia_plugins.types.etcd.facts import Facts
from dysnomia_plugins.types.etcd.keyspace import Change, Keyspace, Live
from dysnomia_plugins.types.etcd.records import digest, folder_of, of_line, of_shown, section_of, to_line
from dysnomia_store.model import Section

_TRIES = 20


def look(session: Session, prefix: str, rows: Sequence[PutRow]) -> LiveLook:
    """See ``StatePlugin.look_at_rows``."""
    keyspace = Keyspace.of(session, prefix)
    live = _live(keyspace, rows)
    answer = tuple(_row(row, now) for row, now in zip(rows, live, strict=True))
    to_change = sum(one.digest != one.wanted for one in answer)
    refusals = list(Facts.of(session).against_writes())
    if to_change and not refusals:
        refusals += _against(keyspace, rows, answer)
    if refusals:
        return LiveLook((), refusals=tuple(refusals))
    return LiveLook(answer, dict(_conflicts(rows, live)))


def _live(keyspace: Keyspace, rows: Sequence[PutRow]) -> list[Live | None]:
    keys = [of_shown(row.key[0]) for row in rows]
    live = keyspace.some(keys)
    return [live.get(key) for key in keys]


def _against(keyspace: Keyspace, rows: Sequence[PutRow], answer: Sequence[LiveRow]) -> Iterator[str]:
    """Why one transaction would not be made, as the server says."""
    changed = [row for row, one in zip(rows, answer, strict=True) if one.digest != one.wanted]
    try:
        keyspace.would_take([_change(row, None) for row in changed])
    except Refused as error:
        if "too many operations" not in error.text and "too large" not in error.text:
            yield error.text
            return
        how_many = f"{len(changed):,} {'key is' if len(changed) == 1 else 'keys are'}"
        yield f"{how_many} more than etcd takes in one transaction: put them back in parts, or restore all"


def _change(row: PutRow, now: Live | None) -> Change:
    value = None if row.wanted is None else of_line(row.wanted).value
    return Change(of_shown(row.key[0]), value, 0 if now is None else now.changed)


def _row(row: PutRow, now: Live | None) -> LiveRow:
    raw = None if now is None else to_line(now.key, now.value)
    return LiveRow(raw, digest(raw), digest(row.wanted))


def _conflicts(rows: Sequence[PutRow], live: Sequence[Live | None]) -> Iterator[tuple[int, str]]:
    for at, (row, now) in enumerate(zip(rows, live, strict=True)):
        if now is not None and now.lease and _row(row, now).digest != digest(row.wanted):
            yield at, f"the key {row.key[0]} is attached to a lease now, and belongs to the client that holds it"
        key = of_shown(row.key[0])
        if section_of(folder_of(key)) != row.section.name:
            yield at, f"the key {row.key[0]} is not one of {row.section.name}"


def put_back(session: Session, prefix: str, rows: Sequence[PutRow], seen: Sequence[str]) -> dict[int, str]:
    """See ``StatePlugin.put_back``. Raises NotSafe where nothing was changed, OutcomeUnknown."""
    keyspace = Keyspace.of(session, prefix)
    for _ in range(_TRIES):
        left: dict[int, str] = {}
        changes = []
        for at, (row, now) in enumerate(zip(rows, _live(keyspace, rows), strict=True)):
            if _row(row, now).digest != seen[at]:
                left[at] = ""
                continue
            conflict = dict(_conflicts([row], [now]))
            if conflict:
                left[at] = conflict[0]
            elif now is not None or row.wanted is not None:
                changes.append(_change(row, now))
        if not changes or _made(keyspace, changes):
            return left
    raise NotSafe(
        f"nothing was changed: other clients changed these keys during each of {_TRIES} attempts",
        "stop the clients that write them, or leave these keys out",
    )


def _made(keyspace: Keyspace, changes: Sequence[Change]) -> bool:
    try:
        return keyspace.change(changes, again=False)[0]
    except ServerDown as error:
        raise OutcomeUnknown(
            f"{error.message}, while the keys were put back", "start the server, then compare with live"
        ) from None
    except Refused as error:
        raise NotSafe(f"nothing was changed: {error.message}", error.hint or "put them back in parts") from None


def lacking(session: Session, prefix: str, section: Section, batches: Iterator[Sequence[bytes]]) -> Iterator[bytes]:
    """See ``StatePlugin.lacking``: both sides are in the order of keys."""
    live = (
        pair.key
        for pair in Keyspace.of(session, prefix).pairs(keys_only=True)
        if section_of(folder_of(pair.key)) == section.name
    )
    now = next(live, None)
    for batch in batches:
        for raw in batch:
            key = of_line(raw).key
            while now is not None and now < key:
                now = next(live, None)
            if now != key:
                yield raw
