"""The conformance world of NixOS systems: two systems in a Nix store of the test's own, and a profile.

Nix is real (``nix-store``, ``nix-env``). No NixOS can be booted here: ``switch-to-configuration`` is a stand-in that
makes a link to the system that runs, below which the configuration of the components is, and logs what it was told.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random

from dysnomia_base.python_child import python_child
from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.nixos.plugin import NixosConfiguration
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.world import World, Writer
from tests.plugins.fileset.world import FilesetWorld
from tests.plugins.sqlite.world import SqliteWorld

SWITCH = """#!/bin/sh
echo "$1 {name}" >>'{log}'
[ ! -e '{broken}/{name}' ] || {{ echo 'a unit failed' >&2; exit 4; }}
[ ! -e '{deadly}/{name}' ] || kill -9 $PPID
ln -sfn "$(dirname "$(dirname "$0")")" '{current}'
"""
COMMANDS = {
    "dysnomia": "dysnomia_tui.cli.dysnomia",
    "dysnomia-containers": "dysnomia_tui.cli.containers.command",
    "dysnomia-snapshots": "dysnomia_tui.cli.snapshots.command",
    "dysnomia-tui": "dysnomia_tui.cli.tui.command",
}


class NixosWorld(World):
    """A system with a database and files, and the one before it, which has neither."""

    patience = 120.0

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.plugin = NixosConfiguration()
        self.folder = folder
        self.files = FilesetWorld(folder / "files")
        self.lite = SqliteWorld(folder / "lite")
        self.current, self.profile = folder / "current", folder / "nix/system"
        self.broken, self.deadly = folder / "broken", folder / "deadly"
        self.log = folder / "switched"
        self.statedir = folder / "state/dysnomia-nixos"
        self.nix = {
            "NIX_REMOTE": "", "NIX_STORE_DIR": f"{folder}/nix/store", "NIX_STATE_DIR": f"{folder}/nix/var",
            "NIX_LOG_DIR": f"{folder}/nix/log", "NIX_CONF_DIR": f"{folder}/nix/etc",
        }  # fmt: skip
        (folder / "nix/etc").mkdir(parents=True)
        (folder / "nix/etc/nix.conf").write_text("build-users-group =\nsandbox = false\nsubstitute = false\n")
        self.before = self.make_system("before", components=False)
        self.system = self.make_system("system", components=True)
        self.use(self.before)
        self.component = Component(
            ComponentKey("systems", "machine"),
            self.system,
            {
                "type": "nixos-configuration", "nixProfile": str(self.profile), **self.nix, **self.paths,
                "DYSNOMIA_NIXOS_STATEDIR": str(self.statedir),
            },
        )  # fmt: skip

    @property
    def worlds(self) -> tuple[World, ...]:
        return (self.files, self.lite)

    @property
    def paths(self) -> dict[str, str]:
        at = f"{self.current}/etc/dysnomia"
        return {"DYSNOMIA_CONTAINERS_PATH": f"{at}/containers", "DYSNOMIA_COMPONENTS_PATH": f"{at}/components"}

    def make_system(self, name: str, *, components: bool) -> Path:
        """A system with containers, and with components or without any, added to the store as Nix does it."""
        made = self.folder / "made" / name
        (made / "bin").mkdir(parents=True)
        program = made / "bin/switch-to-configuration"
        program.write_text(
            SWITCH.format(name=name, log=self.log, broken=self.broken, deadly=self.deadly, current=self.current)
        )
        program.chmod(0o755)
        (made / "etc/dysnomia/containers").mkdir(parents=True)
        (made / "etc/dysnomia/components").mkdir()
        for world in self.worlds:
            key = world.component.key
            lines = [f"{name}={value}\n" for name, value in world.component.properties.items()]
            (made / "etc/dysnomia/containers" / key.container).write_text("".join(lines))
            if components:
                shutil.copytree(world.component.path, made / "etc/dysnomia/components" / str(key))
        done = self.call("nix-store", "--add", str(made))
        return Path(done.stdout.strip())

    def call(self, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.defpath, "HOME": str(self.folder), **self.nix, **environment}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (argv, done.stderr)
        return done

    def use(self, system: Path) -> None:
        """Make it the machine's, by Nix itself."""
        self.call("nix-env", "--profile", str(self.profile), "--set", str(system))
        self.current.unlink(missing_ok=True)
        self.current.symlink_to(system)

    def command(self, name: str, *words: str, statedir: Path | None = None) -> str:
        """One of our commands, as an operator calls it for the components of the system."""
        argv = python_child(COMMANDS[name], "main()", *words)
        return self.call(*argv, **self.paths, DYSNOMIA_STATEDIR=str(statedir or self.statedir)).stdout

    def close(self) -> None:
        for world in self.worlds:
            world.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def seed(self) -> None:
        for world in self.worlds:
            world.seed()
        self.use(self.system)
        self.command("dysnomia-containers", "--deploy")

    # State: that of the components, as their own worlds read it.

    def whole(self, place: Place | None = None) -> object:
        if place is None:
            found = [world.whole() for world in self.worlds]
        elif not Path(place.name).exists():
            return None
        else:
            found = [self.held(world, place, World.whole) for world in self.worlds]
        return None if all(one is None for one in found) else found

    def held(self, world: World, place: Place, read: object) -> object:
        """What a folder of snapshots holds of one component, looked at in a copy; None where it holds none."""
        key = world.component.key
        snapshots = list(Path(place.name, str(key)).glob("*"))
        if not snapshots:
            return None
        scratch = self.folder / "scratch"
        named = ("--container", key.container, "--component", key.component)
        current = os.readlink(self.current)
        self.use(self.system)
        copy = world.plugin.named(world.component, "looked-at")
        try:
            given = Path(shutil.copytree(snapshots[0], self.folder / "given" / snapshots[0].name))  # it is moved
            try:
                self.command("dysnomia-snapshots", "--import", *named, str(given), statedir=scratch)
            except AssertionError:  # spoiled: all that can be said of it is its bytes
                shutil.rmtree(given)
                return [path.read_bytes() for path in sorted(snapshots[0].rglob("*")) if path.is_file()]
            self.command("dysnomia-tui", "trust", str(key), "1", statedir=scratch)
            words = ("--operation", "restore", *named, "--generation", "1", "--as", "looked-at")
            self.command("dysnomia", *words, statedir=scratch)
            return getattr(world, read.__name__)(copy)  # type: ignore[attr-defined]
        finally:
            self.use(Path(current))
            shutil.rmtree(scratch, ignore_errors=True)
            path = Path(copy.name)
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def changes(self) -> Sequence[str]:
        """Of both, in turn."""
        pairs = zip(self.lite.changes(), self.files.changes(), strict=False)
        return tuple(f"{which}: {name}" for pair in pairs for which, name in zip(("lite", "files"), pair, strict=True))

    def change(self, name: str, random: Random) -> str:
        which, _, name = name.partition(": ")
        return f"{which}: {(self.lite if which == 'lite' else self.files).change(name, random)}"

    def touch(self) -> str:
        return "; ".join(world.touch() for world in self.worlds)

    def grow(self, size: int) -> None:
        self.files.grow(size)

    def some_sections(self) -> tuple[str, ...]:
        return (f"component:{self.lite.component.key}",)

    def part(self, place: Place | None = None) -> object:
        return self.lite.whole() if place is None else self.held(self.lite, place, World.whole)

    def spoil(self, place: Place) -> None:
        files = (path for path in sorted(Path(place.name).rglob("*")) if path.is_file() and path.stat().st_size)
        path = next(files)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    def writer(self, log: Path) -> Writer:
        return self.lite.writer(log)

    def written(self, place: Place | None = None) -> set[int]:
        found = self.lite.written() if place is None else self.held(self.lite, place, World.written)
        assert isinstance(found, set)
        return found

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away: AbstractContextManager[None] = self.files.unreachable()
        with away:
            yield
