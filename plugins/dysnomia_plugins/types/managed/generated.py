"""What a component becomes for the process manager of its container: another component, of that manager's type.

``nixproc-generate-config``, of the Nix process management framework, makes it of the component's JSON files, which say
what is to run and nothing of any manager. Source: ``dysnomia-modules/managed-process.in`` of Dysnomia 0.10.2.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dysnomia_plugins.base import Component, Context, Plugin
from dysnomia_plugins.errors import BadProperties, PluginError, ToolMissing
from dysnomia_plugins.loading.external import module_environment
from dysnomia_plugins.loading.registry import Registry
from dysnomia_plugins.toolkit.run_records import RunRecords

GENERATOR = "nixproc-generate-config"
TYPES: Mapping[str, str] = {
    "bsdrc": "bsdrc-script",
    "cygrunsrv": "cygrunsrv-service",
    "disnix": "process",
    "docker": "docker-container",
    "launchd": "launchd-daemon",
    "supervisord": "supervisord-program",
    "systemd": "systemd-unit",
    "sysvinit": "sysvinit-script",
}
"""The type of each process manager's components."""
_FOLDERS: Mapping[str, str] = {
    "stateDir": "--state-dir",
    "runtimeDir": "--runtime-dir",
    "logDir": "--log-dir",
    "cacheDir": "--cache-dir",
    "tmpDir": "--tmp-dir",
}


@dataclass(frozen=True, slots=True)
class Generated:
    """A component as its process manager's type has it."""

    component: Component
    plugin: Plugin

    @classmethod
    def of(cls, component: Component, path: str, type_name: str) -> Generated:
        """Raises PluginError where there is no such type here."""
        registry = Registry()
        if type_name not in registry:
            raise PluginError(
                f"{component.key} is managed by the type {type_name}, which is not installed",
                f"set processManager to one of {', '.join(_managers_here(registry))}",
            )
        return cls(replace(component, path=Path(path)), registry.get(type_name))

    def context(self, ctx: Context) -> Context:
        return replace(ctx, component=self.component)


def generate(ctx: Context) -> Generated:
    """Make it. Raises BadProperties, PluginError, Cancelled, ToolMissing."""
    component = ctx.component
    type_name = type_of(component)
    Generated.of(component, "/", type_name)  # before anything is done
    words = [GENERATOR, "--process-manager", component.prop("processManager")]
    for name, option in _FOLDERS.items():
        if component.prop(name):
            words += [option, component.prop(name)]
    files = sorted(component.path.absolute().glob("*.json"))
    if not files:
        raise PluginError(
            f"{component.key} has no *.json ({component.path})", "put the JSON description of the process there"
        )
    ctx.progress.log(" ".join([*words, *(file.name for file in files)]))
    try:
        output = ctx.runner.run(
            [*words, "--no-out-link", *map(str, files)],
            env=module_environment(component.properties, path=ctx.tool_path),
        )
    except ToolMissing as error:
        raise ToolMissing(error.message, "it comes with the framework nix-processmgmt") from error
    path = output.stdout.decode("utf-8", "surrogateescape").rstrip("\n")
    if not path.startswith("/") or "\n" in path:
        raise PluginError(f"{GENERATOR} printed no path ({path!r})", "run it by hand to see why")
    return Generated.of(component, path, type_name)


def type_of(component: Component) -> str:
    """The type that the container's process manager needs. Raises BadProperties."""
    manager = component.prop("processManager")
    if manager not in TYPES:
        raise BadProperties(
            f"processManager of {component.key.container} is {manager!r}", f"set it to one of {', '.join(TYPES)}"
        )
    return TYPES[manager]


def note(generated: Generated, original: Component, tag: str) -> None:
    """Note what was generated for it: what asks for its status has no time to generate it. Raises OSError."""
    values = {"path": str(generated.component.path), "type": generated.plugin.type}
    RunRecords.ours("managed").write(_about(original), values, tag)


def noted(component: Component) -> Generated | None:
    """What was generated for it since the machine was started; None where that is not known, or is there no more."""
    values = RunRecords.ours("managed").read(_about(component))
    path = str(values.get("path", ""))
    if not path.startswith("/") or not Path(path).is_dir():
        return None
    return Generated.of(component, path, str(values.get("type")))


def forget(component: Component) -> None:
    """Idempotent. Raises OSError."""
    RunRecords.ours("managed").forget(_about(component))


def _about(component: Component) -> str:
    """Another version of a component is generated anew."""
    return f"{component.key}\n{posixpath.realpath(component.path)}"


def _managers_here(registry: Registry) -> list[str]:
    return [manager for manager, type_name in TYPES.items() if type_name in registry]
