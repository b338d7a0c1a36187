SELECT * FROM nothing;
INSERT INTO author VALUES (1, 'again', 1900);
INSERT INTO author VALUES (99, 'too early', -5);
PRAGMA foreign_keys = ON;
INSERT INTO book (author, title) VALUES (12345, 'nobody wrote this');
SELEC 1;
ATTACH 'no/such/place.db' AS elsewhere;
.read absent.sql
SELECT 'still here';
