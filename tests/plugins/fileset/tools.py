"""Archives and snapshots of filesets by hand, without a store."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from dysnomia_plugins.base import Component, Context, Place, Purpose
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.trees.contents import rescan_tar
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_store.content.artefact_writer import DigestSink
from dysnomia_store.model import Form, Metadata, Section
from dysnomia_store.sink import Buffer, WholeSection
from tests.plugins.conformance.driver import Reporter, Token


class TarSink:
    """Keeps the stored bytes in a file, and the sections' names."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.names: list[str] = []

    def begin_section(
        self,
        kind: str,
        name: str,
        form: Form,
        *,
        columns: tuple[str, ...] = (),
        key: tuple[str, ...] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        self.names.append(name)

    def write(self, data: Buffer) -> None:
        self.file.write(data)

    def write_masked(self, data: Buffer, canonical: Buffer) -> None:
        self.file.write(data)

    def store_only(self, data: Buffer) -> None:
        self.file.write(data)

    def digest_only(self, canonical: Buffer) -> None:
        """Nothing is stored."""

    def describe_section(self, *, columns: tuple[str, ...] | None = None, key: tuple[str, ...] | None = None) -> None:
        raise AssertionError("a fileset has no columns")

    def end_section(self, rows: int | None = None, *, size: int | None = None) -> None:
        assert rows is None

    def amend_section(self, kind: str, name: str, *, key: tuple[str, ...]) -> None:
        raise AssertionError("a fileset has no keys")

    def write_sections(self, sections: Sequence[WholeSection]) -> None:
        for section in sections:
            self.names.append(section.name)
            self.file.writelines(section.stored)


class Collected:
    """Sections as they end."""

    def __init__(self) -> None:
        self.sections: list[Section] = []

    def add(self, section: Section) -> None:
        self.sections.append(section)

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        raise AssertionError("a fileset has no keys")


@dataclass
class TarDraft:
    """A draft whose one artefact is a plain file."""

    folder: Path
    names: list[str] = field(default_factory=list)

    @property
    def tar(self) -> Path:
        return self.folder / "state.tar"

    @contextmanager
    def artefact(self, name: str) -> Iterator[TarSink]:
        with (self.folder / name).open("wb") as file:
            sink = TarSink(file)
            yield sink
            self.names = sink.names

    def claim(self, snapshot_id: str) -> None:
        raise AssertionError


@dataclass
class TarStored:
    """A snapshot that is a plain tar file, of which nothing else is known."""

    tar: Path
    metadata: Metadata | None = None

    @property
    def folder(self) -> Path:
        return self.tar.parent

    def artefacts(self) -> tuple[str, ...]:
        return ("state.tar",)

    def open(self, artefact: str | None = None) -> AbstractContextManager[BinaryIO]:
        return self.tar.open("rb")

    @contextmanager
    def open_range(self, artefact: str, offset: int, length: int) -> Iterator[BinaryIO]:
        with self.tar.open("rb") as file:
            file.seek(offset)
            yield io.BytesIO(file.read(length))

    def sections(self) -> Iterator[Section]:
        return iter(self.rescanned()[1])

    def rescanned(self) -> tuple[str, list[Section], bool]:
        """(digest, sections, complete)."""
        collected = Collected()
        sink = DigestSink(collected, "state.tar")
        with self.tar.open("rb") as stream:
            complete = rescan_tar(stream, sink)
        return sink.close().digest, collected.sections, complete


class Notebook:
    """A journal in a file of JSON lines: it outlives the process that wrote it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def step(self, name: str, /, **data: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([name, data]) + "\n")

    def steps(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [(name, data) for name, data in map(json.loads, lines)]


def make_context(component: Component, folder: Path, *, made_here: bool = True, tag: str = "0123abcd_7") -> Context:
    """A context with a staging folder in ``folder``."""
    staging = folder / "staging"
    staging.mkdir(exist_ok=True)
    token = Token()
    return Context(
        component=component,
        runner=ProcessRunner(token),
        progress=Reporter(),
        cancel=token,
        journal=Notebook(folder / f"journal-{tag}"),
        staging=staging,
        tag=tag,
        made_here=made_here,
    )


def logged(ctx: Context) -> list[str]:
    """What was said in the job's log."""
    assert isinstance(ctx.progress, Reporter)
    return ctx.progress.lines


def dump_to_tar(component: Component, folder: Path, place: Place | None = None) -> TarStored:
    """What is live as a plain tar file in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    plugin = Fileset()
    draft = TarDraft(folder)
    plugin.dump(make_context(component, folder), place or plugin.live(component), draft)
    return TarStored(draft.tar)


def load_beside(ctx: Context, stored: TarStored, sections: Sequence[Section] | None = None) -> Path:
    """Load a snapshot beside; where it stands."""
    plugin = Fileset()
    place = plugin.place(ctx, Purpose.BESIDE)
    plugin.load(ctx, stored, place, sections)
    return Path(place.name)


def make_tar(path: Path, fill: Callable[[tarfile.TarFile], None], **options: Any) -> TarStored:
    """A tar file as Python's own module writes it."""
    with tarfile.open(path, "w", **options) as archive:
        fill(archive)
    return TarStored(path)


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", **attributes: Any) -> None:
    """Add a member; any attribute of ``TarInfo`` may be given."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(content) if content else None)
