"""MariaDB set up as nobody here would set it up: the other worlds of its conformance suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dysnomia_plugins.base import Place
from tests.plugins.conformance.driver import with_properties
from tests.plugins.conformance.sql_world import DATABASE
from tests.plugins.mysql.world import PASSWORD, MariadbWorld
from tests.plugins.mysql.zoo import ZOO
from tests.plugins.servers.mariadb import MariadbServer

DUMPER = "dumper"
RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER, CREATE VIEW, SHOW VIEW, EVENT,"
    " CREATE ROUTINE, ALTER ROUTINE, EXECUTE, DELETE HISTORY, PROCESS, CREATE USER, CONNECTION ADMIN, SLAVE MONITOR,"
    " SET USER"
)
"""All that a snapshot and a restore of a database with code of others ask for."""


class LeastPrivilegeWorld(MariadbWorld):
    """An account without SUPER; what is in the schema was made by an administrator."""

    def __init__(self, server: MariadbServer, folder: Path) -> None:
        super().__init__(server, folder)
        server.sql(
            f"CREATE OR REPLACE USER {DUMPER}@localhost IDENTIFIED BY '{PASSWORD}';"
            f" GRANT {RIGHTS} ON *.* TO {DUMPER}@localhost WITH GRANT OPTION"
        )
        with_properties(self, mysqlUsername=DUMPER, mysqlPassword=PASSWORD)

    def close(self) -> None:
        super().close()
        self.server.sql(f"DROP USER {DUMPER}@localhost")


OTHERS = """
CREATE USER theirs@localhost; GRANT ALL ON orders.* TO theirs@localhost;
CREATE USER 'away'@'10.%'; GRANT SELECT ON orders.customers TO 'away'@'10.%';
CREATE USER leaving@localhost; GRANT ALL ON orders.* TO leaving@localhost;
CREATE ROLE clerks; GRANT EXECUTE ON orders.* TO clerks;
CREATE DEFINER = theirs@localhost VIEW theirs AS SELECT id, name FROM customers;
CREATE DEFINER = theirs@localhost VIEW theirs_of_theirs AS SELECT theirs.id FROM theirs
  JOIN rich ON rich.id = theirs.id;
CREATE VIEW above AS SELECT id FROM theirs; CREATE DEFINER = theirs@localhost VIEW below_above AS SELECT * FROM above;
CREATE DEFINER = 'away'@'10.%' SQL SECURITY INVOKER VIEW of_away AS SELECT id FROM customers;
CREATE DEFINER = leaving@localhost VIEW of_one_gone AS SELECT id, CONCAT('orders.', name) AS `orders` FROM customers;
CREATE DEFINER = leaving@localhost VIEW on_one_gone AS SELECT c.id FROM customers c JOIN tree ON tree.id = c.id;
CREATE VIEW over_one_gone AS SELECT tree.parent FROM tree WHERE tree.id IN (SELECT id FROM customers);
CREATE DEFINER = leaving@localhost FUNCTION of_gone() RETURNS int RETURN 1;
CREATE DEFINER = leaving@localhost TRIGGER of_gone BEFORE UPDATE ON empty FOR EACH ROW SET NEW.a = 1;
CREATE DEFINER = leaving@localhost EVENT of_gone ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM empty;
CREATE DEFINER = theirs@localhost PROCEDURE theirs() SQL SECURITY INVOKER SELECT 1;
CREATE DEFINER = theirs@localhost TRIGGER theirs AFTER DELETE ON empty FOR EACH ROW SET @x = 1;
CREATE DEFINER = theirs@localhost EVENT theirs ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM empty;
CREATE DEFINER = clerks PROCEDURE of_a_role() SELECT 1;
DROP USER leaving@localhost;
"""
"""Code whose definers are others: of this schema alone, from elsewhere, a role, and some who are gone."""


class OtherOwnerWorld(MariadbWorld):
    """What is in the schema belongs to all sorts of accounts; we are ``root@localhost``."""

    def whole(self, place: Place | None = None) -> object:
        """A copy's views on views of ``theirs`` work once it may read them there: so an operator would do. The server
        writes the schema's name into views of an account that is gone."""
        if place is not None and not place.name.startswith("dysnomia_") and place.name in self.server.databases():
            self.server.sql(f"GRANT ALL ON `{place.name}`.* TO theirs@localhost")
        found = super().whole(place)
        if not isinstance(found, tuple):
            return found
        name = place.name if place is not None else DATABASE
        return [line.replace(f"`{name}`.", "") if "_one_gone` AS" in line else line for line in found[0]], found[1]

    def close(self) -> None:
        super().close()
        self.server.sql(
            "DROP USER IF EXISTS theirs@localhost, 'away'@'10.%', leaving@localhost; DROP ROLE IF EXISTS clerks"
        )

    def seed(self) -> None:
        super().seed()
        self.server.sql(OTHERS, DATABASE)


class WideWorld(MariadbWorld):
    """One of every kind of object that a server has."""

    def seed(self) -> None:
        super().seed()
        self.server.sql(ZOO, DATABASE)


class UpdatedWorld(MariadbWorld):
    """After a tenth of the rows were updated and a tenth deleted, in tables of several engines, with keys and without.
    The order of rows without a key is no state."""

    keeps_order = False

    def whole(self, place: Place | None = None) -> object:
        found = super().whole(place)
        return (sorted(found[0]), found[1]) if isinstance(found, tuple) else found

    def seed(self) -> None:
        super().seed()
        tables = {
            "used": "(id int PRIMARY KEY, v text)",
            "used_up": "(id int, v text)",
            "used_quickly": "(id int, v varchar(2000)) ENGINE=MyISAM ROW_FORMAT=DYNAMIC",
            "used_safely": "(id int, v text) ENGINE=Aria",
            "used_indexed": "(id int, v varchar(2000), UNIQUE (id), INDEX (v(20)))",
        }
        for name, columns in tables.items():
            self.server.sql(
                f"""CREATE TABLE {name} {columns};
                INSERT INTO {name} SELECT seq, REPEAT(MD5(seq), seq % 40) FROM seq_1_to_2000;
                UPDATE {name} SET v = CONCAT(v, 'longer than it was') WHERE id % 10 = 3;
                DELETE FROM {name} WHERE id % 10 = 7;
                INSERT INTO {name} SELECT seq, REPEAT('y', seq % 90) FROM seq_3001_to_3100;""",
                DATABASE,
            )
        self.server.sql(
            "UPDATE customers SET name = CONCAT(name, REPEAT('x', 100)) WHERE id % 10 = 3;"
            " DELETE FROM loose WHERE v % 10 = 7; DELETE FROM loved WHERE a = 2; INSERT INTO loved VALUES (9, 'z')",
            DATABASE,
        )

    def changes(self) -> Sequence[str]:
        return tuple(name for name in super().changes() if name != "order of rows")
