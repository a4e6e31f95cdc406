"""What the catalog keeps of a record is read by a second parser, which takes nothing that the first would not."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from random import Random

import pytest

from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Delta, FileEntry, History, Metadata, Reason
from dysnomia_store.records import brief as brief_records
from dysnomia_store.records import codec, typed

AT = datetime(2026, 11, 30, 5, 30, 1, 250, UTC)
METADATA = codec.dump(
    codec.metadata_json(
        Metadata("a1", "fileset", 1000, 40, (FileEntry("state.tar.zst", 40, "b2"),), "a1", 1, True, 3, None)
    )
)
HISTORY = codec.dump(
    codec.history_json(
        History(7, "a1", AT, AT, Reason.SCHEDULED, who="cron", delta=Delta(6, "a0", 1, 2, 3, None, False))
    )
)
ODD = (
    b"", b'"', b"\\ud800", b"\x00", b"\n", b"\xff", b"{", b"[[", b"1e999", b"NaN", b"-1", b"01", b"true", b"9" * 30,
    b'"id":"x",', b'"format":2,', b'"format":3,', b'"format":true,', b'"other":"\x01",', b"  ", b",", b'"since":0,',
)  # fmt: skip


def _metadata(record: bytes, *, brief: bool) -> object:
    read = brief_records.metadata_in_brief(record, "it") if brief else typed.metadata(record, "it")
    return read.id, read.content_size, read.stored_size, read.complete, read.sections


def _history(record: bytes, *, brief: bool) -> object:
    if brief:
        return brief_records.history_in_brief(record, "it")
    read = typed.history(record, "it")
    return read.number, read.id, read.as_of


def test_what_is_written_takes_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "load", None)
    assert _metadata(METADATA, brief=True) == ("a1", 1000, 40, True, 3)
    assert _history(HISTORY, brief=True) == (7, "a1", AT)


@pytest.mark.parametrize(("record", "read"), [(METADATA, _metadata), (HISTORY, _history)])
def test_a_record_is_the_same_or_as_bad_whichever_way_it_is_read(record: bytes, read: object) -> None:
    """Changed at random places, by what the two parsers might see differently."""
    assert callable(read)
    random = Random(11)
    fine = 0
    for _ in range(1500):
        at = random.randrange(len(record))
        changed = record[:at] + random.choice(ODD) + record[at + random.choice((0, 0, 1, 4)) :]
        try:
            expected = read(changed, brief=False)
        except Corrupt as error:
            with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
                read(changed, brief=True)
        else:
            assert read(changed, brief=True) == expected, changed
            fine += 1
    assert 30 < fine < 1450


def test_a_field_that_is_named_twice_stands_for_none_that_is_missing() -> None:
    for record, missing, read in (
        (METADATA.replace(b'"id":"a1",', b'"id":"a1","id":"a2",'), b'"host":"",', _metadata),
        (HISTORY.replace(b'"id":"a1",', b'"id":"a1","id":"a2",'), b'"job":"",', _history),
        (HISTORY.replace(b'"added":2,', b'"added":2,"added":2,'), b'"since":6,', _history),
    ):
        assert missing in record
        with pytest.raises(Corrupt):
            read(record.replace(missing, b""), brief=True)
