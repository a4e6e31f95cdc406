"""One server, its component, and a plugin's surroundings without store or engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dysnomia_plugins.base import Finding
from dysnomia_plugins.types.etcd.plugin import EtcdDatabase
from tests.plugins.conformance.bare import Bare, component
from tests.plugins.etcd.changes import NAME
from tests.plugins.servers.etcd import EtcdServer


class Site(Bare):
    """A bare component on a server."""

    def __init__(self, folder: Path, server: EtcdServer, name: str = NAME, **properties: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "component"
        path.mkdir(exist_ok=True)
        all_of = {**server.properties, "etcdCopiesDir": str(folder / "copies"), **properties}
        super().__init__(EtcdDatabase(), folder, component(path, name, **all_of))
        self.server = server

    def plan(self, stored: object) -> tuple[Finding, ...]:
        return self.plugin.preflight(self.context(), stored, replace=True).findings  # type: ignore[arg-type]

    def files(self) -> list[str]:
        """What jobs left."""
        copies = Path(str(self.component.properties["etcdCopiesDir"]))
        return sorted(path.name for path in copies.iterdir()) if copies.exists() else []


@contextmanager
def site(folder: Path, *words: str, **properties: str) -> Iterator[Site]:
    """On a server of its own."""
    with EtcdServer(*words) as server:
        yield Site(folder, server, **properties)


def texts(findings: tuple[Finding, ...]) -> Mapping[str, str]:
    """By their severity."""
    return {finding.severity.value: finding.text for finding in findings}
