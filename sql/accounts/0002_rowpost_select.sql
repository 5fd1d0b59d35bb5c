-- For an account that 0001_rowpost.sql has made; put in the name of your outbox table, which must exist.
-- Needed on servers without `binlog_row_metadata = FULL` (all before 8.0): the names of the columns are
-- read from information_schema then, which shows an account only what it has a privilege on, and no row
-- of the table is read. `mysql.start = "table"` reads the rows and needs this on any server, and without
-- GTIDs `grant lock tables on shop.*` too.
grant select on shop.outbox to 'rowpost'@'%';
