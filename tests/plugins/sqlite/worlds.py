"""SQLite databases as nobody here would make them: the other worlds of the conformance suite."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from dysnomia_plugins.base import Place
from tests.plugins.other_user import OtherUser, open_folder
from tests.plugins.sqlite.world import SqliteWorld

KEPT = ("page_size", "auto_vacuum", "default_cache_size", "encoding", "max_page_count")
"""What a file says of itself that a restore keeps."""


class HostileWorld(SqliteWorld):
    """Everything that a file keeps is set to what is not usual, and a client is in the midst of reading."""

    first = (
        "PRAGMA page_size = 512",
        "PRAGMA encoding = 'UTF-16be'",
        "PRAGMA auto_vacuum = INCREMENTAL",
        "PRAGMA default_cache_size = -7",
    )
    more = """
    PRAGMA user_version = -2147483648;
    PRAGMA application_id = -1;
    CREATE TABLE long_rows(v);
    INSERT INTO long_rows SELECT hex(randomblob(4000)) FROM json_each('[1,2,3,4,5,6,7,8,9]');
    INSERT INTO long_rows VALUES(char(0x1F600) || 'é' || char(0xFFFF)), ('');
    DELETE FROM long_rows WHERE rowid % 2;
    PRAGMA writable_schema = RESET;
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "persist")

    def whole(self, place: Place | None = None) -> object:
        found = super().whole(place)
        if found is None:
            return None
        with closing(self.connect(place)) as db:
            return found, [db.execute(f"PRAGMA {name}").fetchone() for name in KEPT]


class OtherOwnerWorld(SqliteWorld):
    """File and folder are another user's, who lets a group read them; we are root."""

    def __init__(self, other: OtherUser, folder: Path) -> None:
        self._open = open_folder()
        super().__init__(self._open / folder.name)
        self.other = other
        other.own(self.databases)

    def close(self) -> None:
        shutil.rmtree(self._open)

    def seed(self) -> None:
        super().seed()
        self._hand_over()

    def _hand_over(self) -> None:
        for path in self.databases.iterdir():
            self.other.own(path)
            path.chmod(0o640)

    def whole(self, place: Place | None = None) -> object:
        """Of live with whose it is, once it was another's."""
        found = super().whole(place)
        seen = Path(place.name if place else self.live).stat() if found is not None else None
        return None if seen is None else (found, seen.st_uid, seen.st_gid, oct(seen.st_mode))


class UpdatedWorld(SqliteWorld):
    """After a tenth of the rows was updated and a tenth deleted: free pages, and rows that have moved."""

    more = """
    CREATE TABLE used(id INTEGER PRIMARY KEY, v TEXT, w BLOB);
    CREATE INDEX used_by_v ON used(v, w);
    CREATE TABLE used_keys(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000)
      INSERT INTO used SELECT n, printf('%.*c', n % 400, 'x') || n, zeroblob(n % 50) FROM c;
    INSERT INTO used_keys SELECT v, id FROM used;
    UPDATE used SET v = v || printf('%.*c', 3000, 'y') WHERE id % 10 = 3;
    UPDATE used SET id = id + 100000 WHERE id % 10 = 5;
    UPDATE customers SET name = name || printf('%.*c', 300, 'z') WHERE id % 10 = 3;
    DELETE FROM used WHERE id % 10 = 7;
    DELETE FROM used_keys WHERE v % 10 = 7;
    DELETE FROM orders WHERE customer % 10 = 7;
    UPDATE search SET body = body || ' again' WHERE rowid % 10 = 3;
    DELETE FROM search WHERE rowid % 10 = 7;
    DELETE FROM places WHERE id % 10 = 7;
    DROP INDEX orders_by_customer;
    ALTER TABLE used RENAME COLUMN w TO other;
    ALTER TABLE used ADD COLUMN added DEFAULT 'was not there';
    """


class WideWorld(SqliteWorld):
    """One of every kind of object that a database may have."""

    more = (Path(__file__).with_name("zoo.sql")).read_text("utf-8")
