"""An operator finds the mail that somebody deleted: by its subject, in commands, without a mail server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dysnomia_store.model import Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import browse
from dysnomia_tui.cli.shared.parser import load, open_engine
from tests.plugins.maildir.commands import configure, dysnomia, snapshots

KEY = ComponentKey.of("mail", "anna")
NAME = "cur/1700000001.M1P1.host:2,S"
HEAD = (
    b"From: anna@example.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe_4711?=\nDate: Tue, 3 Nov 2026 09:12:00 +0100\n\nbody\n"
)
TOLD = "Grüße 4711, anna@example.org, 2026-11-03 09:12 +0100"


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mailbox, of which there is a generation."""
    box = tmp_path / "mail" / "anna"
    for name in ("cur", "new", "tmp"):
        (box / name).mkdir(parents=True)
    (box / NAME).write_bytes(HEAD)
    (box / "cur/1700000002.M2P2.host:2,").write_bytes(b"Subject: \xff\xfe other\x1b[2J\n\n\x00\x01")
    (box / "cur/1700000003.M3P3.host:2,").write_bytes(b"no headers\n")
    configure(tmp_path, monkeypatch, "anna")
    assert dysnomia(["-o", "snapshot", "-c", "anna", "-C", "mail"]) == 0
    return box


def test_a_word_of_the_subject_finds_it(box: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert snapshots(["--find", "grüße", "--in", "mail/anna"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"file {NAME}  {TOLD}"]
    assert snapshots(["--find", "ÿþ OTHER", "--in", "mail/anna"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_comparison_and_a_plan_say_which_mail_it_is(box: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (box / NAME).unlink()
    (box / "cur/1700000009.M9P9.host:2,").write_bytes(HEAD.replace(b"4711", b"9"))
    capsys.readouterr()
    assert snapshots(["--diff", "1", "live", "--in", "mail/anna"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"- file {NAME}  {TOLD}" in lines
    assert any(line.endswith(TOLD.replace("4711", "9")) for line in lines)
    assert snapshots(["--diff", "1", "live", "--in", "mail/anna", "--json"]) == 0
    changes = json.loads(capsys.readouterr().out)["sections"]
    assert TOLD in [change["remark"] for change in changes]
    words = ["-o", "put-back", "-c", "anna", "-C", "mail", "--generation", "1", "--section", f"file:{NAME}"]
    words += ["--section", "file:cur/1700000009.M9P9.host:2,", "--dry-run"]
    assert dysnomia(words) == 0
    plan = "".join(capsys.readouterr())
    assert f"+ file {NAME}: subject Grüße 4711, from anna@example.org, date 2026-11-03 09:12 +0100" in plan
    assert "- file cur/1700000009.M9P9.host:2,: subject Grüße 9, from anna@example.org" in plan


def test_the_contents_name_it_and_its_key_stays_what_it_is(box: Path) -> None:
    engine = open_engine(load(None), read_only=True)
    sections: tuple[Section, ...] = tuple(engine.sections(KEY, 1))
    remarks = engine.remarks(KEY, 1, sections)
    assert remarks is not None
    assert remarks[NAME] == TOLD
    assert set(remarks) == {NAME, "cur/1700000002.M2P2.host:2,"}
    section = next(one for one in sections if one.name == NAME)
    column = browse.section_columns(60, remarks)[0]
    assert column.cell(section).plain.startswith(TOLD[:30])
    assert browse.section_key(section) == ("file", NAME, "state.tar")
