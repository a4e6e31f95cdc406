"""What Docker or Podman says of one of its containers (``inspect``)."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Self

_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a container, with the network that it is on."""

    host: str
    network: IPv4Network | IPv6Network
    gateway: str
    """Of this machine, on a bridge; ``""`` where the network leads nowhere."""

    def is_beside(self, own: Collection[str]) -> bool:
        """Whether a machine with these addresses of its own is on the same network: else the address may be that of
        somebody else from here."""
        return (not self.gateway or self.gateway in own) and any(ip_address(one) in self.network for one in own)


@dataclass(frozen=True, slots=True)
class Facts:
    """One container. All but its id and name was chosen by whoever made its image: it is data, and never obeyed."""

    id: str
    name: str
    image: str
    state: str
    """``running``, ``paused``, ``exited``…"""
    environment: Mapping[str, str] = field(repr=False)
    """What its processes can have been given. Holds secrets."""
    words: tuple[str, ...] = field(repr=False)
    """The program and its arguments. May hold secrets."""
    exposed: frozenset[str]
    """``5432/tcp``: what its image says that it listens on, and what is published."""
    network: str
    """``bridge``, ``host``, ``none``, ``container:<id>``, the name of a network."""
    addresses: tuple[Address, ...]
    """Its own, one or two on each network."""
    published: Mapping[str, tuple[tuple[str, int], ...]]
    """By the port inside (``5432/tcp``): the addresses and ports of this machine."""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """From one element of what ``inspect`` prints. Raises KeyError, TypeError, ValueError for what is none."""
        config, network = answer["Config"], answer["NetworkSettings"] or {}
        pairs = (one.partition("=") for one in config.get("Env") or ())
        return cls(
            id=str(answer["Id"]),
            name=str(answer["Name"]).removeprefix("/"),
            image=str(answer.get("ImageName") or config.get("Image") or ""),
            state=str(answer["State"]["Status"]),
            environment={name: value for name, _, value in pairs if _can_be_given(value)},
            words=tuple(map(str, (answer.get("Path") or "", *(answer.get("Args") or ())))),
            exposed=frozenset(config.get("ExposedPorts") or ()) | frozenset(network.get("Ports") or ()),
            network=str((answer.get("HostConfig") or {}).get("NetworkMode") or ""),
            addresses=tuple(_addresses(network)),
            published={port: tuple(_published(at or ())) for port, at in (network.get("Ports") or {}).items()},
        )

    def runs(self, *programs: str) -> bool:
        """Whether one of these programs is a word of its command."""
        return any(word.rpartition("/")[2] in programs for word in self.words)


def _can_be_given(value: str) -> bool:
    """Whether a process can have it in its environment, or as an argument: one that we start, too."""
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _addresses(network: Mapping[str, Any]) -> Iterator[Address]:
    for one in (network, *(network.get("Networks") or {}).values()):
        for host, length, gateway in (
            ("IPAddress", "IPPrefixLen", "Gateway"),
            ("GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway"),
        ):
            if one.get(host):
                around = ip_network(f"{one[host]}/{int(one[length])}", strict=False)
                yield Address(str(one[host]), around, str(one.get(gateway) or ""))


def _published(bindings: Any) -> Iterator[tuple[str, int]]:
    for one in bindings:
        host = str(one.get("HostIp") or "")
        yield _EVERYWHERE.get(host, host), int(one["HostPort"])
