-- The relay's account, with the least that it needs. Replace the password; with TLS add
-- `require ssl` (or `require x509` for a client certificate).
create user if not exists 'rowpost'@'%' identified by 'rowpost';

-- Reading the binlog as a replica does. It covers the whole binlog: MySQL has no finer grant. The
-- relay skips the rows of other tables without decoding them.
grant replication slave on *.* to 'rowpost'@'%';

-- `show binary logs` and the binlog's end: where a first start begins, whether a checkpoint is still
-- there, how far the relay is behind.
grant replication client on *.* to 'rowpost'@'%';

-- Only for servers without `binlog_row_metadata = FULL` (all before 8.0): the names of the columns
-- are read from information_schema then, which shows an account only what it has a privilege on. No
-- row of the table is read, but for `mysql.start = "table"`, which needs this on any server, and without
-- GTIDs `grant lock tables on shop.*` too.
grant select on shop.outbox to 'rowpost'@'%';
