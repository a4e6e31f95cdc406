"""Snapshots of made-up tables and texts, and a reader for them: the diff's tests need no type of state."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import Any, BinaryIO

from dysnomia_plugins.base import Row, Stored
from dysnomia_store.content.artefact_writer import ArtefactReader, ArtefactWriter
from dysnomia_store.content.index import Index, IndexWriter
from dysnomia_store.model import Form, Metadata, Section
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.diff.sides import SideSpec

OPENER = "tests.unit.engine.diff.tables:open_folder"
_LENGTH = 8


@dataclass(frozen=True)
class Table:
    """A section to be: its rows, each any bytes at all (their length is written before them)."""

    name: str
    rows: Sequence[bytes]
    kind: str = "table"
    form: Form = Form.ROWS
    columns: tuple[str, ...] = ("id", "value")
    key: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


def text(name: str, lines: Sequence[bytes], kind: str = "schema") -> Table:
    return Table(name, lines, kind, Form.TEXT, ())


def write(folder: Path, *tables: Table) -> Path:
    """A snapshot folder of these sections."""
    folder.mkdir(parents=True)
    with IndexWriter(folder / "index.zst") as index, ArtefactWriter(folder, "dump", index=index) as sink:
        for table in tables:
            sink.begin_section(
                table.kind, table.name, table.form,
                columns=table.columns, key=table.key, attributes=table.attributes,
            )  # fmt: skip
            for row in table.rows:
                sink.write(len(row).to_bytes(_LENGTH, "big") + row)
            sink.end_section(len(table.rows) if table.form is Form.ROWS else None)
    return folder


class FolderStored:
    """Such a folder as a ``Stored``."""

    metadata: Metadata | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = folder / "index.zst"
        self._reader = ArtefactReader(folder / "dump.zst")

    def artefacts(self) -> tuple[str, ...]:
        return ("dump",)

    def open(self, artefact: str | None = None) -> AbstractContextManager[BinaryIO]:
        return self._reader.open()

    def open_range(self, artefact: str, offset: int, length: int) -> AbstractContextManager[BinaryIO]:
        return self._reader.open_range(offset, length)

    def sections(self) -> Iterator[Section]:
        with Index(self.index) as index:
            yield from index.sections()


class TableReader:
    """Reads the rows; cells are separated by tabs, ``\\N`` is NULL."""

    rows_by_line = False

    def __init__(self, batch: int = 1000) -> None:
        self._batch = batch

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        assert section.offset is not None
        assert section.length is not None
        with stored.open_range(section.artefact, section.offset, section.length) as stream:
            batch: list[bytes] = []
            while head := stream.read(_LENGTH):
                batch.append(stream.read(int.from_bytes(head, "big")))
                if len(batch) >= self._batch:
                    yield batch
                    batch = []
            if batch:
                yield batch

    def parse_row(self, section: Section, raw: bytes) -> Row:
        if section.form is Form.TEXT:
            return Row((), (raw.decode("utf-8", "surrogateescape"),))
        cells = tuple(None if cell == b"\\N" else cell.decode("utf-8", "surrogateescape") for cell in raw.split(b"\t"))
        named = dict(zip(section.columns, cells, strict=False))
        return Row(tuple(named.get(name) for name in section.key), cells)


def opened(folder: Path, batch: int = 1000) -> Opened:
    return Opened(TableReader(batch), FolderStored(folder))


def spec(folder: Path, title: str = "") -> SideSpec:
    return SideSpec(title or folder.name, OPENER, {"folder": str(folder)})


@contextmanager
def open_folder(args: Mapping[str, Any], scratch: Path) -> Iterator[Opened]:
    """Opens such a folder in the comparing process."""
    yield opened(Path(args["folder"]))


@contextmanager
def open_made(args: Mapping[str, Any], scratch: Path) -> Iterator[Opened]:
    """Makes a snapshot in the diff's own scratch folder first, as is done with what is live."""
    yield opened(write(scratch / "made", Table("t", [b"%d\tx" % number for number in range(1, args["rows"] + 1)])))


class GatedReader(TableReader):
    """A reader that comes to the end of the section ``slow`` only when a byte is written into a pipe."""

    def __init__(self, gate: Path) -> None:
        super().__init__()
        self._gate = gate

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        yield from super().raw_rows(stored, section)
        if section.name == "slow":
            gate = os.open(self._gate, os.O_RDONLY | os.O_NONBLOCK)
            while not (select([gate], [], [], 0.01)[0] and os.read(gate, 1)):
                yield []


@contextmanager
def open_gated(args: Mapping[str, Any], scratch: Path) -> Iterator[Opened]:
    folder = Path(args["folder"])
    yield Opened(GatedReader(Path(args["gate"])), FolderStored(folder))
