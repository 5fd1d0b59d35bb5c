-- Orders, in the schema of the order service. Behind the tables of sql/outbox and sql/inbox. Needs
-- MySQL 8.0 or newer (`skip locked`).
create table customer_order (
    -- A UUIDv7: inserts go to the end of the primary key.
    transaction_id char(36) character set ascii collate ascii_bin not null,

    user_id varchar(100) not null,
    name varchar(100) not null,
    addr varchar(255) not null,
    tel varchar(50) not null,
    email varchar(254) not null,

    -- ORDER_CREATED, then for good ORDER_COMPLETE or ORDER_CANCEL.
    status varchar(14) character set ascii collate ascii_bin not null,

    -- One more with each status: by it the view in DynamoDB tells an older event from a newer one.
    version int unsigned not null default 1,

    -- UTC by the session's time zone.
    created_at timestamp(6) not null default current_timestamp(6),
    updated timestamp(6) not null default current_timestamp(6) on update current_timestamp(6),

    -- `user_id` need not be in it: every query names the order.
    primary key (transaction_id)
) engine = InnoDB default character set utf8mb4
  comment = 'orders and what they have come to';

-- What can be ordered. The service's own copy of the inventory's items, so that an order can be taken
-- while the inventory is down; who adds an item adds it in both places.
create table item (
    -- `inventory.id`.
    id int not null,

    primary key (id)
) engine = InnoDB default character set utf8mb4
  comment = 'items that the inventory has';

insert into item (id) values (1), (2), (3), (4), (5);
