-- Where each order stands on its way through the services.
create table saga (
    transaction_id char(36) character set ascii collate ascii_bin not null,

    -- choreography or orchestration: as configured when the order was taken, whatever is configured
    -- later.
    style varchar(13) character set ascii collate ascii_bin not null,

    -- forward, backward (compensating), complete, or cancelled.
    phase varchar(9) character set ascii collate ascii_bin not null,

    -- Index of the step that is in progress, or being compensated.
    step tinyint unsigned not null,

    -- The order with all that the steps have added: what the next command is made of.
    message json not null,

    -- Why it turned back.
    reason varchar(255) null,

    -- Deadlines of the step that have passed; 0 again with every step forward or back. Above 0 the saga
    -- is stuck.
    late int unsigned not null default 0,

    -- The step's deadline. NULL at an end: the index holds only what runs.
    due_at datetime(6) null,

    -- The saga's: past it, it turns back.
    deadline_at datetime(6) not null,

    updated_at timestamp(6) not null default current_timestamp(6) on update current_timestamp(6),

    primary key (transaction_id),

    -- Serves the watchdog.
    key saga_due_at (due_at)
) engine = InnoDB default character set utf8mb4
  comment = 'orders on their way';

-- Every event of every order, as it came over Kafka: who did what, in order.
create table event_log (
    id bigint not null auto_increment,

    -- The record's header `id`.
    event_id varchar(290) character set ascii collate ascii_bin not null,

    transaction_id char(36) character set ascii collate ascii_bin not null,

    -- Without the cluster's prefix.
    topic varchar(249) character set ascii collate ascii_bin not null,

    -- What is said, such as INVENTORY_RESERVED.
    status varchar(50) character set ascii collate ascii_bin not null,

    -- The event that this one answers: topics have no order between them, causes have.
    causation_id varchar(290) character set ascii collate ascii_bin null,

    -- The record's timestamp: when the service committed.
    committed_at datetime(3) null,

    message json not null,

    primary key (id),

    -- Serves the log of an order.
    key event_log_transaction_id (transaction_id)
) engine = InnoDB default character set utf8mb4
  comment = 'what has happened to orders';
