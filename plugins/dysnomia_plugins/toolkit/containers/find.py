"""Which containers run a server of a type, for discovery."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dysnomia_plugins.base import Found, PropertyValue, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.containers.engine import Engine, Reference, engines
from dysnomia_plugins.toolkit.containers.facts import Facts


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container that seems to run a server of the type."""

    reference: Reference
    facts: Facts

    @property
    def container(self) -> str:
        """What the Dysnomia container is called that is proposed for it."""
        return f"{self.reference.engine.program}-{self.reference.name}"

    @property
    def properties(self) -> dict[str, PropertyValue]:
        """What its file says, besides the type: where it is, and no secret."""
        engine = self.reference.engine
        return {f"{engine.program}Container": self.reference.name, **engine.properties}

    @property
    def where(self) -> str:
        """For the operator."""
        image = "".join(char if char.isprintable() else "?" for char in self.facts.image)
        return f"in {self.reference}" + (f" ({image})" if image and not image.startswith("sha256:") else "")

    def refused(self, properties: Mapping[str, PropertyValue], server: str, error: PluginError) -> Found:
        """Its server cannot be asked what it holds. ``server``: for the operator."""
        return Found(
            type=str(properties["type"]),
            container=self.container,
            component="",
            properties=properties,
            detail=f"{server} {self.where} ({error.message})",
            readable=False,
            remedy=error.hint,
        )


def found(runner: Runner, port: int, *programs: str, among: Iterable[Engine] | None = None) -> Iterator[FoundContainer]:
    """Containers that run one of these programs, or whose image says that it listens on this port.

    Nothing where Docker and Podman are not there, or may not be asked."""
    for engine in engines() if among is None else among:
        if shutil.which(engine.program) is None:
            continue
        try:
            running = engine.running(runner)
        except PluginError:
            continue
        for facts in sorted(running, key=lambda one: one.name):
            if facts.runs(*programs) or f"{port}/tcp" in facts.exposed:
                try:
                    reference = Reference.of({f"{engine.program}Container": facts.name, **engine.properties})
                except PluginError:  # a name that no engine gives
                    continue
                if reference is not None:
                    yield FoundContainer(reference, facts)
