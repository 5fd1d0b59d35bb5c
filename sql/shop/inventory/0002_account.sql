-- The account of the inventory service, with the least that it needs; run it with the service's schema
-- as the default database. Replace the password; with TLS add `require ssl`.
create user if not exists 'shop_inventory'@'%' identified by 'shop_inventory';

-- Items are made by migrations, not by the service.
grant select, update on inventory to 'shop_inventory'@'%';
grant select, insert on inventory_history to 'shop_inventory'@'%';
grant select, insert, update on reservation to 'shop_inventory'@'%';

-- The library appends and never changes; deletes are the clean-up's.
grant select, insert, delete on outbox to 'shop_inventory'@'%';
grant select, insert, delete on inbox to 'shop_inventory'@'%';
