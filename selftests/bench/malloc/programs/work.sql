-- SPDX-License-Identifier: GPL-2.0-only
-- What a database does with memory; rows(n) says how many.
CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT, region TEXT, amount INTEGER);
INSERT INTO account
	WITH RECURSIVE count(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM count, rows WHERE i < n)
	SELECT i, 'account ' || i, 'region ' || (i % 97), i * 7919 % 10007 FROM count;
CREATE INDEX by_region ON account (region, amount);
CREATE TABLE note (account INTEGER, text TEXT);
INSERT INTO note SELECT id, printf('%s has %d in %s, %s', name, amount, region,
	hex(randomblob(amount % 100))) FROM account;
SELECT region, count(*), sum(amount), group_concat(name, ',') IS NOT NULL FROM account
	GROUP BY region ORDER BY 3 DESC LIMIT 5;
SELECT count(*), sum(length(text) > 40) > 0 FROM note JOIN account ON note.account = account.id
	WHERE account.amount BETWEEN 100 AND 5000;
UPDATE account SET name = upper(name) || amount WHERE id % 3 = 0;
DELETE FROM note WHERE account % 4 = 1;
SELECT count(DISTINCT name), max(length(name)) FROM account;
