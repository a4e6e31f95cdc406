"""What a member says of itself and of its cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.etcd.api import SMALL, Session

_QUOTA = re.compile(r"^etcd_server_quota_backend_bytes (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Facts:
    """Of the member that answers."""

    version: str
    size: int
    """Bytes of its database that are in use."""
    leader: bool
    """Whether it knows one: else most members are down, or do not reach it."""
    learner: bool
    alarms: tuple[str, ...]
    quota: int | None = None

    @classmethod
    def of(cls, session: Session, *, quota: bool = False) -> Self:
        """Args: quota: whether its metrics are looked at, which say how large it may become. Raises PluginError."""
        status = session.call("maintenance/status", {}, most=SMALL)
        try:
            answer = session.call("maintenance/alarm", {"action": "GET"}, most=SMALL) if status.get("leader") else {}
        except PluginError:
            answer = {}  # an account need not be allowed to
        alarms = tuple(str(one.get("alarm", "")) for one in answer.get("alarms", ()))
        limit = _QUOTA.search(session.text("/metrics")) if quota else None
        return cls(
            version=str(status.get("version", "")),
            size=int(status.get("dbSizeInUse", status.get("dbSize", 0))),
            leader=bool(status.get("leader")),
            learner=bool(status.get("isLearner")),
            alarms=tuple(dict.fromkeys(alarms)),
            quota=int(float(limit[1])) if limit else None,
        )

    def against_writes(self) -> Iterator[str]:
        """Why it would take none."""
        if not self.leader:
            yield "the cluster has no leader: most of its members must be up (etcdctl endpoint status)"
        if self.learner:
            yield "this member is a learner, which takes no writes: name one that votes in etcdEndpoints"
        if "NOSPACE" in self.alarms:
            yield "etcd has the alarm NOSPACE and takes no writes: compact, defragment, disarm it (etcdctl)"
        if "CORRUPT" in self.alarms:
            yield "etcd has the alarm CORRUPT: its members do not hold the same"
