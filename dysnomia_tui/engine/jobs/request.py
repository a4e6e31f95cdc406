"""Who asked for a job, and under which settings: ``request.json``.

It repeats what the plan is about: where ``plan.json`` cannot be read, it is still known which components wait for a job
to be put right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict, cast

from msgspec import Meta

from dysnomia_base.records import dataclass
from dysnomia_store import moment
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import typed
from dysnomia_tui.engine.plans.plan import Plan

Seconds = Annotated[float, Meta(ge=0, le=1e13)]


class _Given(TypedDict):
    file: str | None
    type: str


class JobSettings(TypedDict):
    """The settings that a job was submitted under."""

    statedir: str
    user_config: str
    containers_path: list[str]
    components_path: list[str]
    modules_path: list[str]
    libexec: NotRequired[list[str]]
    grace: Seconds
    guard_hold: Seconds
    read_all_every: NotRequired[Seconds]
    jobs_at_once: Annotated[int, Meta(ge=1, le=1000)]
    compression: str
    level: Annotated[int, Meta(ge=-1000, le=1000)] | None
    group: str
    compression_by_container: dict[str, str]
    given_containers: NotRequired[dict[str, _Given]]
    given_components: NotRequired[dict[str, str]]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """The request of one job. What has a default is missing in jobs of earlier versions."""

    created: datetime
    who: str = ""
    why: str = ""
    host: str = ""
    digest: str = ""
    """Of the plan that was submitted: no other is carried out."""
    settings: JobSettings | None = None
    """As ``settings_to_json`` has them."""
    kind: str = ""
    title: str = ""
    keys: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"created": self.created.isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobRequest:
        """Raises Corrupt, naming the field that is not what it should be."""
        return typed.shaped(data, cls, "request.json")


def request_of(
    plan: Plan, *, created: datetime, who: str, why: str, host: str, settings: Mapping[str, Any]
) -> JobRequest:
    """The request for a plan."""
    return JobRequest(
        created=created, who=who, why=why, host=host, digest=plan.digest, settings=cast(JobSettings, settings),
        kind=plan.kind.value, title=plan.title, keys=tuple(str(key) for key in plan.keys),
    )  # fmt: skip


def from_audit(entry: Mapping[str, Any]) -> JobRequest:
    """What the audit says of a job that was submitted."""
    words = {name: entry.get(name, "") for name in ("who", "why", "host", "kind", "title")}
    return JobRequest(created=moment(entry["at"]), keys=tuple(entry.get("keys", ())), **words)


def keys_of(names: tuple[str, ...]) -> tuple[ComponentKey, ...]:
    """The components that these names are of; none where one of them is no name."""
    try:
        return tuple(ComponentKey.parse(name) for name in names)
    except NameRejected:
        return ()
