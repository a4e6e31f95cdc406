"""What the two sides of a diff are, said so that another process can open them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from dysnomia_plugins.base import StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.loading.registry import Registry
from dysnomia_plugins.toolkit.files_reader import FilesReader
from dysnomia_store.errors import NotFound
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.engine.diff.compare import Opened


@dataclass(frozen=True, slots=True)
class SideSpec:
    """One side: its title, and who opens it with what."""

    title: str
    """For the screen: the number and time of a generation, or ``live``."""
    opener: str
    """``module:function``, an ``Opener``."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """JSON values. They go over a pipe, never on a command line."""
    remark: str = ""
    """What is to be known of every section in which this side differs from the other; on the new side."""


class Opener(Protocol):
    """Opens a side in the comparing process.

    ``scratch`` is a private folder on disk that goes with the diff: what is live is dumped there, outside the store.
    Raises StoreError, PluginError or OSError.
    """

    def __call__(self, args: Mapping[str, Any], scratch: Path) -> AbstractContextManager[Opened]: ...


def opener_of(spec: SideSpec) -> Opener:
    """Import what opens a side. The name comes from this program, never from a snapshot."""
    module, _, name = spec.opener.partition(":")
    opener: Opener = getattr(import_module(module), name)
    return opener


def stored_side(
    title: str,
    *,
    statedir: Path,
    key: ComponentKey,
    snapshot_id: str,
    type_name: str,
    modules_path: tuple[Path, ...] = (),
    libexec: tuple[Path, ...] = (),
) -> SideSpec:
    """A snapshot in the store.

    Args:
        type_name: the plugin's; one that holds no state here (a module of Dysnomia's convention, an unknown type) is
            compared file by file.
    """
    args = {
        "statedir": str(statedir),
        "container": key.container,
        "component": key.component,
        "id": snapshot_id,
        "type": type_name,
        "modules_path": [str(path) for path in modules_path],
        "libexec": [str(path) for path in libexec],
    }
    return SideSpec(title, f"{__name__}:open_stored", args)


@contextmanager
def open_stored(args: Mapping[str, Any], scratch: Path) -> Iterator[Opened]:
    """Open what ``stored_side`` describes; where it has no contents index, it is worked out first.

    Raises NotFound where the snapshot has no contents index."""
    store = Store(Path(args["statedir"]))
    stored = store.stored(ComponentKey(args["container"], args["component"]), args["id"])
    folders = [tuple(map(Path, args[name])) for name in ("modules_path", "libexec")]
    reader = reader_of(args["type"], *folders)
    if stored.index is None:
        raise NotFound(f"{args['id']} has no contents index", "check the snapshot: that makes the index again")
    yield Opened(reader, stored)


def reader_of(type_name: str, modules_path: tuple[Path, ...], libexec: tuple[Path, ...]) -> StatePlugin | FilesReader:
    """What reads the rows of a type's snapshots."""
    try:
        plugin = Registry(modules_path, libexec=libexec).get(type_name)
    except PluginError:
        return FilesReader()
    return plugin if isinstance(plugin, StatePlugin) else FilesReader()
