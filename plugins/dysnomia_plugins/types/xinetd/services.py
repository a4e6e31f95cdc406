"""The services that a component brings for xinetd, and the ports at which it is to listen for them (xinetd.conf(5))."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.deployment import names_in
from dysnomia_plugins.toolkit.links import Link

INSIDE = Path("etc") / "xinetd.d"
FOLDERS = (Path("/var/lib/xinetd/xinetd.d"), Path("/etc/xinetd.d"))
"""Where such files are put: Dysnomia's folder, then Debian's."""
_ENTRY = re.compile(r"^service\s+(\S+)\s*\{(.*?)^\s*\}", re.MULTILINE | re.DOTALL)
_ATTRIBUTE = re.compile(r"^\s*(\w+)\s*[+-]?=\s*(.*?)\s*$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_NO_PORT = {"RPC", "TCPMUX", "TCPMUXPLUS"}
"""Types of service at whose own port nothing listens."""

Port = tuple[str, int]
"""``tcp`` or ``udp``, and the number."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service that is not disabled."""

    name: str
    port: Port | None
    """None where it has none of its own, or its name is in no list of services."""

    def __str__(self) -> str:
        return f"{self.name} ({self.port[0]} port {self.port[1]})" if self.port else self.name


@dataclass(frozen=True, slots=True)
class Services:
    """What is in a component's folder."""

    files: tuple[Path, ...]
    enabled: tuple[Service, ...]

    @classmethod
    def of(cls, component: Component) -> Services:
        """Raises PluginError where it has none, or they cannot be read."""
        folder = component.path.absolute() / INSIDE
        names = names_in(component, folder, "services", "put its files for xinetd there")
        for name in names:
            if "." in name or name.endswith("~"):
                raise PluginError(
                    f"xinetd does not read {folder / name}", "rename it: its name must not contain a dot or end with ~"
                )
        files = tuple(folder / name for name in names)
        return cls(files, tuple(service for path in files for service in _read(path)))

    @property
    def ports(self) -> frozenset[Port]:
        return frozenset(service.port for service in self.enabled if service.port)

    def links(self, component: Component) -> tuple[Link, ...]:
        """Where xinetd finds the files."""
        given = component.prop("xinetdTargetDir")
        folder = Path(given) if given else next((path for path in FOLDERS if path.is_dir()), FOLDERS[0])
        return tuple(Link(folder / path.name, path) for path in self.files)


def _read(path: Path) -> Iterator[Service]:
    try:
        text = _COMMENT.sub("", path.read_text("utf-8", "replace"))
    except OSError as error:
        raise PluginError(f"{path} cannot be read ({error.strerror})", "see its permissions") from error
    for name, body in _ENTRY.findall(text):
        attributes = dict(_ATTRIBUTE.findall(body))
        if attributes.get("disable", "no") != "yes":
            yield Service(name, _port(name, attributes))


def _port(name: str, attributes: Mapping[str, str]) -> Port | None:
    if set(attributes.get("type", "").split()) & _NO_PORT:
        return None
    protocol = attributes.get("protocol") or ("udp" if attributes.get("socket_type") == "dgram" else "tcp")
    protocol = protocol.removesuffix("6")
    if protocol not in ("tcp", "udp"):
        return None
    if attributes.get("port", "").isdigit():
        return protocol, int(attributes["port"])
    try:
        return protocol, socket.getservbyname(name, protocol)
    except OSError:
        return None
