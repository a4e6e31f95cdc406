"""``dysnomia -o export``: a generation as the plain dump, for standard tools: on standard output, or into a folder."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_base.ownership import may_hold_ours
from dysnomia_base.sizes import size
from dysnomia_tui.cli.shared.names import new_outside
from dysnomia_tui.cli.shared.output import put_out, say, visible
from dysnomia_tui.cli.shared.parser import Usage
from dysnomia_tui.cli.shared.selection import asked
from dysnomia_tui.engine.errors import Blocked, EngineError, Exit

if TYPE_CHECKING:
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.engine.contents.plain import Plain
    from dysnomia_tui.engine.engine import Engine

PIECE = 1 << 20


def export(engine: Engine, key: ComponentKey, args: argparse.Namespace) -> int:
    """Write a generation (the newest, where none is named), or one section of it. Live is not touched.

    Raises EngineError, Usage, OSError."""
    if len(args.section) > 1:
        raise Usage("export takes only one --section", "export each into its own file")
    generation = asked(engine, key, args.generation)
    folder = new_outside(args.to, engine.settings.statedir) if args.to else None
    with engine.plain(key, generation.number) as plain:
        section = "".join(args.section)
        count = _into(plain, folder, section) if folder else _to_output(plain, section)
    where = f" in {args.to}" if args.to else ""
    say(f"{size(count)} of generation {generation.number} of {key}{where}, every byte checked")
    return Exit.OK


def _to_output(plain: Plain, section: str) -> int:
    out = sys.stdout.buffer
    if out.isatty():
        # A dump can hold any bytes, those that drive a terminal among them.
        raise Usage("standard output is a terminal", "redirect it (> FILE), pipe it, or give --to DIR")
    if section:
        with plain.open_section(section) as (_, pieces):
            return _write(pieces, _Out())
    with plain.open(plain.main()) as stream:
        return _copy(stream, _Out())


class _Out(io.RawIOBase):
    """Standard output, whose errors say what they are of: a snapshot is being read meanwhile."""

    def write(self, data: Any) -> int:
        put_out(data, flush=True)
        return len(data)


class _File(io.RawIOBase):
    """A new file in the folder that is being made; its errors say where that is."""

    def __init__(self, path: Path, where: Path) -> None:
        self._file = path.open("xb", buffering=0)  # so that nothing is left to be written when it is closed
        self._where = where

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            error.filename = os.fspath(self._where)
            raise
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _into(plain: Plain, folder: Path, section: str) -> int:
    """Write all parts (or one section) into a folder that is made for it, which gets its name when it is whole."""
    if os.path.lexists(folder):
        raise Usage(f"{folder} already exists", "name a new folder")
    parent = folder.parent
    if parent.is_dir() and not may_hold_ours(parent):
        # Who can exchange the folder while it is filled would choose where root writes.
        raise Blocked(f"{parent} can be changed by others", "name a folder below one of yours, or /var/tmp")
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=parent))
    try:
        if section:
            count = _section(plain, section, making)
        else:
            count = sum(_part(plain, part, making) for part in plain.parts())
        making.rename(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return count


def _section(plain: Plain, wanted: str, folder: Path) -> int:
    with plain.open_section(wanted) as (name, pieces), _File(folder / name, folder.parent) as out:
        return _write(pieces, out)


def _part(plain: Plain, part: str, folder: Path) -> int:
    with plain.open(part) as stream:
        if plain.is_tree(part):
            return _unpacked(stream, folder)
        path = folder / part
        if ".." in path.parts or Path(part).is_absolute():
            raise Blocked(f"the snapshot names a file {visible(part)}, outside of itself", "check it: -o check")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _File(path, folder.parent) as out:
            return _copy(stream, out)


def _unpacked(stream: BinaryIO, folder: Path) -> int:
    """A tree as files, by GNU tar: owners where we are root, modes, extended attributes and lists of rights.

    The folder itself stays ours alone, whatever the tree says of its own: it may hold programs that become root."""
    kept = ("--xattrs", "--xattrs-include=*", "--acls")
    argv = ["tar", "-x", "-p", "--no-overwrite-dir", *kept, "-C", os.fspath(folder)]
    try:
        env = {**os.environ, "LC_ALL": "C"}  # what it says is read below
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    except FileNotFoundError:
        raise EngineError("tar is missing on this machine", "without --to, standard output gets the tar file") from None
    with child:
        assert child.stdin is not None
        assert child.stderr is not None
        try:
            count = _copy(stream, child.stdin)
            child.stdin.close()
        except BrokenPipeError:
            count = 0  # tar ended first, and says why
        stderr = child.stderr.read().decode(errors="replace").strip()
    if child.returncode:
        full = next((number for number in NO_SPACE if os.strerror(number) in stderr), None)
        if full is not None:
            raise OSError(full, os.strerror(full), os.fspath(folder.parent))
        raise EngineError(f"tar ended with status {child.returncode}: {visible(stderr)[:500]}", "nothing was kept")
    return count


def _copy(source: BinaryIO, target: IO[bytes] | io.RawIOBase) -> int:
    return _write(iter(lambda: source.read(PIECE), b""), target)


def _write(pieces: Iterable[bytes], target: IO[bytes] | io.RawIOBase) -> int:
    count = 0
    for data in pieces:
        target.write(data)
        count += len(data)
    return count
