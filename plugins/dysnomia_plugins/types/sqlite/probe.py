"""What is told of a database at a look: its size, who has it open, and how it is kept."""

from __future__ import annotations

import sqlite3

from dysnomia_plugins.base import Probe
from dysnomia_plugins.types.sqlite.files import clients_of
from dysnomia_plugins.types.sqlite.opening import DatabaseLocked
from dysnomia_plugins.types.sqlite.site import Site


def look(site: Site) -> Probe:
    """Raises NotADatabase, PluginError."""
    clients = clients_of(site.path)
    with site.folder() as folder:
        parts = [folder.seen(site.name + suffix) for suffix in ("", "-wal", "-journal")]
    detail = ""
    try:
        with site.opened() as connection:
            connection.execute("PRAGMA busy_timeout=500")
            connection.execute("SELECT count(*) FROM sqlite_master")
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            page = connection.execute("PRAGMA page_size").fetchone()[0]
        detail = f"journal mode {mode}, pages of {page} bytes"
    except DatabaseLocked:
        detail = "locked by another process"
    return Probe(
        up=True,
        version=f"SQLite {sqlite3.sqlite_version}",
        size=sum(part.st_size for part in parts if part is not None),
        clients=len(clients),
        who=tuple(map(str, clients)),
        detail=detail,
    )
