-- Which events a service has processed. The row is inserted in the transaction that holds the event's
-- effect: both are there or neither, so that an event delivered twice has its effect once. Valid from
-- MySQL 5.7 on.
create table inbox (
    -- Who processed it: the consumer group's name. A service with two consumers of one topic has two
    -- rows for an event.
    consumer varchar(100) character set ascii collate ascii_bin not null,

    -- The record's header `id`; for a record without one its place, `topic/partition/offset`, whose
    -- longest form this holds.
    event_id varchar(290) character set ascii collate ascii_bin not null,

    -- UTC by the session's time zone. A row may go once the event cannot be delivered again: later
    -- than the topic keeps its records and than the longest a group's offset may be behind.
    processed_at timestamp(6) not null default current_timestamp(6),

    -- What recognises the duplicate; without it there is no promise.
    primary key (consumer, event_id),

    -- Serves the clean-up, which would read the whole table otherwise.
    key inbox_processed_at (processed_at)
) engine = InnoDB default character set utf8mb4
  comment = 'events that were processed; written in the transaction of their effect';
