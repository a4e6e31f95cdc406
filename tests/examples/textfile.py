"""A plugin for one more type of state: a text file in chapters, replaced as a whole.

Whoever writes to such a file locks it first (flock), and looks whether it is still the one that its name leads to.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from dysnomia_plugins.base import (  # fmt: skip
    Component,
    Context,
    Draft,
    Dumped,
    Place,
    Preflight,
    Purpose,
    Row,
    StatePlugin,
    Stored,
)
from dysnomia_plugins.errors import PluginError
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import ContentSink


class TextFile(StatePlugin):
    type = "text-file"
    title = "text file"

    # Life: the container's property `folder` says where the files are.

    def activate(self, ctx: Context) -> None:
        path = Path(self.live(ctx.component).name)
        if not path.exists():
            path.write_bytes((ctx.component.path / "initial.txt").read_bytes())

    def deactivate(self, ctx: Context) -> None:
        """Nothing serves a file: its state stays where it is."""

    def collect_garbage(self, ctx: Context) -> None:
        self.drop(ctx, self.live(ctx.component))

    # Places: where state of this type can stand. Those of a job carry its tag, so that a sweep finds no one else's.

    def live(self, component: Component) -> Place:
        return self.named(component, component.key.component)

    def named(self, component: Component, name: str) -> Place:
        return Place(f"{component.prop('folder')}/{name}.txt")

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return self.named(ctx.component, f".{ctx.component.key.component}.{ctx.tag}.{purpose}")

    def exists(self, ctx: Context, place: Place) -> bool:
        return Path(place.name).exists()

    def drop(self, ctx: Context, place: Place) -> None:
        Path(place.name).unlink(missing_ok=True)

    # Snapshot: stream the content into the draft, in sections. Its digest becomes the snapshot's id.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        began = datetime.now(UTC)
        try:
            with Path(place.name).open("rb") as source, draft.artefact("content.txt") as sink:
                fcntl.flock(source, fcntl.LOCK_SH)
                lines = self._scan(source, sink)
        except OSError as error:
            raise PluginError(f"{place.name} cannot be read ({error.strerror})", "activate it first") from error
        ctx.progress.log(f"{lines} lines")
        return Dumped(as_of=began, end=datetime.now(UTC))

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        with stored.open() as source:
            self._scan(source, sink)
        return True

    def _scan(self, source: Iterator[bytes], sink: ContentSink) -> int:
        """A line `# title` begins a chapter; what stands before the first is one too. Each has a name of its own."""
        names = {"beginning": 1}
        count = lines = 0
        sink.begin_section("chapter", "beginning", Form.TEXT)
        for line in source:
            if line.startswith(b"# "):
                sink.end_section(rows=lines)
                title = " ".join(line[2:].decode("utf-8", "backslashreplace").split())
                names[title] = number = names.get(title, 0) + 1
                sink.begin_section("chapter", title if number == 1 else f"{title}\t{number}", Form.TEXT)
                lines = 0
            sink.write(line)
            lines += 1
            count += 1
        sink.end_section(rows=lines)
        return count

    # Restore: load beside what is live, then swap in one step. What was live ends in `aside` and becomes the guard.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return Preflight(swap="one rename", guard="the file that was live, set aside by the swap")

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        with Path(place.name).open("xb") as target:
            if sections is None:
                with stored.open() as source:
                    self._copy(ctx, source, target)
            for section in sections or ():
                with stored.open_range(section.artefact, section.offset or 0, section.length or 0) as source:
                    self._copy(ctx, source, target)
            target.flush()
            os.fsync(target.fileno())

    def _copy(self, ctx: Context, source: BinaryIO, target: BinaryIO) -> None:
        while data := source.read(1 << 20):
            ctx.cancel.check()
            target.write(data)

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        """Nobody writes between link and rename: what `aside` holds is the last state that was live."""
        live = Path(self.live(ctx.component).name)
        ctx.journal.step("exchange", beside=beside.name)
        with live.open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            os.link(live, aside.name)
            os.replace(beside.name, live)
        folder = os.open(live.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def recover(self, ctx: Context) -> bool:
        """The rename either happened or did not: the file beside is gone only if it did."""
        steps = [data for step, data in ctx.journal.steps() if step == "exchange"]
        return bool(steps) and not Path(steps[-1]["beside"]).exists()

    # Contents: lines for the diff.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        with stored.open_range(section.artefact, section.offset or 0, section.length or 0) as source:
            for line in source:
                yield [line.rstrip(b"\n")]

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return Row(key=(), cells=(raw.decode("utf-8", "surrogateescape"),))
