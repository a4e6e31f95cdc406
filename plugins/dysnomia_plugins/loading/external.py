"""Executable modules in Dysnomia's calling convention: ``MODULE ACTIVITY COMPONENT_PATH CONTAINER``.

The convention, as Dysnomia 0.10.2 has it (``scripts/dysnomia.in``): a clean environment that holds every property of
the container but ``type``, then ``PATH`` and ``DYSNOMIA_STATEDIR``. A bash array cannot stand in an environment, so a
module gets its elements joined by a space. The names of component and container are the last parts of the second and
third argument. The module links the generations it makes under ``DYSNOMIA_STATEDIR``, which here is a private folder.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from dysnomia_base.ownership import is_obeyed, refusal
from dysnomia_base.patterns import pattern
from dysnomia_plugins.base import Component, Context, OutputLine, PrivateStatePlugin, PropertyValue
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.context import SERVICE_UMASK

if TYPE_CHECKING:
    from dysnomia_plugins.interface.options import FollowOptions

ACTIVITIES = ("activate", "deactivate", "lock", "unlock", "snapshot", "restore", "collect-garbage")

_VARIABLE = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_KEPT_VARIABLES = frozenset({"PATH", "DYSNOMIA_STATEDIR"})
_SNIFFED = 1 << 20
OURS = b"# A type of dysnomia-tui, for bash Dysnomia and Disnix."
"""The second line of an executable that calls a type of ours: never taken for a module of another's."""
_SOURCED = pattern(r"(?m)^[ \t]*(?:source|\.)[ \t]+[\"']?([^\s\"';]*/dysnomia/util)\b")
_ASSIGNED = pattern(r"(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)=[\"']?([^\s\"';]*)")
_AS_ANOTHER = pattern(rb"(?m)^[^#\n]*\b(?:su|sudo|runuser|setpriv|setuidgid|doas|gosu)[ \t]")
_REFERRED = pattern(r"\$(?:\{(\w+)\}|(\w+))")


def module_names(modules_path: Sequence[Path]) -> tuple[str, ...]:
    """The names of the executables on a modules path that are obeyed. A folder that cannot be read holds none."""
    return tuple(sorted({path.name for path in _executables(modules_path) if is_obeyed(path)}))


def left_out_modules(modules_path: Sequence[Path]) -> tuple[str, ...]:
    """Executables on a modules path that are not obeyed because others may write them, each in a sentence."""
    return tuple(filter(None, (refusal(path) for path in _executables(modules_path))))


def _executables(modules_path: Sequence[Path]) -> Iterator[Path]:
    for folder in modules_path:
        try:
            entries = sorted(os.listdir(folder))
        except OSError:
            continue
        yield from (path for name in entries if _is_module(path := Path(folder, name)))


def find_module(type_name: str, modules_path: Sequence[Path]) -> Path | None:
    """The executable of a type: the first on the path, or the type itself where it is an absolute path. One that is
    not obeyed (``ownership``) is none.

    A folder stands for the one module in its ``libexec/dysnomia``, as Dysnomia has it."""
    return next((path for path in _candidates(type_name, modules_path) if is_obeyed(path)), None)


def left_out_module(type_name: str, modules_path: Sequence[Path]) -> str:
    """Why a type's executable, which is there, is not obeyed; ``""`` where there is none."""
    return next(filter(None, (refusal(path) for path in _candidates(type_name, modules_path))), "")


def _candidates(type_name: str, modules_path: Sequence[Path]) -> Sequence[Path]:
    if type_name.startswith("/"):
        path = Path(type_name)
        if path.is_dir():
            modules = [entry for entry in sorted((path / "libexec" / "dysnomia").glob("*")) if _runs(entry)]
            return modules if len(modules) == 1 else ()
        return (path,) if _runs(path) else ()
    if not type_name or "/" in type_name or type_name.startswith("."):
        return ()
    return [path for folder in modules_path if _is_module(path := folder / type_name)]


def external_module(path: Path, type_name: str) -> ExternalModule:
    """A plugin for one executable: a class of its own, since the type is a class's."""
    title = f"module {path.name}"
    made = type("ExternalModule", (ExternalModule,), {"type": type_name, "title": title, "module": path})
    return cast("ExternalModule", made())


class ModuleConvention(PrivateStatePlugin):
    """Whatever is run as Dysnomia runs a module. Subclasses say which command that is."""

    def command(self, component: Component, activity: str) -> Sequence[str | bytes]:
        """The argv of an activity. Raises PluginError where there is nothing to run."""
        raise NotImplementedError

    def becomes(self, component: Component) -> Sequence[str]:
        """The users that the module may become to read a snapshot, by the properties that name one; ``*`` where it
        becomes somebody whom nothing names. Empty where it stays who it is."""
        return ()

    def activate(self, ctx: Context) -> None:
        self.run(ctx, "activate", _private(ctx, marker=None))

    def deactivate(self, ctx: Context) -> None:
        self.run(ctx, "deactivate", _private(ctx, marker="activated"))

    def lock(self, ctx: Context) -> None:
        self.run(ctx, "lock", _private(ctx, marker="activated"))

    def unlock(self, ctx: Context) -> None:
        self.run(ctx, "unlock", _private(ctx, marker="activated"))

    def run(self, ctx: Context, activity: str, statedir: Path) -> None:
        """Run the module. What it prints goes to the job's log; a status other than 0 raises ProcessFailed."""
        argv = self.command(ctx.component, activity)
        environment = module_environment(ctx.component.properties, path=ctx.tool_path, statedir=statedir)
        ctx.cancel.check()

        def complained(line: bytes) -> None:
            ctx.progress.log(line.decode("utf-8", "backslashreplace"))

        def on_stdout(line: bytes) -> None:
            ctx.progress.log(OutputLine.of(line))

        options: FollowOptions = {"env": environment, "on_stdout": on_stdout, "on_stderr": complained}
        if activity != "snapshot":  # what it makes of live is read by others, as when Dysnomia runs it
            options["umask"] = SERVICE_UMASK
        ctx.runner.follow(argv, **options)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """An interactive bash with the container's properties as variables, as ``dysnomia --shell`` gives it."""
        environment = module_environment(component.properties)
        environment["this_dysnomia_module"] = os.fsdecode(self.command(component, "shell")[0])
        environment["this_component"] = str(component.path)
        environment["this_container"] = component.key.container
        return ("bash", "-i"), environment

    def hints(self, component: Component) -> Sequence[str]:
        """A module says its own, when it is called for the activity ``shell``."""
        return ()


