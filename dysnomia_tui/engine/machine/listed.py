"""All of a server as components: ``components=*`` and ``except=`` in a container's file.

Which databases there are is asked by ``engine/lister.py`` and kept in ``listed/CONTAINER`` of the state directory;
whoever reads the configuration reads that, and asks no server. What was known last stays where a server does not
answer. Light to import: the query commands use it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dysnomia_base.records import dataclass, field, replace
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.machine.inventory import Inventory

if TYPE_CHECKING:
    from dysnomia_plugins.base import PropertyValue
    from dysnomia_store.store_reader import ReadableStore
    from dysnomia_tui.engine.machine.inventory import ConfiguredContainer

FOLDER = "listed"
ALL = "*"
OLD = timedelta(hours=26)
"""An age of a look that is worth an alarm: a daily timer looks before it snapshots."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a container's server held when it was last asked, and how that went."""

    at: float | None = None
    """When it last answered (seconds of the epoch); None: never."""
    names: tuple[str, ...] = ()
    """Components."""
    gone: Mapping[str, float] = field(default_factory=dict)
    """Components with generations that are not there any more, and when each was last seen."""
    left: Mapping[str, str] = field(default_factory=dict)
    """What cannot be a component, ready to show, and why."""
    out: tuple[str, ...] = ()
    """What somebody took out of service, and is not there: it stays out of service when it comes back."""
    remark: str = ""
    tried: float | None = None
    """When it was last asked."""
    problem: str = ""
    """Why it did not answer then, or its answer is not believed."""


def takes_all(container: ConfiguredContainer) -> bool:
    """Whether every database of its server is a component."""
    return not container.from_environment and container.properties.get("components") in (ALL, (ALL,))


def why_not_understood(container: ConfiguredContainer) -> str:
    """What is wrong with its ``components=`` or ``except=``, or ``""``."""
    value = container.properties.get("components")
    if container.from_environment or value is None or takes_all(container):
        return ""
    return f"{container.path}: components={_shown(value)} is not understood: only components=* is"


def _shown(value: PropertyValue) -> str:
    return value if isinstance(value, str) else f"({' '.join(value)})"


def excepted(container: ConfiguredContainer, name: str) -> bool:
    """Whether ``except=`` names it: words, or an array (whose words may hold spaces), each a name or a pattern."""
    from fnmatch import fnmatchcase

    given = container.properties.get("except", ())
    patterns = given.split() if isinstance(given, str) else given
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def with_listed(inventory: Inventory, statedir: Path, unkept: Mapping[str, Listing] | None = None) -> Inventory:
    """The inventory with what servers hold, by ``unkept`` listings before those that are kept. What is configured by
    name comes first."""
    every = [one for one in inventory.containers.values() if takes_all(one)]
    problems = [text for one in inventory.containers.values() if (text := why_not_understood(one))]
    if not every and not problems:
        return inventory
    components = dict(inventory.components)
    gone: dict[ComponentKey, float] = {}
    listings: dict[str, Listing] = {}
    for container in every:
        fresh = (unkept or {}).get(container.name)
        listing = listings[container.name] = read(statedir, container.name) if fresh is None else fresh
        for name in (*listing.names, *listing.gone):
            key = ComponentKey(container.name, name)
            if key in inventory.components or key in inventory.left_out or excepted(container, name):
                continue
            components[key] = container.path
            if name in listing.gone:
                gone[key] = listing.gone[name]
    return replace(
        inventory,
        components=dict(sorted(components.items())),
        problems=(*inventory.problems, *problems),
        listings=listings,
        gone=gone,
    )


