.mode list
PRAGMA journal_mode = WAL;
CREATE TABLE reading (at INTEGER, value REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO reading SELECT i * 60, (i * 7919) % 1000 / 10.0 FROM n;
COMMIT;
SELECT count(*), round(avg(value), 3), min(at), max(at) FROM reading;
PRAGMA wal_checkpoint(TRUNCATE);
CREATE INDEX reading_at ON reading (at);
SELECT at / 200000 AS day, count(*), total(value) FROM reading GROUP BY day;
ATTACH 'second.db' AS second;
CREATE TABLE second.summary AS SELECT at / 100000 AS slot, sum(value) AS total FROM reading GROUP BY slot;
SELECT * FROM second.summary ORDER BY total DESC LIMIT 3;
DETACH second;
.backup copy.db
PRAGMA journal_mode = DELETE;
.open copy.db
SELECT count(*) FROM reading WHERE value > 50;
PRAGMA mmap_size = 1048576;
SELECT sum(value) FROM reading;
PRAGMA integrity_check;