class ExternalModule(ModuleConvention):
    """An executable on the modules path."""

    type: ClassVar[str] = ""
    title: ClassVar[str] = "module"
    module: ClassVar[Path] = Path("/nonexistent")

    def activities(self) -> frozenset[str]:
        """All: it is called for each, and knows itself what there is to do."""
        return frozenset(ACTIVITIES)

    def becomes(self, component: Component) -> Sequence[str]:
        if not _becomes_another(self.module):
            return ()
        values = [value for value in component.properties.values() if isinstance(value, str)]
        return sorted({user for value in values if (user := _user(value))}) or ("*",)

    def command(self, component: Component, activity: str) -> Sequence[str | bytes]:
        if not _runs(self.module):
            raise PluginError(f"the module {self.module} is missing or not executable")
        require_obeyed(self.module, *sourced(self.module))
        util = missing_util(self.module)
        if util is not None:
            raise PluginError(
                f"the module {self.module} sources {util}, which is not there;"
                f" it comes with: dysnomia-tui install-modules {util.parents[2]}",
            )
        return (os.fsencode(self.module), activity, os.fsencode(component.path), component.key.container)


def missing_util(module: Path) -> Path | None:
    """The ``…/share/dysnomia/util`` that a script sources and that is not there, as far as its text tells.

    Without it a module may well end with status 0 and have done nothing.
    """
    return next((path for path in sourced(module) if not os.path.exists(path)), None)  # noqa: PTH110 (it may not be read)


def sourced(module: Path) -> Iterator[Path]:
    """The ``…/share/dysnomia/util`` files that a script sources, as far as its text tells."""
    try:
        with module.open("rb") as file:
            text = file.read(_SNIFFED).decode("utf-8", "replace")
    except OSError:
        return
    if not text.startswith("#!"):
        return
    assigned = dict(_ASSIGNED.findall(text))
    for path in _SOURCED.findall(text):
        for _ in range(4):  # ${datarootdir} -> ${prefix}/share -> /usr/share, as configure writes them
            path = _REFERRED.sub(lambda match: assigned.get(match[1] or match[2], match[0]), path)
        if path.startswith("/") and "$" not in path:
            yield Path(path)


def require_obeyed(*programs: Path) -> None:
    """Raises PluginError where others may write one of what is about to be run."""
    for program in programs:
        refused = refusal(program)
        if refused:
            raise PluginError(refused, "give it to root (chown, chmod go-w), or to the user who calls")


def module_environment(
    properties: Mapping[str, PropertyValue], *, path: str | None = None, statedir: Path | None = None
) -> dict[str, str]:
    """The environment a module gets.

    Raises:
        PluginError: a property whose name can be no variable.
    """
    environment: dict[str, str] = {}
    for name, value in properties.items():
        if name == "type":
            continue
        if name in _KEPT_VARIABLES:
            continue  # the convention's own, as in Dysnomia
        if _VARIABLE.fullmatch(name) is None:
            raise PluginError(f"the property {name!r} cannot be handed to a module as a variable", "rename it")
        environment[name] = value if isinstance(value, str) else " ".join(value)
        if "\0" in environment[name]:
            raise PluginError(f"the property {name!r} holds a NUL byte, which no variable can")
    if path is not None:
        environment["PATH"] = path
    if statedir is not None:
        environment["DYSNOMIA_STATEDIR"] = str(statedir)
    return environment


def _private(ctx: Context, *, marker: str | None) -> Path:
    """A private state directory for an activity that keeps no snapshot, with the marker a module expects to move."""
    statedir = ctx.staging / "state"
    statedir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if marker is not None:
        path = statedir / marker / ctx.component.key.container / ctx.component.key.component
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    return statedir


def _runs(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except OSError:
        return False


def _becomes_another(module: Path) -> bool:
    """Whether its text runs something as another user; a program that is not a text may."""
    try:
        with module.open("rb") as file:
            text = file.read(_SNIFFED)
    except OSError:
        return True
    return not text.startswith(b"#!") or _AS_ANOTHER.search(text) is not None


def _user(name: str) -> str:
    """The user of that name, unless it is root; ``""`` where there is none."""
    try:
        entry = pwd.getpwnam(name) if name and "\0" not in name else None
    except (KeyError, ValueError):
        return ""
    return entry.pw_name if entry is not None and entry.pw_uid != 0 else ""


def _is_module(path: Path) -> bool:
    """An executable that is none of those that ``install-modules`` makes: they would lead back here."""
    if not _runs(path):
        return False
    try:
        with path.open("rb") as file:
            return OURS not in file.read(512)
    except OSError:
        return True  # it may be run and not read
