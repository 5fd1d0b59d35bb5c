-- The stock of the shop, in the schema of the inventory service. Behind the tables of sql/outbox and
-- sql/inbox. Names and types are those of the reference.
create table inventory (
    id int not null auto_increment,

    name char(30) not null,

    -- In won; of one piece.
    price int not null,

    -- Pieces that are neither sold nor reserved.
    quantity int not null,

    primary key (id),

    -- The service's updates cannot go below; this holds whoever else writes here, too.
    constraint inventory_quantity check (quantity >= 0)
) engine = InnoDB default character set utf8mb4
  comment = 'what is for sale';

insert into inventory (name, price, quantity) values
    ('cloth', 50000, 100),
    ('cap', 30000, 100),
    ('sunglasses', 25000, 100),
    ('necklace', 150000, 100),
    ('earring', 15000, 100);

-- Every movement of stock. For each item: what there was at first + the sum of its quantities here =
-- what there is now.
create table inventory_history (
    id int not null auto_increment,

    -- The order.
    transaction_id char(36) character set ascii collate ascii_bin not null,

    inventory_id int not null,

    -- Negative when reserved, positive when given back.
    quantity int not null,

    primary key (id),

    -- Serves the question what has happened to an order's stock.
    key inventory_history_transaction_id (transaction_id)
) engine = InnoDB default character set utf8mb4
  comment = 'movements of stock';

-- What each order has come to here. The answer to being asked again, which may happen by a retry, by a
-- person, or by a producer that writes a record twice.
create table reservation (
    transaction_id char(36) character set ascii collate ascii_bin not null,

    -- As asked for; nothing for an order that was cancelled before it asked.
    inventory_id int null,
    quantity int null,

    -- RESERVED, REFUSED, or RELEASED. An order that is RELEASED before it asks is never reserved.
    state varchar(8) character set ascii collate ascii_bin not null,

    -- Price × quantity when it was reserved: a later price changes nothing.
    total_price bigint null,

    -- Why refused or released.
    reason varchar(255) null,

    updated_at timestamp(6) not null default current_timestamp(6) on update current_timestamp(6),

    primary key (transaction_id)
) engine = InnoDB default character set utf8mb4
  comment = 'what is set aside for which order';
