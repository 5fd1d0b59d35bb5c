-- The account of the order service, with the least that it needs; run it with the service's schema as
-- the default database. Replace the password; with TLS add `require ssl`.
create user if not exists 'shop_order'@'%' identified by 'shop_order';

grant select, insert, update on customer_order to 'shop_order'@'%';
grant select on item to 'shop_order'@'%';
grant select, insert, update on saga to 'shop_order'@'%';
grant select, insert on event_log to 'shop_order'@'%';

-- The library appends and never changes; deletes are the clean-up's.
grant select, insert, delete on outbox to 'shop_order'@'%';
grant select, insert, delete on inbox to 'shop_order'@'%';
