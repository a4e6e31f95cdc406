"""What the conformance world of MariaDB holds, and the single changes that are made to it."""

from __future__ import annotations

SEED = r"""
CREATE TABLE customers (id int PRIMARY KEY AUTO_INCREMENT, name varchar(200) NOT NULL,
  credit decimal(12,2) DEFAULT 0.50, rate double, born datetime(6), seen timestamp NULL, about json,
  sign varbinary(40), flags bit(9), feeling enum('sad','ok'), tags set('a','b','c'),
  place point, day date, year year, clock time(3),
  twice decimal(14,2) GENERATED ALWAYS AS (credit * 2) STORED, half decimal(14,2) AS (credit / 2) VIRTUAL,
  CHECK (name <> ''));
CREATE TABLE orders (number varchar(40) PRIMARY KEY, customer int, note text,
  CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE tree (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES tree (id));
CREATE TABLE prices (item varchar(40), day date, price decimal(10,4), PRIMARY KEY (day, item))
  PARTITION BY RANGE COLUMNS (day) (PARTITION old VALUES LESS THAN ('2026-01-20'),
  PARTITION new VALUES LESS THAN (MAXVALUE));
CREATE TABLE loose (v int);
CREATE TABLE log (n int PRIMARY KEY);
CREATE TABLE empty (a int, b text);
CREATE TABLE loved (a int PRIMARY KEY, b varchar(20)) ENGINE=MyISAM;
CREATE TABLE latin (id int PRIMARY KEY, t varchar(50) CHARACTER SET latin1, c char(3) COLLATE utf8mb4_bin);
CREATE TABLE hostile (id int PRIMARY KEY AUTO_INCREMENT, line text);
CREATE TABLE told (id int PRIMARY KEY, what text) WITH SYSTEM VERSIONING;
CREATE TABLE shy (id int PRIMARY KEY, hidden int INVISIBLE DEFAULT 7);
CREATE TABLE `Odd ``T"'; able` (`a ``b"', c` int, `; -- INSERT INTO x` text, PRIMARY KEY (`a ``b"', c`));
CREATE SEQUENCE counter START WITH 5 INCREMENT BY 3; SELECT NEXTVAL(counter);
CREATE TABLE numbered (id int PRIMARY KEY DEFAULT NEXTVAL(counter), v int);
INSERT INTO numbered (v) VALUES (1), (2);
INSERT INTO `Odd ``T"'; able` VALUES (1, 'tab\tand\nnewline'), (2, NULL), (3, '');
INSERT INTO hostile (line) VALUES ('/*M!999999\\- enable the sandbox mode */'), ('\\- x'), ('\\! id'),
  (');\nDROP TABLE log;\n'),
  ('),\n(1,'), ('),('), (NULL), (''), ('-- Dump completed'), ('\n-- Dump completed\n'), ('-- Host: a    Database: b'),
  ('INSERT INTO `loose` VALUES (1);'), ('UNLOCK TABLES;'), ('DELIMITER ;;'), ('\0\b\r\Z\\\\\\'),
  ('it''s "quoted" `x` # /* ;');
INSERT INTO customers (name, credit, rate, born, seen, about, sign, flags, feeling, tags, place, day, year, clock)
  SELECT CONCAT('name ', seq, ' é😀'), seq * 1.10, seq / 3.0, '2026-01-01 00:00:00.123456' + INTERVAL seq HOUR,
    '2026-01-01' + INTERVAL seq DAY, CONCAT('{"n": ', seq, '}'), UNHEX(MD5(seq)), seq, 'ok', 'a,c', POINT(seq, 2),
    '2026-01-01', 2026, '10:11:12.123' FROM seq_1_to_40;
ALTER TABLE customers AUTO_INCREMENT = 41;
INSERT INTO orders SELECT CONCAT('N', seq), seq, IF(seq % 3, CONCAT('note ', seq), NULL) FROM seq_1_to_40;
INSERT INTO tree VALUES (1, NULL), (2, 1);
INSERT INTO prices SELECT CONCAT('item ', seq % 7), '2026-01-01' + INTERVAL seq DAY, seq / 3 FROM seq_1_to_40;
INSERT INTO loose SELECT seq FROM seq_1_to_10;
INSERT INTO loved VALUES (2, 'b'), (1, 'a');
INSERT INTO latin VALUES (1, 'é', 'abc');
INSERT INTO told VALUES (1, 'first'); UPDATE told SET what = 'second';
INSERT INTO shy (id, hidden) VALUES (1, 2);
CREATE VIEW rich AS SELECT * FROM customers WHERE credit > 10;
CREATE DEFINER = 'shop'@'localhost' SQL SECURITY INVOKER VIEW a_view_of_a_view AS
  SELECT rich.id, ';; \\' AS odd FROM rich JOIN orders ON orders.customer = rich.id;
DELIMITER //
CREATE FUNCTION vat(x decimal(10,2)) RETURNS decimal(10,2) DETERMINISTIC BEGIN -- ; it's
  RETURN x * 1.2; END//
CREATE PROCEDURE tidy(IN least int) COMMENT 'it''s'
  BEGIN DELETE FROM loose WHERE v < least; SELECT ';;\n-- Dump completed\n'; END//
CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW BEGIN SET NEW.note = COALESCE(NEW.note, 'by; trigger'); END//
CREATE TRIGGER stamp_again BEFORE INSERT ON orders FOR EACH ROW FOLLOWS stamp SET NEW.note = CONCAT(NEW.note, '!')//
CREATE TRIGGER orders.named AFTER DELETE ON orders.`tree` FOR EACH ROW INSERT INTO loose VALUES (OLD.id)//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO BEGIN DELETE FROM loose; END//
CREATE EVENT asleep ON SCHEDULE EVERY 1 HOUR STARTS '2037-01-01 00:00:00' DISABLE COMMENT 'z;z' DO SET @x = ';'//
SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'//
CREATE PROCEDURE "odd ""p"() SELECT '\' AS "a;"//
SET sql_mode = ''//
ALTER DATABASE orders CHARACTER SET latin1//
CREATE PROCEDURE of_latin() SELECT 'é'//
ALTER DATABASE orders CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci//
SET sql_mode = 'ORACLE'//
CREATE PACKAGE tools AS FUNCTION one RETURN INT; END//
CREATE PACKAGE BODY tools AS FUNCTION one RETURN INT IS BEGIN RETURN 1; END; END//
SET sql_mode = ''//
DELIMITER ;
"""

