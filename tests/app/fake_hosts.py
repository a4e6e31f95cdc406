"""Hosts that answer from memory: for pictures of their screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dysnomia_tui.config import HostSettings
from dysnomia_tui.engine import HostDesk, HostReport, Hosts, HostTalk
from dysnomia_tui.engine.records import Level
from tests.app.fake_world import fake_settings

HOSTS = tuple(
    HostSettings(name, f"ops@{name}.example.org", labels=labels)
    for name, labels in (
        ("app1", ("web",)), ("app2", ("web",)), ("db1", ("databases", "PROD")), ("db2", ("databases", "PROD")),
        ("files-of-the-whole-company", ("files",)), ("old7", ()),
    )
)  # fmt: skip
SAID = {
    "app1": {"level": Level.OK, "components": 4, "stored_size": 3 << 30, "oldest": 5400.0, "jobs": 1},
    "app2": {"level": Level.CRITICAL, "problem": "ssh: Connection refused"},
    "db1": {"level": Level.CRITICAL, "components": 12, "stored_size": 118 << 30, "oldest": 190_000.0,
            "said": "postgresql/orders FAILED", "worst": "postgresql/orders"},
    "db2": {"level": Level.OK, "components": 12, "stored_size": 117 << 30, "oldest": 7200.0},
    "files-of-the-whole-company": {"level": Level.WARNING, "components": 2, "stored_size": 2 << 40, "oldest": 300.0,
                                   "said": "the store's disk is full in 9 days"},
    "old7": {"level": Level.CRITICAL, "problem": "it has no program 'dysnomia-tui': sh: 1: dysnomia-tui: not found"},
}  # fmt: skip


class FakeTalk(HostTalk):
    """What was asked, answered at once."""

    def __init__(self, hosts: Sequence[HostSettings]) -> None:
        self._hosts = hosts

    def answers(self) -> Iterator[Mapping[str, Any]]:
        for host in self._hosts:
            yield asdict(HostReport(host, **SAID[host.name]))  # type: ignore[arg-type]

    def end(self) -> None: ...


class FakeDesk(HostDesk):
    """The hosts above."""

    def __init__(self) -> None:
        super().__init__(fake_settings(), {})

    def hosts(self) -> Hosts:
        return Hosts(HOSTS)

    def look(self, hosts: Sequence[HostSettings], *, at_once: int = 50, limit: float = 15.0) -> HostTalk:
        return FakeTalk(hosts)
