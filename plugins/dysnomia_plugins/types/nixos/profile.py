"""The NixOS system itself: the system profile, and its ``switch-to-configuration``, as Dysnomia's module calls them."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import Component, Context, OutputLine, WarningLine
from dysnomia_plugins.errors import PluginError, ProcessFailed
from dysnomia_plugins.loading.external import require_obeyed
from dysnomia_plugins.types.nixos.commands import System

PROFILE = "/nix/var/nix/profiles/system"
SETTING = "nixProfile"
SWITCHED = "nixos-switch"
ACTIVE = "nixos-active"
"""Both also of a deactivation: written in journals, of jobs before an upgrade too, and not to be renamed."""
PUT_BACK = "nixos-put-back"
_GENERATION = re.compile(r".*-([0-9]+)-link")


def activate(ctx: Context, system: System) -> None:
    """Make a system the machine's own, and deploy the components that its configuration has.

    Of one that fails, the profile and the system that there was are put back. Raises PluginError, Cancelled."""
    component = ctx.component
    require_obeyed(component.path / "bin" / "switch-to-configuration")
    require_obeyed_profile(component)
    before = _generation(component)
    with _put_back_if_it_fails(ctx, system, before, os.path.realpath(component.path)):
        if before is not None:
            nix_env(ctx, "--set", str(component.path))
        switch(ctx, str(component.path))
        deploy(ctx, system)


def deactivate(ctx: Context, system: System) -> None:
    """Go back to the system before, if this one is the machine's, as ``nix-env --rollback`` does.

    Where that fails the machine has this one again, as after a failed activation. Raises PluginError, Cancelled."""
    component = ctx.component
    if component.prop("disableNixOSSystemProfile"):
        return
    require_obeyed_profile(component)
    if os.path.realpath(profile(component)) != os.path.realpath(component.path):
        ctx.progress.log(f"{profile(component)} is another system already")
        return
    number = _generation(component) or 0
    with _put_back_if_it_fails(ctx, system, number, _system_before(component, number)):
        nix_env(ctx, "--rollback")
        switch(ctx, os.path.realpath(profile(component)))
        deploy(ctx, system)


@contextmanager
def _put_back_if_it_fails(ctx: Context, system: System, before: int | None, target: str) -> Iterator[None]:
    """The journal has what there was before anything is done inside, and that it was done. ``target``: the system that
    the profile is made to lead to. Raises PluginError."""
    was = os.path.realpath(profile(ctx.component)) if before else ""
    ctx.journal.step(SWITCHED, before=before, system=was, target=target)
    try:
        yield
    except PluginError:
        put_back(ctx, system)
        raise
    ctx.journal.step(ACTIVE)


def put_back(ctx: Context, system: System) -> None:
    """What a failed or dead activation or deactivation had changed, as it was before. Idempotent.

    Raises PluginError."""
    data = _begun(ctx)
    if data is None:
        return
    before, path, now = data["before"], str(data["system"]), os.path.realpath(profile(ctx.component))
    if before and now not in (path, data.get("target", now)):
        ctx.progress.log(
            WarningLine.of(f"{profile(ctx.component)} leads to {now}, which was chosen since: it is left so")
        )
    elif before is None:
        ctx.progress.log("the system profile is not used: which system ran before is not known, and none was put back")
    elif not before:
        ctx.progress.log(f"{profile(ctx.component)} had no generation before: what was activated stays")
    else:
        ctx.progress.log(f"putting {path} back")
        nix_env(ctx, "--switch-generation", str(before))
        switch(ctx, path)
        deploy(ctx, system)
    ctx.journal.step(PUT_BACK)


def _begun(ctx: Context) -> Mapping[str, Any] | None:
    """What was noted of an activation, or the opposite, that did not come to its end; None where none is left."""
    noted = [(name, data) for name, data in ctx.journal.steps() if name in (SWITCHED, ACTIVE, PUT_BACK)]
    return noted[-1][1] if noted and noted[-1][0] == SWITCHED else None


def profile(component: Component) -> str:
    """Where the links to the system's generations are."""
    return component.prop(SETTING, PROFILE)


def require_obeyed_profile(component: Component) -> None:
    """Raises PluginError where another user could say which system the machine runs."""
    path = profile(component)
    if not posixpath.isabs(path):
        raise PluginError(f"{SETTING}={path!r} is not an absolute path", "correct the container")
    folder = Path(posixpath.dirname(path))
    require_obeyed(folder)
    if os.path.lexists(path):
        require_obeyed(Path(path))


def _generation(component: Component) -> int | None:
    """The number of the profile's generation; 0 where it has none, None where the profile is not to be used."""
    if component.prop("disableNixOSSystemProfile"):
        return None
    try:
        generation = _GENERATION.fullmatch(os.readlink(profile(component)))
    except OSError:
        return 0
    return int(generation[1]) if generation else 0


def _system_before(component: Component, number: int) -> str:
    """The system that a rollback from a generation leads to. Raises PluginError where there is none."""
    above, name = posixpath.split(profile(component))
    try:
        links = [re.fullmatch(rf"{re.escape(name)}-([0-9]+)-link", one) for one in os.listdir(above)]
    except OSError as error:
        raise PluginError(f"{above} cannot be read ({error.strerror})", "run it as root") from error
    earlier = [int(link[1]) for link in links if link and int(link[1]) < number]
    if not earlier:
        raise PluginError(f"{profile(component)} has no generation before {number}", "activate another system instead")
    return os.path.realpath(f"{above}/{name}-{max(earlier)}-link")


def nix_env(ctx: Context, *words: str) -> None:
    """Raises PluginError with what nix-env says last."""
    argv = ("nix-env", "--profile", profile(ctx.component), *words)
    _followed(ctx, argv)


def switch(ctx: Context, path: str) -> None:
    """Let a system make itself the one that runs. Raises PluginError."""
    program = Path(path) / "bin" / "switch-to-configuration"
    require_obeyed(program)
    action = "test" if ctx.component.prop("testNixOS") else "switch"
    _followed(ctx, (str(program), action))


def deploy(ctx: Context, system: System) -> None:
    """Activate what the configuration now has, and deactivate the others. Raises PluginError."""
    output = system.run(ctx.runner, "dysnomia-containers", "--deploy")
    for line in output.decode("utf-8", "backslashreplace").splitlines():
        ctx.progress.log(line)


def _followed(ctx: Context, argv: tuple[str, ...]) -> None:
    lines: list[str] = []

    def noted(line: bytes) -> None:
        lines.append(line.decode("utf-8", "backslashreplace"))
        del lines[:-1]
        ctx.progress.log(lines[-1])

    ctx.cancel.check()
    environment = {
        name: ctx.component.prop(name) for name in sorted(ctx.component.properties) if name.startswith("NIX_")
    }
    try:
        ctx.runner.follow(
            argv, env=environment, on_stdout=lambda line: ctx.progress.log(OutputLine.of(line)), on_stderr=noted
        )
    except ProcessFailed as error:
        last = f" ({lines[-1]})" if lines else ""
        raise PluginError(f"{' '.join(argv)} ended with status {error.status}{last}", "see the log") from error
