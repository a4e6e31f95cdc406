"""A Maildir as Courier keeps it: all of it comes back but its list of UIDs, which it makes anew.

The files are those that courier-imap 5.0.13 wrote when a client made a folder, stored a message with a keyword, copied
it, subscribed and gave another user rights; that server read them after a restore as before, under a new UIDVALIDITY.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.plugins.maildir.commands import configure, dysnomia

MESSAGE = "1796137559.M803934P31328V000000000000FE00I0000000000272504_0.vm,S=37"
MAIL = b"Subject: courier one\r\n\r\nbody of a mail\r\n"
FILES = {
    f"cur/{MESSAGE}:2,FS": MAIL,
    f"courierimapkeywords/{MESSAGE}": b"MyKeyword\n",
    "courierimapkeywords/:list": f"MyKeyword\n\n{MESSAGE}:0\n".encode(),
    "courierimapsubscribed": b"INBOX.Work\n",
    "courierimaphieracl/Work": b"owner acdilrsw\n",
    f".Work/cur/{MESSAGE}:2,FS": MAIL,
    f".Work/courierimapkeywords/.5987126.{MESSAGE}": b"MyKeyword\n",
    ".Work/courierimapacl": b"owner acdilrsw\nadministrators acdilrsw\nanna lr\n",
    ".Work/maildirfolder": b"",
    ".Work/sqwebmail-sig": b"-- \nAnna\n",
}
MADE_ANEW = {
    "courierimapuiddb": b"1 796137561 2\n1 " + MESSAGE.encode() + b"\n",
    ".Work/courierimapuiddb": b"1 796137559 2\n1 " + MESSAGE.encode() + b"\n",
}


def _files(box: Path) -> dict[str, bytes]:
    return {str(path.relative_to(box)): path.read_bytes() for path in box.rglob("*") if path.is_file()}


def test_all_that_courier_keeps_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = tmp_path / "mail/berta/Maildir"
    for name, content in {**FILES, **MADE_ANEW}.items():
        (box / name).parent.mkdir(parents=True, exist_ok=True)
        (box / name).write_bytes(content)
    for name in ("new", "tmp", ".Work/new", ".Work/tmp"):
        (box / name).mkdir()
    configure(tmp_path, monkeypatch, "berta", "mailFolder=Maildir\n")
    words = ["-c", "berta", "-C", "mail"]
    assert dysnomia(["-o", "snapshot", *words]) == 0
    (box / f"cur/{MESSAGE}:2,FS").unlink()
    shutil.rmtree(box / ".Work")
    assert dysnomia(["-o", "restore", *words, "--generation", "1", "--yes"]) == 0
    kept = _files(box)
    assert {name: kept.get(name) for name in FILES} == FILES, kept.keys()
    assert not MADE_ANEW.keys() & kept.keys()
    assert dysnomia(["-o", "snapshot", *words]) == 0
    links = (tmp_path / "state/generations/mail/berta").iterdir()
    assert len({link.resolve() for link in links if link.is_symlink()}) == 2, "what was restored, and the guard"
