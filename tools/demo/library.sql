PRAGMA journal_mode = WAL;
CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE book (author INTEGER REFERENCES author, pages INTEGER);
INSERT INTO author VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Mary');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
INSERT INTO book SELECT 1 + i % 3, 50 + i * 37 % 400 FROM n;
CREATE INDEX book_author ON book (author);
.mode box
SELECT name, count(*) AS books, sum(pages) AS pages FROM author JOIN book ON author = id GROUP BY id;
