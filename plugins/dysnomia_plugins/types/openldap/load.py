"""A snapshot of a directory, loaded by ``slapadd`` into a folder beside what is live."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import Context, Place, Stored
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.repositories.making import give_name
from dysnomia_plugins.toolkit.repositories.places import wrapper_of
from dysnomia_plugins.types.openldap.contents import LDIF, entry_of
from dysnomia_plugins.types.openldap.ldif import BadLdif, Record, folded, parent_of, records, refuse_urls
from dysnomia_plugins.types.openldap.places import COPY, DATA, begin, has_data
from dysnomia_plugins.types.openldap.programs import Directory, sync_data
from dysnomia_store.model import Section

NAMED = "openldap-named"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
_MODE = 0o600
_SAID = 1 << 20
_MAX_DEPTH = 1000


def load(
    ctx: Context, directory: Directory, stored: Stored, place: Place, sections: Sequence[Section] | None = None
) -> None:
    """All entries, or some with those above them. Raises PluginError; what was made then is the caller's to drop."""
    if has_data(place) or _there(place):
        raise NotSafe(f"{place.name} already exists", "nothing was loaded over it")
    making = place if wrapper_of(place) else directory.layout.made(ctx.tag, COPY)
    try:
        entries = _whole(stored) if sections is None else _some(stored, sections)
        fill(ctx, directory, making, entries, as_it_was=ctx.made_here)
        if making != place:
            give_name(ctx, making, place, NAMED)
    except OSError as error:
        raise PluginError(f"{place.name} could not be made ({error.strerror})", "run it as root") from error


def _there(place: Place) -> bool:
    try:
        Folder.at(place.name).close()
    except FileNotFoundError:
        return False
    return True


def fill(ctx: Context, directory: Directory, making: Place, entries: Iterator[Record], *, as_it_was: bool) -> None:
    """Make a database at a place of the job's, and see that it holds as many entries. Raises PluginError, OSError."""
    with begin(making, directory.actor) as folder:
        count = done = reported = 0
        with directory.loading(ctx, folder, as_it_was=as_it_was) as stdin:
            for record in entries:
                refuse_urls(record)
                stdin.write(record.stored)
                count += 1
                done += len(record.stored)
                if done - reported >= _SAID:
                    reported = done
                    ctx.cancel.check()
                    ctx.progress.advance(done)
        if folder.seen(DATA) is None:
            raise PluginError(f"slapadd made no database in {folder.path}", "nothing was replaced")
        sync_data(folder, _live_mode(directory), directory.actor)
    with directory.reading(ctx, making) as stream:
        loaded = sum(1 for _ in records(stream))
    if loaded != count:
        raise PluginError(f"{loaded} of {count} entries were loaded", "nothing was replaced")


def _live_mode(directory: Directory) -> int:
    with Folder.at(directory.layout.folder) as folder:
        seen = folder.seen(DATA)
    return stat.S_IMODE(seen.st_mode) & 0o660 if seen is not None and stat.S_ISREG(seen.st_mode) else _MODE


def _whole(stored: Stored) -> Iterator[Record]:
    with stored.open(LDIF) as stream:
        yield from records(stream)


def _some(stored: Stored, sections: Sequence[Section]) -> Iterator[Record]:
    """The entries of sections, and those above them, which they cannot be without. Raises BadLdif."""
    wanted: set[str] = set()
    for section in sections:
        name = section.name
        for _ in range(_MAX_DEPTH):
            if not name or folded(name) in wanted:
                break
            wanted.add(folded(name))
            name = parent_of(name)
        else:
            raise BadLdif("the snapshot holds an entry nested too deep", repr(section.name[:60]))
    for section in stored.sections():
        if folded(section.name) in wanted:
            yield from entry_of(stored, section)
