"""Which component and which generation a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dysnomia_tui.cli.shared.output import say
from dysnomia_tui.cli.shared.parser import NO_VALUE, Usage
from dysnomia_tui.engine.errors import Unknown

if TYPE_CHECKING:
    import argparse

    from dysnomia_store.model import Generation
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.engine.engine import Engine


def component(text: str) -> ComponentKey:
    """The component that ``CONTAINER/COMPONENT`` names. Raises Usage, NameRejected."""
    from dysnomia_store.names import ComponentKey

    container, slash, name = text.partition("/")
    if not (container and slash and name):
        raise Usage(f"{text!r} is not a component", "write CONTAINER/COMPONENT")
    return ComponentKey.of(container, name)


def no_empty_name(args: argparse.Namespace, *options: str) -> None:
    """Empty names mean all to bash Dysnomia. Where something changes, they are a variable that was never set.

    Raises Usage."""
    for option in options:
        if getattr(args, option) == "":
            raise Usage(f"argument --{option}: {NO_VALUE}")


def nothing_of(container: str, component: str) -> Unknown:
    """What is wrong where the store has no generation of what was named; ``""`` is any."""
    named = f"{container or '*'}/{component or '*'}"
    return Unknown(f"the store has no generation of {named}", "to list what it has: dysnomia-snapshots --query-latest")


def last(engine: Engine, key: ComponentKey) -> Generation:
    """The generation with the highest number, broken link or not. Raises Unknown if the component has none."""
    generations = engine.generations(key)
    if not generations:
        raise Unknown(f"{key} has no generations", _instead(engine, key))
    return generations[0]


def _instead(engine: Engine, key: ComponentKey) -> str:
    """What to do where nothing is stored of what was named: it may be called otherwise."""
    from difflib import get_close_matches  # for who has made a mistake

    known = [str(record.key) for container in engine.overview().containers for record in container.components]
    if str(key) not in known:
        near = get_close_matches(str(key), known, 1)
        return f"did you mean {near[0]!r}?" if near else "to list what there is: dysnomia-snapshots --query-latest"
    return f"make one with: dysnomia -o snapshot -C {key.container} …"


def newest(engine: Engine, key: ComponentKey) -> Generation:
    """The newest generation that has a snapshot; prints a warning for broken links after it. Raises Unknown."""
    last(engine, key)
    for generation in engine.generations(key):
        if generation.id and not generation.problem:
            return generation
        say(f"WARNING: {_wrong(generation)}")
    raise Unknown(
        f"no generation of {key} has a snapshot: all its links are broken", "see the trash, or make a snapshot"
    )


def numbered(engine: Engine, key: ComponentKey, number: int) -> Generation:
    """Generation ``number``. Raises Unknown where it is not there, or has no snapshot."""
    generations = engine.generations(key)
    generation = next((one for one in generations if one.number == number), None)
    if generation is None:
        numbers = [one.number for one in generations]
        hint = f"it has {min(numbers)} to {max(numbers)}" if numbers else f"it has none: {_instead(engine, key)}"
        raise Unknown(f"{key} has no generation {number}", hint)
    if not generation.id:
        raise Unknown(_wrong(generation), "it has no snapshot")
    return generation


def asked(engine: Engine, key: ComponentKey, number: int | None) -> Generation:
    """The generation that was asked for; the newest that has a snapshot, where none was. Raises Unknown."""
    return newest(engine, key) if number is None else numbered(engine, key, number)


def _wrong(generation: Generation) -> str:
    return f"generation {generation.number} of {generation.key}: {generation.problem or 'its snapshot is missing'}"
