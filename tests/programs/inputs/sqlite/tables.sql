.mode box
PRAGMA page_size;
CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, born INTEGER CHECK (born > 0));
CREATE TABLE book (
    id INTEGER PRIMARY KEY,
    author INTEGER NOT NULL REFERENCES author ON DELETE CASCADE,
    title TEXT NOT NULL,
    pages INTEGER,
    price REAL AS (round(pages * 0.07, 2)) STORED
);
CREATE TABLE change (what TEXT, title TEXT);
CREATE INDEX book_by_author ON book (author, pages DESC);
CREATE TRIGGER book_gone AFTER DELETE ON book BEGIN
    INSERT INTO change VALUES ('gone', old.title);
END;
PRAGMA foreign_keys = ON;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
INSERT INTO author SELECT i, 'author ' || printf('%02d', i), 1800 + i * 3 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO book (id, author, title, pages)
    SELECT i, 1 + (i * 7) % 40, 'title ' || i, 80 + (i * 37) % 500 FROM n;

SELECT count(*), sum(pages), avg(price) FROM book;
SELECT name, count(*) AS books, max(pages) AS longest
    FROM author JOIN book ON book.author = author.id
    GROUP BY author.id ORDER BY longest DESC, name LIMIT 5;
SELECT name FROM author LEFT JOIN book ON book.author = author.id AND pages > 578
    WHERE book.id IS NULL ORDER BY name LIMIT 3;
SELECT title, pages, rank() OVER (ORDER BY pages DESC, title) AS place FROM book LIMIT 4;
EXPLAIN QUERY PLAN SELECT * FROM book WHERE author = 3 ORDER BY pages DESC;

BEGIN;
DELETE FROM author WHERE id = 7;
SELECT count(*) FROM change;
ROLLBACK;
SELECT count(*) FROM change;
SAVEPOINT one;
DELETE FROM book WHERE id % 10 = 0;
RELEASE one;
SELECT count(*), min(title) FROM change;
VACUUM;
PRAGMA integrity_check;
