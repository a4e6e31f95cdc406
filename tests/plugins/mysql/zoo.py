"""Kinds of object that ``mysql.changes.SEED`` has none of: one of each."""

from __future__ import annotations

ZOO = r"""
-- Columns of all types.
CREATE TABLE zoo_numbers (a tinyint unsigned, b smallint(4) unsigned zerofill, c mediumint, d bigint unsigned,
  e decimal(65,30), f double(20,3), g bit(64), h boolean, i year(4), j numeric(5) unsigned, PRIMARY KEY (d));
INSERT INTO zoo_numbers VALUES (255, 7, -8388608, 18446744073709551615,
  12345678901234567890.123456789012345678901234567890,
  1.005, b'1000000000000000000000000000000000000000000000000000000000000001', true, 1901, 99999);
CREATE TABLE zoo_times (id int PRIMARY KEY, a timestamp(6) NOT NULL DEFAULT current_timestamp(6)
  ON UPDATE current_timestamp(6), b datetime(3) DEFAULT '0000-00-00', c time(6), d date DEFAULT (curdate() +
  interval 1 day),
  e timestamp NULL DEFAULT NULL);
INSERT INTO zoo_times VALUES (1, '2026-10-25 00:30:00.123456', '0000-00-00 00:00:00', '-838:59:59', '1000-01-01', NULL),
  (2, '2026-10-25 01:30:00', '2026-00-00', '838:59:59.999999', '9999-12-31', '1970-01-01 00:00:01');
CREATE TABLE zoo_texts (id int PRIMARY KEY, a char(5) CHARACTER SET latin1, b varchar(20) CHARACTER SET utf8mb3,
  c tinytext CHARACTER SET ucs2, d mediumtext CHARACTER SET utf16, e longtext CHARACTER SET cp1251,
  f varchar(20) CHARACTER SET sjis, g varchar(20) CHARACTER SET gbk, h char(4) CHARACTER SET binary,
  i varchar(20) CHARACTER SET utf32 COLLATE utf32_bin, j varchar(20) COLLATE utf8mb4_uca1400_swedish_ai_ci,
  k enum('grün','it''s','a,b') CHARACTER SET latin1, l set('x','y''z') NOT NULL DEFAULT 'x');
INSERT INTO zoo_texts VALUES (1,
  'é', 'ü€', 'ж', '😀', 'Привет', 'ソ表\\', '中文\\', 'a\0b', '😀', 'ö', 'grün', "x,y'z");
CREATE TABLE zoo_bytes (id int PRIMARY KEY, a binary(4), b varbinary(300), c tinyblob, d mediumblob, e longblob);
INSERT INTO zoo_bytes VALUES (1, 'ab', x'00ff275c0a', '', REPEAT(x'00', 70000), NULL);
CREATE TABLE zoo_others (id uuid PRIMARY KEY, a inet4, b inet6, c json, d json CHECK (json_length(d) > 0));
INSERT INTO zoo_others VALUES ('123e4567-e89b-12d3-a456-426655440000', '10.0.0.1', '2001:db8::ff00:42:8329',
  '{"a": [1, null, "\\u00e9"]}', '[1]');
CREATE TABLE zoo_places (id int PRIMARY KEY, a point NOT NULL, b linestring, c polygon, d multipoint, e geometry,
  f geometrycollection, g point REF_SYSTEM_ID=4326, SPATIAL INDEX (a)) ENGINE=Aria;
INSERT INTO zoo_places VALUES (1, POINT(1.5, -2), LineString(POINT(0,0), POINT(1,1)),
  PolyFromText('POLYGON((0 0,1 0,1 1,0 0))'), MPointFromText('MULTIPOINT(0 0,1 1)'), POINT(9, 9),
  GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))'), POINT(3, 4));
CREATE TABLE zoo_computed (id int PRIMARY KEY, v varchar(20), up varchar(20) AS (UPPER(v)) PERSISTENT UNIQUE,
  low varchar(20) AS (LOWER(v)) VIRTUAL INVISIBLE, j json, n int AS (JSON_VALUE(j, '$.n')) VIRTUAL, INDEX (n),
  r double DEFAULT (RAND()), u varchar(36) DEFAULT UUID(), c int INVISIBLE DEFAULT 3 COMMENT 'hid''den\n;');
INSERT INTO zoo_computed (id, v, j, r, u, c) VALUES (1, 'aB', '{"n": 4}', 0.5, 'u', 9);
-- How tables are stored.
CREATE TABLE zoo_squeezed (id int PRIMARY KEY, a text COMPRESSED, b blob COMPRESSED=zlib) ROW_FORMAT=COMPRESSED
  KEY_BLOCK_SIZE=4 STATS_PERSISTENT=0 STATS_AUTO_RECALC=1 STATS_SAMPLE_PAGES=9;
INSERT INTO zoo_squeezed VALUES (1, REPEAT('a', 2000), REPEAT(x'00', 2000));
CREATE TABLE zoo_pages (a int) PAGE_COMPRESSED=1 PAGE_COMPRESSION_LEVEL=3; INSERT INTO zoo_pages VALUES (1);
CREATE TABLE zoo_redundant (a int) ROW_FORMAT=REDUNDANT;
CREATE TABLE zoo_aria (a int AUTO_INCREMENT PRIMARY KEY, b text) ENGINE=Aria TRANSACTIONAL=1 PAGE_CHECKSUM=1;
INSERT INTO zoo_aria VALUES (5, 'a'), (7, 'b');
CREATE TABLE zoo_quick (a char(9)) ENGINE=Aria TRANSACTIONAL=0 ROW_FORMAT=FIXED;
CREATE TABLE zoo_myisam (g char(3), n int AUTO_INCREMENT, t text, PRIMARY KEY (g, n), FULLTEXT words (t)) ENGINE=MyISAM
  AVG_ROW_LENGTH=50 CHECKSUM=1 DELAY_KEY_WRITE=1 MAX_ROWS=1000 MIN_ROWS=10 PACK_KEYS=1 COMMENT='it''s; "odd"\\';
INSERT INTO zoo_myisam (g, t) VALUES ('a', 'one'), ('b', 'two'), ('a', 'three');
CREATE TABLE zoo_memory (a int, INDEX USING BTREE (a), INDEX byhash (a) USING HASH) ENGINE=MEMORY;
INSERT INTO zoo_memory VALUES (2), (1);
CREATE TABLE zoo_part_1 (a int NOT NULL, INDEX (a)) ENGINE=MyISAM; CREATE TABLE zoo_part_2 LIKE zoo_part_1;
CREATE TABLE zoo_lines (a int NOT NULL, b varchar(20) NOT NULL) ENGINE=CSV; INSERT INTO zoo_lines VALUES (1, 'a"b,c');
-- Keys and indexes.
CREATE TABLE zoo_keys (a int, b text, c varchar(50), d blob, e int NOT NULL, UNIQUE whole (b), UNIQUE (c(5)),
  INDEX down (a DESC, e ASC), INDEX unused (e) IGNORED COMMENT 'later', FULLTEXT (c), UNIQUE USING HASH (d),
  CONSTRAINT `odd ``check` CHECK (a < 100 AND c <> ';'), e2 int CHECK (e2 > 0));
INSERT INTO zoo_keys (a, b, c, d, e) VALUES (1, REPEAT('x', 4000), 'abcde', x'01', 1);
CREATE TABLE zoo_a_child (id int PRIMARY KEY, up int, other int, third varchar(9),
  CONSTRAINT gone FOREIGN KEY (up) REFERENCES zoo_a_child (id) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE zoo_z_parent (x int, y varchar(9), back int, PRIMARY KEY (x, y), FOREIGN KEY (back) REFERENCES
  zoo_a_child (id) ON DELETE CASCADE);
ALTER TABLE zoo_a_child ADD FOREIGN KEY `both` (other, third) REFERENCES zoo_z_parent (x, y) ON UPDATE NO ACTION;
SET foreign_key_checks = 0; INSERT INTO zoo_a_child VALUES (1, 2, 1, 'a'), (2, NULL, NULL, NULL);
INSERT INTO zoo_z_parent VALUES (1, 'a', 1); SET foreign_key_checks = 1;
-- Partitions.
CREATE TABLE zoo_listed (a int, b varchar(9)) PARTITION BY LIST (a) (PARTITION few VALUES IN (1, NULL) COMMENT 'it''s',
  PARTITION rest DEFAULT MAX_ROWS = 100);
INSERT INTO zoo_listed VALUES (1, 'a'), (NULL, 'b'), (9, 'c');
CREATE TABLE zoo_columns (a varchar(9), b date) PARTITION BY LIST COLUMNS (a) (PARTITION p VALUES IN ('x', 'it''s'));
CREATE TABLE zoo_keyed (a int PRIMARY KEY) PARTITION BY LINEAR KEY ALGORITHM=2 (a) PARTITIONS 4;
CREATE TABLE zoo_sub (a int, d date) PARTITION BY RANGE (year(d)) SUBPARTITION BY HASH (a) SUBPARTITIONS 2
  (PARTITION old VALUES LESS THAN (2000), PARTITION new VALUES LESS THAN MAXVALUE);
INSERT INTO zoo_sub VALUES (1, '1999-01-01'), (2, '2026-01-01');
-- History and periods.
CREATE TABLE zoo_history (id int PRIMARY KEY, v text, quiet int WITHOUT SYSTEM VERSIONING,
  since timestamp(6) GENERATED ALWAYS AS ROW START INVISIBLE, until timestamp(6) GENERATED ALWAYS AS ROW END INVISIBLE,
  PERIOD FOR SYSTEM_TIME (since, until)) WITH SYSTEM VERSIONING;
INSERT INTO zoo_history (id, v) VALUES (1, 'a'), (2, 'b'); UPDATE zoo_history SET v = 'c' WHERE id = 1;
DELETE FROM zoo_history WHERE id = 2;
CREATE TABLE zoo_aged (a int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION h HISTORY, PARTITION c
  CURRENT);
INSERT INTO zoo_aged VALUES (1); DELETE FROM zoo_aged; INSERT INTO zoo_aged VALUES (2);
CREATE TABLE zoo_periods (room int, s date, e date, PERIOD FOR booked (s, e), UNIQUE (room, booked WITHOUT OVERLAPS));
INSERT INTO zoo_periods VALUES (1, '2026-01-01', '2026-02-01'), (1, '2026-02-01', '2026-03-01');
-- Sequences.
CREATE SEQUENCE zoo_down START WITH -1 INCREMENT BY -2 MINVALUE -9 MAXVALUE 5 CACHE 3 CYCLE COMMENT 'down;';
SELECT NEXTVAL(zoo_down); CREATE SEQUENCE zoo_uncached NOCACHE ENGINE=Aria;
-- Views, in chains, and by names that come before those they use.
CREATE ALGORITHM=TEMPTABLE VIEW zoo_temporary AS SELECT a FROM zoo_numbers;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW zoo_checked AS SELECT id, v FROM zoo_computed WHERE id > 0
  WITH LOCAL CHECK OPTION;
CREATE VIEW zoo_z AS SELECT 1 AS a, 'it''s' AS `odd ``; column`; CREATE VIEW zoo_y AS SELECT * FROM zoo_z;
CREATE VIEW zoo_a_of_y AS SELECT y.a FROM zoo_y y JOIN zoo_z z ON y.a = z.a;
CREATE VIEW zoo_counting AS WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i
  FROM n;
CREATE VIEW zoo_orders AS SELECT customers.id AS customers, orders.number FROM customers JOIN orders
  ON orders.customer = customers.id;
CREATE VIEW zoo_window AS SELECT v, ROW_NUMBER() OVER (ORDER BY v) AS n FROM loose;
CREATE VIEW zoo_past AS SELECT * FROM zoo_history FOR SYSTEM_TIME ALL;
CREATE VIEW zoo_next AS SELECT NEXTVAL(zoo_uncached) AS n;
-- Code.
DELIMITER //
CREATE PROCEDURE zoo_all(IN a int, OUT b varchar(9) CHARACTER SET latin1, INOUT c decimal(9,2)) MODIFIES SQL DATA
  SQL SECURITY INVOKER COMMENT 'a;b' BEGIN DECLARE done int DEFAULT 0; DECLARE x int;
  DECLARE k CURSOR FOR SELECT v FROM loose; DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1; OPEN k;
  again: LOOP FETCH k INTO x; IF done THEN LEAVE again; END IF; END LOOP; CLOSE k; SET b = 'é', c = x; CALL
  zoo_two(); END//
CREATE PROCEDURE zoo_two() READS SQL DATA SELECT zoo_f(1, 'a')//
CREATE FUNCTION zoo_f(a int, b text CHARACTER SET utf8mb3) RETURNS varchar(50) CHARACTER SET latin1 COLLATE latin1_bin
  NO SQL NOT DETERMINISTIC RETURN CONCAT(a, b)//
CREATE AGGREGATE FUNCTION zoo_sum(x int) RETURNS int BEGIN DECLARE s int DEFAULT 0;
  DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END//
CREATE VIEW zoo_calls AS SELECT zoo_f(v, 'x') AS f FROM loose//
CREATE TRIGGER zoo_t1 BEFORE INSERT ON zoo_aria FOR EACH ROW SET NEW.b = CONCAT(NEW.b, '1')//
CREATE TRIGGER zoo_t0 BEFORE INSERT ON zoo_aria FOR EACH ROW PRECEDES zoo_t1 SET NEW.b = CONCAT(NEW.b, '0')//
CREATE TRIGGER zoo_t2 AFTER UPDATE ON zoo_aria FOR EACH ROW BEGIN IF OLD.b <> NEW.b THEN DELETE FROM loose WHERE v < 0;
  END IF; END//
CREATE TRIGGER zoo_t3 BEFORE DELETE ON zoo_aria FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no; never'//
SET sql_mode = 'PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_ZERO_DATE'//
CREATE TRIGGER zoo_t4 AFTER INSERT ON zoo_quick FOR EACH ROW SET @s = NEW.a || 'x'//
SET sql_mode = 'ORACLE'//
CREATE FUNCTION zoo_oracle(a VARCHAR2) RETURN VARCHAR2 AS BEGIN RETURN a || 'b'; END;//
CREATE PROCEDURE zoo_loops AS BEGIN FOR i IN 1..3 LOOP NULL; END LOOP; END;//
SET sql_mode = ''//
CREATE EVENT zoo_once ON SCHEDULE AT '2037-06-01 12:00:00' ON COMPLETION PRESERVE COMMENT 'once' DO DELETE FROM loose//
SET time_zone = '+05:45'//
CREATE EVENT zoo_between ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2037-01-01 00:00:00' ENDS '2037-02-01 00:00:00'
  DISABLE ON SLAVE DO BEGIN DELETE FROM loose; UPDATE empty SET a = 1; END//
SET time_zone = '+00:00'//
DELIMITER ;
-- Names.
CREATE TABLE `zoo % _ \ é` (`select` int, ` with space` int, ` .` int, PRIMARY KEY (`select`));
INSERT INTO `zoo % _ \ é` VALUES (1, 2, 3);
CREATE TABLE ZOO_NUMBERS (a int); INSERT INTO ZOO_NUMBERS VALUES (1);
CREATE TABLE zoo_64_characters_long_12345678901234567890123456789012345678901 (a int);
CREATE TABLE `zoo#sql;--` (a int); INSERT INTO `zoo#sql;--` VALUES (NULL);
CREATE TABLE zoo_wide (c int) COLLATE utf8mb3_bin DEFAULT CHARSET=utf8mb3;
-- Rights.
GRANT SELECT (id), UPDATE (v) ON zoo_computed TO shop@localhost; GRANT EXECUTE ON PROCEDURE zoo_all TO shop@localhost;
GRANT EXECUTE ON FUNCTION zoo_f TO shop@localhost WITH GRANT OPTION; GRANT SELECT ON zoo_z TO shop@localhost;
"""
