"""Which types there are: as executables on the modules path, by entry point, then in the libexec of a Dysnomia.

That is the order of Dysnomia itself, which searches ``DYSNOMIA_MODULES_PATH`` before its own modules: whoever puts a
module of their own there means it. Listing imports nothing; a type is imported when it is asked for, so a broken plugin
spoils only its own type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.records import dataclass
from dysnomia_plugins.base import Plugin
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.loading.external import (
    external_module,
    find_module,
    left_out_module,
    left_out_modules,
    module_names,
)
from dysnomia_plugins.loading.offered import Offered, offered

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "dysnomia.plugins"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a type comes from."""

    origin: str
    """``dysnomia-tui 0.1.0``: a distribution and its version; of a module its path."""
    module: str
    """``package.module:Class``, or the path again."""


class Registry:
    """The types that can be had here. One instance of each plugin is made, when it is first asked for."""

    def __init__(
        self,
        modules_path: Sequence[Path] = (),
        *,
        libexec: Sequence[Path] = (),
        extra: Mapping[str, Callable[[], Plugin]] | None = None,
        installed: Sequence[EntryPoint] | None = None,
    ) -> None:
        """
        Args:
            modules_path: folders with executable modules in Dysnomia's convention (``DYSNOMIA_MODULES_PATH``).
            libexec: folders where an installed Dysnomia keeps its modules: they give what nothing else does.
            extra: types by name that come before all others (an embedding program's own, or a test's).
            installed: entry points to use instead of those of the installed distributions.
        """
        self._modules_path = tuple(modules_path)
        self._libexec = tuple(libexec)
        self._extra = dict(extra or {})
        self._installed = None if installed is None else {point.name: point for point in installed}
        self._offered: Mapping[str, Offered] | None = None
        self._made: dict[str, Plugin] = {}

    def types(self) -> tuple[str, ...]:
        """The names of all types, sorted. Imports none of them."""
        return tuple(sorted({*self._extra, *self._points(), *module_names(self._folders)}))

    def __contains__(self, type_name: object) -> bool:
        return isinstance(type_name, str) and (
            type_name in self._extra or type_name in self._points() or find_module(type_name, self._folders) is not None
        )

    def get(self, type_name: str) -> Plugin:
        """The plugin of a type.

        A type that starts with ``/`` is the path of an executable module, as Dysnomia allows.

        Raises:
            PluginError: there is no such type, or it cannot be imported; the message names it.
        """
        made = self._made.get(type_name)
        if made is None:
            made = self._made[type_name] = self._make(type_name)
        return made

    def left_out(self) -> tuple[str, ...]:
        """The modules on the paths that are not obeyed because others may write them, each in a sentence."""
        return left_out_modules(self._folders)

    def source(self, type_name: str) -> Source:
        """Where a type comes from; imports nothing. Raises PluginError where there is no such type."""
        if type_name in self._extra:
            return Source("the program itself", "")
        point = self._points().get(type_name)
        path = find_module(type_name, self._modules_path)
        if path is None and point is None:
            path = find_module(type_name, self._libexec)
        if path is not None:
            return Source(str(path), str(path))
        if point is not None:
            dist = point.dist
            return Source(f"{dist.name} {dist.version}" if dist is not None else point.module, point.value)
        raise self._unknown(type_name)

    @property
    def _folders(self) -> tuple[Path, ...]:
        return (*self._modules_path, *self._libexec)

    def _points(self) -> Mapping[str, EntryPoint]:
        if self._installed is None:
            from importlib.metadata import entry_points

            self._installed = {point.name: point for point in entry_points(group=GROUP)}
        return self._installed

    def _plainly_offered(self) -> Mapping[str, Offered]:
        """What needs no ``importlib.metadata``; nothing once that was asked."""
        if self._installed is not None:
            return {}
        if self._offered is None:
            self._offered = offered(GROUP) or {}
        return self._offered

    def _make(self, type_name: str) -> Plugin:
        if type_name in self._extra:
            return self._extra[type_name]()
        path = find_module(type_name, self._modules_path)
        if path is not None:
            return external_module(path, type_name)
        point: EntryPoint | Offered | None = self._plainly_offered().get(type_name)
        point = point or self._points().get(type_name)
        if point is not None:
            return _imported(point)
        path = find_module(type_name, self._libexec)
        if path is not None:
            return external_module(path, type_name)
        raise self._unknown(type_name)

    def _unknown(self, type_name: str) -> PluginError:
        refused = left_out_module(type_name, self._folders)
        if refused:
            return PluginError(refused, "give it to root (chown, chmod go-w), or to the user who calls")
        from dysnomia_plugins.loading.missing import NoSuchType, what_would_bring

        known = self.types()
        return NoSuchType(type_name, what_would_bring(type_name, known, self._folders), known, self._folders)


def _imported(point: EntryPoint | Offered) -> Plugin:
    """Import a plugin. What a stranger's module raises while it is imported is not known beforehand, so each kind
    of failure that Python itself raises becomes a PluginError."""
    try:
        made = point.load()
    except (ImportError, AttributeError, SyntaxError, TypeError, ValueError, NameError, RuntimeError, OSError) as error:
        raise PluginError(
            f"the plugin of type {point.name!r} ({point.value}) cannot be imported",
            f"{type(error).__name__}: {error}",
        ) from error
    if not (isinstance(made, type) and issubclass(made, Plugin)):
        raise PluginError(f"the plugin of type {point.name!r} ({point.value}) is not a Plugin class")
    if made.__abstractmethods__:
        missing = ", ".join(sorted(made.__abstractmethods__))
        raise PluginError(f"the plugin of type {point.name!r} ({point.value}) lacks {missing}")
    return made()
