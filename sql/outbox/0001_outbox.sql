-- The outbox table: one per service schema. A service inserts a row in the same transaction as the
-- state that the row is about; the relay publishes it from the binlog. Nothing ever reads or updates
-- the table in normal operation, and rows may be deleted as soon as the relay's checkpoint is past
-- them: the binlog is what counts.
--
-- The names are those of Debezium's outbox router, so that a table in use needs no change. All of
-- them can be configured. Valid from MySQL 5.7 on.
create table outbox (
    -- Unique per event; becomes the header `id`, by which a consumer recognises a duplicate. The
    -- text of a UUIDv7: its leading timestamp makes inserts append to the primary key instead of
    -- spreading over it. ASCII, because four bytes per character would be reserved otherwise.
    id char(36) character set ascii collate ascii_bin not null,

    -- The kind of entity: `order`, `payment`. Becomes the topic `outbox.event.<aggregatetype>`, so
    -- it is limited to what a topic name may hold, less the prefix.
    aggregatetype varchar(200) character set ascii collate ascii_bin not null,

    -- The entity; becomes the record key. Events of one key keep the order of their commits.
    aggregateid varchar(255) character set utf8mb4 collate utf8mb4_bin not null,

    -- What happened, in the past tense: `OrderPlaced`. Not part of the record unless the relay's
    -- configuration places it in a header.
    type varchar(255) character set utf8mb4 collate utf8mb4_bin not null,

    -- The record value. MySQL stores JSON in a binary form of its own: object keys come out in its
    -- order, numbers in its notation. Where a consumer needs the very bytes, make this a longtext or
    -- a longblob. NULL is a tombstone.
    payload json,

    -- When the row was inserted, UTC by the session's time zone. For people and for the clean-up;
    -- the record's timestamp is the commit's time.
    created_at timestamp(6) not null default current_timestamp(6),

    -- The only index: every further one would be paid at each insert, and nothing would use it.
    primary key (id)
) engine = InnoDB default character set utf8mb4
  comment = 'events to publish; written with the state they are about, read from the binlog';
