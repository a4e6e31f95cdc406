"""The components of a NixOS system: our own commands, run on the state directory in which they are kept.

Dysnomia's module calls ``dysnomia-containers`` and ``dysnomia-snapshots`` with another ``DYSNOMIA_STATEDIR``; so does
this, in a process of its own for each command. Each component is locked, journaled and guarded by its own type there.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dysnomia_base.ownership import may_be_made
from dysnomia_base.python_child import python_child
from dysnomia_plugins.base import Component, Context, Runner
from dysnomia_plugins.errors import Cancelled, NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_store.names import ComponentKey, validate_name

SETTING = "DYSNOMIA_NIXOS_STATEDIR"
DEFAULT = "/var/state/dysnomia-nixos"
_PASSED_ON = ("DYSNOMIA_CONTAINERS_PATH", "DYSNOMIA_COMPONENTS_PATH", "DYSNOMIA_MODULES_PATH")
_MODULES = {
    "dysnomia": "dysnomia_tui.cli.dysnomia",
    "dysnomia-containers": "dysnomia_tui.cli.containers.command",
    "dysnomia-snapshots": "dysnomia_tui.cli.snapshots.command",
    "dysnomia-tui": "dysnomia_tui.cli.tui.command",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """One generation of a component of the system."""

    key: ComponentKey
    number: int
    id: str
    reason: str
    job: str
    text: str


@dataclass(frozen=True, slots=True)
class System:
    """The state directory of a system's components, and what works on it."""

    component: Component
    statedir: str

    @classmethod
    def of(cls, component: Component) -> System:
        """Raises PluginError where the state directory is none that may be worked on."""
        given = component.prop(SETTING, DEFAULT)
        if not given.startswith("/") or "\0" in given or posixpath.normpath(given) == "/":
            raise PluginError(f"{SETTING}={given!r} is not the absolute path of a folder", "correct the container")
        path = real_path(posixpath.normpath(given))
        if not may_be_made(path):
            raise NotSafe(
                f"another user may write to {path}, or replace it",
                f"{SETTING} must be a folder that belongs to you, below folders that belong to root or you",
            )
        return cls(component, path)

    def run(self, runner: Runner, command: str, *words: str) -> bytes:
        """Run a command of ours to its end. Returns its standard output.

        Raises PluginError with the command's own last line, ProcessFailed's kinds and Cancelled as they are."""
        try:
            return runner.run(python_child(_MODULES[command], "main()", *words), env=self._environment()).stdout
        except ProcessFailed as error:
            lines = error.stderr.strip().splitlines()
            last = lines[-1] if lines else f"{command} ended with status {error.status}"
            raise PluginError(f"{self.statedir}: {last}", f"DYSNOMIA_STATEDIR={self.statedir} {command}") from error

    def _environment(self) -> dict[str, str]:
        passed = {name: value for name in _PASSED_ON if (value := self.component.prop(name))}
        return {**passed, "DYSNOMIA_STATEDIR": self.statedir}

    def require_another(self, ctx: Context) -> None:
        """Raise NotSafe where the component is one of those that it would snapshot: that would never end."""
        if f"{ctx.staging}/".startswith(f"{self.statedir}/"):
            raise NotSafe(
                f"{ctx.component.key} is kept in {self.statedir}, where the components of its system are",
                f"keep it in another state directory, or set {SETTING}",
            )

    def active(self, runner: Runner) -> list[ComponentKey]:
        """The components that are deployed, in the order of their names. Raises PluginError."""
        output = self.run(runner, "dysnomia-containers", "--query-activated-components", "--json")
        return sorted(ComponentKey.parse(str(name)) for name in _parsed(output, list))

    def generations(self, runner: Runner, key: ComponentKey) -> list[Kept]:
        """The generations of one component that have a snapshot, oldest first. Raises PluginError."""
        words = ("--query-all", "--json", "--container", key.container, "--component", key.component)
        return sorted(self._kept(self.run(runner, "dysnomia-snapshots", *words)), key=lambda kept: kept.number)

    def stands_aside(self, ctx: Context, job: str) -> bool:
        """Whether what a restore has replaced still stands where it was put, with no guard made of it.

        Raises PluginError."""
        return any(str(one["id"]) == job and one["details"].get("aside") for one in self._jobs(ctx))

    def is_unfinished(self, ctx: Context, why: str) -> bool:
        """Whether a job that was given this reason goes on, or died and was not recovered. Raises PluginError."""
        jobs = [one for one in self._jobs(ctx) if one["why"] == why]
        going = any(one["state"] in ("queued", "running", "cancelling") for one in jobs)
        return going or any(one["state"] == "interrupted" and not one["details"].get("recovered") for one in jobs)

    def _jobs(self, ctx: Context) -> list[Mapping[str, Any]]:
        jobs: list[Mapping[str, Any]] = _parsed(self.run(ctx.runner, "dysnomia-tui", "jobs", "--json"), list)
        return jobs

    def latest(self, runner: Runner) -> dict[ComponentKey, str]:
        """The id of each component's newest snapshot. Raises PluginError."""
        output = self.run(runner, "dysnomia-snapshots", "--query-latest", "--json")
        return {kept.key: kept.id for kept in self._kept(output)}

    def _kept(self, output: bytes) -> Iterator[Kept]:
        for record in _parsed(output, list):
            yield Kept(
                ComponentKey.of(record["container"], record["component"]),
                int(record["generation"]),
                validate_name(record["id"], "snapshot id"),
                str(record["reason"]),
                str(record["job"] or ""),
                str(record["text"]),
            )

    def change(self, ctx: Context, command: str, *words: str) -> Mapping[str, Any]:
        """Run a command that makes one job, and return what it prints of that. Raises PluginError, Cancelled."""
        ctx.cancel.check()
        output = _parsed(self.run(ctx.runner, command, *words, "--json"), dict)
        job = output.get("job")
        if not isinstance(job, dict):
            raise PluginError(f"{self.statedir}: {command} printed nothing of its job", "see the log")
        if job.get("state") == "cancelled":
            raise Cancelled(f"{self.statedir}: {job.get('message')}")
        return job


def named(key: ComponentKey) -> Sequence[str]:
    """The words that name a component to a command."""
    return ("--container", key.container, "--component", key.component)


def _parsed(output: bytes, kind: type[Any]) -> Any:
    try:
        value = json.loads(output)
    except ValueError as error:
        raise PluginError("a command of ours printed no JSON", "see the log") from error
    if not isinstance(value, kind):
        raise PluginError("a command of ours printed other JSON than it should", "see the log")
    return value
