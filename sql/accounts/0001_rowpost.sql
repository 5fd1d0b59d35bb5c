-- The relay's account, with the least that it needs. Replace the password; with TLS add
-- `require ssl` (or `require x509` for a client certificate).
create user if not exists 'rowpost'@'%' identified by 'rowpost';

-- Reading the binlog as a replica does. It covers the whole binlog: MySQL has no finer grant. The
-- relay skips the rows of other tables without decoding them.
grant replication slave on *.* to 'rowpost'@'%';

-- `show binary logs` and the binlog's end: where a first start begins, whether a checkpoint is still
-- there, how far the relay is behind.
grant replication client on *.* to 'rowpost'@'%';
