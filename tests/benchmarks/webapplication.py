"""Snapshot and load of a web application with state: 2,000 files of 8 KB in a document root, against tar and zstd."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component
from dysnomia_plugins.types.webapplication.plugin import NginxWebApplication
from dysnomia_store.names import ComponentKey
from tests.benchmarks.alone import Alone
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, shell

FILES, SIZE = 2_000, 8_000


def measure() -> Sequence[Figure]:
    """The figures. Raises CalledProcessError where tar fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    try:
        root = folder / "www"
        _fill(root / "uploads")
        return _measure(root, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(uploads: Path) -> None:
    """As what visitors leave: half of each file of random bytes."""
    random = Random(1)
    for number in range(FILES):
        folder = uploads / f"d{number % 50}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_bytes(random.randbytes(SIZE // 2) + b"text %d " % number * (SIZE // 20))


def _measure(root: Path, folder: Path) -> Sequence[Figure]:
    component = folder / "component"
    component.mkdir()
    (component / ".dysnomia-fileset").write_text("mkdir uploads\n")
    properties = {"type": "nginx-webapplication", "documentRoot": str(root)}
    work = Alone(folder, NginxWebApplication(), Component(ComponentKey.of("web", "shop"), component, properties))
    tar, again = folder / "own.tar.zst", folder / "again"

    def own_load() -> float:
        again.mkdir()
        taken = shell(f"zstd -dc {tar} | tar -xf - -C {again}")
        shutil.rmtree(again)
        return taken

    ours, theirs = in_turns(work.snapshot, lambda: shell(f"tar -cf - -C {root} uploads | zstd -qf -T2 -o {tar}"))
    figures = [ratio(f"snapshot, web application, {FILES:,} files of 8 KB", ours, "tar, zstd", theirs, 1.25)]
    ours, theirs = in_turns(work.load, own_load)
    return [*figures, ratio("restore, same, beside live and checked", ours, "zstd, tar", theirs, 1.25)]


PARTS = (Part("webapplication", measure, order=19, by_name=True),)
