"""Snapshot and load of a Subversion repository of 200 revisions, against svnadmin's own dump and load."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component
from dysnomia_plugins.types.subversion.plugin import SubversionRepository
from dysnomia_store.names import ComponentKey
from tests.benchmarks.alone import Alone
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, shell

REVISIONS, FILES = 200, 50
NAME = "bench"
DATE = "2026-01-02T03:04:05.000000Z"


def measure() -> Sequence[Figure]:
    """The figures. Raises CalledProcessError where Subversion fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        live = folder / "live" / NAME
        live.parent.mkdir()
        shell(f"svnadmin create {live}")
        subprocess.run(["svnadmin", "load", "--quiet", str(live)], input=b"".join(_dump()), check=True)
        return _measure(live, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _dump() -> Iterator[bytes]:
    """Each revision writes one of the files anew, half of it of random bytes (dump format 2)."""
    random = Random(1)
    yield b"SVN-fs-dump-format-version: 2\n\n"
    for number in range(1, REVISIONS + 1):
        properties = _properties({"svn:author": "a", "svn:date": DATE, "svn:log": f"change {number}"})
        yield b"Revision-number: %d\n" % number + _lengths(properties, None) + b"\n" + properties + b"\n"
        data = random.randbytes(2000).hex().encode()[:3000] + random.randbytes(1000)
        action = b"add" if number <= FILES else b"change"
        yield b"Node-path: f%d\nNode-kind: file\nNode-action: %s\n" % (number % FILES, action)
        none = _properties({})
        yield _lengths(none, data) + b"\n" + none + data + b"\n\n"


def _properties(values: Mapping[str, str]) -> bytes:
    lines = [f"K {len(name)}\n{name}\nV {len(value)}\n{value}\n" for name, value in values.items()]
    return "".join([*lines, "PROPS-END\n"]).encode()


def _lengths(properties: bytes, text: bytes | None) -> bytes:
    of_text = b"" if text is None else b"Text-content-length: %d\n" % len(text)
    return b"Prop-content-length: %d\n%sContent-length: %d\n" % (
        len(properties), of_text, len(properties) + len(text or b""),
    )  # fmt: skip


def _measure(live: Path, folder: Path) -> Sequence[Figure]:
    properties = {"type": "subversion-repository", "svnBaseDir": str(live.parent)}
    component = Component(ComponentKey.of("svn", NAME), folder / "component", properties)
    work = Alone(folder, SubversionRepository(), component)
    dump, again = folder / "own.dump.zst", folder / "again"

    def own_load() -> float:
        taken = shell(f"svnadmin create {again} && zstd -dc {dump} | svnadmin load --quiet {again}")
        shutil.rmtree(again)
        return taken

    ours, theirs = in_turns(work.snapshot, lambda: shell(f"svnadmin dump --quiet {live} | zstd -qf -T2 -o {dump}"))
    figures = [ratio(f"snapshot, Subversion, {REVISIONS:,} revisions", ours, "svnadmin dump, zstd", theirs, 1.25)]
    ours, theirs = in_turns(work.load, own_load)
    return [*figures, ratio("restore, same, beside live and checked", ours, "zstd, svnadmin load", theirs, 1.25)]


PARTS = (Part("subversion", measure, order=18, by_name=True),)
