"""Snapshot and load of a mailbox of 20,000 messages, against tar and zstd; and a search for a word of a subject."""

from __future__ import annotations

import shutil
import tempfile
from base64 import encodebytes
from collections.abc import Sequence
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component
from dysnomia_plugins.types.maildir.plugin import Maildir
from dysnomia_store.names import ComponentKey
from tests.benchmarks.alone import Alone
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, shell

MESSAGES = 20_000
SMALLEST, LARGEST = 300, 6_000
"""Random bytes in a message, before they are made letters."""


def measure() -> Sequence[Figure]:
    """The figures. Raises CalledProcessError where tar fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        size = _fill(folder / "mail" / "anna")
        return _measure(folder, f"{MESSAGES:,} messages, {size / 1e6:.0f} MB")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(box: Path) -> int:
    """Five mailboxes; their bytes."""
    random = Random(1)
    mailboxes = [box / name for name in ("", ".Sent", ".Archive", ".Lists.a", ".Lists.b")]
    for mailbox in mailboxes:
        for name in ("cur", "new", "tmp"):
            (mailbox / name).mkdir(parents=True)
    total = 0
    for number in range(MESSAGES):
        body = encodebytes(random.randbytes(random.randint(SMALLEST, LARGEST)))
        head = (
            f"Received: by host id {number}\nFrom: Anna <anna{number % 50}@example.org>\nTo: bert@example.org\n"
            f"Subject: message {number} of {number % 97}\nDate: Tue, 03 Nov 2026 09:12:00 +0100\n\n"
        )
        name = f"cur/17{number:08d}.M{number % 1000}P{number}.host:2,S"
        total += (mailboxes[number % 5] / name).write_bytes(head.encode() + body)
    return total


def _measure(folder: Path, what: str) -> Sequence[Figure]:
    component = folder / "component"
    component.mkdir()
    properties = {"type": "maildir", "mailRoot": str(folder / "mail")}
    work = Alone(folder, Maildir(), Component(ComponentKey.of("mail", "anna"), component, properties))
    tar, again = folder / "own.tar.zst", folder / "again"

    def own_load() -> float:
        again.mkdir()
        taken = shell(f"zstd -dc {tar} | tar -xf - -C {again}")
        shutil.rmtree(again)
        return taken

    ours, theirs = in_turns(work.snapshot, lambda: shell(f"tar -cf - -C {folder}/mail . | zstd -qf -T2 -3 -o {tar}"))
    figures = [ratio(f"snapshot, mailbox, {what}", ours, "tar, zstd", theirs, 1.25)]
    ours, theirs = in_turns(work.load, own_load)
    return [*figures, ratio("restore, same, beside live and checked", ours, "zstd, tar", theirs, 1.25)]


PARTS = (Part("maildir", measure, order=20, by_name=True),)
