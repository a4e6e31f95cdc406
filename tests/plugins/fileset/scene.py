"""A fileset with a stored old state and another one live, for tests of the swap."""

from __future__ import annotations

import shutil
from pathlib import Path

from dysnomia_plugins.base import Place, Purpose
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.toolkit.filesets.spec import read_spec
from dysnomia_plugins.types.fileset import Fileset
from tests.plugins.fileset.tools import dump_to_tar, make_context
from tests.plugins.fileset.world import fileset_component, make_tree, tree

SPEC = "mkdir one\nmkdir deep/er/two\nmkdir one/inner\n"


class Scene:
    """A target folder with a stored old state and another one live."""

    def __init__(self, folder: Path, spec: str = SPEC, roots: tuple[str, ...] = ("one", "deep/er/two")) -> None:
        self.plugin = Fileset()
        self.folder = folder
        self.target = folder / "srv"
        self.roots = roots
        self.component = fileset_component(folder / "component", self.target, spec)
        self.target.mkdir(exist_ok=True)
        self.ctx = make_context(self.component, folder)

    def fill(self) -> None:
        """Stored: one of everything. Live: something else."""
        for number, root in enumerate(self.roots):
            _filled(self.target / root, number)
        self.stored = dump_to_tar(self.component, self.folder / "dump")
        self.then = self.state()
        for root in self.roots:
            _emptied(self.target / root)
            (self.target / root / "notes.txt").write_text("live")
            (self.target / root / "only live").mkdir()
            (self.target / root / "only live" / "file").write_text("live")
            (self.target / root).chmod(0o711)
        self.now = self.state()

    def state(self, place: Place | None = None) -> list[object]:
        base = Path(place.name) if place else self.target
        return [tree(base / root) if (base / root).exists() else None for root in self.roots]

    def place(self, purpose: Purpose) -> Place:
        return self.plugin.place(self.ctx, purpose)

    def load(self) -> None:
        self.plugin.load(self.ctx, self.stored, self.place(Purpose.BESIDE))

    def swap(self) -> None:
        self.plugin.swap(self.ctx, self.place(Purpose.BESIDE), self.place(Purpose.ASIDE))

    def recover(self) -> bool:
        return self.plugin.recover(self.ctx)

    def aside(self) -> list[object]:
        """What was set aside, root by root, wherever that is."""
        layout = Layout(read_spec(self.component))
        found = {one.root: one.path for one in layout.roots_at(self.place(Purpose.ASIDE))}
        return [tree(Path(found[root])) for root in sorted(found, key=self.roots.index)]

    def drop_all(self) -> None:
        for place in self.plugin.left_behind(self.ctx):
            self.plugin.drop(self.ctx, place)
        assert list(self.plugin.left_behind(self.ctx)) == []


def _filled(folder: Path, seed: int) -> None:
    """One of everything; made inside and moved up where the folder is a mount point."""
    if not folder.exists():
        make_tree(folder, seed)
        return
    make_tree(folder / "scratch", seed)
    for entry in list((folder / "scratch").iterdir()):
        entry.rename(folder / entry.name)
    (folder / "scratch").rmdir()


def _emptied(folder: Path) -> None:
    for entry in list(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