def read(statedir: Path, container: str) -> Listing:
    """What is kept; a listing with a problem where that cannot be read."""
    path = statedir / FOLDER / container
    try:
        return _read(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Listing()
    except OSError as error:
        return Listing(problem=f"{path} cannot be read ({error.strerror})")
    except (ValueError, TypeError, KeyError, RecursionError):
        return Listing(problem=f"{path} is damaged: dysnomia-tui look writes it anew")


def _read(record: Mapping[str, Any]) -> Listing:
    """Raises ValueError, TypeError, KeyError."""
    at, tried = record["at"], record["tried"]
    return Listing(
        at=None if at is None else float(at),
        names=tuple(ComponentKey.of("c", str(name)).component for name in record["names"]),
        gone={ComponentKey.of("c", str(name)).component: float(seen) for name, seen in record["gone"].items()},
        left={str(name): str(why) for name, why in record["left"].items()},
        out=tuple(ComponentKey.of("c", str(name)).component for name in record.get("out", ())),
        remark=str(record["remark"]),
        tried=None if tried is None else float(tried),
        problem=str(record["problem"]),
    )


def only_listed(store: ReadableStore, key: ComponentKey, listing: Listing | None = None) -> bool:
    """Whether a look at its server found the component, and nobody activated it: its state is not ours to remove.

    ``listing`` is what is kept of its container, where that was read already."""
    if store.recorded_path(key) is not None:
        return False
    listing = read(store.root, key.container) if listing is None else listing
    return store.was_listed(key) or key.component in (*listing.names, *listing.gone)


def may_be_obsolete(inventory: Inventory, store: ReadableStore, key: ComponentKey, kept: Listing) -> bool:
    """Whether a component that is active and not available was taken off the components path: not what a look alone
    found, nor anything of a container of which it is not known what it has. ``kept`` is the container's listing."""
    container = inventory.containers.get(key.container)
    listing = inventory.listings.get(key.container)
    if container is not None and why_not_understood(container):
        return False
    if listing is not None and (listing.problem or listing.at is None):
        return False
    if kept.problem and kept.tried is None:  # what a look found cannot be read
        return False
    recorded = store.recorded_path(key)
    had_a_file = recorded is not None and container is not None and recorded != container.path
    if not had_a_file and (key.component in kept.names or key.component in kept.gone):
        return False
    return not only_listed(store, key, kept)


def as_record(listing: Listing) -> Mapping[str, Any]:
    return {
        "at": listing.at,
        "names": list(listing.names),
        "gone": dict(listing.gone),
        "left": dict(listing.left),
        "out": list(listing.out),
        "remark": listing.remark,
        "tried": listing.tried,
        "problem": listing.problem,
    }


def as_marked(active: Collection[ComponentKey], unkept: Mapping[str, Listing], statedir: Path) -> set[ComponentKey]:
    """The active components, as they would be if these listings had been kept."""
    marked = set(active)
    for container, listing in unkept.items():
        before = read(statedir, container)
        marked -= {ComponentKey(container, name) for name in before.names}.difference(
            ComponentKey(container, name) for name in listing.names
        )
        marked |= {ComponentKey(container, name) for name in set(listing.names).difference(before.names, before.out)}
    return marked


SHOWN = 5
"""Names in one alarm."""


def alarms(inventory: Inventory, now: float) -> Iterator[tuple[str, str, bool]]:
    """Text, topic and urgency of what a person must know of the listings."""
    from dysnomia_base.durations import age_of

    for name, listing in inventory.listings.items():
        way = f"dysnomia-tui look {name}"
        reason = f" ({listing.problem})" if listing.problem else ""
        if listing.at is None:
            yield (
                f"{name}: which components it has is not known: its server has not been asked{reason}: run {way}",
                f"{name}: components not known", True,
            )  # fmt: skip
            continue
        age = age_of(now - listing.at)
        if listing.problem:
            text = f"{name}: what its server holds is not known{reason}; what is shown is {age} old"
            yield f"{text}: run {way}", f"{name}: what it holds is not known", False
        elif now - listing.at > OLD.total_seconds():
            yield f"{name}: its server was last asked {age} ago what it holds: run {way}", f"{name}: old look", False
        if listing.left:
            named = [f"{left} ({why})" for left, why in list(listing.left.items())[:SHOWN]]
            more = f" and {len(listing.left) - SHOWN} more" if len(listing.left) > SHOWN else ""
            text = f"{name}: on its server and no component: {', '.join(named)}{more}"
            yield f"{text}: rename it, or name it in except= of the container", f"{name}: no component", False
