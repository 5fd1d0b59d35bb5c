-- Payments in progress and what they have come to, in the schema of the payment service. Behind the
-- tables of sql/outbox and sql/inbox. Needs MySQL 8.0 or newer (`skip locked`).
--
-- No business data: who paid what is known to the gateway. This is the work that a message has given
-- the service and that a crash must not make it forget.
create table payment (
    -- The order, and the gateway's idempotency key.
    transaction_id char(36) character set ascii collate ascii_bin not null,

    -- CHARGING and REVERSING are work; COMPLETE, REFUSED and REVERSED are ends, the first of which a
    -- cancellation can still turn into REVERSING.
    state varchar(9) character set ascii collate ascii_bin not null,

    -- Which way the answer goes: choreography or orchestration.
    style varchar(13) character set ascii collate ascii_bin not null,

    -- Somebody wants the money back; else it is given back because the gateway's answer is not known.
    is_refund_asked boolean not null default false,

    -- The message that asked last, of which the answer is made.
    message json not null,

    -- Its headers, for the answer's.
    event_id varchar(290) character set ascii collate ascii_bin not null,
    correlation_id varchar(290) character set utf8mb4 collate utf8mb4_bin null,
    traceparent varchar(255) character set ascii collate ascii_bin null,

    -- Why it was refused or reversed.
    reason varchar(255) null,

    -- Calls of the gateway since the state began.
    attempts int not null default 0,

    -- When a worker may take it: the next attempt, or the end of the lease of the worker that has it in
    -- hand. NULL at an end: the index holds only work.
    due_at datetime(6) null,

    -- Until when the gateway is asked to charge; after it the charge is reversed.
    deadline_at datetime(6) not null,

    updated_at timestamp(6) not null default current_timestamp(6) on update current_timestamp(6),

    primary key (transaction_id),

    -- Serves the workers' question what is due.
    key payment_due_at (due_at)
) engine = InnoDB default character set utf8mb4
  comment = 'calls of the payment gateway, to be made and made';
