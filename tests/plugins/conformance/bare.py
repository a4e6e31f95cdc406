"""A plugin's surroundings without store or engine: a draft in a folder, a context, a journal in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from dysnomia_plugins.base import Component, Context, Dumped, Place, Purpose, StatePlugin
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_store.content.artefact_reader import ArtefactReader
from dysnomia_store.content.artefact_writer import ArtefactResult, ArtefactWriter
from dysnomia_store.model import Metadata, Section
from dysnomia_store.names import ComponentKey
from dysnomia_store.sink import ContentSink


@dataclass
class Silent:
    """A progress reporter that keeps the log."""

    lines: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)

    def phase(self, name: str) -> None:
        self.phases.append(name)

    def advance(self, done: int, total: int | None = None, unit: str = "bytes") -> None:
        assert done >= 0

    def log(self, line: str) -> None:
        self.lines.append(line)


@dataclass
class Notes:
    """A journal in memory."""

    entries: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def step(self, name: str, /, **data: Any) -> None:
        self.entries.append((name, data))

    def steps(self) -> list[tuple[str, Mapping[str, Any]]]:
        return list(self.entries)


class BareDraft:
    """A draft of one artefact."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sections: list[Section] = []
        self.result: ArtefactResult | None = None

    @contextmanager
    def artefact(self, name: str) -> Iterator[ContentSink]:
        with ArtefactWriter(self.folder, name, index=self) as writer:
            yield writer
        self.result = writer.result

    def claim(self, snapshot_id: str) -> None:
        raise AssertionError("a plugin that holds state never names its snapshots")

    def add(self, section: Section) -> None:
        self.sections.append(section)

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        self.sections = [
            replace(one, key=key) if (one.kind, one.name) == (kind, name) else one for one in self.sections
        ]


class BareStored:
    """The snapshot that a bare draft became."""

    def __init__(self, draft: BareDraft, dumped: Dumped) -> None:
        result = draft.result
        assert result is not None
        self.folder = draft.folder
        self.digest = result.digest
        self._result = result
        self._sections = tuple(draft.sections)
        self.metadata: Metadata | None = Metadata(
            id=result.digest,
            type="sqlite-database",
            content_size=result.content_size,
            stored_size=result.stored_size,
            files=(result.entry,),
            digest=result.digest,
            digest_version=1,
            complete=dumped.complete,
            tool_versions=dumped.tool_versions,
            surroundings=dumped.surroundings,
        )

    def artefacts(self) -> tuple[str, ...]:
        return (self._result.name,)

    def _reader(self) -> ArtefactReader:
        return ArtefactReader(self.folder / self._result.file_name, sha256=self._result.sha256)

    def open(self, artefact: str | None = None) -> AbstractContextManager[BinaryIO]:
        return self._reader().open()

    def open_range(self, artefact: str, offset: int, length: int) -> AbstractContextManager[BinaryIO]:
        return self._reader().open_range(offset, length)

    def sections(self) -> Iterator[Section]:
        return iter(self._sections)


class Bare:
    """One component and its plugin in a folder, with as many jobs as a test wants."""

    def __init__(self, plugin: StatePlugin, folder: Path, component: Component) -> None:
        self.plugin = plugin
        self.component = component
        self.progress = Silent()
        self._folder = folder
        self._drafts = 0

    def context(self, job: str = "1", journal: Notes | None = None, *, made_here: bool = True) -> Context:
        staging = self._folder / f"staging-{job}"
        staging.mkdir(exist_ok=True)
        return Context(
            component=self.component,
            runner=ProcessRunner(),
            progress=self.progress,
            cancel=NeverCancelled(),
            journal=journal if journal is not None else Notes(),
            staging=staging,
            tag=f"0123abcd_{job}",
            made_here=made_here,
        )

    def dump(self, place: Place | None = None, job: str = "1") -> BareStored:
        """Snapshot a place (live, if none is named)."""
        self._drafts += 1
        folder = self._folder / f"draft-{self._drafts}"
        folder.mkdir()
        draft = BareDraft(folder)
        dumped = self.plugin.dump(self.context(job), place or self.plugin.live(self.component), draft)
        return BareStored(draft, dumped)


def component(path: Path, name: str = "orders", **properties: str) -> Component:
    """A component of container ``box``; ``path`` holds its initial state."""
    return Component(ComponentKey.of("box", name), path, properties)


def with_properties(bare: Bare, **properties: str) -> Bare:
    bare.component = Component(bare.component.key, bare.component.path, {**bare.component.properties, **properties})
    return bare


def places(bare: Bare, ctx: Context) -> tuple[Place, Place]:
    return bare.plugin.place(ctx, Purpose.BESIDE), bare.plugin.place(ctx, Purpose.ASIDE)


def swapped(bare: Bare, stored: BareStored, job: str = "2") -> tuple[Context, Place]:
    """Replace live; what was live stands aside."""
    ctx = bare.context(job)
    beside, aside = places(bare, ctx)
    bare.plugin.load(ctx, stored, beside)
    bare.plugin.swap(ctx, beside, aside)
    return ctx, aside


def restore(bare: Bare, stored: BareStored, job: str = "2") -> None:
    """Replace live, and drop what was live."""
    ctx, aside = swapped(bare, stored, job)
    bare.plugin.drop(ctx, aside)


def on_the_way(bare: Bare, share: float, do: Callable[[], object]) -> list[int]:
    """Do something once when a load has come past a share of the dump. Holds where, once that was done."""
    done_at: list[int] = []

    def advance(done: int, total: int | None = None, unit: str = "bytes") -> None:
        if not done_at and total is not None and done > total * share:
            done_at.append(done)
            do()

    bare.progress.advance = advance  # type: ignore[method-assign]
    return done_at


def stored_of(folder: Path, artefact: str, dump: bytes) -> BareStored:
    """A stored snapshot of any bytes, as another tool may have left it: with no index."""
    made = folder / "made"
    made.mkdir()
    draft = BareDraft(made)
    with draft.artefact(artefact) as sink:
        sink.write(dump)
    now = datetime.now(UTC)
    stored = BareStored(draft, Dumped(as_of=now, end=now, complete=None))
    stored.metadata = None
    return stored
