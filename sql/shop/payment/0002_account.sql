-- The account of the payment service, with the least that it needs; run it with the service's schema
-- as the default database. Replace the password; with TLS add `require ssl`.
create user if not exists 'shop_payment'@'%' identified by 'shop_payment';

grant select, insert, update on payment to 'shop_payment'@'%';

-- The library appends and never changes; deletes are the clean-up's.
grant select, insert, delete on outbox to 'shop_payment'@'%';
grant select, insert, delete on inbox to 'shop_payment'@'%';