CHANGES: dict[str, str] = {
    # Rows.
    "text cell": "UPDATE customers SET name = '{word}' WHERE id = {id}",
    "decimal cell": "UPDATE customers SET credit = credit + 0.01 WHERE id = {id}",
    "double, by its last bit": "UPDATE customers SET rate = rate * (1 + 2.220446049250313e-16) WHERE id = 1",
    "datetime, by a microsecond": "UPDATE customers SET born = born + INTERVAL 1 MICROSECOND WHERE id = {id}",
    "timestamp, by a second": "UPDATE customers SET seen = seen + INTERVAL 1 SECOND WHERE id = {id}",
    "json, white space only": "UPDATE customers SET about = CONCAT(about, ' ') WHERE id = {id}",
    "byte": "UPDATE customers SET sign = UNHEX(SHA1('{word}')) WHERE id = {id}",
    "bit": "UPDATE customers SET flags = (flags + 1) % 512 WHERE id = {id}",
    "enum cell": "UPDATE customers SET feeling = IF(feeling = 'ok', 'sad', 'ok') WHERE id = {id}",
    "set cell": "UPDATE customers SET tags = IF(tags = 'a,c', 'b', 'a,c') WHERE id = {id}",
    "point": "UPDATE customers SET place = POINT({n}, {id}) WHERE id = {id}",
    "NULL for empty": "UPDATE orders SET note = IF(note IS NULL, '', NULL) WHERE number = 'N{id}'",
    "row": "INSERT INTO customers (name) VALUES ('{word}')",
    "row gone": "DELETE FROM prices ORDER BY day LIMIT 1",
    "row of a partition": "INSERT INTO prices VALUES ('{word}', '2026-05-05', {id})",
    "row without a key, twice": "INSERT INTO loose (v) SELECT v FROM loose LIMIT 1",
    "row of MyISAM": "INSERT INTO loved VALUES ({n}, '{word}')",
    "row in latin1": "UPDATE latin SET t = CONCAT('ü', {n})",
    "case of a letter": "UPDATE latin SET c = IF(c = 'abc' COLLATE utf8mb4_bin, 'aBc', 'abc')",
    "primary key": "UPDATE orders SET number = '{word}' ORDER BY number DESC LIMIT 1",
    "row that looks like an end": r"INSERT INTO hostile (line) VALUES (');\n-- Dump completed\n{word}')",
    "row that looks like a row": r"INSERT INTO hostile (line) VALUES ('),\n({n},''{word}''')",
    "row that looks like the sandbox line": r"INSERT INTO hostile (line) VALUES ('/*M!999999\\- {word} */')",
    "row of an odd table": """INSERT INTO `Odd ``T"'; able` VALUES ({n}, '{word}')""",
    "invisible cell": "UPDATE shy SET hidden = hidden + 1",
    "history alone": "UPDATE told SET what = '{word}'",
    # Sequences and counters.
    "sequence's value": "ALTER SEQUENCE counter RESTART {n}",
    "sequence's step": "ALTER SEQUENCE counter INCREMENT BY {n}",
    "sequence": "CREATE SEQUENCE {word} START WITH {n}",
    "auto increment": "INSERT INTO hostile (line) VALUES ('x'); DELETE FROM hostile WHERE line = 'x'",
    # Tables and columns.
    "table": "CREATE TABLE {word} (a int)",
    "column": "ALTER TABLE loose ADD {word} int",
    "default": "ALTER TABLE empty ALTER a SET DEFAULT {n}",
    "type of a column": "ALTER TABLE loose ADD {word} varchar({id})",
    "generated column": "ALTER TABLE loose ADD {word} int AS (v + {n}) STORED",
    "virtual column": "ALTER TABLE loose ADD {word} int AS (v + {n}) VIRTUAL",
    "collation of a column": "ALTER TABLE loose ADD {word} text COLLATE utf8mb4_bin",
    "collation of a table": "CREATE TABLE {word} (a int) COLLATE utf8mb4_bin",
    "engine": "CREATE TABLE {word} (a int) ENGINE=Aria",
    "row format": "CREATE TABLE {word} (a int) ROW_FORMAT=COMPRESSED",
    "partition": "CREATE TABLE {word} (a int) PARTITION BY HASH (a) PARTITIONS 3",
    "system versioning": "CREATE TABLE {word} (a int) WITH SYSTEM VERSIONING",
    "comment on a table": "ALTER TABLE customers COMMENT = '{word}; -- Dump completed'",
    "comment on a column": "ALTER TABLE empty MODIFY b text COMMENT '{word}\n;'",
    # Constraints and indexes.
    "check": "ALTER TABLE loose ADD CHECK (v <> {n})",
    "unique": "ALTER TABLE customers ADD CONSTRAINT {word} UNIQUE (id, name)",
    "foreign key": "ALTER TABLE orders ADD CONSTRAINT {word} FOREIGN KEY (customer) REFERENCES customers (id)",
    "foreign key's action": "CREATE TABLE {word} (a int, FOREIGN KEY (a) REFERENCES customers (id) ON DELETE CASCADE)",
    "index": "CREATE INDEX {word} ON customers (credit)",
    "full text index": "CREATE TABLE {word} (a text, FULLTEXT (a))",
    # Code.
    "view": "CREATE VIEW {word} AS SELECT {n} AS a",
    "view's text": "CREATE OR REPLACE VIEW rich AS SELECT * FROM customers WHERE credit > {n}",
    "view's security": "CREATE SQL SECURITY INVOKER VIEW {word} AS SELECT 1 AS a",
    "function's body": "CREATE OR REPLACE FUNCTION vat(x int) RETURNS int DETERMINISTIC RETURN x * {n}",
    "function": "CREATE FUNCTION {word}(a int) RETURNS int RETURN a + {n}",
    "procedure": "CREATE PROCEDURE {word}() SELECT {n}",
    "definer of a procedure": "CREATE DEFINER = 'shop'@'localhost' PROCEDURE {word}() SELECT 1",
    "aggregate": "DELIMITER //\nCREATE AGGREGATE FUNCTION {word}(x int) RETURNS int BEGIN DECLARE EXIT HANDLER FOR NOT"
    " FOUND RETURN {n}; LOOP FETCH GROUP NEXT ROW; END LOOP; END//",
    "trigger": "CREATE TRIGGER {word} AFTER DELETE ON loose FOR EACH ROW SET @x = {n}",
    "trigger on an odd table": """CREATE TRIGGER {word} AFTER DELETE ON `Odd ``T"'; able` FOR EACH ROW SET @x = ';'""",
    "event": "CREATE EVENT {word} ON SCHEDULE EVERY {id} DAY STARTS '2037-01-01' DO DELETE FROM loose",
    "event's state": "CREATE EVENT {word} ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DISABLE DO DELETE FROM loose",
    "event's body": "ALTER EVENT nightly DO DELETE FROM loose WHERE v = {n}",
}
"""``{word}``, ``{n}`` and ``{id}`` are chosen anew each time."""
