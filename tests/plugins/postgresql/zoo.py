"""Kinds of object that ``postgresql_changes.SEED`` has none of: one of each."""

from __future__ import annotations

ZOO = r"""
CREATE SCHEMA zoo; COMMENT ON SCHEMA zoo IS 'one of each';
CREATE EXTENSION hstore SCHEMA zoo; CREATE EXTENSION citext; CREATE EXTENSION btree_gist;
-- Types.
CREATE TYPE zoo.span AS RANGE (subtype = int, multirange_type_name = zoo.spans);
CREATE TYPE zoo.shell;
CREATE DOMAIN zoo.code AS text COLLATE "C" DEFAULT 'x' NOT NULL CONSTRAINT short CHECK (length(VALUE) < 9);
COMMENT ON CONSTRAINT short ON DOMAIN zoo.code IS 'why';
CREATE COLLATION zoo.numeric_order (provider = icu, locale = 'en-u-kn-true');
CREATE CONVERSION zoo.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE CAST (mood AS int) WITH INOUT AS ASSIGNMENT;
-- Functions of all sorts.
CREATE FUNCTION zoo.several(a int, OUT b int, INOUT c text DEFAULT 'q', VARIADIC d int[] DEFAULT '{}')
  LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 7 LEAKPROOF AS 'SELECT 1, $2';
CREATE FUNCTION zoo.rows_of() RETURNS TABLE (x int, y text) LANGUAGE plpgsql ROWS 3 SET work_mem = '8MB'
  SECURITY DEFINER AS $$ BEGIN RETURN QUERY SELECT 1, 'a'; END $$;
CREATE FUNCTION zoo.inside(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'dsimple_init';
CREATE PROCEDURE zoo.both(INOUT a int) LANGUAGE plpgsql AS $$ BEGIN a := a + 1; END $$;
CREATE AGGREGATE zoo.top (ORDER BY anyelement) (sfunc = ordered_set_transition, stype = internal,
  finalfunc = mode_final, finalfunc_extra);
CREATE AGGREGATE zoo.total (int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int);
CREATE OPERATOR zoo.<+> (function = int4pl, leftarg = int, rightarg = int, commutator = OPERATOR(zoo.<+>));
CREATE OPERATOR FAMILY zoo.family USING btree;
CREATE OPERATOR CLASS zoo.by_size FOR TYPE int USING btree FAMILY zoo.family AS
  OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE ACCESS METHOD zoo_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE TRANSFORM FOR mood LANGUAGE sql (FROM SQL WITH FUNCTION zoo.inside(internal));
-- Text search.
CREATE TEXT SEARCH DICTIONARY zoo.words (TEMPLATE = simple, stopwords = english);
CREATE TEXT SEARCH TEMPLATE zoo.template (init = dsimple_init, lexize = dsimple_lexize);
CREATE TEXT SEARCH PARSER zoo.parser (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end,
  lextypes = prsd_lextype);
CREATE TEXT SEARCH CONFIGURATION zoo.config (PARSER = zoo.parser);
ALTER TEXT SEARCH CONFIGURATION zoo.config ADD MAPPING FOR asciiword WITH zoo.words;
-- Tables.
CREATE TYPE zoo.form AS (a int, b text);
CREATE TABLE zoo.typed OF zoo.form (PRIMARY KEY (a), b WITH OPTIONS DEFAULT 'z');
INSERT INTO zoo.typed VALUES (1, 'one');
CREATE TABLE zoo.always (id int GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 5 CYCLE MAXVALUE 50), h zoo.hstore,
  c citext UNIQUE, s zoo.spans, k zoo.code, n text COLLATE zoo.numeric_order, big text COMPRESSION pglz,
  d int UNIQUE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO zoo.always (h, c, s, k, n, big, d) SELECT 'a=>1,b=>NULL', 'Case' || g, '{[1,3),[5,7)}', 'k' || g, g::text,
  repeat('z', 5000), g FROM generate_series(1, 5) g;
CREATE TABLE zoo.booked (room int, during int4range, EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (room > 0));
INSERT INTO zoo.booked VALUES (1, '[1,5)'), (1, '[5,9)');
CREATE TABLE zoo.base (a int, CONSTRAINT positive CHECK (a > 0) NO INHERIT);
CREATE TABLE zoo.derived (b text) INHERITS (zoo.base);
INSERT INTO zoo.derived VALUES (-1, 'negative'); INSERT INTO zoo.base VALUES (1);
ALTER TABLE zoo.derived ADD CONSTRAINT later CHECK (a < 9) NOT VALID;
CREATE UNLOGGED TABLE zoo.hasty (a int);
CREATE TABLE zoo.other_heap (a int) USING zoo_heap; INSERT INTO zoo.other_heap VALUES (1);
CREATE TABLE zoo.listed (a text, b int) PARTITION BY LIST (a);
CREATE TABLE zoo.listed_x PARTITION OF zoo.listed FOR VALUES IN ('x', NULL);
CREATE TABLE zoo.listed_rest PARTITION OF zoo.listed DEFAULT PARTITION BY HASH (b);
CREATE TABLE zoo.listed_even PARTITION OF zoo.listed_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE zoo.listed_odd PARTITION OF zoo.listed_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO zoo.listed SELECT CASE WHEN g % 3 > 0 THEN 'w' || g END, g FROM generate_series(1, 20) g;
CREATE TABLE zoo.part_by_expression (v text) PARTITION BY RANGE (lower(v) COLLATE "C");
CREATE TABLE zoo.twig (id int PRIMARY KEY, up int REFERENCES zoo.twig ON DELETE SET NULL (up) DEFERRABLE);
INSERT INTO zoo.twig VALUES (1, 2), (2, 1);
CREATE SEQUENCE zoo.down AS smallint INCREMENT -2 MINVALUE -100 MAXVALUE 10 START 4 CACHE 3 CYCLE
  OWNED BY zoo.base.a;
-- Indexes and statistics.
CREATE UNIQUE INDEX zoo_covering ON zoo.twig (up) INCLUDE (id) NULLS NOT DISTINCT;
CREATE INDEX zoo_brin ON zoo.twig USING brin (id) WITH (pages_per_range = 4);
CREATE INDEX zoo_gin ON zoo.always USING gin (h); CREATE INDEX zoo_hash ON zoo.always USING hash (k);
CREATE INDEX zoo_spgist ON zoo.booked USING spgist (during);
CREATE INDEX zoo_own ON zoo.twig (id zoo.by_size); CREATE INDEX zoo_nulls ON zoo.listed (a DESC NULLS LAST);
ALTER TABLE zoo.twig CLUSTER ON twig_pkey, REPLICA IDENTITY USING INDEX twig_pkey;
ALTER INDEX zoo.zoo_covering SET (fillfactor = 60); ALTER TABLE zoo.twig SET (autovacuum_enabled = off);
CREATE STATISTICS zoo.joined (mcv, dependencies) ON a, b FROM zoo.listed; ALTER STATISTICS zoo.joined SET STATISTICS 99;
CREATE STATISTICS zoo.expressed ON (a + 1) FROM zoo.base;
-- Views.
CREATE VIEW zoo.checked WITH (security_barrier) AS SELECT id, up FROM zoo.twig WHERE id > 0 WITH LOCAL CHECK OPTION;
CREATE VIEW zoo.invoked WITH (security_invoker = true) AS SELECT * FROM zoo.rows_of();
CREATE RECURSIVE VIEW zoo.counting (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM counting WHERE n < 5;
ALTER VIEW zoo.checked ALTER up SET DEFAULT 1;
CREATE MATERIALIZED VIEW zoo.kept AS SELECT id FROM zoo.twig; CREATE UNIQUE INDEX ON zoo.kept (id);
CREATE MATERIALIZED VIEW zoo.kept_of_kept AS SELECT id + 1 AS next FROM zoo.kept;
-- Triggers and rules.
CREATE TRIGGER instead INSTEAD OF UPDATE ON zoo.checked FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON zoo.twig DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.id > 5) EXECUTE FUNCTION stamp();
CREATE TRIGGER batch AFTER UPDATE ON zoo.twig REFERENCING OLD TABLE AS was NEW TABLE AS becomes
  FOR EACH STATEMENT EXECUTE FUNCTION stamp();
CREATE TRIGGER one_column BEFORE UPDATE OF up ON zoo.twig FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE zoo.twig ENABLE ALWAYS TRIGGER batch; ALTER TABLE zoo.twig ENABLE REPLICA TRIGGER one_column;
CREATE FUNCTION zoo.heard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER zoo_heard ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION zoo.heard();
CREATE RULE also AS ON INSERT TO zoo.base DO ALSO NOTIFY zoo; ALTER TABLE zoo.base DISABLE RULE also;
-- Rights.
CREATE POLICY limited ON zoo.twig AS RESTRICTIVE FOR SELECT TO PUBLIC USING (id < 99);
ALTER TABLE zoo.twig ENABLE ROW LEVEL SECURITY; ALTER TABLE zoo.twig FORCE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA zoo TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA zoo TO dysnomia_alice;
GRANT SELECT (id), REFERENCES (up) ON zoo.twig TO dysnomia_bob; GRANT USAGE ON SEQUENCE zoo.down TO dysnomia_bob;
GRANT EXECUTE ON FUNCTION zoo.rows_of() TO dysnomia_bob; REVOKE ALL ON FUNCTION zoo.rows_of() FROM PUBLIC;
GRANT USAGE ON TYPE zoo.form TO dysnomia_alice; REVOKE USAGE ON TYPE zoo.form FROM PUBLIC;
GRANT SELECT ON LARGE OBJECT 4711 TO dysnomia_bob; GRANT USAGE ON LANGUAGE plpgsql TO dysnomia_bob;
GRANT USAGE ON FOREIGN DATA WRAPPER away TO dysnomia_bob; GRANT USAGE ON FOREIGN SERVER far TO dysnomia_bob;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO dysnomia_alice;
ALTER DEFAULT PRIVILEGES IN SCHEMA zoo GRANT USAGE ON TYPES TO dysnomia_bob;
-- What is elsewhere.
CREATE USER MAPPING FOR dysnomia_bob SERVER far OPTIONS (who 'bob');
CREATE FOREIGN TABLE zoo.outside (a int OPTIONS (name 'A'), CHECK (a > 0)) SERVER far OPTIONS (path 'x');
CREATE PUBLICATION zoo_some FOR TABLE zoo.twig (id) WHERE (id > 1);
CREATE PUBLICATION zoo_schema FOR TABLES IN SCHEMA "Odd Schema";
CREATE PUBLICATION zoo_all FOR ALL TABLES WITH (publish = 'insert', publish_via_partition_root = true);
CREATE SUBSCRIPTION zoo_news CONNECTION 'dbname=nowhere' PUBLICATION x WITH (connect = false);
-- Said of it.
COMMENT ON COLUMN zoo.twig.up IS 'above'; COMMENT ON INDEX zoo.zoo_brin IS 'sparse';
COMMENT ON CONSTRAINT twig_up_fkey ON zoo.twig IS 'a tree'; COMMENT ON TRIGGER batch ON zoo.twig IS 'at once';
COMMENT ON RULE also ON zoo.base IS 'too'; COMMENT ON POLICY limited ON zoo.twig IS 'few';
COMMENT ON FUNCTION zoo.rows_of() IS 'two'; COMMENT ON AGGREGATE zoo.total(int) IS 'sum';
COMMENT ON OPERATOR zoo.<+> (int, int) IS 'more'; COMMENT ON CAST (mood AS int) IS 'odd';
COMMENT ON LARGE OBJECT 4711 IS 'blob'; COMMENT ON EVENT TRIGGER zoo_heard IS 'ear';
COMMENT ON PUBLICATION zoo_some IS 'some'; COMMENT ON STATISTICS zoo.joined IS 'both';
COMMENT ON TEXT SEARCH CONFIGURATION zoo.config IS 'words'; COMMENT ON TYPE zoo.form IS 'shape';
COMMENT ON MATERIALIZED VIEW zoo.kept IS 'kept'; COMMENT ON SERVER far IS 'far'; COMMENT ON SEQUENCE zoo.down IS 'down';
"""
