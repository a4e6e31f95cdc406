"""A directory's initial state: the LDIF files below the component's ``openldap-directories``, in the order of their
names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.openldap.ldif import Record, records
from dysnomia_plugins.types.openldap.load import fill
from dysnomia_plugins.types.openldap.places import has_data
from dysnomia_plugins.types.openldap.programs import Directory
from dysnomia_plugins.types.openldap.swap import swap

INITIAL = "openldap-directories"


def activate(ctx: Context, directory: Directory, beside: Place, aside: Place) -> None:
    """Load it beside, and exchange it for what is live, where that has no entry. Raises PluginError; what was made is
    the caller's to drop."""
    live = directory.layout.live
    files = sorted(filter(Path.is_file, ctx.component.initial_files(INITIAL, "*.ldif")))
    if has_data(live) and (not files or _has_entries(ctx, directory, live)):
        return
    try:
        fill(ctx, directory, beside, _initial(ctx, files), as_it_was=False)
    except OSError as error:
        raise PluginError(f"{live.name} could not be filled ({error.strerror})", "run it as root") from error

    def still_empty() -> None:
        if has_data(live) and _has_entries(ctx, directory, live):
            raise NotSafe(
                f"entries were written to {live.name} while its initial state was loaded",
                "they are kept, and nothing was replaced: delete them and activate it again, or leave them",
            )

    swap(ctx, directory, beside, aside, still_empty)


def _has_entries(ctx: Context, directory: Directory, live: Place) -> bool:
    with directory.reading(ctx, live) as stream:
        first_record = next(records(stream), None)
        while stream.read(1 << 20):  # to its end: a program that cannot write would fail
            pass
    return first_record is not None


def _initial(ctx: Context, files: list[Path]) -> Iterator[Record]:
    for path in files:
        ctx.progress.log(f"loading {path.name}")
        with path.open("rb") as stream:
            yield from records(stream)
