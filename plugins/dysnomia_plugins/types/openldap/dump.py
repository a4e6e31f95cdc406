"""A snapshot of a directory, streamed into the store: what ``slapcat`` writes, as of one moment."""

from __future__ import annotations

from datetime import UTC, datetime

from dysnomia_plugins.base import Context, Draft, Dumped, Place
from dysnomia_plugins.types.openldap.contents import LDIF, write_records
from dysnomia_plugins.types.openldap.ldif import records
from dysnomia_plugins.types.openldap.programs import Directory, version


def dump(ctx: Context, directory: Directory, place: Place, draft: Draft) -> Dumped:
    """Raises PluginError, and then nothing is kept."""
    ctx.progress.phase("dump")
    as_of = datetime.now(UTC)

    def advance(done: int) -> None:
        ctx.cancel.check()
        ctx.progress.advance(done)

    with draft.artefact(LDIF) as sink, directory.reading(ctx, place) as stream:
        count = write_records(sink, records(stream), advance)
    ctx.progress.log(f"{count} {'entry' if count == 1 else 'entries'}")
    return Dumped(
        as_of=as_of,
        end=datetime.now(UTC),
        complete=True,
        tool_versions={"slapd": version(ctx.runner)},
        surroundings={"suffix": directory.suffix, "entries": count},
    )
