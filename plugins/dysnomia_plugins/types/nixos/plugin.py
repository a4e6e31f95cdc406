"""The type ``nixos-configuration``: a NixOS system, whose state is that of the components in its own configuration.

Those are kept in a state directory of their own (``DYSNOMIA_NIXOS_STATEDIR``), with generations of their own. A
snapshot of the system holds one of each; restored, each of them is live again, or none.

Container properties: ``DYSNOMIA_NIXOS_STATEDIR``, ``disableNixOSSystemProfile``, ``testNixOS``, ``noHardlink`` and
``nixProfile``. The component is the system (``/nix/store/…-nixos-system-…``, ``/run/current-system``).
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Place,
    Preflight,
    Probe,
    Purpose,
    Row,
    Runner,
    StatePlugin,
    Stored,
)
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder, identity_of
from dysnomia_plugins.toolkit.guarded.removal import remove_folder
from dysnomia_plugins.types.nixos import profile, swap, tree
from dysnomia_plugins.types.nixos.commands import System
from dysnomia_plugins.types.nixos.preflight import preflight
from dysnomia_store.model import Section
from dysnomia_store.names import validate_name
from dysnomia_store.sink import ContentSink


class NixosConfiguration(StatePlugin):
    """A NixOS system."""

    type: ClassVar[str] = "nixos-configuration"
    title: ClassVar[str] = "NixOS system"
    tools: ClassVar[tuple[str, ...]] = ("nix-env",)
    packages: ClassVar[Mapping[str, str]] = {"nix-env": "nix-bin"}
    tool_folders: ClassVar[tuple[str, ...]] = ("/run/current-system/sw/bin",)
    main_artefact: ClassVar[str] = tree.ARTEFACT

    # Life.

    def activate(self, ctx: Context) -> None:
        system = System.of(ctx.component)
        system.require_another(ctx)
        profile.activate(ctx, system)

    def deactivate(self, ctx: Context) -> None:
        profile.deactivate(ctx, System.of(ctx.component))

    def collect_garbage(self, ctx: Context) -> None:
        """Of the components that are deactivated: those of a system that is not the machine's any more."""
        system = System.of(ctx.component)
        system.require_another(ctx)
        system.run(ctx.runner, "dysnomia-containers", "--collect-garbage")

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell in which Dysnomia's commands work on the system's components."""
        return ("bash", "-i"), {"DYSNOMIA_STATEDIR": System.of(component).statedir}

    def hints(self, component: Component) -> Sequence[str]:
        return (
            f"its components: DYSNOMIA_STATEDIR={System.of(component).statedir} dysnomia-tui",
            "what they have: dysnomia-snapshots --query-all (in this shell)",
        )

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            system = System.of(component)
            with Folder.at(system.statedir):
                pass
        except FileNotFoundError:
            return Probe(up=True, detail="none of its components was deployed yet")
        except (OSError, PluginError) as error:
            return Probe(up=False, detail=str(error))
        current = os.path.realpath(profile.profile(component))
        return Probe(up=True, version=posixpath.basename(current) if os.path.isdir(current) else "")  # noqa: PTH112

    def location(self, component: Component) -> tuple[str, ...]:
        try:
            return (self.live(component).name,)
        except PluginError:
            return super().location(component)

    # Places.

    def live(self, component: Component) -> Place:
        return Place(System.of(component).statedir)

    def identity(self, component: Component) -> str:
        return identity_of([self.live(component).name])

    def address(self, component: Component) -> str:
        return f"the folder {posixpath.dirname(self.live(component).name)}"

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        above, name = posixpath.split(self.live(ctx.component).name)
        return Place(f"{above}/.{name}.{ctx.tag}.{purpose}")

    def named(self, component: Component, name: str) -> Place:
        """A folder beside the state directory with the snapshots in it, to import each from."""
        return Place(f"{posixpath.dirname(self.live(component).name)}/{validate_name(name, 'copy')}")

    def exists(self, ctx: Context, place: Place) -> bool:
        try:
            Folder.at(place.name).close()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise PluginError(f"{place.name} cannot be read ({error.strerror})", "run it as root") from error
        return True

    def drop(self, ctx: Context, place: Place) -> None:
        if place == self.live(ctx.component):
            raise NotSafe(f"{place.name} is live", "deactivate the component and collect garbage")
        remove_folder(place.name)

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        """Of live: each component is snapshotted by its own type, into a generation of its own. Raises PluginError."""
        system = System.of(ctx.component)
        ctx.progress.phase("dump")
        as_of = datetime.now(UTC)
        try:
            root, parts = place.name, []
            if place == self.live(ctx.component):
                system.require_another(ctx)
                root, parts = f"{place.name}/snapshots", self._snapshots(ctx, system)
            else:
                parts = tree.parts_at(place)
            with draft.artefact(tree.ARTEFACT) as sink:
                tree.write(ctx, sink, root, parts)
        except OSError as error:
            raise PluginError(f"{error.filename or place.name} cannot be read ({error.strerror})") from error
        ctx.progress.log(f"{len(parts)} {'component' if len(parts) == 1 else 'components'}")
        return Dumped(as_of=as_of, end=datetime.now(UTC), complete=True)

    def _snapshots(self, ctx: Context, system: System) -> list[tree.Part]:
        """Make them. Raises PluginError where one component failed: then there is none of the system."""
        system.run(ctx.runner, "dysnomia-containers", "--snapshot", "--reason", f"of the system, {ctx.tag}")
        ctx.cancel.check()
        latest = system.latest(ctx.runner)
        return [tree.Part(key, latest[key]) for key in system.active(ctx.runner) if key in latest]

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        """Sections are read from the archive again, or from the folders that Dysnomia's module made."""
        if not tree.is_ours(stored):
            tree.write_theirs(ctx, stored, sink)
            return True
        return tree.scan(stored, sink)

    def rescan_artefacts(self, ctx: Context, stored: Stored, draft: Draft) -> bool | None:
        with draft.artefact(tree.ARTEFACT) as sink:
            return self.rescan(ctx, stored, sink)

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return preflight(ctx, System.of(ctx.component), stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        tree.load(ctx, stored, place, sections)

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        swap.swap(ctx, System.of(ctx.component), beside, aside)

    def recover(self, ctx: Context) -> bool:
        """Also an activation that did not come to its end."""
        system = System.of(ctx.component)
        profile.put_back(ctx, system)
        return swap.recover(ctx, system)

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        """None: what a component's snapshot holds is seen in the state directory of the system."""
        return iter(())

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return Row(key=(), cells=(raw.decode("utf-8", "backslashreplace"),))
