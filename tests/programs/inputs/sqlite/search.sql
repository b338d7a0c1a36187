.mode csv
.headers on
CREATE VIRTUAL TABLE page USING fts5(title, body);
INSERT INTO page VALUES ('muslin', 'a plain cotton weave'), ('loom', 'weaves the muslin'), ('dye', 'colours cotton');
SELECT title, snippet(page, 1, '[', ']', '...', 4) FROM page WHERE page MATCH 'cotton' ORDER BY rank;
SELECT title FROM page WHERE page MATCH 'weave*' ORDER BY title;
SELECT json_extract('{"a": [1, 2, {"b": 3}]}', '$.a[2].b') AS b, json_array(1, 'two', 3.0) AS a;
SELECT key, value FROM json_each('[10, 20, 30]');
SELECT date('2024-02-28', '+2 days'), strftime('%j', '2024-12-31'), julianday('2000-01-01 12:00');
SELECT hex(zeroblob(4)), quote(x'00ff'), typeof(1.0), like('a%', 'abc'), pow(2, 10), sqrt(2);
CREATE VIRTUAL TABLE area USING rtree(id, x0, x1, y0, y1);
INSERT INTO area VALUES (1, 0, 10, 0, 10), (2, 5, 15, 5, 15), (3, 20, 30, 20, 30);
SELECT id FROM area WHERE x0 <= 7 AND x1 >= 7 AND y0 <= 7 AND y1 >= 7;
.import --csv towns.csv town
SELECT town, people FROM town ORDER BY CAST(people AS INTEGER) DESC;
.output towns.out
SELECT * FROM town;
.output stdout
.tables
