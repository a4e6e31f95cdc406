"""A snapshot of a database, loaded beside what is live: made anew, filled by writes, then read and compared.

Points are written while their retention policies keep everything, or the server would refuse those that are old. What
the server then answers is compared with what was loaded, point by point.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import Context, Place, Stored
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.influx import databases
from dysnomia_plugins.types.influx.contents import Definitions, Measurement, batches, section_name
from dysnomia_plugins.types.influx.dump import fields_of, points
from dysnomia_plugins.types.influx.influxql import identifier, kept
from dysnomia_plugins.types.influx.server import Server
from dysnomia_plugins.types.influx.source import opened
from dysnomia_store.model import Section

_POINTS = 5000
_FOREVER = "INF"
Digests = dict[tuple[str, str], str]
"""Of the points of each measurement of each policy."""


def load(ctx: Context, server: Server, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
    """All of it, or some measurements. Raises PluginError; what was made then is the caller's to drop."""
    name = databases.check_name(place.name)
    if databases.exists(server, name):
        raise NotSafe(f"InfluxDB has a database {name} already", "nothing was loaded over it")
    with opened(ctx, stored, sections) as source:
        databases.create(server, name)
        _make_policies(server, name, source.definitions)
        loaded = _fill(ctx, server, name, source.measurements)
    _compare(ctx, server, name, loaded)
    _finish(ctx, server, name, source.definitions, sections)


def _make_policies(server: Server, name: str, definitions: Definitions) -> None:
    for policy in definitions.policies:
        server.query(policy.statement(name, _FOREVER))


def _fill(ctx: Context, server: Server, name: str, measurements: Iterator[Measurement]) -> Digests:
    loaded: Digests = {}
    done = 0
    for measurement in measurements:
        digest = hashlib.sha256()
        for batch in batches(measurement.rows, _POINTS):
            ctx.cancel.check()
            server.write(batch, name, measurement.policy)
            data = b"".join(batch)
            digest.update(data)
            done += len(data)
            ctx.progress.advance(done)
        loaded[measurement.policy, measurement.name] = digest.hexdigest()
    return loaded


def _compare(ctx: Context, server: Server, name: str, loaded: Digests) -> None:
    """Raises PluginError where the server answers anything else than was loaded."""
    ctx.progress.phase("check")
    done = 0
    answered: Digests = {}
    for policy in databases.policies(server, name):
        for measurement, fields in fields_of(server, name, policy.name).items():
            digest = hashlib.sha256()
            for _, _, lines in points(server, name, policy.name, measurement, fields):
                ctx.cancel.check()
                data = b"".join(lines)
                digest.update(data)
                done += len(data)
                ctx.progress.advance(done)
            answered[policy.name, measurement] = digest.hexdigest()
    if answered != loaded:
        differs = next(iter(sorted({*answered.items()} ^ {*loaded.items()})))[0]
        raise PluginError(
            f"the server does not answer with the points that were loaded into {section_name(*differs)}",
            "nothing was replaced: check the server's log, and the snapshot",
        )


def _finish(
    ctx: Context, server: Server, name: str, definitions: Definitions, sections: Sequence[Section] | None
) -> None:
    """What points are kept for from now on, and the queries, which do not run yet."""
    for policy in definitions.policies:
        if policy.duration != _FOREVER:
            server.query(
                f"ALTER RETENTION POLICY {identifier(policy.name)} ON {identifier(name)} DURATION {policy.duration} "
                f"SHARD DURATION {policy.shard}"
            )
    if sections is not None:
        return
    if definitions.queries and not definitions.policies:
        raise PluginError(
            "a database without a retention policy cannot have continuous queries", "nothing was replaced"
        )
    for query in definitions.queries:
        server.query(kept(query, name, definitions.policies[0].name, trusted=ctx.made_here).text)
    if definitions.queries and not name.startswith(databases.OURS):
        ctx.progress.log(
            f"continuous queries do not run in a copy: their texts are kept in {name} (SHOW CONTINUOUS QUERIES)"
        )
