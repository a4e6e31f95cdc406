-- One of every kind of object and value that a database may have.
CREATE TABLE strict_ones(i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;
INSERT INTO strict_ones VALUES(9223372036854775807, 1e308, '', x'', 1), (-9223372036854775808, -0.0, 'é', x'00', '1');
CREATE TABLE generated(a, twice GENERATED ALWAYS AS (a * 2) STORED, half AS (a / 2.0) VIRTUAL, CHECK (twice IS NOT 1));
INSERT INTO generated(a) VALUES(3), (NULL), ('5');
CREATE TABLE "odd ""name"" of 'a' table" ("a ""column""", [in brackets], `and ticks`, "", "select");
INSERT INTO "odd ""name"" of 'a' table" VALUES(1, 2, 3, 4, 5);
CREATE TABLE "table" ("rowid" TEXT, "oid" TEXT, "_rowid_" TEXT);
INSERT INTO "table" VALUES('no', 'row', 'id');
CREATE TABLE "ünïcode ✓
in two lines"(v);
INSERT INTO "ünïcode ✓
in two lines" VALUES(1);
CREATE TABLE ""(v); INSERT INTO "" VALUES('of a table without a name');
CREATE TABLE descending(id INTEGER PRIMARY KEY DESC, v); INSERT INTO descending VALUES(-5, 'x'), (7, 'y');
CREATE TABLE composite(a TEXT COLLATE NOCASE, b INT, c, PRIMARY KEY(b DESC, a)) WITHOUT ROWID;
INSERT INTO composite VALUES('A', 1, NULL), ('b', 1, 2), ('B', 2, x'ff');
CREATE TABLE parent(id INTEGER PRIMARY KEY, u UNIQUE ON CONFLICT REPLACE);
CREATE TABLE child(p REFERENCES parent(id) ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED,
  self REFERENCES child, other REFERENCES not_there(id));
INSERT INTO parent VALUES(1, 'a'); INSERT INTO child VALUES(1, NULL, 99), (77, 5, NULL);
CREATE TABLE defaults(a DEFAULT (1 + 2), b DEFAULT CURRENT_TIMESTAMP, c TEXT DEFAULT 'it''s', d NOT NULL DEFAULT x'00');
INSERT INTO defaults(b) VALUES('2026-01-01');
CREATE TABLE as_selected AS SELECT 1 AS one, 'x' AS "two words", NULL AS none_of_it;
CREATE TABLE no_rows(a, b, c);
CREATE UNIQUE INDEX by_expression ON generated(a + 1, abs(a) DESC) WHERE a IS NOT NULL;
CREATE INDEX by_collation ON composite(a COLLATE RTRIM, b COLLATE BINARY DESC);
CREATE INDEX "index ""of"" oddity" ON "odd ""name"" of 'a' table"("a ""column""");
CREATE VIEW with_columns(x, y) AS WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 3) SELECT i, i * i FROM n;
CREATE VIEW of_a_view AS SELECT * FROM with_columns JOIN rich ON rich.id = x;
CREATE VIEW broken AS SELECT * FROM a_table_that_is_gone;
CREATE TRIGGER instead INSTEAD OF UPDATE OF x ON with_columns WHEN new.x > 3 BEGIN SELECT RAISE(ABORT, 'no'); END;
CREATE TRIGGER before_it BEFORE UPDATE OF v ON loose FOR EACH ROW BEGIN INSERT INTO as_selected VALUES(old.v, new.v, 1); END;
CREATE TRIGGER broken_one AFTER INSERT ON no_rows BEGIN INSERT INTO gone VALUES(1); END;
CREATE VIRTUAL TABLE fts3_one USING fts3(body, tokenize=porter); INSERT INTO fts3_one VALUES('running runs');
CREATE VIRTUAL TABLE fts4_one USING fts4(a, b, notindexed=b, prefix="2,3"); INSERT INTO fts4_one VALUES('abc', 'def');
CREATE VIRTUAL TABLE contentless USING fts5(a, content=''); INSERT INTO contentless(rowid, a) VALUES(9, 'x y');
CREATE VIRTUAL TABLE external USING fts5(name, content='customers', content_rowid='id');
INSERT INTO external(external) VALUES('rebuild');
CREATE VIRTUAL TABLE trigrams USING fts5(a, b UNINDEXED, tokenize='trigram', prefix='2 3', columnsize=0, detail=none);
INSERT INTO trigrams VALUES('substring', 'kept');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab('search', 'row');
CREATE VIRTUAL TABLE integers USING rtree_i32(id, low, high, +note TEXT, +raw BLOB);
INSERT INTO integers VALUES(1, -5, 5, 'aux', x'01');
CREATE TABLE large(v); INSERT INTO large VALUES(randomblob(3000000)), (hex(randomblob(700000))), (zeroblob(100000));
CREATE TABLE numbers(v); INSERT INTO numbers VALUES(0.1), (1e-320), (-9e999), (9007199254740993), (4503599627370496.5);
ANALYZE;
