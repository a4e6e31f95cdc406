"""A Redis with a stored state and another one live, and its settings: for tests of what happens to it."""

from __future__ import annotations

from random import Random

from dysnomia_store.model import Generation
from tests.plugins.conformance.driver import Driver
from tests.plugins.redis.world import RedisWorld

SETTINGS = ("masterauth", "masteruser", "repl-diskless-load", "repl-diskless-sync", "repl-diskless-sync-delay")


def first_and_changed(world: RedisWorld, driver: Driver) -> Generation:
    """A generation of what was there, which then changes."""
    world.seed()
    first = driver.snapshot().generation
    world.change("string", Random(1))
    return first


def settings_of(world: RedisWorld) -> dict[str, object]:
    with world.at() as client:
        return {name: client("CONFIG", "GET", name) for name in SETTINGS}


def as_bytes(reply: object) -> bytes:
    assert isinstance(reply, bytes)
    return reply
