-- The relay's account, with nothing it does not need. Valid on MySQL 5.7 and newer.
--
-- For a real server change the password, narrow '%' to the relay's hosts, and name your own databases
-- in the last grant. `rowpost check` says which of these grants is missing.

create user if not exists 'rowpost'@'%' identified by 'rowpost';

-- Reading the binlog: the connection registers as a replica and asks for events. This shows the
-- account every change of every table; MySQL has no narrower privilege for it.
grant replication slave on *.* to 'rowpost'@'%';

-- Where the binlog ends and which files are still there: `show binary log status` (5.7: `show master
-- status`) and `show binary logs`. Needed to find the oldest position at a first start, to tell how far
-- the relay is behind, and to notice a purge before reading.
grant replication client on *.* to 'rowpost'@'%';

-- Names of columns, from information_schema, which shows an account only the tables it has a right to.
-- Not needed with binlog_row_metadata=FULL (MySQL 8.0.1 and newer), where the binlog itself names
-- them. It discloses nothing new: the rows are in the binlog. One line per outbox table.
grant select on shop.outbox to 'rowpost'@'%';
