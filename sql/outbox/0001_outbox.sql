-- The outbox: a service inserts its event here in the same transaction as its own change; the relay
-- reads the insert from the binlog and publishes it. The names are those of Debezium's outbox router.
--
-- Valid on MySQL 5.7 and newer. Runs in the current database: one table per service, next to the data
-- whose changes it tells.
--
-- The relay never reads the table itself, so rows may be deleted as soon as they are committed, even
-- in the transaction that inserted them. Deletes and updates publish nothing.

create table outbox (
    -- The event's identity, for consumers that must recognise it: it becomes the header `id`. Text,
    -- so that every tool can read it. Take UUIDs of version 7 where you can: they grow with time, and
    -- inserts then land at the end of the primary key instead of all over it.
    id char(36) character set ascii collate ascii_bin not null,

    -- The kind of thing the event is about, such as `order`: the topic is `outbox.event.<this>`.
    aggregatetype varchar(255) not null,

    -- Which one of them: the record's key. Events with the same key stay in the order of their
    -- commits, because they go to the same partition.
    aggregateid varchar(255) not null,

    -- What happened, in the past tense, such as `OrderPlaced`.
    type varchar(255) not null,

    -- What consumers get as the record's value. MySQL keeps JSON in its own form (sorted keys, its own
    -- spaces and numbers); take `longtext` or `longblob` if consumers must get your very bytes. NULL
    -- is a value of its own: whether it becomes a tombstone is the relay's configuration.
    payload json null,

    -- For people, and for whoever clears the table. The record's timestamp is the commit's.
    created_at datetime(6) not null default current_timestamp(6),

    primary key (id),

    -- Serves the clearing of old rows: delete from outbox where created_at < … limit 10000.
    key outbox_created_at (created_at)
)
-- Rows must be in the binlog only if their transaction commits, which needs an engine with
-- transactions. Keys are compared by their bytes, as Kafka does: `a` and `A` are two aggregates.
engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
