"""Which hosts there are: of config.toml, of an Ansible inventory, of an ssh configuration. Nothing is kept of them.

An Ansible inventory is read by ``ansible-inventory --list`` alone (its groups become labels), for it may be a program.
A name, address, user or port that ssh could take for an option is left out and named.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dysnomia_base.ownership import refusal
from dysnomia_tui.config import HostSettings, Settings
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.hosts.calling import surroundings

_PLAIN = re.compile(r"[A-Za-z0-9_.:@%\[\]][A-Za-z0-9_.:@%\[\]-]{0,254}")
"""What is handed to ssh as a destination; none begins with a dash."""
_LIMIT = 60.0
"""Seconds that ansible-inventory may take."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The hosts that are known, by name, and what was left out."""

    hosts: tuple[HostSettings, ...]
    left_out: tuple[str, ...] = ()
    """In sentences."""


def known_hosts(settings: Settings) -> Hosts:
    """All of them; where two sources name one, config.toml counts, then the inventory. Labels add up.

    Raises EngineError for a source that cannot be read."""
    hosts: dict[str, HostSettings] = {}
    left_out: list[str] = []
    for host in _all(settings):
        if not _PLAIN.fullmatch(host.name) or not _PLAIN.fullmatch(host.address):
            left_out.append(f"host {host.name!r} ({host.address!r}): ssh would not take that for a host")
            continue
        first = hosts.get(host.name)
        labels = host.labels if first is None else tuple(dict.fromkeys((*first.labels, *host.labels)))
        hosts[host.name] = replace(host if first is None else first, labels=labels)
    return Hosts(tuple(hosts[name] for name in sorted(hosts)), tuple(left_out))


def _all(settings: Settings) -> Iterator[HostSettings]:
    yield from settings.hosts.values()
    if settings.ansible_inventory is not None:
        yield from _of_ansible(settings.ansible_inventory)
    if settings.ssh_hosts is not None:
        yield from _of_ssh(settings.ssh_hosts)


def _of_ansible(path: Path) -> Iterator[HostSettings]:
    reason = refusal(path)
    if reason:
        raise EngineError(f"ansible_inventory is not obeyed: {reason}", "it may run programs: give it to root")
    environment = surroundings()
    program = shutil.which("ansible-inventory", path=environment["PATH"])
    if program is None:
        raise EngineError("the program ansible-inventory is not installed", "ansible_inventory of config.toml needs it")
    try:
        done = subprocess.run(
            [program, "-i", str(path), "--list"], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_LIMIT, check=False,
        )  # fmt: skip
        document = json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise EngineError(f"ansible-inventory cannot read {path}", f"to see why: ansible-inventory -i {path} --list")
    yield from hosts_of_inventory(document)


def hosts_of_inventory(document: Mapping[str, Any]) -> Iterator[HostSettings]:
    """The hosts of what ``ansible-inventory --list`` writes. What is of no known form is passed over."""
    groups = {name: group for name, group in document.items() if name != "_meta" and isinstance(group, dict)}
    labels: dict[str, list[str]] = {}
    for name in groups:
        for host in _members(groups, name, set()):
            labels.setdefault(host, []).extend([] if name in ("all", "ungrouped") else [name])
    meta = document.get("_meta")
    variables = meta.get("hostvars") if isinstance(meta, dict) else None
    for host, of in labels.items():
        values = variables.get(host) if isinstance(variables, dict) else None
        values = values if isinstance(values, dict) else {}
        user, port = values.get("ansible_user"), values.get("ansible_port")
        address = str(values.get("ansible_host") or host)
        if isinstance(port, str) and port.isascii() and port.isdigit():
            port = int(port)
        is_port = port is None or (isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536)
        if not is_port:  # else another machine would be asked; such an address is left out, and named
            address, port = f"{address}, port {port}", None
        yield HostSettings(
            name=host,
            address=f"{user}@{address}" if isinstance(user, str) and user else address,
            port=port,
            labels=tuple(dict.fromkeys(of)),
        )


def _members(groups: Mapping[str, Any], name: str, seen: set[str]) -> Iterator[str]:
    if name in seen or name not in groups:
        return
    seen.add(name)
    yield from _texts(groups[name].get("hosts"))
    for child in _texts(groups[name].get("children")):
        yield from _members(groups, child, seen)


def _texts(value: Any) -> Sequence[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else ()


def _of_ssh(path: Path) -> Iterator[HostSettings]:
    """The names after ``Host`` that are no patterns; what ssh makes of them is ssh's."""
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}", "see ssh_hosts in config.toml") from None
    for line in text.splitlines():
        words = line.split("#")[0].replace("=", " ", 1).split()
        if words and words[0].lower() == "host":
            yield from (
                HostSettings(name=word, address=word) for word in words[1:] if not any(c in word for c in '*?!"')
            )
